"""A stand-in for ID-porten: authorization code with PKCE, refresh and logout. Contract: auth.md 3. Knows no HTTP.

Everything that it remembers is forgotten when the issuer ends.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

from joserfc.jwk import RSAKey

from gateway.auth.claims import ACR
from gateway.issuer.assertion import Refused
from gateway.issuer.authorization import Authorization, read_authorization, read_return
from gateway.issuer.clients import Clients, OidcClient
from gateway.issuer.expiring import Expiring
from gateway.issuer.maskinporten import party
from gateway.issuer.people import is_synthetic
from gateway.issuer.signing import Signer

LIFETIME = 599
TIME_TO_LOG_IN = 600.0
PUSHED = "urn:ietf:params:oauth:request_uri:"
PUSHED_FOR = 120.0
CODE_LIFETIME = 60.0
REFRESH_IDLE = 600.0
AUTHORIZED_FOR = 7200.0
SESSION_IDLE = 1800.0
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has logged in, at ``began`` (seconds since 1970)."""

    sid: str
    pid: str = field(repr=False)
    niva: int
    began: float


@dataclass(frozen=True, slots=True)
class Grant:
    """What a session has given a client; ``id`` is common to all tokens that follow from one authorization."""

    id: str
    session: Session
    asked: Authorization


