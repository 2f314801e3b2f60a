"""Whatever a client sends, in whatever pieces: a session answers or closes, never throws, and loses no lease."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.frame import marshal

from gateway.amqp.codec import BODY, HEADER, HEARTBEAT, frame
from gateway.amqp.deliveries import Outcome
from gateway.amqp.faults import ConnectionFault, Reply
from gateway.amqp.handshake import GREETING
from gateway.amqp.session import State
from tests.support.amqp_peer import OTHER_QUEUE, QUEUE, STRANGE_QUEUE, Peer, capture, names

tags = st.integers(0, 6)
flags = st.booleans()
queues = st.sampled_from([QUEUE, OTHER_QUEUE, STRANGE_QUEUE, "annet"])
tag_names = st.sampled_from(["", "a", "b", "amq.ctag-9"])
any_method: st.SearchStrategy[Method] = st.one_of(
    st.builds(commands.Basic.Ack, tags, flags),
    st.builds(commands.Basic.Nack, tags, flags, flags),
    st.builds(commands.Basic.Reject, tags, flags),
    st.builds(commands.Basic.Qos, st.just(0), st.integers(0, 3), flags),
    st.builds(commands.Basic.Consume, queue=queues, consumer_tag=tag_names, no_ack=flags, nowait=flags),
    st.builds(commands.Basic.Cancel, tag_names, flags),
    st.builds(commands.Basic.Get, queue=queues, no_ack=flags),
    st.builds(commands.Basic.Recover, st.just(True)),
    st.builds(commands.Queue.Declare, queue=queues, passive=flags, nowait=flags),
    st.just(commands.Basic.Publish(exchange="", routing_key=QUEUE)),
    st.just(commands.Channel.Open()),
    st.just(commands.Channel.CloseOk()),
    st.just(commands.Channel.Close(200, "", 0, 0)),
)
rare_method: st.SearchStrategy[Method] = st.sampled_from(
    [
        commands.Connection.Close(200, "", 0, 0),
        commands.Connection.CloseOk(),
        commands.Connection.UpdateSecret("galt", ""),
        commands.Tx.Select(),
        commands.Basic.Qos(9, 0, False),
        commands.Basic.Deliver("a", 1, False, "", ""),
    ]
)
said = st.one_of(
    st.builds(marshal, any_method, st.integers(1, 3)),
    st.builds(marshal, any_method, st.integers(1, 3)),
    st.builds(marshal, rare_method, st.integers(0, 3)),
    st.builds(frame, st.sampled_from([HEADER, BODY, HEARTBEAT]), st.integers(0, 2), st.binary(max_size=8)),
)
step = st.one_of(
    said.map(lambda octets: ("send", octets)),
    said.map(lambda octets: ("send", octets)),
    st.tuples(st.just("give"), st.integers(0, 5), st.integers(1, 4)),
    st.tuples(st.just("tick"), st.integers(1, 20)),
    st.tuples(st.just("stall"), flags),
    st.tuples(st.just("late"), flags),
    st.just(("drain",)),
    st.just(("close",)),
)

RECORDED = {file.stem: file.read_bytes() for file in sorted((Path(__file__).parent / "captures").glob("*.bin"))}
"""What published clients said (``tests.support.amqp_recorder``)."""
CAPTURES = {"made": capture()} | RECORDED


def end(peer: Peer) -> None:
    """The client is gone: every lease must have ended once, and nobody consumes."""
    late = [ask for ask in peer.asks if not peer.answers]
    peer.session.lost()
    for ask in late[-1:]:
        peer.answer(ask)
    peer.work()
    assert all(len(outcomes) == 1 for outcomes in peer.settled.values()), peer.settled
    assert not peer.subscribed


def cut(octets: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(octets[:size])
        octets = octets[size:]
    return [*pieces, octets]


@given(st.lists(step, max_size=30))
@settings(max_examples=500)
def test_a_session_keeps_its_promises_whatever_happens(steps: list[Any]) -> None:
    peer = Peer().open((1, 2))
    for what, *how in steps:
        act(peer, what, *how)
        assert all(consumer.unacked <= (consumer.prefetch or 10**9) for consumer in peer.session.consumers)
    still_answers(peer)
    end(peer)
    lost = [receipt for receipt, outcome in peer.order if outcome is Outcome.LOST]
    assert len(lost) <= len({channel for channel, _ in peer.heard}), "one of a channel at most, each time it is open"


def still_answers(peer: Peer) -> None:
    """A session that is open, and that nothing holds up any more, opens a channel."""
    answer_late(peer, late=False)
    peer.session.stall(False)
    peer.work()
    if peer.session.state is State.OPEN:
        assert commands.Channel.OpenOk.name in names(peer.say(commands.Channel.Open(), channel=9))


def act(peer: Peer, what: str, *how: Any) -> None:
    """Do one step."""
    acts: dict[str, Callable[..., object]] = {
        "send": peer.send,
        "tick": lambda seconds: peer.tick(peer.now + seconds),
        "stall": peer.session.stall,
        "drain": peer.session.drain,
        "close": lambda: peer.session.close(ConnectionFault(Reply.CONNECTION_FORCED, "stopp")),
        "late": lambda late: answer_late(peer, late),
        "give": lambda which, number: give(peer, which, number),
    }
    acts[what](*how)
    peer.work()


def answer_late(peer: Peer, late: bool) -> None:
    """Answer nothing for a while, or what was asked last, and everything from now on."""
    if peer.answers and late:
        peer.asks.clear()
    elif not peer.answers and not late:
        for ask in peer.asks:
            peer.answer(ask)
    peer.answers = not late


def give(peer: Peer, which: int, number: int) -> None:
    consumers = list(peer.subscribed)
    if consumers:
        peer.give(consumers[which % len(consumers)], *peer.leases(number))


@given(st.binary(max_size=400), st.lists(st.integers(0, 50), max_size=20))
def test_any_octets_before_login(octets: bytes, sizes: list[int]) -> None:
    peer = Peer()
    for piece in cut(GREETING + octets, sizes):
        peer.send(piece)
    end(peer)


@st.composite
def changed(draw: st.DrawFn, octets: bytes) -> bytes:
    """The octets, of which some are other ones, and pieces are missing, doubled, moved or new."""
    made = bytearray(octets)
    for _ in range(draw(st.integers(0, 4))):
        made[draw(st.integers(0, len(made) - 1))] = draw(st.integers(0, 255))
    for _ in range(draw(st.integers(0, 2))):
        begin, end = sorted(draw(st.tuples(*[st.integers(0, len(made))] * 2)))
        piece = made[begin:end]
        if draw(flags):
            del made[begin:end]
        at = draw(st.integers(0, len(made)))
        made[at:at] = draw(st.just(b"") | st.just(bytes(piece)) | st.binary(max_size=5))
    return bytes(made)


@given(st.data(), st.sampled_from(sorted(CAPTURES)), st.lists(st.integers(0, 200), max_size=20))
@settings(max_examples=800)
def test_a_capture_that_was_changed(data: st.DataObject, name: str, sizes: list[int]) -> None:
    peer = Peer()
    for piece in cut(data.draw(changed(CAPTURES[name])), sizes):
        peer.send(piece)
    end(peer)


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_is_a_whole_conversation(name: str) -> None:
    peer = Peer()
    peer.send(CAPTURES[name])
    assert peer.session.state is State.OVER
    assert peer.heard[-1][1].name == "Connection.CloseOk"
    end(peer)
