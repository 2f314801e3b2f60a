"""Records what published clients say over AMQP, from their first octet to their last, into ``tests/unit/captures``, for
the fuzzing. Run by hand: ``python -m tests.support.amqp_recorder``. Tokens in them are of a test's own issuer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.amqp.queues import queue_of
from tests.support.amqp import KONTO_ID, MELDING, QUEUE, Amqp, running_amqp
from tests.support.amqp_drivers import AioPika, Driver, Java, Pika
from tests.support.amqp_peer import KONTO
from tests.support.published_client import Client, Program
from tests.support.rabbitmq import amqp_consume, packages
from tests.support.stack import temporary_folder

CAPTURES = Path(__file__).parents[1] / "unit/captures"
JAVA = Program("Amqp.java", "amqp-5.37.xml", "amqp-client-5.37")


@asynccontextmanager
async def recording(port: int, into: bytearray) -> AsyncIterator[int]:
    """A port in front of another; what clients say goes into ``into``."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, keeps: bool) -> None:
        while octets := await reader.read(1 << 16):
            if keeps:
                into.extend(octets)
            writer.write(octets)
        writer.close()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, ours, keeps=True), pump(theirs, writer, keeps=False))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def all_that_consumers_do(driver: Driver, amqp: Amqp, port: int) -> None:
    """Consume, settle in every way, get, look, and close."""
    await driver.connect(port, amqp.user, amqp.secret)
    await driver.qos(3)
    amqp.queues.put(KONTO_ID, *[MELDING] * 5)
    tag = await driver.consume(QUEUE, "min")
    await driver.take(3)
    await driver.ack(1)
    await driver.nack(2, requeue=True)
    await driver.reject(3, requeue=False)
    await driver.recover()
    await driver.cancel(tag)
    await driver.get(QUEUE)
    await driver.look(QUEUE)
    await driver.close_channel()
    await driver.close()


async def record(name: str, amqp: Amqp, scene: Callable[[int], Awaitable[None]]) -> None:
    """Play a scene against a port, and keep what was said, about the account that ``Peer`` knows."""
    said = bytearray()
    async with recording(amqp.port, said) as port:
        await scene(port)
    CAPTURES.mkdir(exist_ok=True)
    (CAPTURES / f"{name}.bin").write_bytes(bytes(said).replace(QUEUE.encode(), queue_of(KONTO).encode()))


async def main() -> None:
    with temporary_folder() as folder:
        async with running_amqp() as amqp, Client.started(JAVA, folder / "java.log") as machine:
            for name, driver in {"pika": Pika(), "aio-pika": AioPika(), "amqp-client": Java(machine)}.items():
                await record(name, amqp, lambda port, driver=driver: all_that_consumers_do(driver, amqp, port))

            async def consume(port: int) -> None:
                command, env = amqp_consume(await packages())
                amqp.queues.put(KONTO_ID, MELDING)
                url = f"--url=amqp://{amqp.user}:{amqp.secret.replace(' ', '%20')}@127.0.0.1:{port}"
                process = await asyncio.create_subprocess_exec(
                    *command, url, f"--queue={QUEUE}", "--count=1", "cat", env=env
                )
                await process.wait()

            await record("amqp-consume", amqp, consume)


if __name__ == "__main__":
    asyncio.run(main())
