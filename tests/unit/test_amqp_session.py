"""What a connection over AMQP answers: the handshake, errors with their codes, time, and both ways of closing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.frame import marshal
from pamqp.heartbeat import Heartbeat

from gateway.amqp.actions import Login, Renew
from gateway.amqp.codec import BODY, HEADER, HEARTBEAT, frame
from gateway.amqp.deliveries import Outcome
from gateway.amqp.faults import ConnectionFault, Reply
from gateway.amqp.handshake import GREETING, LOGIN_MAX
from gateway.amqp.pulse import CLOSE_LIMIT, DEAF_LIMIT, LOGIN_LIMIT, STALL_LIMIT
from gateway.amqp.session import Session, State
from tests.support.amqp_peer import LOGIN, MELDING, OTHER_QUEUE, QUEUE, STRANGE_QUEUE, Peer, closing, names

NO_QUEUE = "fiksio.konto.00000000-0000-0000-0000-0000000000ff"
TUNE_OK, OPEN = commands.Connection.TuneOk(0, 0, 60), commands.Connection.Open("/")


# --- The handshake ---------------------------------------------------------------------------------------------------


def test_a_connection_is_opened() -> None:
    peer = Peer()
    (start,) = peer.send(GREETING)
    assert (start.version_major, start.version_minor, start.mechanisms) == (0, 9, "PLAIN")
    assert start.server_properties["capabilities"]["publisher_confirms"], "aiormq connects to nobody who has it not"
    (tune,) = peer.say(LOGIN)
    assert (tune.frame_max, tune.heartbeat) == (131_072, 60)
    assert names(peer.say(TUNE_OK, OPEN)) == ["Connection.OpenOk"]
    assert peer.asks == [Login(b"bruker", b"passord token")]


def test_all_can_come_at_once_or_octet_by_octet() -> None:
    said = GREETING + b"".join(marshal(one, 0) for one in (LOGIN, TUNE_OK, OPEN))
    at_once, slowly = Peer(), Peer()
    at_once.send(said)
    for octet in said:
        slowly.send(bytes([octet]))
    assert names(frame for _, frame in at_once.heard) == names(frame for _, frame in slowly.heard)
    assert at_once.session.state is slowly.session.state is State.OPEN


@pytest.mark.parametrize(
    "other", [b"AMQP\x01\x01\x00\x0a", b"AMQP\x00\x01\x00\x00", b"GET / HTTP/1.1", b"\x16\x03\x01"]
)
def test_who_speaks_something_else_is_told_what_is_spoken_here(other: bytes) -> None:
    peer = Peer()
    assert peer.send(other) == [GREETING]
    assert peer.session.state is State.OVER


@pytest.mark.parametrize("vhost", ["/", ""])
def test_there_is_one_virtual_host(vhost: str) -> None:
    peer = Peer()
    peer.send(GREETING)
    peer.say(LOGIN, TUNE_OK)
    assert names(peer.say(commands.Connection.Open(vhost))) == ["Connection.OpenOk"]


def test_there_is_no_other_virtual_host() -> None:
    peer = Peer()
    peer.send(GREETING)
    peer.say(LOGIN, TUNE_OK)
    assert closing(peer.say(commands.Connection.Open("annen"))) == (530, "NOT_ALLOWED - vhost er '/'")


@pytest.mark.parametrize("size", [3, 5_000, 60_000])
@pytest.mark.parametrize("text", ["a", "æ"])
def test_a_password_can_be_of_any_length(size: int, text: str) -> None:
    secret = text * (size // len(text.encode()))
    peer = Peer()
    peer.send(GREETING)
    peer.say(commands.Connection.StartOk({}, "PLAIN", f"\0bruker\0{secret}", "en_US"))
    assert peer.asks == [Login(b"bruker", secret.encode())]


def test_a_password_that_is_no_utf_8_is_handed_on_as_it_came() -> None:
    said = marshal(commands.Connection.StartOk({}, "PLAIN", "\0bruker\0xyz", "en_US"), 0).replace(
        b"xyz", b"\xe6\xf8\xff"
    )
    peer = Peer()
    peer.send(GREETING)
    peer.send(said)
    assert peer.asks == [Login(b"bruker", b"\xe6\xf8\xff")]


def test_a_frame_before_login_is_small() -> None:
    peer = Peer()
    peer.send(GREETING)
    said = peer.say(commands.Connection.StartOk({}, "PLAIN", f"\0b\0{'x' * LOGIN_MAX}", "en_US"))
    assert closing(said)[0] == Reply.FRAME_ERROR
    assert peer.asks == []


@pytest.mark.parametrize(
    ("start_ok", "code"),
    [
        (commands.Connection.StartOk({}, "EXTERNAL", "", "en_US"), 503),
        (commands.Connection.StartOk({}, "PLAIN", "bruker\0passord", "en_US"), 502),
        (commands.Connection.StartOk({}, "PLAIN", "\0bruker\0galt", "en_US"), 403),
    ],
)
def test_a_login_that_fails_is_told_of(start_ok: Method, code: int) -> None:
    peer = Peer()
    peer.send(GREETING)
    assert closing(peer.say(start_ok))[0] == code
    assert peer.session.state is State.CLOSING


@pytest.mark.parametrize(
    ("tune_ok", "agreed"),
    [
        (commands.Connection.TuneOk(0, 0, 0), (32, 131_072, 0)),
        (commands.Connection.TuneOk(1, 4096, 2), (1, 4096, 2)),
    ],
)
def test_a_client_may_choose_less(tune_ok: Method, agreed: tuple[int, int, int]) -> None:
    tuned = Peer().open(tune_ok=tune_ok).session.tuned
    assert (tuned.channel_max, tuned.frame_max, tuned.heartbeat) == agreed


@pytest.mark.parametrize(
    "tune_ok",
    [
        commands.Connection.TuneOk(33, 0, 0),
        commands.Connection.TuneOk(0, 131_073, 0),
        commands.Connection.TuneOk(0, 4095, 0),
    ],
)
def test_a_client_may_not_choose_more(tune_ok: Method) -> None:
    peer = Peer()
    peer.send(GREETING)
    peer.say(LOGIN)
    assert closing(peer.say(tune_ok))[0] == 530


def test_who_logs_in_too_late_is_left() -> None:
    peer = Peer()
    peer.send(GREETING)
    assert peer.tick(LOGIN_LIMIT - 1) == []
    assert peer.session.state is State.LOGIN
    peer.tick(LOGIN_LIMIT)
    assert peer.session.state is State.OVER


def test_what_comes_while_an_answer_is_waited_for_is_kept() -> None:
    peer = Peer()
    peer.answers = False
    peer.send(GREETING)
    assert peer.say(LOGIN, TUNE_OK, OPEN) == []
    assert peer.session.asking
    peer.session.granted(peer.asks[0])
    peer.work()
    assert names(frame for _, frame in peer.heard[1:]) == ["Connection.Tune", "Connection.OpenOk"]


# --- Errors ----------------------------------------------------------------------------------------------------------


def content_header(channel: int) -> bytes:
    return frame(HEADER, channel, b"\0\x3c\0\0" + (5).to_bytes(8, "big") + b"\0\0")


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frame(HEARTBEAT, 1, b""), 501),
        (b"\x09\0\1\0\0\0\0\xce", 501),
        (b"\x01\0\1\0\0\0\1xy", 501),
        (frame(1, 1, b"\0\x3c\0\x50"), 502),
        (frame(1, 1, b"\0\x3c\0\xfe"), 503),
        (marshal(commands.Basic.ConsumeOk("x"), 1), 503),
        (marshal(commands.Basic.Ack(1), 0), 503),
        (marshal(commands.Connection.TuneOk(0, 0, 0), 0), 503),
        (marshal(commands.Connection.StartOk({}, "PLAIN", "\0a\0b", "en_US"), 0), 503),
        (marshal(commands.Channel.Open(), 1), 504),
        (marshal(commands.Channel.Open(), 33), 504),
        (marshal(commands.Basic.Ack(1), 2), 504),
        (marshal(commands.Channel.Close(200, "", 0, 0), 2), 504),
        (content_header(1), 505),
        (frame(BODY, 1, b"abc"), 505),
        (frame(BODY, 2, b"abc"), 505),
        (frame(BODY, 0, b"abc"), 505),
        (marshal(commands.Basic.Qos(5, 0, False), 1), 540),
        (marshal(commands.Basic.Recover(False), 1), 540),
        (marshal(commands.Channel.Flow(False), 1), 540),
    ],
)
def test_what_breaks_the_rules_closes_the_connection_with_its_code(octets: bytes, code: int) -> None:
    peer = Peer().open()
    assert closing(peer.send(octets))[0] == code
    assert peer.session.state is State.CLOSING
    assert peer.say(commands.Channel.Open(), channel=5) == [], "nothing matters any more"
    if code == 501:
        assert peer.say(commands.Connection.CloseOk()) == [], "where a frame ends is not known any more"
        peer.tick(CLOSE_LIMIT)
    else:
        peer.say(commands.Connection.CloseOk())
    assert peer.session.state is State.OVER


@pytest.mark.parametrize("early", [commands.Channel.Open(), commands.Basic.Ack(1)])
def test_nothing_but_logging_in_comes_first(early: Method) -> None:
    peer = Peer()
    peer.send(GREETING)
    assert closing(peer.say(early, channel=1))[0] == 505


def test_the_method_to_blame_is_named() -> None:
    (close,) = Peer().open().say(commands.Basic.Qos(5, 0, False), channel=1)
    assert (close.class_id, close.method_id) == (60, 10)


REFUSED = [
    (commands.Basic.Get(queue=STRANGE_QUEUE), 403),
    (commands.Basic.Consume(queue=STRANGE_QUEUE), 403),
    (commands.Basic.Consume(queue=QUEUE, exclusive=True), 403),
    (commands.Queue.Declare(queue=STRANGE_QUEUE, passive=True), 403),
    (commands.Basic.Consume(queue=NO_QUEUE), 404),
    (commands.Basic.Get(queue="noe annet"), 404),
    (commands.Queue.Declare(queue="", passive=True), 404),
    (commands.Queue.Declare(queue=QUEUE), 403),
    (commands.Queue.Declare(queue="ny"), 403),
    (commands.Queue.Delete(queue=QUEUE), 403),
    (commands.Queue.Purge(queue=QUEUE), 403),
    (commands.Queue.Bind(queue=QUEUE, exchange="e", routing_key="r"), 403),
    (commands.Exchange.Declare(exchange="e"), 403),
    (commands.Exchange.Delete(exchange="e"), 403),
    (commands.Tx.Select(), 403),
    (commands.Basic.Ack(1), 406),
    (commands.Basic.Ack(0), 406),
    (commands.Basic.Nack(1), 406),
    (commands.Basic.Reject(1), 406),
]


@pytest.mark.parametrize(("method", "code"), REFUSED)
def test_what_is_refused_closes_the_channel_alone(method: Method, code: int) -> None:
    peer = Peer().open((1, 2))
    assert closing(peer.say(method, channel=1))[0] == code
    assert names(peer.say(commands.Basic.Get(queue=QUEUE), channel=2))[0] == "Basic.GetOk"
    assert peer.say(commands.Basic.Get(queue=QUEUE), channel=1) == [], "nothing until the client has confirmed it"
    assert peer.say(commands.Channel.CloseOk(), channel=1) == []
    assert names(peer.say(commands.Channel.Open(), channel=1)) == ["Channel.OpenOk"]


@pytest.mark.parametrize(("method", "code"), REFUSED)
def test_where_there_is_a_consumer_the_connection_is_closed_instead(method: Method, code: int) -> None:
    """Of a closed channel the published client would never know: it recovers from a lost connection only."""
    peer = Peer().open()
    peer.consume(OTHER_QUEUE)
    reply, text = closing(peer.say(method, channel=1))
    assert reply == 320
    assert text.startswith(f"CONNECTION_FORCED - {Reply(code).name} - ")


def test_a_consumer_of_a_lost_connection_that_is_refused_costs_the_connection() -> None:
    """The client names the consumer as we did then, and would go on in silence without it."""
    assert (
        closing(Peer().open().say(commands.Basic.Consume(queue=STRANGE_QUEUE, consumer_tag="amq.ctag-x"), channel=1))[0]
        == 320
    )
    assert (
        closing(Peer().open().say(commands.Basic.Consume(queue=STRANGE_QUEUE, consumer_tag="min"), channel=1))[0] == 403
    )


def test_the_content_of_a_publication_that_was_refused_is_passed_over() -> None:
    peer = Peer().open((1, 2))
    publish = marshal(commands.Basic.Publish(exchange="", routing_key=QUEUE), 1)
    code, text = closing(peer.send(publish + content_header(1) + frame(BODY, 1, b"abcde")))
    assert (code, "POST /fiks-io/api/v1/send" in text) == (403, True)
    assert peer.send(publish + content_header(1) + frame(BODY, 1, b"abcde")) == []
    assert peer.session.state is State.OPEN


def test_confirmation_of_what_is_never_accepted_may_be_asked_for() -> None:
    """aio-pika opens every channel with it."""
    assert names(Peer().open().say(commands.Confirm.Select(), channel=1)) == ["Confirm.SelectOk"]


def test_both_may_close_a_channel_at_once() -> None:
    peer = Peer().open()
    peer.say(commands.Basic.Ack(1), channel=1)
    assert names(peer.say(commands.Channel.Close(200, "", 0, 0), channel=1)) == ["Channel.CloseOk"]
    assert peer.say(commands.Channel.CloseOk(), channel=1) == []
    assert names(peer.say(commands.Channel.Open(), channel=1)) == ["Channel.OpenOk"]


def test_both_may_close_the_connection_at_once() -> None:
    peer = Peer().open()
    peer.session.close(ConnectionFault(Reply.CONNECTION_FORCED, "stopp"))
    assert names(peer.say(commands.Connection.Close(200, "", 0, 0))) == ["Connection.Close", "Connection.CloseOk"]
    assert peer.session.state is State.OVER


# --- A new secret ----------------------------------------------------------------------------------------------------


def test_a_new_secret_is_proved_anew() -> None:
    peer = Peer().open()
    assert names(peer.say(commands.Connection.UpdateSecret("passord nytt", "utløpt"))) == ["Connection.UpdateSecretOk"]
    assert peer.asks[-1] == Renew(b"passord nytt")
    assert closing(peer.say(commands.Connection.UpdateSecret("galt", "utløpt")))[0] == 403


# --- Time ------------------------------------------------------------------------------------------------------------


def test_a_heartbeat_goes_out_when_nothing_else_does() -> None:
    peer = Peer().open(tune_ok=commands.Connection.TuneOk(0, 0, 10))
    assert peer.tick(4.9) == []
    assert [type(one) for one in peer.tick(5)] == [Heartbeat]
    assert peer.tick(9.9) == []
    peer.say(commands.Basic.Qos(0, 1, False), channel=1)
    assert peer.tick(14) == []
    assert [type(one) for one in peer.tick(15)] == [Heartbeat]


def test_who_says_nothing_for_two_heartbeats_is_lost() -> None:
    peer = Peer().open(tune_ok=commands.Connection.TuneOk(0, 0, 10))
    peer.tick(15)
    peer.send(frame(HEARTBEAT, 0, b""))
    peer.tick(34)
    assert peer.session.state is State.OPEN
    peer.tick(35)
    assert peer.session.state is State.OVER


def test_nobody_is_lost_while_we_do_not_read() -> None:
    """Its heartbeats may wait in the socket: an answer from the queues can take its time."""
    peer = Peer().open(tune_ok=commands.Connection.TuneOk(0, 0, 10))
    peer.answers = False
    peer.say(commands.Basic.Get(queue=QUEUE), channel=1)
    peer.tick(100)
    peer.answer(peer.asks[-1])
    peer.work()
    peer.tick(119)
    assert peer.session.state is State.OPEN
    peer.tick(120)
    assert peer.session.state is State.OVER


def test_without_heartbeats_nobody_is_lost() -> None:
    peer = Peer().open(tune_ok=commands.Connection.TuneOk(0, 0, 0))
    assert peer.tick(10_000) == []
    assert peer.session.state is State.OPEN


def test_a_client_that_does_not_confirm_the_end_is_left() -> None:
    peer = Peer().open()
    peer.session.close(ConnectionFault(Reply.CONNECTION_FORCED, "stopp"))
    peer.tick(CLOSE_LIMIT - 1)
    assert peer.session.state is State.CLOSING
    peer.tick(CLOSE_LIMIT)
    assert peer.session.state is State.OVER


def test_a_client_whose_channel_is_gone_is_woken() -> None:
    """It believes that it consumes: findings of the published client after an exception in a handler."""
    peer = Peer().open()
    peer.consume()
    peer.say(commands.Channel.Close(200, "Closed due to exception from Consumer", 60, 60), channel=1)
    assert peer.tick(1) == []
    assert closing(peer.tick(1 + DEAF_LIMIT))[0] == 320


def test_a_client_that_consumes_again_is_not_woken() -> None:
    peer = Peer().open()
    peer.consume()
    peer.say(commands.Channel.Close(200, "", 0, 0), channel=1)
    peer.tick(1)
    peer.say(commands.Channel.Open(), channel=1)
    peer.consume()
    assert Heartbeat in {type(one) for one in peer.tick(50)}
    assert peer.session.state is State.OPEN


@pytest.mark.parametrize("consumed", [True, False])
def test_a_client_that_wants_no_consumer_is_not_woken(consumed: bool) -> None:
    peer = Peer().open()
    if consumed:
        peer.say(commands.Basic.Cancel(peer.consume().tag), channel=1)
    peer.say(commands.Channel.Close(200, "", 0, 0), channel=1)
    peer.tick(1)
    peer.tick(50)
    assert peer.session.state is State.OPEN


def test_a_client_that_reads_nothing_is_left() -> None:
    peer = Peer().open(tune_ok=commands.Connection.TuneOk(0, 0, 0))
    consumer = peer.consume()
    peer.give(consumer, peer.lease())
    peer.session.stall(True)
    peer.tick(STALL_LIMIT - 1, reads=False)
    peer.tick(STALL_LIMIT, reads=True)
    peer.tick(2 * STALL_LIMIT - 1, reads=False)
    assert peer.session.state is State.OPEN
    peer.tick(2 * STALL_LIMIT, reads=False)
    assert peer.session.state is State.OVER


@pytest.mark.parametrize(
    "end", [Session.lost, lambda session: session.receive(marshal(commands.Connection.Close(541, "", 0, 0), 0), 0.0)]
)
@pytest.mark.parametrize(
    ("looked_after", "came", "outcome"), [(2, 0, "returned"), (2, 1, "lost"), (2, 2, "lost"), (0, 0, "lost")]
)
def test_only_what_came_to_the_client_by_the_last_look_can_have_failed(
    end: Callable[[Session], None], looked_after: int, came: int, outcome: str
) -> None:
    """And what was written since: a handler may fail at once."""
    peer = Peer().open()
    consumer, written = peer.consume(), []
    first, second = peer.leases(2)
    for number, lease in enumerate((first, second, None)):
        written.append(peer.session._out.written)
        if number == looked_after:
            peer.session.look(written[number] - written[came], written[came])
        if lease:
            peer.give(consumer, lease)
    end(peer.session)
    peer.work()
    assert peer.order == [(first.receipt, outcome), (second.receipt, Outcome.RETURNED)]


def test_who_is_lost_stays_lost() -> None:
    peer = Peer().open()
    peer.session.stall(True)
    peer.session.lost()
    assert peer.tick(10 * STALL_LIMIT) == []
    assert peer.session.ended is None


# --- Stopping --------------------------------------------------------------------------------------------------------


def test_who_has_nothing_in_hand_is_sent_away_at_once() -> None:
    peer = Peer().open()
    peer.consume()
    peer.session.drain()
    peer.work()
    assert closing([frame for _, frame in peer.heard[-1:]])[0] == 320


def test_who_has_something_in_hand_may_settle_it_first() -> None:
    peer = Peer().open()
    consumer = peer.consume()
    peer.give(consumer, *peer.leases(2))
    peer.session.drain()
    peer.work()
    assert peer.wanted[consumer] == 0
    assert peer.say(commands.Basic.Ack(1), channel=1) == []
    assert closing(peer.say(commands.Basic.Ack(2), channel=1))[0] == 320
    assert peer.counted == {"acked": 2}


def test_what_was_leased_meanwhile_goes_back_unseen() -> None:
    peer = Peer().open()
    consumer = peer.consume()
    peer.session.close(ConnectionFault(Reply.CONNECTION_FORCED, "stopp"))
    peer.work()
    assert peer.give(consumer, peer.lease(MELDING)) == []
    assert peer.counted == {"unseen": 1}
