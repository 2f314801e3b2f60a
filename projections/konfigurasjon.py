"""Who exists and who may what, as tables: the fold of every organisation's stream, exactly as gateways remember it.

Never a hash of a password, and persons only as the log names them. The rows that a batch's events concern are made a
``Configuration``, which meets the events, and is made rows again. What each event changed of who may what is a step, by
the difference that it made; who asked for it stands with the command. Raise ``logic`` when the fold changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TypeVar, get_args
from uuid import UUID

from projections.projection import Append, Fold, Met, Needs, Projection, Row, Rows, sql_beside, stream_id
from schemas.catalogue import event_type
from schemas.derive import fields_of
from schemas.envelope import Envelope
from schemas.errors import Unreadable
from schemas.fiks_protokoll import ProtokollKontoOpprettet, Protokollpart
from schemas.konfigurasjon import FakturaEndret, Organisasjonstype
from schemas.konfigurasjon_commands import Command
from streams.domain.configuration import Configuration, Stream
from streams.domain.fiks_io import dokumentlager_konto_of
from streams.domain.fiks_io_konto import Adresse, FiksIoKonto
from streams.domain.fiks_protokoll import FiksProtokoll, ProtokollKonto, ProtokollSystem, Tilgang
from streams.domain.konfigurasjon import (
    NOTHING,
    GlobalIntegrasjon,
    Integrasjon,
    KonfigurasjonEvent,
    Konto,
    Mottakersystem,
    Organisasjon,
    Ressurs,
    Tjeneste,
    Virksomhet,
    integrasjon_aktor,
)

T = TypeVar("T")

PREFIX = "konfigurasjon_"
"""What the names of the tables begin with; below they stand without."""
ORG = ("fiks_org_id",)
OF_AN_ORGANISATION = (
    "strom",
    "organisasjon",
    "faktura",
    "tjeneste",
    "mottakersystem",
)
OF_AN_ACCOUNT = ("konto", "fiks_io_konto", "protokollkonto")
OF_AN_ACTOR = ("rettighet", "typerettighet", "inaktiv_aktor")
OF_AN_INTEGRATION = (
    ("integrasjon", "id"),
    ("tilknytning", "integrasjon_id"),
    ("global_integrasjon", "integrasjon_id"),
)
FAKTURA = [field.name for field, _ in fields_of(FakturaEndret)]
NO_HASH = ""
STEG, KOMMANDO = "konfigurasjon_rettighetssteg", "konfigurasjon_kommando"
GITT, TATT, AV, PA = "GITT", "TATT", "AV", "PA"
"""What a step is: a privilege given or taken, an actor switched off or on."""


def needs(rows: Rows, met: Sequence[Met]) -> Needs:
    """What the events concern: little of an organisation is common to all, the rest goes by id and by actor."""
    wanted: Needs = defaultdict(set)
    for org in {one.event.fiks_org_id for one in met}:
        for table in OF_AN_ORGANISATION:
            wanted[PREFIX + table, ORG].add((org,))
    for org, ressurs_id in {*_ressurser(met), *((row[0], row[2]) for row in rows.get(PREFIX + "tjeneste", ()))}:
        wanted[PREFIX + "ressurs", (*ORG, "id")].add((org, ressurs_id))
    integrasjoner = _said(met, "integrasjon_id") | {
        row[:1] + row[2:3] for row in rows.get(PREFIX + "protokollsystem", ())
    }
    for org, integrasjon_id in integrasjoner:
        for table, column in OF_AN_INTEGRATION:
            wanted[PREFIX + table, (*ORG, column)].add((org, integrasjon_id))
    for org, konto_id in _said(met, "konto_id"):
        for table in OF_AN_ACCOUNT:
            wanted[PREFIX + table, (*ORG, "id")].add((org, konto_id))
    for org, adresse_id in _said(met, "adresse_id"):
        wanted[PREFIX + "adresse", (*ORG, "id")].add((org, adresse_id))
    wanted[PREFIX + "organisasjonsnummer", (*ORG, "eier_id")] |= _said(met, "eier_id")
    wanted[PREFIX + "organisasjonsnummer", (*ORG, "orgnr")] |= {row[:2] for row in _said(met, "orgnr", "eier_id")}
    for org, system_id in _said(met, "system_id"):
        wanted[PREFIX + "protokollsystem", (*ORG, "id")].add((org, system_id))
    wanted[PREFIX + "protokolltilgang", (*ORG, "konto_id", "system_id")] |= _said(met, "konto_id", "system_id")
    for org, aktor in _said(met, "aktor") | {(org, integrasjon_aktor(id_)) for org, id_ in integrasjoner}:
        for table in OF_AN_ACTOR:
            wanted[PREFIX + table, (*ORG, "aktor")].add((org, aktor))
    return wanted


def advance(rows: Rows, met: Sequence[Met]) -> Rows:
    """The rows after the events."""
    configuration, steps = Configuration(), set[Row]()
    for stream in streams_of(rows):
        configuration.adopt(stream)
    for one in met:
        event, at = one
        assert at.position is not None
        before = configuration.virksomhet(event.fiks_org_id)
        configuration.meet(event, at.cause, at.position.offset)
        steps |= set(steps_of(one, before, configuration.virksomhet(event.fiks_org_id)))
    return rows_of(configuration.streams()) | {STEG: steps}


konfigurasjon = Projection(
    "konfigurasjon", logic=4, topics=("fiks.konfigurasjon",), sql=sql_beside(__file__), fold=Fold(needs, advance)
)


@konfigurasjon.on(*get_args(KonfigurasjonEvent))
def said(event: Any, at: Envelope) -> tuple[Met]:
    """Every event of an organisation's stream is for the fold."""
    if event_type(event).name != at.type:
        raise Unreadable(f"it calls itself {at.type}, but is {event_type(event).name}")
    return (Met(event, at),)


