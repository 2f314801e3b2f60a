"""The statuses of a forsendelse: which decision leads to which, what may follow on what, and how REST v2 names them.

Contract: svarut.md 6.1 and 6.2. Knows neither facts nor channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from schemas.svarut import (
    ForsendelseAkseptert,
    ForsendelseAvvist,
    ForsendelseFeiletUnderMottak,
    ForsendelseIkkeLevert,
    ForsendelseKlarForMottak,
    ForsendelseLest,
    ForsendelseLevertAltinn,
    ForsendelseLevertNhnMottaker,
    ForsendelseLevertSdp,
    ForsendelseManueltHandtert,
    ForsendelsePrintet,
    ForsendelseSendtAltinn,
    ForsendelseSendtDigitalt,
    ForsendelseSendtNhnMottaker,
    ForsendelseSendtPrint,
    ForsendelseSendtSdp,
    ForsendelseSlettet,
    SvarUtDecision,
)


class Status(StrEnum):
    """Where a forsendelse is, in the newest set of names (contract 6.1, "v3 newer")."""

    MOTTATT = "MOTTATT"
    AKSEPTERT = "AKSEPTERT"
    AVVIST = "AVVIST"
    FEILET_UNDER_MOTTAK = "FEILET_UNDER_MOTTAK"
    KLAR_FOR_MOTTAK = "KLAR_FOR_MOTTAK"
    SENDT_ALTINN = "SENDT_ALTINN"
    LEVERT_ALTINN = "LEVERT_ALTINN"
    SENDT_SDP = "SENDT_SDP"
    LEVERT_SDP = "LEVERT_SDP"
    SENDT_NHN_MOTTAKER = "SENDT_NHN_MOTTAKER"
    LEVERT_NHN_MOTTAKER = "LEVERT_NHN_MOTTAKER"
    SENDT_PRINT = "SENDT_PRINT"
    PRINTET = "PRINTET"
    SENDT_DIGITALT = "SENDT_DIGITALT"
    IKKE_LEVERT = "IKKE_LEVERT"
    MANUELT_HANDTERT = "MANUELT_HANDTERT"
    LEST = "LEST"
    SLETTET = "SLETTET"


STATUS_OF: Mapping[type[SvarUtDecision], Status] = {
    ForsendelseAkseptert: Status.AKSEPTERT,
    ForsendelseAvvist: Status.AVVIST,
    ForsendelseFeiletUnderMottak: Status.FEILET_UNDER_MOTTAK,
    ForsendelseKlarForMottak: Status.KLAR_FOR_MOTTAK,
    ForsendelseSendtAltinn: Status.SENDT_ALTINN,
    ForsendelseLevertAltinn: Status.LEVERT_ALTINN,
    ForsendelseSendtSdp: Status.SENDT_SDP,
    ForsendelseLevertSdp: Status.LEVERT_SDP,
    ForsendelseSendtNhnMottaker: Status.SENDT_NHN_MOTTAKER,
    ForsendelseLevertNhnMottaker: Status.LEVERT_NHN_MOTTAKER,
    ForsendelseSendtPrint: Status.SENDT_PRINT,
    ForsendelsePrintet: Status.PRINTET,
    ForsendelseSendtDigitalt: Status.SENDT_DIGITALT,
    ForsendelseIkkeLevert: Status.IKKE_LEVERT,
    ForsendelseManueltHandtert: Status.MANUELT_HANDTERT,
    ForsendelseLest: Status.LEST,
    ForsendelseSlettet: Status.SLETTET,
}
"""The status that each decision leads to. MOTTATT alone comes of a fact, ``ForsendelseMottatt``."""

_UNREAD_IN_ALTINN = {Status.LEST, Status.SENDT_PRINT, Status.SENDT_DIGITALT, Status.MANUELT_HANDTERT}

FOLLOWING: Mapping[Status, frozenset[Status]] = {
    Status.MOTTATT: frozenset({Status.AKSEPTERT, Status.AVVIST, Status.FEILET_UNDER_MOTTAK}),
    Status.AKSEPTERT: frozenset(
        {
            Status.KLAR_FOR_MOTTAK,
            Status.SENDT_ALTINN,
            Status.SENDT_SDP,
            Status.SENDT_NHN_MOTTAKER,
            Status.SENDT_PRINT,
            Status.IKKE_LEVERT,
        }
    ),
    Status.KLAR_FOR_MOTTAK: frozenset({Status.LEST, Status.SENDT_ALTINN}),
    Status.SENDT_ALTINN: frozenset({Status.LEVERT_ALTINN, Status.IKKE_LEVERT} | _UNREAD_IN_ALTINN),
    Status.LEVERT_ALTINN: frozenset(_UNREAD_IN_ALTINN),
    Status.SENDT_SDP: frozenset({Status.LEVERT_SDP, Status.SENDT_PRINT, Status.IKKE_LEVERT}),
    Status.SENDT_NHN_MOTTAKER: frozenset({Status.LEVERT_NHN_MOTTAKER}),
    Status.SENDT_PRINT: frozenset({Status.PRINTET, Status.LEST, Status.MANUELT_HANDTERT}),
    Status.SLETTET: frozenset(),
}
"""What may follow on a status that has not ended, and on the last one."""

ENDED = frozenset(Status) - FOLLOWING.keys()
"""The statuses in which nothing is left to do; only SLETTET may follow."""


def may_follow(status: Status | None, following: Status) -> bool:
    """Whether a forsendelse may go from ``status`` to ``following``; None is one that was never received."""
    if status is None:
        return following is Status.MOTTATT
    return following is Status.SLETTET if status in ENDED else following in FOLLOWING[status]


class StatusV2(StrEnum):
    """The thirteen statuses that clients of REST v1 and v2 know; any other breaks the whole list for them."""

    MOTTATT = "MOTTATT"
    AKSEPTERT = "AKSEPTERT"
    AVVIST = "AVVIST"
    VARSLET = "VARSLET"
    LEST = "LEST"
    SENDT_PRINT = "SENDT_PRINT"
    PRINTET = "PRINTET"
    MANUELT_HANDTERT = "MANUELT_HANDTERT"
    SENDT_DIGITALT = "SENDT_DIGITALT"
    SENDT_SDP = "SENDT_SDP"
    LEVERT_SDP = "LEVERT_SDP"
    KLAR_FOR_MOTTAK = "KLAR_FOR_MOTTAK"
    IKKE_LEVERT = "IKKE_LEVERT"


_FOLDED = {
    Status.FEILET_UNDER_MOTTAK: StatusV2.AVVIST,
    Status.SENDT_ALTINN: StatusV2.VARSLET,
    Status.LEVERT_ALTINN: StatusV2.VARSLET,
    # Ours to choose (contract, trap 9): the health network is, like SDP, a digital channel that confirms; what is
    # deleted has ended, and this is the one end that promises nothing about how.
    Status.SENDT_NHN_MOTTAKER: StatusV2.SENDT_SDP,
    Status.LEVERT_NHN_MOTTAKER: StatusV2.LEVERT_SDP,
    Status.SLETTET: StatusV2.MANUELT_HANDTERT,
}


def status_v2(status: Status) -> StatusV2:
    """The status as REST v1 and v2 name it."""
    return _FOLDED.get(status) or StatusV2(status.value)
