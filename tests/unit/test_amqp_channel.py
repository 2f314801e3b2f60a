"""What a channel hands out and to whom, and what is said of each message when it is settled, returned or lost."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from gateway.amqp.channel import AT_ONCE, MOST_IN_HAND
from gateway.amqp.codec import METHOD, frame
from gateway.amqp.deliveries import Melding
from gateway.amqp.faults import ConnectionFault, Reply
from gateway.amqp.methods import MOST_CONSUMERS
from gateway.amqp.session import State
from tests.support.amqp_peer import KONTO, OTHER, OTHER_QUEUE, QUEUE, Peer, closing, names

Ack, Nack, Reject = commands.Basic.Ack, commands.Basic.Nack, commands.Basic.Reject


def tags(frames: list[Any]) -> list[int]:
    return [one.delivery_tag for one in frames if isinstance(one, commands.Basic.Deliver)]


def handed(peer: Peer, number: int, **consume: Any) -> list[int]:
    """Hand so many messages to a new consumer; their receipts."""
    leases = peer.leases(number)
    peer.give(peer.consume(**consume), *leases)
    return [lease.receipt for lease in leases]


# --- Consuming -------------------------------------------------------------------------------------------------------


def test_a_message_is_delivered_as_the_published_clients_read_it() -> None:
    peer = Peer().open()
    consumer = peer.consume()
    deliver, header, body = peer.give(consumer, peer.lease(redelivered=True))
    assert (deliver.consumer_tag, deliver.delivery_tag, deliver.redelivered) == (consumer.tag, 1, True)
    assert (deliver.exchange, deliver.routing_key) == ("", QUEUE)
    assert (header.properties.headers, header.properties.expiration) == (
        {"melding-id": "1", "type": "no.ks.prøve"},
        "1000",
    )
    assert body.value == b"innhold"


def test_a_consumer_without_a_name_is_given_one() -> None:
    peer = Peer().open()
    (ok,) = peer.say(commands.Basic.Consume(queue=QUEUE), channel=1)
    assert ok.consumer_tag == "amq.ctag-1"


@pytest.mark.parametrize("tag", ["min", "amq.ctag-fra-før"])
def test_a_consumer_may_have_a_name_of_its_own(tag: str) -> None:
    peer = Peer().open()
    (ok,) = peer.say(commands.Basic.Consume(queue=QUEUE, consumer_tag=tag), channel=1)
    assert ok.consumer_tag == tag
    assert closing(peer.say(commands.Basic.Consume(queue=QUEUE, consumer_tag=tag), channel=1))[0] == 530


def test_one_channel_has_only_so_many_consumers() -> None:
    peer = Peer().open()
    for _ in range(MOST_CONSUMERS):
        peer.consume()
    assert closing(peer.say(commands.Basic.Consume(queue=QUEUE), channel=1))[0] == 530


@pytest.mark.parametrize(
    ("method", "answers"),
    [
        (commands.Basic.Consume(queue=QUEUE, nowait=True), []),
        (commands.Queue.Declare(queue=QUEUE, passive=True, nowait=True), []),
        (commands.Basic.Cancel("ukjent", nowait=True), []),
        (commands.Basic.Cancel("ukjent"), ["Basic.CancelOk"]),
        (commands.Channel.Flow(True), ["Channel.FlowOk"]),
        (commands.Basic.Recover(True), ["Basic.RecoverOk"]),
    ],
)
def test_an_answer_comes_where_one_is_wanted(method: Method, answers: list[str]) -> None:
    assert names(Peer().open().say(method, channel=1)) == answers


def test_the_older_way_to_recover_is_not_answered() -> None:
    peer = Peer().open()
    handed(peer, 1)
    assert peer.send(frame(METHOD, 1, b"\0\x3c\0\x64\1")) == []
    assert peer.counted == {"returned": 1}


def test_the_own_queue_may_be_looked_at() -> None:
    (ok,) = Peer().open().say(commands.Queue.Declare(queue=QUEUE, passive=True), channel=1)
    assert (ok.queue, ok.message_count, ok.consumer_count) == (QUEUE, 7, 2)


def test_a_consumer_that_is_cancelled_gets_no_more_and_may_settle_what_it_has() -> None:
    peer = Peer().open()
    consumer = peer.consume()
    peer.give(consumer, peer.lease())
    assert names(peer.say(commands.Basic.Cancel(consumer.tag), channel=1)) == ["Basic.CancelOk"]
    assert consumer not in peer.subscribed
    assert peer.give(consumer, peer.lease()) == []
    peer.say(Ack(1), channel=1)
    assert peer.counted == {"unseen": 1, "acked": 1}


def test_a_message_may_be_got() -> None:
    peer = Peer().open()
    ok, _, body = peer.say(commands.Basic.Get(queue=QUEUE), channel=1)
    assert (ok.delivery_tag, ok.routing_key, ok.message_count, body.value) == (1, QUEUE, 7, b"innhold")
    peer.say(Ack(1), channel=1)
    assert peer.counted == {"acked": 1}


def test_what_is_not_to_be_acknowledged_is_so_once_it_is_sent() -> None:
    peer = Peer().open()
    handed(peer, 2, no_ack=True)
    peer.say(commands.Basic.Get(queue=QUEUE, no_ack=True), channel=1)
    peer.session.lost()
    peer.work()
    assert peer.counted == {"acked": 3}


# --- How much --------------------------------------------------------------------------------------------------------


def test_no_more_is_wanted_than_the_prefetch() -> None:
    peer = Peer().open()
    peer.say(commands.Basic.Qos(0, 3, False), channel=1)
    consumer = peer.consume()
    assert peer.wanted == {consumer: 3}
    assert tags(peer.give(consumer, *peer.leases(4))) == [1, 2, 3]
    assert (peer.wanted, peer.counted) == ({consumer: 0}, {"unseen": 1})
    peer.say(Ack(2), channel=1)
    assert peer.wanted == {consumer: 1}


def test_the_prefetch_is_that_of_each_consumer_that_comes_after_it() -> None:
    peer = Peer().open()
    before = peer.consume()
    peer.say(commands.Basic.Qos(0, 3, False), channel=1)
    first, second = peer.consume(), peer.consume(OTHER_QUEUE)
    assert peer.wanted == {before: AT_ONCE, first: 3, second: 3}
    peer.give(first, *peer.leases(2))
    assert peer.wanted == {before: AT_ONCE, first: 1, second: 3}


def test_the_limit_of_a_channel_is_that_of_all_its_consumers_together() -> None:
    peer = Peer().open()
    first = peer.consume()
    peer.say(commands.Basic.Qos(0, 3, True), channel=1)
    second = peer.consume(OTHER_QUEUE)
    assert peer.wanted == {first: 3, second: 3}
    assert tags(peer.give(first, *peer.leases(2))) == [1, 2]
    assert tags(peer.give(second, *peer.leases(3))) == [3], "both were offered the last place"
    peer.say(Ack(1), channel=1)
    assert peer.wanted == {first: 1, second: 1}
    peer.say(commands.Basic.Qos(0, 0, True), channel=1)
    assert peer.wanted == {first: AT_ONCE, second: AT_ONCE}


def test_without_a_prefetch_there_is_a_limit_all_the_same() -> None:
    peer = Peer().open()
    consumer = peer.consume()
    for _ in range(MOST_IN_HAND // AT_ONCE + 1):
        peer.give(consumer, *peer.leases(peer.wanted[consumer]))
    assert (peer.wanted[consumer], consumer.unacked) == (0, MOST_IN_HAND)


def test_nothing_is_wanted_for_a_client_that_does_not_read() -> None:
    peer = Peer().open()
    consumer = peer.consume()
    peer.session.stall(True)
    peer.work()
    assert peer.wanted == {consumer: 0}
    peer.session.stall(False)
    peer.work()
    assert peer.wanted == {consumer: AT_ONCE}


# --- Settling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "outcomes"),
    [
        (Ack(2), {2: "acked"}),
        (Ack(2, True), {1: "acked", 2: "acked"}),
        (Ack(0, True), {1: "acked", 2: "acked", 3: "acked"}),
        (Nack(2, False, True), {2: "requeued"}),
        (Nack(2, True, True), {1: "requeued", 2: "requeued"}),
        (Nack(0, True, False), {1: "rejected", 2: "rejected", 3: "rejected"}),
        (Nack(2, False, False), {2: "rejected"}),
        (Reject(2, True), {2: "requeued"}),
        (Reject(2, False), {2: "rejected"}),
        (commands.Basic.Recover(True), {1: "returned", 2: "returned", 3: "returned"}),
    ],
)
def test_a_message_is_settled_as_the_client_says(method: Method, outcomes: dict[int, str]) -> None:
    peer = Peer().open()
    receipts = handed(peer, 3)
    assert "Channel.Close" not in names(peer.say(method, channel=1))
    assert peer.order == [(receipts[tag - 1], outcome) for tag, outcome in outcomes.items()]


def test_what_is_settled_already_is_passed_over() -> None:
    """A published client that acknowledges twice would lose its consumer."""
    peer = Peer().open()
    handed(peer, 2)
    assert peer.say(Ack(1), Ack(1), Nack(1), Reject(1), Ack(1, True), Ack(0, True), Ack(0, True), channel=1) == []
    assert peer.counted == {"acked": 2}


def test_a_tag_is_of_its_channel() -> None:
    peer = Peer().open((1, 2))
    handed(peer, 1)
    assert closing(peer.say(Ack(1), channel=2))[0] == 406
    assert peer.counted == {}


# --- Losing ----------------------------------------------------------------------------------------------------------


def test_only_what_can_have_been_in_a_handler_is_lost_with_the_connection() -> None:
    peer = Peer().open((1, 2))
    first, other = handed(peer, 3), handed(peer, 2, queue=OTHER_QUEUE, channel=2)
    peer.say(Ack(2), channel=1)
    peer.session.lost()
    peer.work()
    assert peer.order[1:] == [(first[0], "lost"), (first[2], "returned"), (other[0], "lost"), (other[1], "returned")]
    assert not peer.subscribed


@pytest.mark.parametrize(
    "close",
    [
        commands.Connection.Close(200, "Goodbye", 0, 0),
        commands.Connection.Close(0, "Normal shutdown", 0, 0),
        commands.Channel.Close(200, "OK", 0, 0),
        commands.Channel.Close(0, "Normal shutdown", 0, 0),
    ],
)
def test_who_closes_has_failed_at_nothing(close: Method) -> None:
    peer = Peer().open()
    receipts = handed(peer, 2)
    assert len(peer.say(close, channel=int(isinstance(close, commands.Channel.Close)))) == 1
    assert peer.order == [(receipt, "returned") for receipt in receipts]
    assert not peer.subscribed


@pytest.mark.parametrize(
    "close",
    [
        commands.Connection.Close(541, "INTERNAL_ERROR", 0, 0),
        commands.Channel.Close(541, "noe gikk galt", 0, 0),
        commands.Channel.Close(200, "Closed due to exception from Consumer (amq.ctag-1) method handleDelivery", 0, 0),
    ],
)
def test_who_closes_since_a_handler_threw_has_failed_at_the_first(close: Method) -> None:
    peer = Peer().open()
    receipts = handed(peer, 2)
    assert len(peer.say(close, channel=int(isinstance(close, commands.Channel.Close)))) == 1
    assert peer.order == [(receipts[0], "lost"), (receipts[1], "returned")]


@pytest.mark.parametrize("fault", [Reply.CONNECTION_FORCED, Reply.INTERNAL_ERROR])
def test_what_we_close_has_failed_at_nothing(fault: Reply) -> None:
    peer = Peer().open()
    handed(peer, 2)
    peer.session.close(ConnectionFault(fault, "vi stopper"))
    peer.session.lost()
    peer.work()
    assert peer.counted == {"returned": 2}
    assert peer.session.state is State.OVER


def test_what_the_client_breaks_has_failed_at_nothing_either() -> None:
    """That it breaks the rules says nothing of the message."""
    peer = Peer().open()
    handed(peer, 2)
    assert closing(peer.say(Ack(9), channel=1))[0] == 320
    assert peer.counted == {"returned": 2}


@pytest.mark.parametrize("tag", [7, 2**63, 2**64 - 1])
@pytest.mark.parametrize("multiple", [True, False])
def test_a_tag_that_was_never_sent_is_refused_however_large_it_is(tag: int, multiple: bool) -> None:
    peer = Peer().open()
    ack = struct.pack(">HHQB", 60, 80, tag, multiple)
    assert closing(peer.send(frame(METHOD, 1, ack))) == (406, f"PRECONDITION_FAILED - unknown delivery tag {tag}")


def test_a_message_that_does_not_fit_the_clients_frames_is_not_lost() -> None:
    peer = Peer().open(tune_ok=commands.Connection.TuneOk(0, 4096, 0))
    small, large, last = peer.lease(), peer.lease(Melding({"a": "x" * 5000})), peer.lease()
    consumer = peer.consume()
    *_, close = peer.give(consumer, small, large, last)
    assert (close.name, close.reply_code) == ("Connection.Close", 506)
    outcomes = [peer.settled[one.receipt] for one in (small, large, last)]
    assert outcomes == [["returned"], ["unfit"], ["unseen"]]


def test_an_answer_that_comes_too_late_is_given_back() -> None:
    peer = Peer().open()
    peer.answers = False
    peer.say(commands.Basic.Get(queue=QUEUE), channel=1)
    ask = peer.asks[-1]
    peer.session.lost()
    peer.answer(ask)
    peer.work()
    assert peer.counted == {"unseen": 1}
    late = Peer().open()
    late.answers = False
    late.say(commands.Basic.Consume(queue=QUEUE), channel=1)
    late.session.close(ConnectionFault(Reply.CONNECTION_FORCED, "vi stopper"))
    late.answer(late.asks[-1])
    late.work()
    assert not late.subscribed


def test_accounts_are_told_apart() -> None:
    peer = Peer().open()
    assert (peer.consume().konto_id, peer.consume(OTHER_QUEUE).konto_id) == (KONTO, OTHER)
