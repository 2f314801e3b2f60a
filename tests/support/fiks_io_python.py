"""Our client for Python for accounts of the local system."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12

from fiks_io import EgenKonto, FiksIO, File, Integrasjon, Maskinporten, Miljo, MottattMelding, SendtMelding, Signer
from tests.support.fiks_io_java import TYPE, Konto, Post
from tests.support.files import Measured, measure
from tests.support.published_client import caller


@dataclass(frozen=True)
class Python:
    """The client of an account, and what it reads."""

    konto: Konto
    klient: FiksIO
    meldinger: AsyncIterator[MottattMelding]
    handled: set[UUID]
    """The messages that it says it has handled."""
    tokens: list[str]
    """What it has shown itself by."""

    async def send(self, to: Konto, *files: Path, **more: Any) -> SendtMelding:
        """Send a message with these files."""
        return await self.klient.send(UUID(to.konto_id), TYPE, attached(*files), **more)

    async def next(self) -> MottattMelding:
        """The next message that it hands out."""
        return await anext(self.meldinger)


@asynccontextmanager
async def python(post: Post, konto: Konto) -> AsyncIterator[Python]:
    """A client for the account, which reads its queue."""
    handled: set[UUID] = set()
    tokens: list[str] = []

    async def is_handled(melding_id: UUID) -> bool:
        return melding_id in handled

    klient = python_klient(post, konto, tokens)
    async with klient, klient.meldinger(is_handled=is_handled) as meldinger:
        yield Python(konto, klient, meldinger, handled, tokens)


def python_klient(post: Post, konto: Konto, tokens: list[str] | None = None, **instead: Any) -> FiksIO:
    """The client as a vendor makes it, by what the published one is given. ``tokens`` hears of each one it uses."""
    known = caller(post.system, konto.owner) | instead
    store, secret = Path(known["keyStore"]).read_bytes(), known["keyStorePassword"].encode()
    key, virksomhet, _ = pkcs12.load_key_and_certificates(store, secret)
    assert isinstance(key, RSAPrivateKey)
    assert virksomhet is not None
    maskinporten = Maskinporten(known["issuer"], known["clientId"], key, certificate=virksomhet)

    async def token() -> str:
        made = await maskinporten()
        if tokens is not None:
            tokens.append(made)
        return made

    addresses = post.system.addresses
    host, port = addresses["amqp"].removeprefix("amqps://").removesuffix("/").split(":")
    return FiksIO(
        Miljo(addresses["gateway_tls"], host, int(port)),
        Integrasjon(UUID(known["integrasjonId"]), known["integrasjonPassord"]),
        token,
        EgenKonto(UUID(konto.konto_id), (konto.pair,), Signer(virksomhet, key)),
        allow_sha1=True,
        tls=ssl.create_default_context(cafile=addresses["authority"]),
    )


def attached(*files: Path) -> list[File]:
    """The files as they are sent."""
    return [File(one.name, one) for one in files]


async def opened(melding: MottattMelding) -> Measured:
    """What is in a message."""
    async with melding.innhold() as innhold:
        return {name: measure(innhold.read(name)) for name in innhold.names}
