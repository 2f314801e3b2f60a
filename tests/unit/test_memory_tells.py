"""Who has asked the gateway's memory to is told of every change, and of nothing else."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from gateway.auth.memory import Memory
from schemas.codec import encode
from schemas.envelope import Headers, fact
from schemas.konfigurasjon import OrganisasjonOpprettet
from tests.support.given_when_then import WHEN

ORGANISASJON = OrganisasjonOpprettet(fiks_org_id=UUID(int=1), orgnr="310991007", navn="Testvik")


class Record(NamedTuple):
    value: bytes
    headers: Headers
    topic: str = "fiks.konfigurasjon"
    partition: int = 0
    offset: int = 0


def record(value: bytes, **more: bytes) -> Record:
    about = fact(ORGANISASJON, time=WHEN, id="1", source="test")
    return Record(value, [*about.headers(), *more.items()])


def test_a_change_is_told_once_it_is_folded() -> None:
    memory, told = Memory("127.0.0.1:1"), list[object]()
    memory.tell(lambda: told.append(memory.organisasjon(UUID(int=1))))
    memory._receive(record(encode(ORGANISASJON)))  # type: ignore[arg-type]
    assert len(told) == 1
    assert told[0] is not None


def test_what_does_not_count_is_not_told() -> None:
    memory, told = Memory("127.0.0.1:1"), list[object]()
    memory.tell(lambda: told.append(None))
    memory._receive(record(b"unreadable"))  # type: ignore[arg-type]
    memory._receive(record(encode(ORGANISASJON), ce_type=b"NoeAnnet"))  # type: ignore[arg-type]
    assert told == []