def steps_of(met: Met, before: Virksomhet, after: Virksomhet) -> Iterator[Row]:
    """The rows that tell what the event changed of who may what in its stream; none of an event without such effect."""
    event, at = met
    assert at.position is not None
    _, partition, offset = at.position
    told = (partition, at.id, at.time, at.type, at.causation_id)
    if (aktor := _aktor(event, before, after)) is not None:
        for nr, change in enumerate(_changes(aktor, before, after)):
            yield (event.fiks_org_id, offset, nr, *told, aktor, *change)


def _aktor(event: Any, before: Virksomhet, after: Virksomhet) -> str | None:
    """The one whose rights the event may have changed."""
    if (aktor := getattr(event, "aktor", None)) is not None:
        return str(aktor)
    system_id = getattr(event, "system_id", None)
    system = _system(system_id, after) or _system(system_id, before)
    integrasjon_id = system.integrasjon_id if system else getattr(event, "integrasjon_id", None)
    return integrasjon_aktor(integrasjon_id) if integrasjon_id else None


def _system(system_id: UUID | None, state: Virksomhet) -> ProtokollSystem | None:
    return state.protokoll.systemer.get(system_id) if system_id else None


def _changes(aktor: str, before: Virksomhet, after: Virksomhet) -> Iterator[Row]:
    """What is another of an actor's rights: the change, the privilege, and the resource or the type of resources."""
    for change, privilegium, on in _differing(before.rettigheter, after.rettigheter, aktor):
        yield change, privilegium, on, None
    for change, privilegium, on in _differing(before.typerettigheter, after.typerettigheter, aktor):
        yield change, privilegium, None, on
    if (aktor in before.inaktive) is not (aktor in after.inaktive):
        yield PA if aktor in before.inaktive else AV, None, None, None


def _differing(before: Any, after: Any, aktor: str) -> list[tuple[str, str, Any]]:
    held, holds = before.get(aktor, {}), after.get(aktor, {})
    changed = [on for on in held.keys() | holds.keys() if held.get(on) is not holds.get(on)]
    taken = [(TATT, one, on) for on in changed for one in held.get(on, NOTHING) - holds.get(on, NOTHING)]
    given = [(GITT, one, on) for on in changed for one in holds.get(on, NOTHING) - held.get(on, NOTHING)]
    return sorted(taken + given, key=str)


@konfigurasjon.on_envelope_of(*get_args(Command))
def asked(at: Envelope) -> tuple[Append]:
    """Who asked for what, when, and by which law, be it refused or not."""
    assert at.position is not None
    _, *place = at.position
    return (Append(KOMMANDO, (*place, stream_id(at), at.id, at.time, at.type, at.actor, at.legal_basis)),)


