"""Persons that do not exist, for the login page. Real identity numbers are never let through it."""

from __future__ import annotations

from typing import NamedTuple

from gateway.digital_id import Kind, kind_of


class Person(NamedTuple):
    """Somebody who can log in."""

    pid: str
    navn: str


def is_synthetic(pid: str) -> bool:
    """Whether it is the number of a person in a synthetic population: their months lie above 12 (+40, +65, +80)."""
    return kind_of(pid) is Kind.PERSON and int(pid[2:4]) > 12


PEOPLE = (
    Person("12858010053", "Åse Testesen"),
    Person("03816820005", "Kåre Prøve"),
    Person("24929530019", "Mina Øving"),
    Person("09477211183", "Dolly Fiktiv"),
    Person("17708512036", "Odd Blanding"),
    Person("52849040073", "Dag Nummer"),
)
"""Whom the login page offers: three of Tenor (+80), one of Dolly (+40), one of both (+65), one with a d-number."""
