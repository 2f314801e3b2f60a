"""KS's maskinporten-client 3.6.0, unchanged, gets tokens of the test issuer, and the gateway lets them in."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.auth.demands import integration
from gateway.auth.grant import certificate
from gateway.routes import Routes
from tests.support.door import VENDOR, door, shown
from tests.support.issuer import rsa_key, running_issuers
from tests.support.published_client import JAVA, libraries

CLIENT, KID, PASSWORD = f"test-{VENDOR}", "key-1", "changeit"


async def test_with_certificate_and_with_key_id_it_is_let_in(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = BestAvailableEncryption(PASSWORD.encode())
    store = tmp_path / "virksomhet.p12"
    store.write_bytes(pkcs12.serialize_key_and_certificates(b"virk", key, certificate(key, VENDOR), None, secret))
    routes = Routes()

    @routes.get("/any", demands=integration())
    async def let_in(_: web.Request) -> web.Response:
        return web.json_response({})

    async with running_issuers() as issuers, door(issuers) as made, ClientSession() as session:
        routes.add_to(made.app)
        issuer = issuers.maskinporten.name
        keys = {"keys": [RSAKey.import_key(key).as_dict(private=False) | {"kid": KID, "use": "sig"}]}
        async with session.put(f"{issuer}clients/{CLIENT}/jwks", json=keys) as answer:
            assert answer.status == 204
        by_certificate, by_key = await _tokens(issuer, store)
        async with made.server:
            for token, amr in ((by_certificate, "virksomhetssertifikat"), (by_key, "private_key_jwt")):
                assert jwt.decode(token, rsa_key()).claims["client_amr"] == amr
                assert (await made.knock("GET", "/any", shown(token, integration=True)))[0] == 200
                assert (await made.knock("GET", "/any", shown(token)))[0] == 401, "the token alone is not enough"


async def _tokens(issuer: str, store: Path) -> list[str]:
    """What the client gets, each time by another proof."""
    source, log = str(JAVA / "Maskinporten.java"), store.with_name("client.log")
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *("java", "-XX:+UseSerialGC", "-cp", f"{await libraries()}/*", source),
            *(issuer, CLIENT, str(store), PASSWORD, "virk", KID),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        printed, _ = await process.communicate()
    assert process.returncode == 0, log.read_text()
    return printed.decode().split()