def rows_of(streams: Iterable[Stream]) -> Rows:
    """The rows that say the same as the streams, but for hashes."""
    rows: Rows = defaultdict(set)
    for org, state, last in streams:
        if last >= 0:
            rows["strom"].add((org, last))
        if state.organisasjon:
            rows["organisasjon"].add((org, *_values(state.organisasjon)[1:]))
        if state.faktura:
            rows["faktura"].add(tuple(getattr(state.faktura, name) for name in FAKTURA))
        rows["tjeneste"] |= {(org, name, one.ressurs_id, one.konfigurert) for name, one in state.tjenester.items()}
        rows["ressurs"] |= {(org, one.id, one.type, one.navn, one.sti) for one in state.ressurser.values()}
        rows["konto"] |= {(org, id_, tuple(sorted(one.tags)), one.slettet) for id_, one in state.kontoer.items()}
        rows["fiks_io_konto"] |= {(org, id_, *_as_row(one)) for id_, one in state.fiks_io_kontoer.items()}
        rows["organisasjonsnummer"] |= {(org, orgnr, of) for orgnr, of in state.organisasjonsnumre.items()}
        rows["adresse"] |= {(org, *_as_row(one)) for one in state.adresser.values()}
        rows["integrasjon"] |= {(org, *_integrasjon(one)) for one in state.integrasjoner.values()}
        rows["rettighet"] |= set(_rights(org, state.rettigheter))
        rows["typerettighet"] |= set(_rights(org, state.typerettigheter))
        rows["inaktiv_aktor"] |= {(org, aktor) for aktor in state.inaktive}
        rows["tilknytning"] |= {(org, id_, on) for id_, attached in state.tilknyttet.items() for on in attached}
        rows["mottakersystem"] |= {
            (org, nr, one.id, one.navn, one.orgnr, one.forsendelsestype, one.niva)
            for nr, one in enumerate(state.mottakersystemer)
        }
        rows["global_integrasjon"] |= {(org, id_, *_values(one)) for id_, one in state.globale.items()}
        rows["protokollsystem"] |= {(org, id_, *_values(one)) for id_, one in state.protokoll.systemer.items()}
        rows["protokollkonto"] |= {(org, id_, *_protokollkonto(one)) for id_, one in state.protokoll.kontoer.items()}
        rows["protokolltilgang"] |= {
            (org, konto_id, system_id, str(one))
            for konto_id, between in state.protokoll.tilganger.items()
            for system_id, one in between.items()
        }
    return {PREFIX + name: lines for name, lines in rows.items()}


