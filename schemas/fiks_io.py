"""What can be said about a message of Fiks IO. Contract: fiks-io.md 2 and 3; findings fiks-io-edge.md 4.

A message is a stream of its own. All that wait for one account have its id as their key, so they share one order, which
is the order of the queue. Facts are what a sender, a consumer or the clock did; decisions are what followed.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from schemas.catalogue import Personal, event, part


class Returgrunn(StrEnum):
    """Why a message that was handed out came back."""

    TILBAKE = "TILBAKE"
    """The receiver gave it back: an attempt that failed."""
    TAPT = "TAPT"
    """The receiver went away while it can have had this one in its hands: an attempt that failed."""
    AVBRUTT = "AVBRUTT"
    """It was on its way or there, and what ended that says nothing of it: no attempt."""
    USETT = "USETT"
    """It was never sent to anybody: no attempt."""


@part
class Header:
    """A header of the sender's own, without the prefix that it is delivered with."""

    navn: Personal[str]
    verdi: Personal[str]


# --- Facts -----------------------------------------------------------------------------------------------------------


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingSendt:
    """A message was taken in for an account, its content stored. Contract 1.4.

    ``ttl`` is in milliseconds, ``utloper`` the time at which it has passed. Content lies in the blob store as ``blob``,
    sealed under ``nokkel``, a key of this stream, or in Dokumentlager as ``dokumentlager_id``; ``storrelse`` and
    ``sha256`` (sealed, as a document's) are of what the sender sent, 0 and null where that was nothing.
    ``klient_melding_id`` and ``klient_korrelasjons_id`` are the sender's own ids where they are UUIDs; they stand among
    ``headere`` too, as they were sent. ``plattform``: the platform itself sends it, because of ``svar_pa_melding``,
    whose type is ``svar_til_type``. ``tatt_inn_av`` is the gateway process that answers its sender.
    """

    mottaker_konto_id: UUID
    melding_id: UUID
    avsender_konto_id: UUID
    mottaker_org_id: UUID
    avsender_org_id: UUID
    avsender_navn: str
    melding_type: str
    svar_pa_melding: UUID | None = None
    svar_til_type: str | None = None
    ttl: int
    utloper: datetime
    klient_melding_id: UUID | None = None
    klient_korrelasjons_id: UUID | None = None
    headere: tuple[Header, ...] = ()
    storrelse: int = 0
    sha256: Personal[str] | None = None
    blob: str | None = None
    nokkel: str | None = None
    dokumentlager_id: UUID | None = None
    plattform: bool = False
    tatt_inn_av: UUID | None = None


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingLevert:
    """The message is handed out to a consumer of the account. ``levering`` names this handing out."""

    mottaker_konto_id: UUID
    melding_id: UUID
    levering: UUID


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingKvittert:
    """The receiver has it (``basic.ack``)."""

    mottaker_konto_id: UUID
    melding_id: UUID


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingAvvist:
    """The receiver wants it neither now nor later (``basic.nack`` without requeue). Nobody is told. Contract 2.4."""

    mottaker_konto_id: UUID
    melding_id: UUID


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingTilbakelevert:
    """The message came back from whom it was handed out to by ``levering``."""

    mottaker_konto_id: UUID
    melding_id: UUID
    levering: UUID
    grunn: Returgrunn


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingsfristPassert:
    """The time to live of the message has passed. Whether it has expired depends on what came before."""

    mottaker_konto_id: UUID
    melding_id: UUID
    utloper: datetime


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingskontoSlettet:
    """The account that the message is for was deleted while the message had not ended: nobody new can get it."""

    mottaker_konto_id: UUID
    melding_id: UUID


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingBesvart:
    """The receiver has sent an answer to the message, which is ``svar_melding_id`` on its way to ``svar_konto_id``."""

    mottaker_konto_id: UUID
    melding_id: UUID
    svar_konto_id: UUID
    svar_melding_id: UUID


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingDestruert:
    """The message has ended; its key is destroyed and its content deleted: nobody can read it any more."""

    mottaker_konto_id: UUID
    melding_id: UUID


# --- Decisions -------------------------------------------------------------------------------------------------------


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingLagtTilbake:
    """The message waits again, in its old place. ``forsok`` have failed so far; nobody gets it before ``klar_fra``."""

    mottaker_konto_id: UUID
    melding_id: UUID
    forsok: int
    klar_fra: datetime


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingUtlopt:
    """The message has expired: nobody had taken it in time. The sender is told (contract 2.6)."""

    mottaker_konto_id: UUID
    melding_id: UUID


@event(topic="fiks.io", stream="melding_id", within="mottaker_konto_id")
class MeldingFeilet:
    """So many attempts to deliver the message failed that it is given up, or its account was deleted. The sender is
    told (contract 2.4, 2.6).
    """

    mottaker_konto_id: UUID
    melding_id: UUID
    forsok: int


MeldingFact = (
    MeldingSendt
    | MeldingLevert
    | MeldingKvittert
    | MeldingAvvist
    | MeldingTilbakelevert
    | MeldingsfristPassert
    | MeldingskontoSlettet
    | MeldingBesvart
    | MeldingDestruert
)
MeldingDecision = MeldingLagtTilbake | MeldingUtlopt | MeldingFeilet
MeldingEvent = MeldingFact | MeldingDecision
