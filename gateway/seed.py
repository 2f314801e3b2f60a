"""The configuration that the local system, the demo and tests start from: two municipalities that can send by SvarUt,
store documents and send each other messages by Fiks IO, an administrator of each and a root operator.

Ids are derived, so they are the same everywhere: ``uuid5(SEED, "<what>/<orgnr>")``, where what is ``organisasjon``,
``integrasjon``, ``svarut``, ``konto``, ``dokumentlager``, ``dokumenter``, ``fiks io``, ``fiks io konto`` or
``mottakersystem``. Passwords and key pairs are made once and kept in ``<state>/seed.json``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.auth.memory import Memory
from gateway.auth.passwords import hashed, matches, new_password
from gateway.auth.persons import Persons, persons
from gateway.issuer.people import PEOPLE, Person
from infra.kept import kept
from infra.kms import keks
from infra.settings import Settings
from schemas.catalogue import event_type
from schemas.envelope import By, fact
from schemas.fiks_io_konto import KontoAktivert, OffentligNokkelSatt
from schemas.konfigurasjon import (
    ROOT,
    IntegrasjonOpprettet,
    KontoOpprettet,
    MottakersystemRegistrert,
    OrganisasjonOpprettet,
    Organisasjonstype,
    PersonopplysningerOppgitt,
    PersonOpprettet,
    PrivilegieTildelt,
    TjenesteInitialisert,
    TjenesteKonfigurert,
)
from streams.domain.errors import Rejected, Unavailable
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_konto import SENDE_MOTTA
from streams.domain.fiks_io_konto import TJENESTE as FIKS_IO
from streams.domain.konfigurasjon import KonfigurasjonEvent, integrasjon_aktor
from streams.domain.personer import person_id
from streams.domain.rettigheter import ADMIN
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
OPERATOR = PEOPLE[3]
ADMINISTRATORS = {TESTVIK: PEOPLE[0], PROVDAL: PEOPLE[1]}
"""Who may everything, and who may everything in each municipality. They log in at the test issuer."""
MOTTAR_SELV = PROVDAL
"""The one whose own mottakersystem fetches what is sent to it; the other gets its letters by Altinn."""


def credentials(state: Path) -> list[dict[str, str]]:
    """What a client needs to call as each organisation, passwords included; made at the first asking."""
    made: list[dict[str, str]] = json.loads(kept(state / "seed.json", lambda: json.dumps(_credentials(), indent=2)))
    return made


def _credentials() -> list[dict[str, str]]:
    made = []
    for organisation in ORGANISATIONS:
        private, certificate = _key_pair(organisation)
        made.append(
            {
                "navn": organisation.navn,
                "orgnr": organisation.orgnr,
                "fiksOrgId": str(organisation.id("organisasjon")),
                "kontoId": str(organisation.id("konto")),
                "dokumentkontoId": str(organisation.id("dokumenter")),
                "fiksIoKontoId": str(organisation.id("fiks io konto")),
                "fiksIoPrivatNokkel": private,
                "fiksIoSertifikat": certificate,
                "integrasjonId": str(organisation.id("integrasjon")),
                "integrasjonPassord": new_password(),
            }
        )
    return made


def _key_pair(organisation: Organisation) -> tuple[str, str]:
    """Private key (PKCS#8) and certificate, both PEM, for which content for its Fiks IO account is encrypted."""
    key = rsa.generate_private_key(65537, 3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, organisation.navn)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), certificate.public_bytes(Encoding.PEM).decode()


def events(
    organisation: Organisation, passord_hash: str, sertifikat: str, administrator: str
) -> Iterator[KonfigurasjonEvent]:
    """What is seeded of an organisation, in order. ``sertifikat`` is that of its Fiks IO account, in PEM.

    That the organisation exists is said last: one that is known is complete, and is left as it has become since.
    """
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
        opprettet=datetime.now(UTC),
    )
    yield PrivilegieTildelt(
        fiks_org_id=owner, aktor=integrasjon_aktor(integrasjon), ressurs_id=konto, privilegium=PRIVILEGIUM
    )
    yield TjenesteInitialisert(
        fiks_org_id=owner,
        tjeneste="DOKUMENTLAGER",
        ressurs_id=organisation.id("dokumentlager"),
        ressurstype="DOKUMENTLAGER",
        navn="Fiks Dokumentlager",
    )
    yield TjenesteKonfigurert(fiks_org_id=owner, tjeneste="DOKUMENTLAGER")
    dokumenter = organisation.id("dokumenter")
    yield KontoOpprettet(
        fiks_org_id=owner, konto_id=dokumenter, tjeneste="dokumentlager", navn=f"Dokumenter {organisation.navn}"
    )
    yield PrivilegieTildelt(
        fiks_org_id=owner,
        aktor=integrasjon_aktor(integrasjon),
        ressurs_id=dokumenter,
        privilegium="DOKUMENTLAGER.LAST_OPP",
    )
    yield from _fiks_io(organisation, sertifikat)
    yield PrivilegieTildelt(fiks_org_id=owner, aktor=administrator, ressurs_id=owner, privilegium=ADMIN)
    if organisation is MOTTAR_SELV:
        yield MottakersystemRegistrert(
            fiks_org_id=owner,
            mottakersystem_id=organisation.id("mottakersystem"),
            navn=f"Postmottak {organisation.navn}",
            orgnr=organisation.orgnr,
        )
    kind = Organisasjonstype.KOMMUNE
    yield OrganisasjonOpprettet(fiks_org_id=owner, orgnr=organisation.orgnr, navn=organisation.navn, type=kind)


