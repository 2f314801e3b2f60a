"""Who has asked the gateway's memory to is told of every change, and of nothing else."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from structlog.testing import capture_logs

from gateway.auth.memory import Memory
from schemas.codec import MAGIC, PREFIX, encode
from schemas.envelope import Headers, fact
from schemas.konfigurasjon import OrganisasjonOpprettet
from schemas.konfigurasjon_commands import GrantPrivilegium
from tests.support.given_when_then import WHEN

ORGANISASJON = OrganisasjonOpprettet(fiks_org_id=UUID(int=1), orgnr="310991007", navn="Testvik")


class Record(NamedTuple):
    value: bytes
    headers: Headers
    topic: str = "fiks.konfigurasjon"
    partition: int = 0
    offset: int = 0
    key: bytes = str(UUID(int=1)).encode()


def record(value: bytes, **more: bytes) -> Record:
    about = fact(ORGANISASJON, time=WHEN, id="1", source="test")
    return Record(value, [*about.headers(), *more.items()])


def met(memory: Memory, *records: Record) -> None:
    """What came together."""
    for one in records:
        memory._receive(one)  # type: ignore[arg-type]
    memory._fold()


def test_a_change_is_told_once_it_is_folded() -> None:
    memory, told = Memory("127.0.0.1:1"), list[object]()
    memory.tell(lambda: told.append(memory.organisasjon(UUID(int=1))))
    met(memory, record(encode(ORGANISASJON)))
    assert len(told) == 1
    assert told[0] is not None


def test_what_does_not_count_is_not_told() -> None:
    memory, told = Memory("127.0.0.1:1"), list[object]()
    memory.tell(lambda: told.append(None))
    met(memory, record(b"unreadable"), record(encode(ORGANISASJON), ce_type=b"NoeAnnet"))
    met(memory)
    assert told == []


def test_a_command_is_passed_over_by_its_schema_or_its_name() -> None:
    memory, told = Memory("127.0.0.1:1"), list[object]()
    memory.tell(lambda: told.append(None))
    command = encode(
        GrantPrivilegium(fiks_org_id=UUID(int=1), av="a", aktor="b", ressurs_id=UUID(int=2), privilegium="P")
    )
    newer = PREFIX.pack(MAGIC, 999_999)
    with capture_logs() as logs:
        met(memory, record(command), record(newer, ce_type=b"GrantPrivilegium"))
    assert (told, logs) == ([], [])
