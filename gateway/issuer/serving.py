"""The test issuers on the wire: Maskinporten at the root, ID-porten below the path of its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from gateway.auth.claims import ACR
from gateway.auth.grant import GRANT_TYPE
from gateway.issuer import pages
from gateway.issuer.assertion import Refused
from gateway.issuer.authorization import Authorization, Return, read_authorization, read_return
from gateway.issuer.clients import Registration
from gateway.issuer.idporten import IdPorten, Session
from gateway.issuer.maskinporten import Maskinporten
from gateway.issuer.signing import own_key
from infra.settings import Settings
from streams.domain.errors import Rejected

COOKIE = "idporten"


class KeySet(msgspec.Struct, frozen=True):
    """A JWK set (RFC 7517), as clients of Maskinporten register it."""

    keys: list[dict[str, Any]]


def issuers(settings: Settings) -> web.Application:
    """Both issuers of this system, with keys that its state folder keeps. Raises Rejected for a name of no use."""
    if not urlsplit(settings.idporten_issuer).path.strip("/"):
        raise Rejected(
            "FIKS_IDPORTEN_ISSUER must be a path below the test issuer's address, such as <address>/idporten"
        )
    maskinporten = Maskinporten(settings.issuer, own_key(settings.state))
    return make_app(maskinporten, IdPorten(settings.idporten_issuer, own_key(settings.state, "idporten")))


def make_app(maskinporten: Maskinporten, idporten: IdPorten) -> web.Application:
    """Both issuers as one web application."""
    app = web.Application(middlewares=[_refusals])
    app.add_routes(_of_maskinporten(maskinporten))
    app.add_subapp(urlsplit(idporten.name).path, IdPortenPages(idporten).app())
    return app


@web.middleware
async def _refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except Refused as refused:
        return web.json_response(refused.answer, status=refused.status)
    except (msgspec.DecodeError, RecursionError) as fault:
        return web.json_response({"error": "invalid_request", "error_description": str(fault)}, status=400)


def _of_maskinporten(issuer: Maskinporten) -> list[web.RouteDef]:
    async def discovery(request: web.Request) -> web.Response:
        urls = {"token_endpoint": f"{issuer.name}token", "jwks_uri": f"{issuer.name}jwks"}
        return web.json_response({"issuer": issuer.name, **urls, "grant_types_supported": [GRANT_TYPE]})

    async def jwks(request: web.Request) -> web.Response:
        return web.json_response(issuer.jwks())

    async def token(request: web.Request) -> web.Response:
        return _secret(issuer.grant(await request.post()))

    async def register(request: web.Request) -> web.Response:
        key_set = msgspec.json.decode(await request.read(), type=KeySet)
        issuer.register(request.match_info["client_id"], {"keys": key_set.keys})
        return web.Response(status=204)

    return [
        web.get("/.well-known/oauth-authorization-server", discovery),
        web.get("/jwks", jwks),
        web.post("/token", token),
        web.put("/clients/{client_id}/jwks", register),
    ]


class IdPortenPages:
    """What ID-porten answers to browsers and clients."""

    def __init__(self, issuer: IdPorten) -> None:
        self._issuer = issuer
        self._path = urlsplit(issuer.name).path

    def app(self) -> web.Application:
        """All of it, to be served below the path of the issuer's name."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self.discovery),
                web.get("/jwks", self.jwks),
                web.put("/clients/{client_id}", self.register),
                web.post("/par", self.push),
                web.get("/authorize", self.authorize),
                web.post("/login", self.login),
                web.post("/token", self.token),
                web.get("/logout", self.logout),
            ]
        )
        return app

    async def discovery(self, request: web.Request) -> web.Response:
        name = self._issuer.name
        endpoints = {"authorization": "authorize", "token": "token", "end_session": "logout"}
        endpoints |= {"pushed_authorization_request": "par"}
        about = {f"{endpoint}_endpoint": f"{name}/{path}" for endpoint, path in endpoints.items()}
        supported = {
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "code_challenge_methods": ["S256"],
            "acr_values": list(ACR.values()),
            "scopes": ["openid", "ks:fiks"],
            "subject_types": ["pairwise"],
            "id_token_signing_alg_values": ["RS256"],
            "token_endpoint_auth_methods": ["client_secret_basic", "client_secret_post", "none"],
        }
        about_more = {f"{what}_supported": values for what, values in supported.items()}
        iss = {"authorization_response_iss_parameter_supported": True}
        return web.json_response({"issuer": name, "jwks_uri": f"{name}/jwks", **about, **about_more, **iss})

    async def jwks(self, request: web.Request) -> web.Response:
        return web.json_response(self._issuer.jwks())

    async def register(self, request: web.Request) -> web.Response:
        registration = msgspec.json.decode(await request.read(), type=Registration)
        self._issuer.clients.register(request.match_info["client_id"], registration)
        return web.Response(status=204)

    async def push(self, request: web.Request) -> web.Response:
        return _secret(self._issuer.push(await request.post(), request.headers.get("Authorization", "")), status=201)

    async def authorize(self, request: web.Request) -> web.Response:
        try:
            query = self._issuer.pushed(request.query)
            back = read_return(query, self._issuer.clients)
        except Refused as refused:
            return pages.message("Kan ikke logge inn", str(refused), 400)
        try:
            asked = read_authorization(query, back)
        except Refused as refused:
            return self._refused(back, refused)
        session = self._issuer.session(request.cookies.get(COOKIE, ""), asked)
        if session is not None:
            return self._let_in(session, asked)
        if "none" in asked.prompt:
            return self._refused(back, Refused("login_required", "nobody has logged in"))
        return pages.login(f"{self._path}/login", self._issuer.begin(asked), asked)

    async def login(self, request: web.Request) -> web.Response:
        picked = {name: str(value) for name, value in (await request.post()).items()}
        login = picked.get("login", "")
        try:
            asked = self._issuer.begun(login)
        except Refused as refused:
            return pages.message("Kan ikke logge inn", str(refused), 400)
        niva = picked.get("niva", "")
        try:
            session = self._issuer.log_in(login, picked.get("pid", ""), int(niva) if niva in ("3", "4") else 0)
        except Refused as refused:
            return pages.login(f"{self._path}/login", login, asked, str(refused))
        return self._let_in(session, asked)

    async def token(self, request: web.Request) -> web.Response:
        return _secret(self._issuer.grant(await request.post(), request.headers.get("Authorization", "")))

    async def logout(self, request: web.Request) -> web.Response:
        hint = self._issuer.read(request.query.get("id_token_hint", "")) or {}
        for sid in {request.cookies.get(COOKIE), hint.get("sid")} - {None}:
            self._issuer.log_out(str(sid))
        client = self._issuer.clients.find(str(hint.get("aud") or request.query.get("client_id", "")))
        wanted = request.query.get("post_logout_redirect_uri")
        if wanted is None:
            answer = pages.message("Du er logget ut", "Du kan lukke vinduet.", 200)
        elif client is None or wanted not in client.registration.post_logout_redirect_uris:
            answer = pages.message("Du er logget ut", "Adressen å gå videre til er ikke registrert for klienten.", 400)
        else:
            state = request.query.get("state", "")
            answer = _see_other(Return(client.id, wanted, state).address() if state else wanted)
        answer.del_cookie(COOKIE, path=self._path)
        return answer

    def _let_in(self, session: Session, asked: Authorization) -> web.Response:
        answer = _see_other(self._issuer.code(session, asked))
        answer.set_cookie(COOKIE, session.sid, path=self._path, httponly=True, samesite="Lax")
        return answer

    def _refused(self, back: Return, refused: Refused) -> web.Response:
        return _see_other(back.address(**refused.answer, iss=self._issuer.name))


def _see_other(location: str) -> web.Response:
    return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})


def _secret(answer: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(answer, status=status, headers={"Cache-Control": "no-store"})
