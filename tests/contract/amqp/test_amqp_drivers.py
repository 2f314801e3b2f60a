"""One script of what consumers do, said by published clients to RabbitMQ and to us: they see the same.

Our queues lie on a log and in a database, with a worker. What we mean to do otherwise stands in ``DIFFERENT``, with
both ends and the reason. The frames themselves are compared in test_amqp_rabbitmq.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from gateway.amqp.queues import queue_of
from tests.support.amqp import MELDING, NO_QUEUE, STRANGE_QUEUE, Amqp
from tests.support.amqp_drivers import AioPika, Closed, Delivered, Driver, Got, Java, Pika
from tests.support.amqp_sides import Side
from tests.support.published_client import Client, Program
from tests.support.rabbitmq import amqp_consume, packages

JAVA = Program("Amqp.java", "amqp-5.37.xml", "amqp-client-5.37")
HERE = "køen"
"""What the queue of a run is called in what was seen: each run has its own."""


@dataclass
class Run:
    """A client that reads an account of its own at one of the servers, and what it saw."""

    driver: Driver
    side: Side
    konto_id: UUID = field(default_factory=uuid4)
    seen: list[Any] = field(default_factory=list)

    @property
    def queue(self) -> str:
        return queue_of(self.konto_id)

    async def connect(self) -> None:
        await self.driver.connect(self.side.port, self.side.user, self.side.secret())

    async def put(self, *bodies: bytes) -> None:
        for body in bodies:
            await self.side.put(self.konto_id, replace(MELDING, body=body))

    async def see(self, *doing: Awaitable[Any]) -> None:
        """Do this, one after the other; what comes of it is seen."""
        for one in doing:
            try:
                self.seen.append(self._noted(await one))
            except Closed as closed:
                self.seen.append(closed.args)

    async def see_end(self, *doing: Callable[[], Awaitable[Any]]) -> None:
        """Do this, and see how it ends: what the server answers to one may be heard while the next is done."""
        try:
            for one in doing:
                end = await one()
        except Closed as closed:
            end = closed.args
        self.seen.append(end)

    async def until_waiting(self, number: int) -> None:
        """What was given back is in its old place after a moment, at either server."""
        while (await self.driver.look(self.queue)).messages != number:
            await asyncio.sleep(0.01)

    def _noted(self, what: Any) -> Any:
        match what:
            case Delivered():
                return what._replace(routing_key=what.routing_key.replace(self.queue, HERE))
            case Got(message, left):
                return Got(self._noted(message), left)
            case list():
                return [self._noted(one) for one in what]
        return what


Scene = Callable[[Run], Awaitable[None]]


# --- The script ------------------------------------------------------------------------------------------------------


async def a_tag_of_its_own(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2")
    await run.see(client.consume(run.queue, "min"), client.take(2))
    await run.put(b"3")
    await run.see(client.take(1), client.ack(1), client.ack(2), client.ack(3), client.look(run.queue))


async def a_tag_that_it_is_given(run: Run) -> None:
    client = run.driver
    await run.put(b"1")
    tags = [await client.consume(run.queue)]
    await run.see(client.ack((taken := await client.take(1))[0].tag))
    tags.append(await client.consume(run.queue))
    run.seen += [len(set(tags)), all(tags), taken[0].consumer == tags[0]]
    await run.see(client.look(run.queue))


async def several_at_once(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2", b"3", b"4", b"5", b"6")
    await run.see(client.qos(2), client.consume(run.queue, "a"), client.take(2), client.look(run.queue))
    await run.see(client.ack(2, multiple=True), client.take(2), client.look(run.queue))
    await run.see(client.ack(0, multiple=True), client.take(2), client.look(run.queue))
    await run.see(client.nack(6, multiple=True, requeue=False), client.look(run.queue))


async def given_back(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2", b"3")
    await run.see(client.qos(3), client.consume(run.queue, "a"), client.take(3))
    await run.see(client.nack(2, requeue=True), client.take(1), client.reject(1, requeue=True), client.take(1))
    await run.see(client.nack(3, requeue=False), client.reject(4, requeue=False), client.look(run.queue))
    await run.see(client.ack(5), client.look(run.queue), client.get(run.queue))


async def given_back_together(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2", b"3", b"4")
    await run.see(client.get(run.queue), client.get(run.queue), client.get(run.queue))
    await run.see(client.nack(3, multiple=True, requeue=True))
    await run.until_waiting(4)
    await run.see(client.consume(run.queue, "a"), client.take(4))


async def asked_for_again(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2", b"3")
    await run.see(client.consume(run.queue, "a"), client.take(3), client.ack(2), client.recover(), client.take(2))
    await run.see(client.ack(0, multiple=True), client.look(run.queue))


async def got(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2")
    await run.see(*(client.get(run.queue) for _ in range(3)))
    await run.see(client.nack(1, requeue=True), client.get(run.queue), client.ack(3), client.ack(2))
    await run.see(client.get(run.queue), client.look(run.queue))


async def cancelled(run: Run) -> None:
    client = run.driver
    await run.put(b"1")
    await run.see(client.consume(run.queue, "a"), client.take(1), client.look(run.queue), client.cancel("a"))
    await run.put(b"2")
    await run.see(client.look(run.queue), client.ack(1), client.get(run.queue), client.consume(run.queue, "a"))


async def a_channel_closed_with_messages_in_hand(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2", b"3")
    await run.see(client.consume(run.queue, "a"), client.take(3), client.ack(2), client.close_channel())
    await run.until_waiting(2)
    await run.see(client.consume(run.queue, "b"), client.take(2))


async def a_connection_closed_with_messages_in_hand(run: Run) -> None:
    client = run.driver
    await run.put(b"1", b"2", b"3")
    await run.see(client.qos(2), client.consume(run.queue, "a"), client.take(2), client.close(), run.connect())
    await run.until_waiting(3)
    await run.see(client.consume(run.queue, "b"), client.take(3))


def refused(do: Callable[[Run], Awaitable[Any]]) -> Scene:
    """Something that the server answers by closing."""

    async def script(run: Run) -> None:
        await run.see(do(run))

    return script


def acknowledged(tag: int, *, consuming: bool) -> Scene:
    """A tag that was never sent."""

    async def script(run: Run) -> None:
        client = run.driver
        if consuming:
            await client.consume(run.queue)
        await run.see_end(lambda: client.ack(tag), lambda: client.qos(1))

    return script


async def acknowledged_twice(run: Run) -> None:
    client = run.driver
    await run.put(b"1")
    await client.get(run.queue)
    await run.see_end(lambda: client.ack(1), lambda: client.ack(1), lambda: client.qos(1))


AGREE: dict[str, Scene] = {
    scene.__name__: scene
    for scene in (
        *(a_tag_of_its_own, a_tag_that_it_is_given, several_at_once, given_back, given_back_together),
        *(asked_for_again, got, cancelled),
        *(a_channel_closed_with_messages_in_hand, a_connection_closed_with_messages_in_hand),
    )
} | {
    "look_at_what_is_not_there": refused(lambda run: run.driver.look(NO_QUEUE)),
    "consume_what_is_not_there": refused(lambda run: run.driver.consume(NO_QUEUE)),
    "get_what_is_not_there": refused(lambda run: run.driver.get(NO_QUEUE)),
    "consume_a_queue_of_others": refused(lambda run: run.driver.consume(STRANGE_QUEUE)),
    "get_from_a_queue_of_others": refused(lambda run: run.driver.get(STRANGE_QUEUE)),
    "recover_without_requeue": refused(lambda run: run.driver.recover(requeue=False)),
    "acknowledge_what_never_came": acknowledged(5, consuming=False),
}


class Difference(NamedTuple):
    """What is done, what a client sees of RabbitMQ in the end and of us, and why."""

    scene: Scene
    theirs: Any
    ours: Any
    why: str


DIFFERENT = {
    "acknowledge_twice": Difference(
        acknowledged_twice, ("channel", 406), None, "a published client would lose its consumer, and not notice"
    ),
    "an_error_beside_a_consumer": Difference(
        acknowledged(5, consuming=True),
        ("channel", 406),
        ("connection", 320),
        "the published client recovers from a lost connection, and never learns of a lost channel",
    ),
    "a_consumer_of_a_lost_connection": Difference(
        refused(lambda run: run.driver.consume(NO_QUEUE, "amq.ctag-x")),
        ("channel", 404),
        ("connection", 320),
        "whoever brings a tag of a server's had this consumer before, and would go on without it",
    ),
    "look_at_a_queue_of_others": Difference(
        refused(lambda run: run.driver.look(STRANGE_QUEUE)), (0, 0), ("channel", 403), "what waits there is theirs"
    ),
    "purge_the_own_queue": Difference(
        refused(lambda run: run.driver.purge(run.queue)), None, ("channel", 403), "a message ends by an event alone"
    ),
    "read_alone": Difference(
        refused(lambda run: run.driver.consume(run.queue, "a", exclusive=True)),
        "a",
        ("channel", 403),
        "several gateways serve one account, and none knows the others' consumers in time",
    ),
}


# --- The clients -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ours(system: tuple[Side, Amqp]) -> Side:
    return system[0]


@pytest_asyncio.fixture(scope="module")
async def machine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with Client.started(JAVA, tmp_path_factory.mktemp("java") / "java.log") as client:
        yield client


@pytest.fixture(params=["pika", "aio-pika", "java"])
def driver(request: pytest.FixtureRequest) -> Callable[[], Driver]:
    """Makes clients of one kind."""
    if request.param == "java":
        machine = request.getfixturevalue("machine")
        return lambda: Java(machine)
    return Pika if request.param == "pika" else AioPika


async def seen(scene: Scene, driver: Driver, side: Side) -> list[Any]:
    """What the client sees of the server while it plays the scene."""
    run = Run(driver, side)
    await side.make(run.konto_id)
    await run.connect()
    try:
        async with asyncio.timeout(60):
            await scene(run)
    finally:
        await driver.close()
    return run.seen


@pytest.mark.parametrize("name", AGREE)
async def test_a_client_sees_the_same(name: str, driver: Callable[[], Driver], rabbitmq: Side, ours: Side) -> None:
    assert await seen(AGREE[name], driver(), ours) == await seen(AGREE[name], driver(), rabbitmq)


@pytest.mark.parametrize("name", DIFFERENT)
async def test_a_client_sees_what_we_mean_to_do_otherwise(
    name: str, driver: Callable[[], Driver], rabbitmq: Side, ours: Side
) -> None:
    scene, theirs, our_own, _ = DIFFERENT[name]
    assert (await seen(scene, driver(), ours))[-1] == our_own
    assert (await seen(scene, driver(), rabbitmq))[-1] == theirs


async def test_a_client_that_cannot_log_in_says_the_same(
    driver: Callable[[], Driver], rabbitmq: Side, ours: Side
) -> None:
    said = []
    for side in (ours, rabbitmq):
        with pytest.raises(Exception) as refused:  # each client has a class of its own for it
            await seen(got, driver(), replace(side, secret=lambda: "galt galt"))
        said.append(type(refused.value))
    assert said[0] is said[1]


# --- librabbitmq -----------------------------------------------------------------------------------------------------


async def consumed(side: Side, queue: str, *options: str) -> tuple[int | None, bytes, list[str]]:
    """What amqp-consume says in the end: its exit code, what its command wrote, and the codes that it complains of."""
    command, env = amqp_consume(await packages())
    url = f"amqp://{side.user}:{side.secret().replace(' ', '%20')}@127.0.0.1:{side.port}"
    process = await asyncio.create_subprocess_exec(
        *(*command, f"--url={url}", f"--queue={queue}", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    return process.returncode, out, re.findall(r"\b[2-5]\d\d\b", errors.decode())


COMMANDS = {
    "what_it_has_read_it_acknowledges": ("--count=3", "--prefetch-count=1", "cat"),
    "what_its_command_fails_on_comes_again": ("--count=2", "--prefetch-count=2", "sh", "-c", "cat; false"),
    "without_acknowledgement": ("--count=3", "--no-ack", "cat"),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_amqp_consume_reads_the_same_and_leaves_the_same(name: str, rabbitmq: Side, ours: Side) -> None:
    async def read(side: Side) -> list[Any]:
        run = Run(Pika(), side)
        await side.make(run.konto_id)
        await run.put(b"1", b"2", b"3")
        await run.see(consumed(side, run.queue, *COMMANDS[name]), run.connect())
        await run.see(*(run.driver.get(run.queue) for _ in range(3)))
        await run.driver.close()
        return run.seen

    assert await read(ours) == await read(rabbitmq)


@pytest.mark.parametrize("queue", [NO_QUEUE, STRANGE_QUEUE], ids=["missing", "of_others"])
async def test_amqp_consume_is_refused_the_same(queue: str, rabbitmq: Side, ours: Side) -> None:
    assert await consumed(ours, queue, "cat") == await consumed(rabbitmq, queue, "cat")
