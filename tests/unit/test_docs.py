"""What is documented exists, and what exists is documented. Nothing is listed here: all is found."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from aiohttp import web

from gateway.cli import COMMANDS
from gateway.routes import schema_registry
from infra.metrics import Defined, defined
from infra.settings import Settings
from schemas.registry import released
from streams.agents import BLOCKED

ROOT = Path(__file__).parents[2]
README, ARCHITECTURE, CHANGELOG = (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"))
DOCS = README.read_text() + ARCHITECTURE.read_text()
DASHBOARD, ALERTS = ROOT / "infra/dashboards/grafana.json", ROOT / "infra/dashboards/alerts.yaml"
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
SAMPLES = {one.name + suffix: one for one in defined() for suffix in SUFFIXES[one.kind]}
ADDED_BY_PROMETHEUS = {"le", "instance", "job"}


def targets() -> list[str]:
    return re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression of dashboard and alerts, with the name of what it is for."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    yield from ((rule["alert"], rule["expr"]) for rule in rules())


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


# --- The command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"`fiks {name}`" in README.read_text()


def test_every_command_that_is_documented_exists() -> None:
    for command in re.findall(r"\bfiks ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)", "\n".join(code_in(DOCS))):
        first, _, second = command.partition(" ")
        assert first in COMMANDS, command
        found = getattr(import_module(COMMANDS[first].module), first.replace("-", "_"))
        if second and isinstance(found, click.Group):
            assert second in found.commands, command


def code_in(text: str) -> list[str]:
    return [*re.findall(r"```(?!mermaid)\w*\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)]


# --- make ------------------------------------------------------------------------------------------------------------


def test_every_target_is_documented() -> None:
    assert [name for name in targets() if f"`make {name}`" not in README.read_text()] == []


def test_every_target_that_is_documented_exists() -> None:
    assert set(re.findall(r"\bmake ([a-z-]+)", "\n".join(code_in(DOCS)))) <= set(targets())


def test_make_help_has_one_line_for_each_target() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split()[1] for line in shown.splitlines()] == targets()


# --- The schema registry ---------------------------------------------------------------------------------------------


def test_what_the_schema_registry_serves_is_documented_and_nothing_else() -> None:
    app = web.Application()
    schema_registry.routes.add_to(app)
    paths = [resource.canonical.removeprefix(schema_registry.BASE) for resource in app.router.resources()]
    section = README.read_text().partition("## For downstream services")[2].partition("\n## ")[0]
    documented = re.findall(r"`(/(?:subjects|schemas|config|mode)[^`]*)`", section)
    assert sorted(documented) == sorted(set(paths) - {"/", "/{rest}"})


def test_the_subject_that_is_documented_is_one() -> None:
    (subject,) = re.findall(r"A subject of the registry is .*?`([^`]+)`", README.read_text())
    assert subject in {one.subject for one in released()}


# --- Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`FIKS_{name.upper()}`" in README.read_text()


def test_every_setting_that_is_documented_exists() -> None:
    assert set(re.findall(r"\bFIKS_([A-Z_]+)\b", DOCS)) <= {
        *map(str.upper, Settings.model_fields),
        "CLIENT_JARS",
    }  # of the tests


# --- Metrics, dashboard, alerts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", defined(), ids=lambda metric: metric.name)
def test_every_metric_is_documented_as_it_is_defined(metric: Defined) -> None:
    (row,) = re.findall(rf"^\| `{metric.name}` \| (.*?) \| \w+: (.*) \|$", ARCHITECTURE.read_text(), re.MULTILINE)
    labels, meaning = row
    assert labels.split(", ") == list(metric.labels or ("",))
    assert meaning.lower() == metric.meaning.lower()


def test_every_metric_that_is_documented_exists() -> None:
    assert set(re.findall(r"`(fiks_\w+)`", DOCS)) <= {one.name for one in defined()}


def test_every_metric_is_on_the_dashboard() -> None:
    text = DASHBOARD.read_text()
    assert [one.name for one in defined() if one.name not in text] == []


@pytest.mark.parametrize(("what", "expression"), list(expressions()))
def test_only_metrics_and_labels_that_exist_are_asked_for(what: str, expression: str) -> None:
    asked = re.findall(r"\bfiks_\w+", expression)
    assert asked, what
    assert set(asked) <= SAMPLES.keys()
    known = ADDED_BY_PROMETHEUS | {label for name in asked for label in SAMPLES[name].labels}
    by = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")}
    selected = set(re.findall(r"[{,]\s*(\w+)\s*[=!]~?", expression))
    assert by | selected <= known


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["for"]
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert told <= {label for group in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in group.split(", ")}
    assert re.search(rf"^\| `{rule['alert']}` \| [\w`]", ARCHITECTURE.read_text(), re.MULTILINE)


def test_who_is_paged_for_a_newer_release_is_told_of_every_reason_why_one_is_waited_for() -> None:
    (row,) = re.findall(r"^\| `FiksNewerNeeded` \| .*$", ARCHITECTURE.read_text(), re.MULTILINE)
    sources = [file for folder in ("schemas", "streams", "projections") for file in (ROOT / folder).rglob("*.py")]
    raised = [
        text for file in sources for text in re.findall(r'raise NotYetKnown\(\s*f"([^"]*?)[,"]', file.read_text())
    ]
    assert raised
    logged = [re.sub(r"\{.*?\}", "…", text).rstrip() for text in raised]
    assert [one for one in logged if f"`{one}`" not in row] == []
    assert f"`{BLOCKED}`" in row


def test_every_alert_that_is_documented_exists() -> None:
    assert set(re.findall(r"`(Fiks[A-Z]\w+)`", ARCHITECTURE.read_text())) <= {rule["alert"] for rule in rules()}


# --- The files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [README, ARCHITECTURE, CHANGELOG], ids=lambda file: file.name)
def test_links_within_the_repository_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", file.read_text()):
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-").replace(",", "") for heading in headings]


def test_the_license_is_the_one_that_is_declared() -> None:
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n\nCopyright (c) 2026 Fiks backbone contributors\n")
    assert '\nlicense = "MIT"\n' in (ROOT / "pyproject.toml").read_text()
