"""The client: sends and receives messages of one account of Fiks IO. Contract of the platform: fiks-io.md."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from types import TracebackType
from typing import Self
from uuid import UUID

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from aiormq.abc import DeliveredMessage

from fiks_cms import KeyPair
from fiks_io.api import Api, Integrasjon
from fiks_io.consuming import Broker, acknowledge, deliveries, reject
from fiks_io.container import Container
from fiks_io.errors import Lost
from fiks_io.katalog import Katalog
from fiks_io.maskinporten import Token
from fiks_io.melding import Metadata, NotUnderstood, metadata
from fiks_io.packing import File
from fiks_io.payload import sealed, unsealed
from fiks_io.sending import SendtMelding, Utgaende, headers, send
from fiks_io.signature import Signer

log = logging.getLogger(__name__)

TIMEOUT = ClientTimeout(total=None, sock_connect=30, sock_read=300)
"""Seconds. What is large may take as long as it does; who says nothing for five minutes is gone."""
CHUNK = 256 * 1024

IsHandled = Callable[[UUID], Awaitable[bool]]
"""Whether the message of this id was handled already."""


@dataclass(frozen=True, slots=True)
class Miljo:
    """Where the platform is."""

    api: str
    amqp_host: str
    amqp_port: int = 5671


TEST = Miljo("https://api.fiks.test.ks.no", "io.fiks.test.ks.no")
PRODUKSJON = Miljo("https://api.fiks.ks.no", "io.fiks.ks.no")


@dataclass(frozen=True, slots=True)
class EgenKonto:
    """The account whose messages these are: the key pairs by which others encrypt for it (of several, old ones too
    while messages for them can come), and who signs what it sends.
    """

    konto_id: UUID
    pairs: tuple[KeyPair, ...] = field(repr=False)
    signer: Signer = field(repr=False)


class FiksIO:
    """A client, to be used as ``async with FiksIO(...) as klient``. One is enough for an account, from any task.

    ``allow_sha1`` reads signatures that lean on SHA-1, which is what KS's client for Java writes. ``tls`` is for a
    platform whose certificate the system does not know.
    """

    def __init__(
        self,
        miljo: Miljo,
        integrasjon: Integrasjon,
        token: Token,
        konto: EgenKonto,
        *,
        allow_sha1: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._miljo, self._integrasjon, self._token, self._konto = miljo, integrasjon, token, konto
        self._allow_sha1 = allow_sha1
        self._tls = tls or ssl.create_default_context()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        agent = {"User-Agent": f"fiks-io-python/{version('fiks-io')}"}
        session = ClientSession(connector=TCPConnector(ssl=self._tls), timeout=TIMEOUT, headers=agent)
        self._api = Api(await self._open.enter_async_context(session), self._miljo.api, self._integrasjon, self._token)
        self.katalog = Katalog(self._api)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def send(
        self,
        mottaker_konto_id: UUID,
        melding_type: str,
        files: Sequence[File] = (),
        *,
        svar_pa_melding: UUID | None = None,
        ttl: timedelta | None = None,
        headere: Mapping[str, str] | None = None,
        klient_melding_id: UUID | None = None,
        klient_korrelasjon_id: str | None = None,
    ) -> SendtMelding:
        """Send files, signed and encrypted for the receiver; without any, a message without payload.

        The platform takes seven days when there is no ``ttl``. Send again with the same ``klient_melding_id``, so that
        the receiver can tell. Raises HttpError, also for a receiver without a key; Unavailable; ValueError for two
        files of one name; and whatever the contents of the files raise.
        """
        melding = Utgaende(
            avsender_konto_id=self._konto.konto_id,
            mottaker_konto_id=mottaker_konto_id,
            melding_type=melding_type,
            svar_pa_melding=svar_pa_melding,
            ttl=None if ttl is None else ttl // timedelta(milliseconds=1),
            headere=headers(headere, klient_melding_id, klient_korrelasjon_id),
        )
        if not files:
            return await send(self._api, melding, None)
        certificate = await self.katalog.certificate(mottaker_konto_id)
        return await send(self._api, melding, sealed(files, self._konto.signer, certificate))

    @asynccontextmanager
    async def meldinger(
        self, *, prefetch: int = 10, is_handled: IsHandled | None = None
    ) -> AsyncIterator[AsyncIterator[MottattMelding]]:
        """The messages of the account, without end: ``async with klient.meldinger() as meldinger``.

        At most ``prefetch`` of them are handed out and not settled. One that comes again and that ``is_handled`` knows
        is acknowledged, and not handed out. A connection that is lost is made again, for ever; but the first must
        succeed: raises Denied, Unavailable, and what the token source raises.
        """
        broker = Broker(self._miljo.amqp_host, self._miljo.amqp_port, self._integrasjon, self._token, self._tls)
        async with (
            deliveries(broker, self._konto.konto_id, prefetch) as messages,
            aclosing(self._meldinger(messages, is_handled)) as meldinger,
        ):
            yield meldinger

    async def _meldinger(
        self, messages: AsyncIterator[DeliveredMessage], is_handled: IsHandled | None
    ) -> AsyncGenerator[MottattMelding, None]:
        async for message in messages:
            try:
                said = metadata(message, self._konto.konto_id)
            except NotUnderstood:
                # After three attempts the platform tells its sender.
                log.error("a message is not understood, and is given back")
                with suppress(Lost):
                    await reject(message, requeue=True)
                continue
            if said.resendt and is_handled is not None and await is_handled(said.melding_id):
                with suppress(Lost):
                    await acknowledge(message)
                continue
            yield MottattMelding(said, message, self)

    def _unsealed(self, message: AsyncIterable[bytes]) -> AbstractAsyncContextManager[Container]:
        return unsealed(message, self._konto.pairs, allow_sha1=self._allow_sha1)

    async def _download(self, dokumentlager_id: UUID) -> AsyncGenerator[bytes, None]:
        async with self._api.call("GET", f"/dokumentlager/nedlasting/{dokumentlager_id}") as response:
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk


class MottattMelding:
    """A message that has come. It is settled by one of ``ack``, ``nack`` and ``requeue``; each raises Lost when the
    connection by which it came is gone, and then it comes again."""

    def __init__(self, said: Metadata, message: DeliveredMessage, klient: FiksIO) -> None:
        self.metadata = said
        self._message, self._klient = message, klient

    def __repr__(self) -> str:
        return f"<MottattMelding {self.metadata.melding_id} {self.metadata.melding_type}>"

    async def ack(self) -> None:
        """It is handled, and gone."""
        await acknowledge(self._message)

    async def nack(self) -> None:
        """It is not wanted, and gone. Nobody is told."""
        await reject(self._message, requeue=False)

    async def requeue(self) -> None:
        """It comes again; after three such attempts it is gone, and the platform tells its sender."""
        await reject(self._message, requeue=True)

    async def svar(
        self,
        melding_type: str,
        files: Sequence[File] = (),
        *,
        ttl: timedelta | None = None,
        headere: Mapping[str, str] | None = None,
        klient_melding_id: UUID | None = None,
    ) -> SendtMelding:
        """Send an answer to the sender, in the same dialogue. It does not settle the message. Raises as ``send``."""
        return await self._klient.send(
            self.metadata.avsender_konto_id,
            melding_type,
            files,
            svar_pa_melding=self.metadata.melding_id,
            ttl=ttl,
            headere=headere,
            klient_melding_id=klient_melding_id,
            klient_korrelasjon_id=self.metadata.klient_korrelasjon_id,
        )

    def innhold(self) -> AbstractAsyncContextManager[Container]:
        """The files: ``async with melding.innhold() as innhold``. Nothing is handed out before all of it has come and
        was deciphered, and signature, manifest and every file were checked: raises Refused. Raises HttpError and
        Unavailable where it must be fetched.
        """
        return self._klient._unsealed(self.kryptert())

    async def kryptert(self) -> AsyncGenerator[bytes, None]:
        """The payload as it came, of a sender that does not write containers. Raises HttpError and Unavailable."""
        if (dokumentlager_id := self.metadata.dokumentlager_id) is None:
            yield self._message.body
            return
        async with aclosing(self._klient._download(dokumentlager_id)) as chunks:
            async for chunk in chunks:
                yield chunk
