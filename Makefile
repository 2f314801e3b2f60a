# Everything that a person or a machine does with this repository. `make help` lists it.
MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.SUFFIXES:

PYTHON ?= $(firstword $(foreach one,python3.11 python3.12 python3.13 python3,$(shell command -v $(one))))
BIN := .venv/bin
FIKS := $(BIN)/fiks
READY := .venv/ready
# Modules are compiled once, and not by each of the many processes of the local system and of the tests.
export PYTHONDONTWRITEBYTECODE :=

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## Make the virtual environment, from requirements.lock with hashes

up: $(READY) ## Start the local system in the background: Kafka, PostgreSQL, issuer, workers, gateways
	@$(FIKS) up

down: $(READY) ## Stop the local system
	@$(FIKS) down

status: $(READY) ## Show how the local system is, and its addresses
	@$(FIKS) status

logs: $(READY) ## Follow the logs of the local system
	@$(FIKS) logs --follow

demo: $(READY) ## Send a real forsendelse and show it everywhere it can be seen; ONCE=1 stops all at the end
	@$(FIKS) demo $(if $(ONCE),--once)

test: $(READY) lint ## Check everything and run all tests, three at a time or JOBS=n; ARGS="-k name" goes to pytest
	@$(FIKS) schemas check
	$(BIN)/pytest --numprocesses $(or $(JOBS),3) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY) ## Check style, types and who may import whom
	@$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Mend the style where it can be mended
	@$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY) ## Measure against the plain libraries; NAME=rebuild, accept, auth, latency, documents, fiksio (or its first part, messages), soak for one; ARGS goes to it
	@for name in $(or $(NAME),rebuild accept auth latency documents fiksio); do $(BIN)/python -m tests.bench.$$name $(ARGS); done

chaos: $(READY) ## Kill, freeze and cut off everything under load, ROUNDS=20 times with SEED=1, and count what was lost
	@$(BIN)/python -m tests.chaos --rounds $(or $(ROUNDS),20) --seed $(or $(SEED),1)

fuzz: $(READY) ## Look for bytes that break what reads those of strangers, SECONDS=60 for each reader
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

clean: ## Stop the local system and remove all that it and the tools have left, data too
	@[ ! -x $(FIKS) ] || $(FIKS) down
	rm -rf .local .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml clients/python/pyproject.toml
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
	  echo "Python 3.11 or newer is needed and was not found: install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || {
	  echo "$(PYTHON) cannot make a virtual environment. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	echo "Installing the packages of requirements.lock into .venv ..."
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --editable . --editable clients/python
	touch $@

.PHONY: help install up down status logs demo test lint format bench chaos fuzz clean
