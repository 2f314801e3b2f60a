"""What every decider and projection sets aside counts for no gateway either."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from gateway.auth.memory import Memory
from schemas.catalogue import key_of
from schemas.codec import encode
from schemas.envelope import Headers, fact
from schemas.errors import Unreadable
from schemas.konfigurasjon import OrganisasjonOpprettet
from streams.records import recorded
from tests.support.given_when_then import WHEN
from tests.support.records import Record

EVENT = OrganisasjonOpprettet(fiks_org_id=UUID(int=1), orgnr="310991007", navn="Testvik")
HEADERS = fact(EVENT, time=WHEN, id="1", source="test").headers()


@pytest.mark.parametrize(
    "headers",
    [
        [one for one in HEADERS if one[0] != "ce_id"],
        [*HEADERS, ("cause", b"-1")],
        [*HEADERS, ("ce_subject", str(UUID(int=2)).encode())],
        [*HEADERS, ("ce_time", b"then")],
    ],
    ids=["no id", "a cause that is none", "another stream", "no time"],
)
def test_what_is_unreadable_to_all_others_is_not_folded(headers: Headers) -> None:
    key = key_of(str(UUID(int=1))).encode()
    record: Any = Record("fiks.konfigurasjon", 0, 0, key, encode(EVENT), headers)
    with pytest.raises(Unreadable):
        recorded(record)
    memory = Memory("127.0.0.1:1")
    memory._receive(record)
    memory._fold()
    assert memory.organisasjon(UUID(int=1)) is None
