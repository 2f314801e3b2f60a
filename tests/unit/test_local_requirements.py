"""What is installed, and what is asked for, when Java or Maven is missing."""

import pytest

from infra.local.requirements import Ask, Install, decide, major_version


@pytest.mark.parametrize("java", [17, 21, 25])
def test_nothing_is_wanted_where_all_is_there(java: int) -> None:
    assert decide(java, maven=True, root=True, debian=True) is None


@pytest.mark.parametrize(
    ("java", "maven", "packages"),
    [
        (None, False, ("openjdk-17-jdk-headless", "maven")),
        (11, True, ("openjdk-17-jdk-headless",)),
        (17, False, ("maven",)),
    ],
)
def test_root_on_debian_installs_just_what_is_lacking(java: int | None, maven: bool, packages: tuple[str, ...]) -> None:
    assert decide(java, maven, root=True, debian=True) == Install(packages)


def test_others_on_debian_are_told_the_command() -> None:
    answer = decide(None, maven=False, root=False, debian=True)
    assert isinstance(answer, Ask)
    assert "sudo apt-get install openjdk-17-jdk-headless maven" in answer.text


def test_root_elsewhere_is_asked_not_served() -> None:
    answer = decide(8, maven=True, root=True, debian=False)
    assert isinstance(answer, Ask)
    assert "JDK 17 or newer (found Java 8)" in answer.text
    assert "apt-get" not in answer.text
    assert "Maven" not in answer.text


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
