"""Whether a number is one that persons or organisations have. Pure: it says nothing of who has it."""

from __future__ import annotations

from enum import Enum, auto

DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
K1 = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
K2 = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
ORGNR = (3, 2, 7, 6, 5, 4, 3, 2, 1)
SYNTHETIC_MONTHS = (0, 40, 65, 80)
"""Added to the month in synthetic populations (Tenor 80, Dolly 40, Tenor with Dolly's 65); 0 for living people."""


class Kind(Enum):
    """What a digitalId can be."""

    PERSON = auto()
    ORGANISASJON = auto()


def kind_of(number: str | None) -> Kind | None:
    """What has this number: a person (fødselsnummer or d-number) or an organisation; None when it is no number."""
    if not number or not (number.isascii() and number.isdigit()):
        return None
    digits = [int(digit) for digit in number]
    if len(digits) == 11 and _is_date(digits) and _holds(digits, K1) and _holds(digits, K2):
        return Kind.PERSON
    if len(digits) == 9 and digits[0] and _holds(digits, ORGNR):  # nine zeros would hold, too
        return Kind.ORGANISASJON
    return None


def _holds(digits: list[int], weights: tuple[int, ...]) -> bool:
    """Modulus 11, the check digit included with weight 1."""
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11 == 0


def _is_date(digits: list[int]) -> bool:
    day, month = digits[0] * 10 + digits[1], digits[2] * 10 + digits[3]
    day = day - 40 if day > 40 else day  # a d-number
    return any(0 < month - added <= 12 and 0 < day <= DAYS[month - added - 1] for added in SYNTHETIC_MONTHS)
