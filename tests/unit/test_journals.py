"""What a newer release remembers of a stream is left to it: not cut down to what this one knows, and nobody's end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field, fields, make_dataclass, replace
from typing import Any

from schemas.errors import NotYetKnown
from streams.domain.decider import Decider, Journal
from streams.domain.fiks_io import Melding, fiks_io
from streams.journals import JournalStore

own = [
    (one.name, one.type if one.name != "status" else "str | None", field(default=one.default))
    for one in fields(Melding)
]
Newer: Any = make_dataclass("Melding", [*own, ("sperret", "bool", field(default=False))], frozen=True)
Newer.__module__ = Melding.__module__
newer: Decider[Any] = replace(fiks_io, state=Newer)


def test_a_field_that_only_a_newer_release_knows_is_not_lost() -> None:
    """As ``konto_slettet`` was to the release before it: a partition goes from one worker to the other and back."""
    there = JournalStore(newer)._bytes(Journal(Newer(status="VENTER", sperret=True)))
    with suppress(NotYetKnown):
        back = JournalStore(fiks_io)._bytes(JournalStore(fiks_io)._journal(there))
        assert JournalStore(newer)._journal(back).state.sperret


def test_a_state_that_only_a_newer_release_knows_ends_no_worker() -> None:
    there = JournalStore(newer)._bytes(Journal(Newer(status="SPERRET")))
    with suppress(NotYetKnown):
        JournalStore(fiks_io)._journal(there)
