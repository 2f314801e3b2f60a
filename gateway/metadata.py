"""JSON from callers, strictly typed: what a contract's schema itself refuses is ``Unreadable``.

Fields that the schema does not have are passed over, as v2 and v3 do (contract, trap 15), and null is the same as
absent everywhere (trap 6). Texts have no NUL, which PostgreSQL cannot store; times have an offset and a UTC form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

from gateway.digital_id import Kind, kind_of
from schemas.errors import Unreadable

T = TypeVar("T")

CHARSETS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}

NO_NUL = r"\A[^\0]*\Z"
NO_CONTROLS = r"\A[^\x00-\x1f\x7f]*\Z"
NOT_BLANK = r"\A(?=\s*[^\s\0])[^\0]*\Z"
EPOST = r"[^@\s\0]{1,64}@[^@\s\0.]+(?:\.[^@\s\0.]+)+"
KIND = "kind"
"""The extra of a text that must be such a number (``gateway.digital_id``)."""
Text = Annotated[str, Meta(pattern=NO_NUL)]
HeaderText = Annotated[str, Meta(pattern=NO_CONTROLS)]
"""What is written into headers of HTTP, which a line break would end."""
Text1000 = Annotated[str, Meta(pattern=NO_NUL, max_length=1000)]
Text100 = Annotated[str, Meta(pattern=NO_NUL, max_length=100)]
Kode = Annotated[str, Meta(pattern=r"\A[0-9A-Z_.]+\Z", max_length=100)]
Name = Annotated[str, Meta(pattern=NOT_BLANK, max_length=1000)]
Epost = Annotated[str, Meta(pattern=rf"\A{EPOST}\Z", max_length=254)]
EpostOrNone = Annotated[str, Meta(pattern=rf"\A(?:{EPOST})?\Z", max_length=254)]
"""The same, or the empty text that takes away what was said."""
Orgnr = Annotated[str, Meta(pattern=r"\A[0-9]{9}\Z")]
Fnr = Annotated[str, Meta(pattern=r"\A[0-9]{11}\Z")]
"""Numbers by their form alone, as the contracts have it."""
Organisasjonsnummer = Annotated[Orgnr, Meta(extra={KIND: Kind.ORGANISASJON})]
Fodselsnummer = Annotated[Fnr, Meta(extra={KIND: Kind.PERSON})]
"""The same as fields of what ``read_json`` reads, by their check digits too; synthetic persons included."""
Int32 = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[datetime, Meta(tz=True)]

_LETTER = r"A-ZÆØÅa-zæøå0-9ÁáÀàÂâÉéÈèÊêÍíÌìÎîÓóÒòÔôÚúÙùÛûÝýÄäËëÏïÖöÜü,.!?\-:;/\\'()&+*=%§"
Kontonavn = Annotated[str, Meta(pattern=rf"\A[{_LETTER}][{_LETTER} ]*[{_LETTER}]\Z", min_length=2, max_length=200)]

NUMBERS = {Kind.PERSON: "fødselsnummer eller d-nummer", Kind.ORGANISASJON: "organisasjonsnummer"}

OUTSIDE = "no such time in UTC"
_AT = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def read_json(content: bytes, cls: type[T], charset: str | None = None) -> T:
    """What ``content`` says, as ``cls``. Raises Unreadable, naming the field and never what stands in it."""
    try:
        encoding = CHARSETS[(charset or "utf-8").lower()]
        # msgspec reads UTF-8 as it is; the text in between is for all else.
        text = content if encoding == "utf-8-sig" and content[:1] in (b"{", b"[") else content.decode(encoding)
        said = msgspec.json.decode(text)
    except KeyError:
        raise Unreadable("Ugyldig innhold: tegnsettet er ukjent") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable("Ugyldig innhold: JSON kan ikke leses") from None
    try:
        read = msgspec.convert(_without_nulls(said), cls)
    except (msgspec.ValidationError, RecursionError) as fault:
        raise Unreadable(f"Ugyldig innhold: {_in_words(str(fault))}") from None
    for name, shown_as, kind in _numbers_in(cls):
        if any(kind_of(number) is not kind for number in _each(getattr(read, name))):
            raise Unreadable(f"Ugyldig innhold: feltet {shown_as} er ikke et gyldig {NUMBERS[kind]}")
    return read


def must_be_in_the_calendar(time: datetime | None) -> None:
    """Raises ValueError for a moment that in UTC lies before year 1 or after year 9999: no event can hold it."""
    try:
        _ = time and time.astimezone(UTC)
    except OverflowError:
        raise ValueError(OUTSIDE) from None


def _without_nulls(value: Any) -> Any:
    if type(value) is dict:
        nested = (dict, list)
        return {name: _without_nulls(of) if type(of) in nested else of for name, of in value.items() if of is not None}
    if type(value) is list:
        return [_without_nulls(one) for one in value]
    return value


def _find_numbers_in(cls: Any) -> tuple[tuple[str, str, Kind], ...]:
    """The fields of a struct that hold numbers with check digits: name, name in JSON, and what has such a number."""
    if not isinstance(cls, type) or not issubclass(cls, msgspec.Struct):
        return ()
    hints = get_type_hints(cls, include_extras=True)
    found = ((field, next(_kinds_in(hints[field.name]), None)) for field in msgspec.structs.fields(cls))
    return tuple((field.name, field.encode_name, kind) for field, kind in found if kind)


_numbers_in: Callable[[Any], tuple[tuple[str, str, Kind], ...]] = cache(_find_numbers_in)


def _kinds_in(annotation: Any) -> Iterator[Kind]:
    for one in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        if isinstance(one, Meta):
            yield from [(one.extra or {})[KIND]] if KIND in (one.extra or {}) else ()
        else:
            yield from _kinds_in(one)


def _each(said: Any) -> Iterable[str]:
    return () if said is None else (said,) if isinstance(said, str) else said


def _in_words(fault: str) -> str:
    at = found[1] if (found := _AT.search(fault)) else ""
    if missing := _MISSING.search(fault):
        return f"feltet {'.'.join(filter(None, (at, missing[1])))} mangler"
    if OUTSIDE in fault:
        return f"{f'feltet {at}' if at else 'et tidspunkt'} ligger i UTC før år 1 eller etter år 9999"
    if at:
        return f"feltet {at} har feil type, lengde eller format"
    return f"JSON er ikke {'en liste' if 'Expected `array`' in fault else 'et objekt'}"