def streams_of(rows: Rows) -> list[Stream]:
    """The streams that the rows say; of one that is not complete, that part."""
    of: dict[UUID, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for table, lines in rows.items():
        for row in lines:
            of[row[0]][table.removeprefix(PREFIX)].append(row[1:])
    return [_stream(org, tables) for org, tables in of.items()]


def _stream(org: UUID, of: dict[str, list[Row]]) -> Stream:
    state = Virksomhet(
        organisasjon=next((_organisasjon(org, *row) for row in of["organisasjon"]), None),
        faktura=next((_faktura(org, row) for row in of["faktura"]), None),
        tjenester={row[0]: Tjeneste(*row[1:]) for row in of["tjeneste"]},
        ressurser={row[0]: Ressurs(row[0], org, *row[1:]) for row in of["ressurs"]},
        integrasjoner={
            id_: Integrasjon(id_, org, autorisert_orgnr, navn, NO_HASH, *rest)
            for id_, autorisert_orgnr, navn, *rest in of["integrasjon"]
        },
        rettigheter=_held(of["rettighet"]),
        inaktive=frozenset(aktor for (aktor,) in of["inaktiv_aktor"]),
        tilknyttet={one: frozenset(on) for one, on in _grouped(of["tilknytning"]).items()},
        mottakersystemer=tuple(Mottakersystem(row[1], org, *row[2:]) for row in sorted(of["mottakersystem"])),
        typerettigheter=_held(of["typerettighet"]),
        globale={row[0]: GlobalIntegrasjon(*row[1:]) for row in of["global_integrasjon"]},
        kontoer={id_: Konto(frozenset(tags), slettet) for id_, tags, slettet in of["konto"]},
        fiks_io_kontoer={row[0]: _from_row(FiksIoKonto, row[1:]) for row in of["fiks_io_konto"]},
        adresser={row[0]: _from_row(Adresse, row) for row in of["adresse"]},
        organisasjonsnumre=dict(of["organisasjonsnummer"]),
        protokoll=_protokoll(of),
    )
    return Stream(org, state, next((last for (last,) in of["strom"]), -1))


def _organisasjon(org: UUID, navn: str, orgnr: str | None, kind: str, *rest: Any) -> Organisasjon:
    return Organisasjon(org, navn, orgnr, Organisasjonstype(kind), *rest)


def _faktura(org: UUID, row: Row) -> FakturaEndret:
    return FakturaEndret(**dict(zip(FAKTURA, (org, *row), strict=True)))


def _protokoll(of: dict[str, list[Row]]) -> FiksProtokoll:
    tilganger: dict[UUID, dict[UUID, Tilgang]] = defaultdict(dict)
    for konto_id, system_id, status in of["protokolltilgang"]:
        tilganger[konto_id][system_id] = Tilgang(status)
    return FiksProtokoll(
        systemer={row[0]: ProtokollSystem(*row[1:]) for row in of["protokollsystem"]},
        kontoer={
            id_: ProtokollKonto(system_id, beskrivelse, protokoll, _parter(navn, versjoner), *rest)
            for id_, system_id, beskrivelse, protokoll, navn, versjoner, *rest in of["protokollkonto"]
        },
        tilganger=dict(tilganger),
    )


def _parter(navn: Iterable[str], versjoner: Iterable[str]) -> tuple[Protokollpart, ...]:
    return tuple(Protokollpart(navn=one, versjon=versjon) for one, versjon in zip(navn, versjoner, strict=True))


def _protokollkonto(one: ProtokollKonto) -> Row:
    navn, versjoner = tuple(part.navn for part in one.parter), tuple(part.versjon for part in one.parter)
    rest = (one.opprettet, one.send_meldinger_deaktivert, one.endret)
    return one.system_id, one.beskrivelse, one.protokoll, navn, versjoner, *rest


def _integrasjon(one: Integrasjon) -> Row:
    return one.id, one.autorisert_orgnr, one.navn, one.beskrivelse, one.opprettet, one.slettet


def _rights(org: UUID, held: Any) -> Iterable[Row]:
    return (
        (org, aktor, on, one) for aktor, by in held.items() for on, privilegier in by.items() for one in privilegier
    )


def _held(rows: Iterable[Row]) -> dict[str, dict[Any, frozenset[str]]]:
    held: dict[str, dict[Any, set[str]]] = defaultdict(lambda: defaultdict(set))
    for aktor, on, privilegium in rows:
        held[aktor][on].add(privilegium)
    return {aktor: {on: frozenset(all_) for on, all_ in by.items()} for aktor, by in held.items()}


def _grouped(rows: Iterable[Row]) -> dict[Any, set[Any]]:
    grouped: dict[Any, set[Any]] = defaultdict(set)
    for key, value in rows:
        grouped[key].add(value)
    return grouped


def _values(one: Any) -> Row:
    return tuple(getattr(one, field.name) for field in fields(one))


def _as_row(one: Any) -> Row:
    """A dataclass as a row, its sets in order."""
    return tuple(tuple(sorted(value)) if isinstance(value, frozenset) else value for value in _values(one))


def _from_row(cls: type[T], row: Row) -> T:
    return cls(*(frozenset(value) if isinstance(value, tuple) else value for value in row))


def _ressurser(met: Sequence[Met]) -> set[Row]:
    """The organisations themselves, and the resources that the events name."""
    named = set().union(*(_said(met, name) for name in ("ressurs_id", "konto_id", "system_id", "forelder_id")))
    made = (one.event for one in met if isinstance(one.event, ProtokollKontoOpprettet))
    stored = {(event.fiks_org_id, dokumentlager_konto_of(event.konto_id)) for event in made}
    return {(one.event.fiks_org_id, one.event.fiks_org_id) for one in met} | named | stored


def _said(met: Sequence[Met], *names: str) -> set[Row]:
    """Organisation and values, of the events that have all of these fields."""
    having = (one.event for one in met if all(hasattr(one.event, name) for name in names))
    return {(event.fiks_org_id, *(getattr(event, name) for name in names)) for event in having}
