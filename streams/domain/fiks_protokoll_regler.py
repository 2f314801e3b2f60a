"""Whether an account of Fiks Protokoll may send to another. Contract: fiks-io.md 5.

**Answers.** The contract does not say whether an answer needs an access of its own. Here it does not: an account that
lets a system send to it may send that system's accounts the answers and errors of their protocol, or no question that
is let through could be answered. A question back needs the access that any question does.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from streams.domain.configuration import Configuration
from streams.domain.fiks_protokoll import ProtokollKonto, Tilgang
from streams.domain.fiks_protokoll_katalog import PROTOKOLLER, Meldingstype, Payloadkriterie, Protokollstatus


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
    between = [*_types(avsender, mottaker, melding_type)]
    if not between:
        return "Kontoene har ingen parter som støtter hverandre i samme versjon av samme protokoll"
    meldingstype = next((one for one in between if one is not None), None)
    if meldingstype is None:
        return "Meldingstypen kan ikke sendes mellom partene som kontoene har i protokollen"
    asked = (avsender_konto_id, mottaker.system_id) if meldingstype.er_svar else None
    if not any(_lets_send(configuration, *one) for one in ((mottaker_konto_id, avsender.system_id), asked) if one):
        return "Systemet som eier avsenderkontoen, har ikke tilgang til mottakerkontoen"
    return _refused_content(meldingstype, har_innhold)


def _types(avsender: ProtokollKonto, mottaker: ProtokollKonto, navn: str) -> Iterator[Meldingstype | None]:
    """The type of message for each two parts that support each other; None where these do not send it."""
    if avsender.protokoll != mottaker.protokoll:
        return
    pairs = ((one, other) for one in avsender.parter for other in mottaker.parter if one.versjon == other.versjon)
    for one, other in pairs:
        protokoll = PROTOKOLLER.get((avsender.protokoll, one.versjon))
        if protokoll is None or protokoll.status is Protokollstatus.DEAKTIVERT:
            continue
        sender, receiver = protokoll.parter.get(one.navn), protokoll.parter.get(other.navn)
        if sender and receiver and sender.navn in receiver.stotter:
            found = protokoll.meldingstype(navn)
            yield found if found and found.navn in sender.avsender & receiver.mottaker else None


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
