"""What is installed, and what is asked for, when Java or Maven is missing."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.processes import CommandFailed
from infra.local.requirements import Ask, Install, Missing, decide, major_version, provide_java


@pytest.mark.parametrize("java", [17, 21, 25])
def test_nothing_is_wanted_where_all_is_there(java: int) -> None:
    assert decide(java, maven=True, root=True, debian=True) is None


@pytest.mark.parametrize(
    ("java", "maven", "packages"),
    [
        (None, False, ("default-jdk-headless", "maven")),
        (11, True, ("default-jdk-headless",)),
        (17, False, ("maven",)),
    ],
)
def test_root_on_debian_installs_just_what_is_lacking(java: int | None, maven: bool, packages: tuple[str, ...]) -> None:
    assert decide(java, maven, root=True, debian=True) == Install(packages)


def test_others_on_debian_are_told_the_command() -> None:
    answer = decide(None, maven=False, root=False, debian=True)
    assert isinstance(answer, Ask)
    assert "sudo apt-get install default-jdk-headless maven" in answer.text


def test_root_elsewhere_is_asked_not_served() -> None:
    answer = decide(8, maven=True, root=True, debian=False)
    assert isinstance(answer, Ask)
    assert "JDK 17 or newer (found Java 8)" in answer.text
    assert "apt-get" not in answer.text
    assert "Maven" not in answer.text


@pytest.mark.parametrize(
    ("java", "maven", "says"),
    [
        (None, False, "Install them: your system's packages, java and mvn on the PATH"),
        (11, True, "Install it: your system's packages, java on the PATH"),
        (17, False, "Install it: your system's packages, mvn on the PATH"),
    ],
)
def test_others_elsewhere_are_told_what_must_be_on_the_path(java: int | None, maven: bool, says: str) -> None:
    answer = decide(java, maven, root=False, debian=False)
    assert isinstance(answer, Ask)
    assert answer.text.endswith(says)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_412"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("command not found", None),
    ],
)
def test_major_version(printed: str, version: int | None) -> None:
    assert major_version(printed) == version


JAVA_17, JAVA_11 = 'openjdk version "17.0.15" 2025-04-15', 'openjdk version "11.0.27" 2025-04-15'
Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A Debian with an apt-get of the test's own, which writes down how it was called and does as it is told; we are
    root there.
    """
    if not Path("/etc/debian_version").exists():
        pytest.skip("this is no Debian")

    def made(*, apt_get: str, java: str | None = None) -> None:
        program(tmp_path / "apt-get", f'echo "$DEBIAN_FRONTEND: $*" >> {tmp_path}/calls\n{apt_get}')
        if java is not None:
            program(tmp_path / "java", says(java))

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DEBIAN_FRONTEND", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return made


def program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def says(text: str) -> str:
    return f"echo {shlex.quote(text)} >&2"


def installing(folder: Path, java: str = JAVA_17) -> str:
    """An apt-get that brings Java and Maven, when it is told to install."""
    (folder / "packages").mkdir()
    for name in ("java", "mvn"):
        program(folder / "packages" / name, says(java))
    return f'[ "$1" != install ] || /bin/cp {folder}/packages/* {folder}'


async def test_what_is_lacking_is_installed_without_a_question(machine: Machine, tmp_path: Path) -> None:
    machine(apt_get=installing(tmp_path))
    assert major_version(await provide_java()) == 17
    installed = "install -q -y --no-install-recommends default-jdk-headless maven"
    calls = ["noninteractive: update -q", f"noninteractive: {installed}"]
    assert (tmp_path / "calls").read_text().splitlines() == calls

    assert major_version(await provide_java()) == 17
    assert (tmp_path / "calls").read_text().splitlines() == calls  # nothing is lacking any more


@pytest.mark.parametrize("step", ["update", "install"])
async def test_why_apt_get_failed_is_told_and_nothing_follows(machine: Machine, tmp_path: Path, step: str) -> None:
    machine(apt_get=f'[ "$1" != {step} ] || {{ echo "E: no network" >&2; exit 100; }}')
    with pytest.raises(CommandFailed, match="apt-get ended with 100:\nE: no network"):
        await provide_java()
    assert (tmp_path / "calls").read_text().splitlines()[-1].startswith(f"noninteractive: {step} ")


async def test_what_was_installed_and_is_not_enough_is_not_used(machine: Machine, tmp_path: Path) -> None:
    machine(apt_get=installing(tmp_path, JAVA_11), java=JAVA_11)
    with pytest.raises(Missing, match="JDK 17 or newer and Maven: default-jdk-headless and maven of this release"):
        await provide_java()


async def test_who_is_not_root_installs_nothing(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(apt_get=installing(tmp_path), java=JAVA_17)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Missing, match=r"Apache Maven 3\.8 or newer\. Install it: sudo apt-get install maven$"):
        await provide_java()
    assert not (tmp_path / "calls").exists()
