"""Whether an account of Fiks Protokoll may send to another. Contract: fiks-io.md 5.

**Answers.** The contract does not say whether an answer needs an access of its own. Here it does not: an account that
lets a system send to it may send that system's accounts the answers and errors of their protocol, or no question that
is let through could be answered. A question back needs the access that any question does.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple
from uuid import UUID

from streams.domain.configuration import Configuration
from streams.domain.fiks_protokoll import ProtokollKonto, Tilgang
from streams.domain.fiks_protokoll_katalog import (
    PROTOKOLLER,
    Meldingstype,
    Part,
    Payloadkriterie,
    Protokoll,
    Protokollstatus,
)

INGEN_TILGANG = "Systemet som eier avsenderkontoen, har ikke tilgang til mottakerkontoen"
"""What is said where it is the receiver's account that is closed to the sender."""


def protocol_refusal(
    configuration: Configuration, avsender_konto_id: UUID, mottaker_konto_id: UUID, melding_type: str, har_innhold: bool
) -> str | None:
    """Why the one account may not send such a message to the other, for who sends; None where no such rule says no.

    Of two accounts that are both plain ones of Fiks IO nothing is said.
    """
    avsender, mottaker = (
        configuration.protokollkonto(avsender_konto_id),
        configuration.protokollkonto(mottaker_konto_id),
    )
    if avsender is None or mottaker is None:
        return None if avsender is mottaker else "En protokollkonto og en vanlig konto kan ikke utveksle meldinger"
    if avsender.send_meldinger_deaktivert:
        return "Avsenderkontoen kan bare motta meldinger"
    pairs = [*_pairs(avsender, mottaker)]
    if not pairs:
        return "Kontoene har ingen parter som støtter hverandre i samme versjon av samme protokoll"
    meldingstype = next((found for pair in pairs if (found := pair.meldingstype(melding_type))), None)
    if meldingstype is None:
        return "Meldingstypen kan ikke sendes mellom partene som kontoene har i protokollen"
    asked = (avsender_konto_id, mottaker.system_id) if meldingstype.er_svar else None
    if not any(_lets_send(configuration, *one) for one in ((mottaker_konto_id, avsender.system_id), asked) if one):
        return INGEN_TILGANG
    return _refused_content(meldingstype, har_innhold)


def can_send(avsender: ProtokollKonto, mottaker: ProtokollKonto) -> bool:
    """Whether the accounts have parts of which one may send to the other."""
    return any(_pairs(avsender, mottaker))


class _Pair(NamedTuple):
    """Two parts of a protocol, the receiver supporting the sender."""

    protokoll: Protokoll
    sender: Part
    receiver: Part

    def meldingstype(self, navn: str) -> Meldingstype | None:
        """What the protocol says of messages of that type, if the one sends them and the other takes them."""
        found = self.protokoll.meldingstype(navn)
        return found if found and found.navn in self.sender.avsender & self.receiver.mottaker else None


def _pairs(avsender: ProtokollKonto, mottaker: ProtokollKonto) -> Iterator[_Pair]:
    if avsender.protokoll != mottaker.protokoll:
        return
    for one, other in product(avsender.parter, mottaker.parter):
        protokoll = PROTOKOLLER.get((avsender.protokoll, one.versjon))
        if one.versjon != other.versjon or protokoll is None or protokoll.status is Protokollstatus.DEAKTIVERT:
            continue
        sender, receiver = protokoll.parter.get(one.navn), protokoll.parter.get(other.navn)
        if sender and receiver and sender.navn in receiver.stotter:
            yield _Pair(protokoll, sender, receiver)


def _lets_send(configuration: Configuration, konto_id: UUID, system_id: UUID) -> bool:
    """Whether the account takes messages from the system: its own always does."""
    konto = configuration.protokollkonto(konto_id)
    return konto is not None and (
        konto.system_id == system_id or configuration.protokolltilganger(konto_id).get(system_id) is Tilgang.GITT
    )


def _refused_content(meldingstype: Meldingstype, har_innhold: bool) -> str | None:
    if meldingstype.payload is Payloadkriterie.NEVER and har_innhold:
        return "Meldingstypen skal ikke ha innhold"
    if meldingstype.payload is Payloadkriterie.REQUIRED and not har_innhold:
        return "Meldingstypen må ha innhold"
    return None
