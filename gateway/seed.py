"""The configuration that the local system, the demo and tests start from: two municipalities that can send by SvarUt.

Ids are derived, so they are the same everywhere: ``uuid5(SEED, "<what>/<orgnr>")``, where what is ``organisasjon``,
``integrasjon``, ``svarut``, ``konto`` or ``mottakersystem``. Passwords are made once and kept in ``<state>/seed.json``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid5

from gateway.auth.kept import kept
from gateway.auth.memory import Memory
from gateway.auth.passwords import hashed, matches, new_password
from schemas.catalogue import event_type
from schemas.envelope import fact
from schemas.konfigurasjon import (
    IntegrasjonOpprettet,
    KontoOpprettet,
    MottakersystemRegistrert,
    OrganisasjonOpprettet,
    Organisasjonstype,
    PrivilegieTildelt,
    TjenesteInitialisert,
    TjenesteKonfigurert,
)
from streams.domain.errors import Rejected, Unavailable
from streams.domain.konfigurasjon import KonfigurasjonEvent, integrasjon_aktor
from streams.log import Log

SEED = UUID("5f1c3d0e-6a53-5c6c-8f0b-3b1d5f3f6a10")
SOURCE = "urn:fiks:seed"
PRIVILEGIUM = "SVARUT.SEND"
PATIENCE = 30.0


class Organisation(NamedTuple):
    """A municipality that does not exist: real numbers begin with 8 or 9."""

    orgnr: str
    navn: str

    def id(self, what: str) -> UUID:
        """The id of its ``organisasjon``, ``integrasjon``, ``konto`` or ``mottakersystem``."""
        return uuid5(SEED, f"{what}/{self.orgnr}")


TESTVIK = Organisation("310991007", "Testvik kommune")
PROVDAL = Organisation("310992003", "Prøvdal kommune")
ORGANISATIONS = (TESTVIK, PROVDAL)
MOTTAR_SELV = PROVDAL
"""The one whose own mottakersystem fetches what is sent to it; the other gets its letters by Altinn."""


def credentials(state: Path) -> list[dict[str, str]]:
    """What a client needs to call as each organisation, passwords included; made at the first asking."""
    made: list[dict[str, str]] = json.loads(kept(state / "seed.json", lambda: json.dumps(_credentials(), indent=2)))
    return made


def _credentials() -> list[dict[str, str]]:
    return [
        {
            "navn": organisation.navn,
            "orgnr": organisation.orgnr,
            "fiksOrgId": str(organisation.id("organisasjon")),
            "kontoId": str(organisation.id("konto")),
            "integrasjonId": str(organisation.id("integrasjon")),
            "integrasjonPassord": new_password(),
        }
        for organisation in ORGANISATIONS
    ]


def events(hashes: Mapping[str, str]) -> dict[UUID, list[KonfigurasjonEvent]]:
    """What is seeded of each organisation, in order. ``hashes`` has the integrations' password hashes by orgnr.

    That the organisation exists is said last: one that is known is complete, and is left as it has become since.
    """
    return {one.id("organisasjon"): [*_events(one, hashes[one.orgnr])] for one in ORGANISATIONS}


def _events(organisation: Organisation, passord_hash: str) -> Iterator[KonfigurasjonEvent]:
    owner, konto, integrasjon = map(organisation.id, ("organisasjon", "konto", "integrasjon"))
    yield TjenesteInitialisert(
        fiks_org_id=owner,
        tjeneste="SVARUT",
        ressurs_id=organisation.id("svarut"),
        ressurstype="SVARUT",
        navn="SvarUt",
    )
    yield TjenesteKonfigurert(fiks_org_id=owner, tjeneste="SVARUT")
    yield KontoOpprettet(fiks_org_id=owner, konto_id=konto, tjeneste="svarut", navn=f"SvarUt {organisation.navn}")
    yield IntegrasjonOpprettet(
        fiks_org_id=owner,
        integrasjon_id=integrasjon,
        autorisert_orgnr=organisation.orgnr,
        navn=f"Fagsystem {organisation.navn}",
        passord_hash=passord_hash,
    )
    yield PrivilegieTildelt(
        fiks_org_id=owner, aktor=integrasjon_aktor(integrasjon), ressurs_id=konto, privilegium=PRIVILEGIUM
    )
    if organisation is MOTTAR_SELV:
        yield MottakersystemRegistrert(
            fiks_org_id=owner,
            mottakersystem_id=organisation.id("mottakersystem"),
            navn=f"Postmottak {organisation.navn}",
            orgnr=organisation.orgnr,
        )
    kind = Organisasjonstype.KOMMUNE
    yield OrganisasjonOpprettet(fiks_org_id=owner, orgnr=organisation.orgnr, navn=organisation.navn, type=kind)


async def seed(bootstrap: str, state: Path) -> int:
    """Append what is not on the log yet; returns how many events that were.

    Raises Rejected when the log knows other passwords than the state folder, Unavailable when it does not answer.
    """
    known = credentials(state)
    hashes = {one["orgnr"]: hashed(one["integrasjonPassord"]) for one in known}
    memory, log = Memory(bootstrap), Log(bootstrap)
    await memory.start()
    await log.start()
    try:
        await _caught_up(memory)
        _require_same_passwords(memory, known)
        missing = {id_: said for id_, said in events(hashes).items() if memory.organisasjon(id_) is None}
        for id_, said in missing.items():
            for number, event in enumerate(said):
                event_id = str(uuid5(id_, f"{number}/{event_type(event).name}"))
                await log.append(event, fact(event, time=datetime.now(UTC), id=event_id, source=SOURCE))
        return sum(map(len, missing.values()))
    finally:
        await memory.stop()
        await log.stop()


async def _caught_up(memory: Memory) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not memory.ready:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise Unavailable("fiks.konfigurasjon cannot be read; is the broker up, and are its topics made?") from None


def _require_same_passwords(memory: Memory, known: list[dict[str, str]]) -> None:
    for one in known:
        integrasjon = memory.integrasjon(UUID(one["integrasjonId"]))
        if integrasjon and not matches(integrasjon.passord_hash, one["integrasjonPassord"]):
            raise Rejected("the log was seeded with other passwords than those in seed.json; put back the old file")
