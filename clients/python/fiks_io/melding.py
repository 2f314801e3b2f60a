"""What a message that has come says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from aiormq.abc import DeliveredMessage

from fiks_io.sending import KLIENT_MELDING_ID, KORRELASJON_ID, OLD_KORRELASJON_ID

OWN = "egendefinert-header."
"""What the names of senders' own headers begin with."""


class NotUnderstood(Exception):
    """The message does not say of itself what each message must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a message says of itself. ``headere`` are its sender's own."""

    melding_id: UUID
    melding_type: str
    avsender_konto_id: UUID
    mottaker_konto_id: UUID
    svar_pa_melding: UUID | None
    ttl: timedelta | None
    headere: Mapping[str, str]
    dokumentlager_id: UUID | None
    har_payload: bool
    resendt: bool
    """Whether it was handed out before, perhaps to us."""

    @property
    def klient_melding_id(self) -> UUID | None:
        """The sender's own id, the same when it sends again."""
        try:
            return _uuid(self.headere.get(KLIENT_MELDING_ID, ""))
        except NotUnderstood:
            return None

    @property
    def klient_korrelasjon_id(self) -> str | None:
        """What goes through a whole dialogue."""
        return self.headere.get(KORRELASJON_ID, self.headere.get(OLD_KORRELASJON_ID))


def metadata(message: DeliveredMessage, konto_id: UUID) -> Metadata:
    """What a message of this account's queue says of itself. Raises NotUnderstood."""
    properties = message.header.properties
    headers = {name: value for name, value in (properties.headers or {}).items() if isinstance(value, str)}
    dokumentlager_id = _uuid_if_any(headers.get("dokumentlager-id"))
    return Metadata(
        melding_id=_uuid(headers.get("melding-id", "")),
        melding_type=_text(headers.get("type", "")),
        avsender_konto_id=_uuid(headers.get("avsender-id", "")),
        mottaker_konto_id=konto_id,
        svar_pa_melding=_uuid_if_any(headers.get("svar-til")),
        ttl=_ttl(properties.expiration),
        headere={name.removeprefix(OWN): value for name, value in headers.items() if name.startswith(OWN)},
        dokumentlager_id=dokumentlager_id,
        har_payload=dokumentlager_id is not None or bool(message.body),
        resendt=bool(message.redelivered),
    )


def _uuid_if_any(text: str | None) -> UUID | None:
    return None if text is None else _uuid(text)


def _uuid(text: str) -> UUID:
    try:
        value = UUID(text)
    except ValueError:
        raise NotUnderstood from None
    if str(value) != text.lower():
        raise NotUnderstood
    return value


def _text(text: str) -> str:
    if not text:
        raise NotUnderstood
    return text


def _ttl(expiration: str | None) -> timedelta | None:
    if expiration is None:
        return None
    if not (expiration.isascii() and expiration.isdigit()):
        raise NotUnderstood
    try:
        return timedelta(milliseconds=int(expiration))
    except OverflowError:
        raise NotUnderstood from None
