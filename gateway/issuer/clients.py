"""The clients that have registered with the stand-in for ID-porten: who they are, and where their users may go."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

import msgspec

from gateway.issuer.assertion import Refused

CLIENT = re.compile(r"test-([0-9]{9})(-[a-z0-9]+)?", re.ASCII)


class Registration(msgspec.Struct, frozen=True):
    """What a client says of itself. With a ``client_secret`` it is confidential, and may refresh its tokens."""

    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...] = ()
    client_secret: str | None = None


class OidcClient(msgspec.Struct, frozen=True):
    """A registered client. It belongs to the organisation ``orgnr``."""

    id: str
    orgnr: str
    registration: Registration

    @property
    def confidential(self) -> bool:
        return self.registration.client_secret is not None


class Clients:
    """Forgotten when the issuer ends. ``test-<orgnr>`` and ``test-<orgnr>-<word>`` belong to that organisation."""

    def __init__(self) -> None:
        self._known: dict[str, OidcClient] = {}

    def register(self, client_id: str, registration: Registration) -> None:
        """From now on the client is known as this. Raises Refused for a name that follows no rule."""
        named = CLIENT.fullmatch(client_id)
        if named is None:
            raise Refused("invalid_client", "test clients are called test-<orgnr> or test-<orgnr>-<word>")
        self._known[client_id] = OidcClient(client_id, named[1], registration)

    def find(self, client_id: str) -> OidcClient | None:
        """The client of that id."""
        return self._known.get(client_id)

    def authenticated(self, authorization: str, form: Mapping[str, str]) -> OidcClient:
        """Who makes a token request: by Basic, by secret in the form, or a public client by its id. Raises Refused."""
        id_, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret"))
        client = self._known.get(id_)
        if client is None:
            raise Refused("invalid_client", "no client of that id has registered")
        expected = client.registration.client_secret
        if expected is not None and not hmac.compare_digest((secret or "").encode(), expected.encode()):
            raise Refused("invalid_client", "the client_secret is wrong")
        return client


def _basic(authorization: str) -> tuple[str, str] | None:
    """Id and secret of an Authorization header (RFC 6749, 2.3.1); None where there is none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        id_, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Refused("invalid_client", "the Authorization header is no Basic header") from None
    return unquote_plus(id_), unquote_plus(secret)
