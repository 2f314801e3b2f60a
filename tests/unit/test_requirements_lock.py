"""What pyproject.toml pins is what requirements.lock pins and what is installed, and nothing of it is lacking."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def asked_by(folder: Path) -> list[Requirement]:
    """What a project asks for in any way, what its groups include being a group of its own."""
    said = project(folder)
    groups = said.get("dependency-groups", {}).values()
    texts = [one for group in groups for one in group if isinstance(one, str)]
    return [Requirement(one) for one in (*said["project"]["dependencies"], *texts)]


def locked() -> dict[str, Requirement]:
    """The lines of the lock, by name."""
    lines = re.findall(r"^(\w.*?) \\$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def version_of(pin: Requirement) -> str:
    (one,) = pin.specifier
    assert one.operator == "=="
    return one.version


def counts_here(one: Requirement, extras: Iterable[str] = ()) -> bool:
    return one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def unmet(asked: Iterable[Requirement]) -> Iterator[str]:
    """What is not installed, or in a version that will not do, of all that is asked for, also by what is asked for."""
    todo, seen = [one for one in asked if counts_here(one)], set[str]()
    while todo:
        one = todo.pop()
        if str(one) in seen:
            continue
        seen.add(str(one))
        try:
            found = metadata.distribution(one.name)
        except metadata.PackageNotFoundError:
            yield f"{one} is not installed"
            continue
        if not one.specifier.contains(found.version, prereleases=True):
            yield f"{one} is not {found.version}"
        todo += [more for more in map(Requirement, found.requires or ()) if counts_here(more, one.extras)]


@pytest.mark.parametrize("pin", asked_by(ROOT), ids=str)
def test_a_pin_is_locked_in_the_same_version(pin: Requirement) -> None:
    line = locked()[canonicalize_name(pin.name)]
    assert version_of(pin) == version_of(line)
    assert counts_here(pin) == counts_here(line)


def test_what_builds_the_project_is_locked_too() -> None:
    (builder,) = project(ROOT)["build-system"]["requires"]
    assert Requirement(builder) in asked_by(ROOT)


@pytest.mark.parametrize("one", asked_by(ROOT / "clients/python"), ids=str)
def test_what_the_client_for_python_may_have_is_locked_in_a_version_that_it_takes(one: Requirement) -> None:
    assert one.specifier.contains(version_of(locked()[canonicalize_name(one.name)]))


def test_what_is_installed_is_what_is_locked() -> None:
    lines = [one for one in locked().values() if counts_here(one)]
    assert len(lines) > len(asked_by(ROOT))
    assert {one.name: metadata.version(one.name) for one in lines} == {one.name: version_of(one) for one in lines}


def test_nothing_that_is_asked_for_is_lacking() -> None:
    assert list(unmet([*asked_by(ROOT), *asked_by(ROOT / "clients/python")])) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("no-such-package>=1", "no-such-package>=1 is not installed"),
        ("pytest<9", f"pytest<9 is not {metadata.version('pytest')}"),
        ("aiokafka[gssapi]", 'gssapi; extra == "gssapi" is not installed'),  # we ask for other extras
    ],
)
def test_what_is_lacking_is_told(asked: str, said: str) -> None:
    assert said in list(unmet([Requirement(asked)]))