def _fiks_io(organisation: Organisation, sertifikat: str) -> Iterator[KonfigurasjonEvent]:
    owner, konto, integrasjon = map(organisation.id, ("organisasjon", "fiks io konto", "integrasjon"))
    now = datetime.now(UTC)
    yield TjenesteInitialisert(
        fiks_org_id=owner,
        tjeneste=FIKS_IO,
        ressurs_id=organisation.id("fiks io"),
        ressurstype=FIKS_IO,
        navn="Fiks IO",
    )
    yield TjenesteKonfigurert(fiks_org_id=owner, tjeneste=FIKS_IO)
    yield KontoOpprettet(fiks_org_id=owner, konto_id=konto, tjeneste=FIKS_IO, navn=f"Fagsystem {organisation.navn}")
    yield KontoOpprettet(
        fiks_org_id=owner,
        konto_id=dokumentlager_konto_of(konto),
        tjeneste="DOKUMENTLAGER",
        navn=f"Store meldinger {organisation.navn}",
        for_konto_id=konto,
    )
    yield OffentligNokkelSatt(fiks_org_id=owner, konto_id=konto, pem=sertifikat, endret=now, endret_av=SOURCE)
    yield KontoAktivert(fiks_org_id=owner, konto_id=konto, endret=now, endret_av=SOURCE)
    yield PrivilegieTildelt(
        fiks_org_id=owner, aktor=integrasjon_aktor(integrasjon), ressurs_id=konto, privilegium=SENDE_MOTTA
    )


async def seed(bootstrap: str, state: Path) -> int:
    """Append what is not on the log yet; returns how many events that were.

    Raises Rejected when the log knows other passwords than the state folder, Unavailable when it does not answer.
    """
    known = credentials(state)
    of = {one["orgnr"]: one for one in known}
    settings = Settings(kafka=bootstrap, state=state)
    memory, log = Memory(bootstrap), Log(bootstrap, keks(settings))
    await memory.start()
    await log.start()
    try:
        await _caught_up(memory)
        _require_same_passwords(memory, known)
        missing = [*_missing(memory, of, persons(settings))]
        for number, event in enumerate(missing):
            about = fact(event, time=datetime.now(UTC), id=_event_id(number, event), source=SOURCE, by=By(SOURCE))
            await log.append(event, about)
        return len(missing)
    finally:
        await memory.stop()
        await log.stop()


def _missing(memory: Memory, known: Mapping[str, dict[str, str]], named: Persons) -> Iterator[Any]:
    """What the memory does not know of the people, of ROOT, and of each organisation."""
    administrators = ((one.id("organisasjon"), person) for one, person in ADMINISTRATORS.items())
    for of, person in ((ROOT, OPERATOR), *administrators):
        who = named.actor(person.pid)
        if memory.configuration.person(of, who) is None:
            yield from _known(of, who, person)
    if not memory.configuration.virksomhet(ROOT).rettigheter:
        root = named.actor(OPERATOR.pid)
        yield PrivilegieTildelt(fiks_org_id=ROOT, aktor=root, ressurs_id=ROOT, privilegium=ADMIN)
    for one in ORGANISATIONS:
        if memory.organisasjon(one.id("organisasjon")) is None:
            of_it = known[one.orgnr]
            secret, sertifikat = hashed(of_it["integrasjonPassord"]), of_it["fiksIoSertifikat"]
            yield from events(one, secret, sertifikat, named.actor(ADMINISTRATORS[one].pid))


def _known(of: UUID, aktor: str, person: Person) -> Iterator[Any]:
    """That an organisation knows a person."""
    about = uuid5(SEED, f"person/{of}/{aktor}")
    yield PersonopplysningerOppgitt(
        person_id=person_id(of, aktor),
        fiks_org_id=of,
        aktor=aktor,
        opplysninger_id=about,
        fnr=person.pid,
        navn=person.navn,
    )
    yield PersonOpprettet(fiks_org_id=of, aktor=aktor, opplysninger_id=about)


def _event_id(number: int, event: object) -> str:
    kind = event_type(event)
    return str(uuid5(SEED, f"{kind.name}/{kind.stream(event)}/{number}"))


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
