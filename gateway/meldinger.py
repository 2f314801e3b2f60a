"""A message as a consumer gets it: its headers and content, opened. Contract: fiks-io.md 2.3."""

from __future__ import annotations

from asyncpg import Record as Row

from gateway.amqp.deliveries import Melding
from infra.blobs import Blobs
from infra.keys import Keys
from infra.sealed_blobs import opened
from projections.fiks_io import Headers, headers_of
from schemas.errors import Unreadable
from schemas.fiks_io import Header
from schemas.personal import ERASED, name_of_key
from streams.domain.fiks_io import KORRELASJON
from streams.sealing import opened_at

EGENDEFINERT = "egendefinert-header."
"""What the name of a sender's own header begins with."""
ENDED = "the key of the message is destroyed: it has ended"


async def melding_of(row: Row, keys: Keys, blobs: Blobs) -> Melding:
    """The message in a row of ``read.fiks_io_melding``, with its ``besvart_type``, opened.

    Raises Unreadable when it is gone, Tampered when its content is not as it was stored, and Unavailable.
    """
    return Melding(await headers_in(row, keys), await _content(row, keys, blobs), row["ttl"])


async def headers_in(row: Row, keys: Keys) -> dict[str, str]:
    """Its headers alone. Raises as ``melding_of``."""
    [said] = await opened_at(keys, [headers_of(row)])
    if any(one.navn == ERASED for one in said.headere):
        raise Unreadable(ENDED)
    return headers_for(row, said)


def keys_of(row: Row) -> set[str]:
    """The names of the keys that opening the message takes, so that those of many are read together."""
    name = name_of_key(*headers_of(row))
    return {one for one in (name, row["nokkel"]) if one is not None}


def headers_for(row: Row, said: Headers) -> dict[str, str]:
    """The headers that it is delivered with: every value a text, none empty that clients parse."""
    headers = {"melding-id": str(row["melding_id"]), "type": row["melding_type"]}
    headers |= {"avsender-id": str(row["avsender_konto_id"]), "avsender-navn": row["avsender_navn"]}
    optional = {
        "svar-til": row["svar_pa_melding"],
        "svar-til-type": row["besvart_type"],
        "dokumentlager-id": row["dokumentlager_id"],
    }
    headers |= {name: str(value) for name, value in optional.items() if value is not None}
    return headers | {EGENDEFINERT + one.navn: one.verdi for one in in_both_spellings(said.headere)}


def in_both_spellings(headere: tuple[Header, ...]) -> tuple[Header, ...]:
    """The headers, with the correlation id in the spelling too that the sender left out: each client reads its own."""
    spelt = {one.navn: one.verdi for one in headere if one.navn in KORRELASJON}
    if len(spelt) != 1:
        return headere
    [(given, value)] = spelt.items()
    [other] = set(KORRELASJON) - {given}
    return (*headere, Header(navn=other, verdi=value))


async def _content(row: Row, keys: Keys, blobs: Blobs) -> bytes:
    if row["blob"] is None:
        return b""
    if (key := (await keys.get_many([row["nokkel"]])).get(row["nokkel"])) is None:
        raise Unreadable(ENDED)
    return await opened(blobs, key, row["blob"], row["storrelse"])