class IdPorten(Signer):
    """Logs test persons in, in the name ``name``, and signs with ``key``. ``clock`` gives seconds since 1970."""

    def __init__(self, name: str, key: RSAKey, clock: Callable[[], float] = time.time) -> None:
        super().__init__(key)
        self.name, self.clients = name, Clients()
        self._clock = clock
        self._pushed: Expiring[Mapping[str, str]] = Expiring(clock)
        self._logins: Expiring[Authorization] = Expiring(clock)
        self._sessions: Expiring[Session] = Expiring(clock)
        self._codes: Expiring[Grant] = Expiring(clock)
        self._refresh_tokens: Expiring[Grant] = Expiring(clock)
        self._spent: Expiring[str] = Expiring(clock)
        self._revoked: Expiring[bool] = Expiring(clock)

    def push(self, form: Mapping[str, Any], authorization: str = "") -> dict[str, Any]:
        """Keep what a client asks for until it sends somebody to log in (RFC 9126). Raises Refused."""
        said = {name: value for name, value in form.items() if isinstance(value, str)}
        client = self.clients.authenticated(authorization, said)
        pushed = said | {"client_id": client.id}
        read_authorization(pushed, read_return(pushed, self.clients))
        return {"request_uri": PUSHED + self._pushed.keep(pushed, PUSHED_FOR), "expires_in": int(PUSHED_FOR)}

    def pushed(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """What is asked for by a query: what it says, or what its client has pushed, once. Raises Refused."""
        if "request_uri" not in query:
            return query
        pushed = self._pushed.take(query["request_uri"].removeprefix(PUSHED))
        if pushed is None or query.get("client_id") != pushed["client_id"]:
            raise Refused("invalid_request", "request_uri er ikke kjent, for gammel, brukt før eller en annen klients")
        return pushed

    def begin(self, asked: Authorization) -> str:
        """The id by which the login page goes on with what was asked for."""
        return self._logins.keep(asked, TIME_TO_LOG_IN)

    def begun(self, login: str) -> Authorization:
        """What was asked for. Raises Refused."""
        asked = self._logins.get(login)
        if asked is None:
            raise Refused("invalid_request", "innloggingen har tatt for lang tid; begynn på nytt")
        return asked

    def log_in(self, login: str, pid: str, niva: int) -> Session:
        """The new session of a test person. Raises Refused."""
        asked = self.begun(login)
        if not is_synthetic(pid):
            raise Refused("access_denied", "bare syntetiske fødselsnummer kan logge inn her")
        if niva not in ACR or niva < asked.niva:
            raise Refused("access_denied", f"tjenesten krever nivå {asked.niva}")
        self._logins.take(login)
        session = Session(secrets.token_urlsafe(32), pid, niva, self._clock())
        self._sessions.put(session.sid, session, SESSION_IDLE)
        return session

    def session(self, sid: str, asked: Authorization) -> Session | None:
        """The session that answers what is asked without a new login; it then lasts longer, but not for ever."""
        session = self._sessions.get(sid)
        if session is None or session.niva < asked.niva or "login" in asked.prompt:
            return None
        left = session.began + AUTHORIZED_FOR - self._clock()
        self._sessions.put(sid, session, min(SESSION_IDLE, left))
        return session

    def code(self, session: Session, asked: Authorization) -> str:
        """The address to which the browser brings its code."""
        code = self._codes.keep(Grant(secrets.token_urlsafe(16), session, asked), CODE_LIFETIME)
        return asked.back.address(code=code, iss=self.name)

    def log_out(self, sid: str) -> None:
        """End the session: it gives no new tokens to anyone, nor do its refresh tokens."""
        self._sessions.take(sid)
        self._revoked.put(sid, True, AUTHORIZED_FOR)

    def grant(self, form: Mapping[str, Any], authorization: str = "") -> dict[str, Any]:
        """The token response to a token request with that Authorization header. Raises Refused."""
        said = {name: value for name, value in form.items() if isinstance(value, str)}
        client = self.clients.authenticated(authorization, said)
        match said.get("grant_type"):
            case "authorization_code":
                grant = self._spend(client, self._codes, said.get("code", ""))
                _require_same(grant.asked, said)
            case "refresh_token":
                grant = self._spend(client, self._refresh_tokens, said.get("refresh_token", ""))
            case _:
                raise Refused("unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
        return self._tokens(client, grant)

    def _spend(self, client: OidcClient, kept: Expiring[Grant], key: str) -> Grant:
        """What a code or a refresh token stands for, once. Used again, it was stolen: then all that it gave ends."""
        grant = kept.get(key)
        if grant is None or grant.asked.back.client_id != client.id:
            if (stolen := self._spent.get(key)) is not None:
                self._revoked.put(stolen, True, AUTHORIZED_FOR)
            raise Refused("invalid_grant", "it is not known, over, used before, or another client's")
        kept.take(key)
        self._spent.put(key, grant.id, AUTHORIZED_FOR)
        over = self._clock() >= grant.session.began + AUTHORIZED_FOR
        if over or self._revoked.get(grant.id) or self._revoked.get(grant.session.sid):
            raise Refused("invalid_grant", "the session has ended")
        return grant

    def _tokens(self, client: OidcClient, grant: Grant) -> dict[str, Any]:
        common = self._common(client, grant.session)
        consumer = {"client_id": client.id, "consumer": party(client.orgnr), "scope": grant.asked.scope}
        access_token = self.sign(common | consumer | {"token_type": "Bearer", "jti": str(uuid4())})
        response = {
            "access_token": access_token,
            "id_token": self.sign(common | _of_id_token(client, grant, access_token)),
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "scope": grant.asked.scope,
        }
        if client.confidential:
            response["refresh_token"] = self._refresh_tokens.keep(grant, REFRESH_IDLE)
        return response

    def _common(self, client: OidcClient, session: Session) -> dict[str, Any]:
        now = int(self._clock())
        sub = sha256(f"{client.orgnr} {session.pid}".encode()).hexdigest()  # pairwise
        times = {"iat": now, "exp": now + LIFETIME}
        return {"iss": self.name, "sub": sub, "pid": session.pid, "acr": ACR[session.niva], **times}


def _of_id_token(client: OidcClient, grant: Grant, access_token: str) -> dict[str, Any]:
    return {
        "aud": client.id,
        "nonce": grant.asked.nonce,
        "sid": grant.session.sid,
        "auth_time": int(grant.session.began),
        "amr": ["TestID"],
        "at_hash": _urlsafe(sha256(access_token.encode()).digest()[:16]),
    }


def _require_same(asked: Authorization, form: Mapping[str, str]) -> None:
    """Whoever redeems a code is who asked for it. Raises Refused."""
    if form.get("redirect_uri") != asked.back.redirect_uri:
        raise Refused("invalid_grant", "redirect_uri is not the one of the authorization")
    verifier = form.get("code_verifier", "")
    if not VERIFIER.fullmatch(verifier) or s256(verifier) != asked.code_challenge:
        raise Refused("invalid_grant", "code_verifier does not fit the code_challenge")


def s256(verifier: str) -> str:
    """The code_challenge of a code_verifier (RFC 7636, 4.2)."""
    return _urlsafe(sha256(verifier.encode()).digest())


def _urlsafe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
