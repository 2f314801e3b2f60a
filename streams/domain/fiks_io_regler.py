"""Who may send what to whom over Fiks IO, asked of a message and beforehand alike. Contract: fiks-io.md 1.4, 1.6.

That the caller may use the sender's account is for the door to say. Protocol accounts have rules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas.konfigurasjon import ROOT
from streams.domain.configuration import Configuration
from streams.domain.fiks_io_katalog import konto_of, usable_nokkel_of
from streams.domain.fiks_protokoll_oppslag import is_hidden
from streams.domain.fiks_protokoll_regler import INGEN_TILGANG, protocol_refusal

_MELDING_TYPE = re.compile(r"[0-9A-Za-zæøåÆØÅ._-]{1,255}")

UGYLDIG, IKKE_AKSEPTERT = 400, 403
SKJULT = "Mottakerkontoen er ikke synlig for organisasjonen til avsenderkontoen"


class Avslag(NamedTuple):
    """Why a message is refused: the status of the answer, and what it says.

    ``nektet`` is set where it is the receiver's account that is closed to the sender: why, as it stands on the log.
    """

    status: int
    melding: str
    nektet: str | None = None


def refusal(
    configuration: Configuration,
    *,
    avsender_konto_id: UUID,
    mottaker_konto_id: UUID,
    melding_type: str,
    har_innhold: bool,
    now: datetime,
) -> Avslag | None:
    """Why the message is refused; None when it is taken."""
    asked = (avsender_konto_id, mottaker_konto_id, melding_type, har_innhold, now)
    return next(refusals(configuration, *asked), None)


def refusals(
    configuration: Configuration,
    avsender_konto_id: UUID,
    mottaker_konto_id: UUID,
    melding_type: str,
    har_innhold: bool,
    now: datetime,
) -> Iterator[Avslag]:
    """Everything that is wrong with it, the most basic first."""
    if not _MELDING_TYPE.fullmatch(melding_type):
        yield Avslag(UGYLDIG, "Meldingstypen må være 1 til 255 bokstaver, sifre, punktum, bindestrek eller understrek")
    avsender, mottaker = konto_of(configuration, avsender_konto_id), konto_of(configuration, mottaker_konto_id)
    if avsender is None:
        yield Avslag(UGYLDIG, f"Avsenderkontoen {avsender_konto_id} finnes ikke")
    elif not avsender.satt.aktiv:
        yield Avslag(UGYLDIG, f"Avsenderkontoen {avsender_konto_id} er deaktivert")
    asking = ROOT if avsender is None else avsender.ressurs.fiks_org_id  # of nobody, who sees what all see
    if mottaker is None or is_hidden(configuration, asking, mottaker_konto_id):
        yield Avslag(UGYLDIG, f"Mottakerkontoen {mottaker_konto_id} finnes ikke", SKJULT)
        return
    if not mottaker.satt.aktiv:
        yield Avslag(UGYLDIG, f"Mottakerkontoen {mottaker_konto_id} er deaktivert")
    if har_innhold and usable_nokkel_of(mottaker, now) is None:
        yield Avslag(UGYLDIG, f"Mottakerkontoen {mottaker_konto_id} har ingen offentlig nøkkel som kan brukes")
    if mottaker.satt.avsenderfilter and avsender_konto_id not in mottaker.satt.avsendere:
        yield _closed(f"Mottakerkontoen {mottaker_konto_id} tar ikke imot fra {avsender_konto_id}")
    asked = (avsender_konto_id, mottaker_konto_id, melding_type, har_innhold)
    if avsender is not None and (melding := protocol_refusal(configuration, *asked)) is not None:
        yield _closed(melding) if melding == INGEN_TILGANG else Avslag(UGYLDIG, melding)


def _closed(melding: str) -> Avslag:
    return Avslag(IKKE_AKSEPTERT, melding, melding)
