"""Octets become frames and methods, or the fault that AMQP names; messages become frames that hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.base import Frame as Method
from pamqp.frame import marshal, unmarshal

from gateway.amqp.codec import BODY, FRAME_MAX, HEADER, METHOD, Frame, Frames, clipped, frame, read_method
from gateway.amqp.content import delivered, got, message
from gateway.amqp.deliveries import Melding
from gateway.amqp.faults import ConnectionFault, Reply
from gateway.amqp.queues import konto_of, queue_of

any_frame = st.builds(Frame, st.sampled_from([METHOD, HEADER, BODY]), st.integers(0, 65535), st.binary(max_size=300))
SAID: list[Method] = [
    commands.Connection.StartOk({"product": "x", "capabilities": {"a": True}}, "PLAIN", "\0a\0b", "en_US"),
    commands.Connection.TuneOk(1, 4096, 60),
    commands.Connection.Open("/"),
    commands.Connection.UpdateSecret("passord token", "utløpt"),
    commands.Channel.Open(),
    commands.Channel.Close(200, "ferdig", 60, 20),
    commands.Basic.Qos(0, 10, True),
    commands.Basic.Consume(0, "fiksio.konto.x", "tag", False, True, False, True, {"x-priority": 1}),
    commands.Basic.Ack(2**40, True),
    commands.Basic.Nack(7, True, False),
    commands.Basic.Reject(7, False),
    commands.Basic.Get(0, "q", True),
    commands.Queue.Declare(0, "q", True, False, True, False, True, {"x-max-length": 5}),
    commands.Exchange.Declare(0, "e", "direct", arguments={"deep": [{"a": {}}, 2**60]}),
]
"""One of each kind of arguments that clients send."""


def payload(method: Method) -> bytes:
    return marshal(method, 1)[7:-1]


@given(st.lists(any_frame, max_size=5), st.data())
def test_frames_are_the_same_however_they_arrive(frames: list[Frame], data: st.DataObject) -> None:
    octets = b"".join(frame(*one) for one in frames)
    cutter, found, at = Frames(FRAME_MAX), [], 0
    while at < len(octets):
        size = data.draw(st.integers(1, len(octets) - at))
        cutter.feed(octets[at : at + size])
        at += size
        while (one := cutter.take()) is not None:
            found.append(one)
    assert found == frames


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\x04\0\0\0\0\0\0\xce", "ingen type"),
        (b"\x01\0\0\0\0\x0f\xf9", "grensen 4096"),
        (b"\x01\0\0\xff\xff\xff\xff", "grensen 4096"),
        (b"\x01\0\0\0\0\0\x01ab", "0xCE"),
        (b"GET / HTTP/1.1\r\n", "ingen type"),
    ],
)
def test_what_can_never_be_a_frame_is_a_frame_error_as_soon_as_it_shows(octets: bytes, why: str) -> None:
    cutter = Frames(4096)
    cutter.feed(octets)
    with pytest.raises(ConnectionFault, match=why) as raised:
        cutter.take()
    assert raised.value.reply is Reply.FRAME_ERROR


def test_the_largest_frame_is_as_large_as_was_agreed() -> None:
    cutter = Frames(4096)
    cutter.feed(frame(BODY, 1, bytes(4096 - 8)))
    assert cutter.take() == (BODY, 1, bytes(4096 - 8))


@pytest.mark.parametrize("method", SAID, ids=lambda method: method.name)
def test_a_method_is_read_without_its_tables(method: Method) -> None:
    read = read_method(payload(method))
    assert type(read) is type(method)
    tables = {name for name in method.attributes() if method.amqp_type(name) == "table"}
    assert {name: value for name, value in read if name not in tables} == {
        name: value for name, value in method if name not in tables
    }
    assert all(not read[name] for name in tables)


@pytest.mark.parametrize("method", SAID, ids=lambda method: method.name)
def test_a_method_that_is_too_short_or_too_long_is_a_syntax_error(method: Method) -> None:
    whole = payload(method)
    for broken in (whole + b"\0", *(whole[:at] for at in range(4, len(whole)))):
        with pytest.raises(ConnectionFault) as raised:
            read_method(broken)
        assert (raised.value.reply, raised.value.method) == (Reply.SYNTAX_ERROR, method.index)


@pytest.mark.parametrize(("octets", "reply"), [(b"\0\x3c\0", 502), (b"\0\x3c\0\xff", 503), (b"\xff\xff\0\1", 503)])
def test_what_is_no_method_has_its_own_code(octets: bytes, reply: int) -> None:
    with pytest.raises(ConnectionFault) as raised:
        read_method(octets)
    assert raised.value.reply == reply


@given(st.sampled_from(SAID), st.data())
def test_nothing_but_a_fault_comes_of_a_method_with_changed_octets(method: Method, data: st.DataObject) -> None:
    octets = bytearray(payload(method))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_method(bytes(octets))
    except ConnectionFault as fault:
        assert fault.reply in (Reply.SYNTAX_ERROR, Reply.COMMAND_INVALID)


@given(st.binary(max_size=200))
def test_nothing_but_a_fault_comes_of_any_octets(octets: bytes) -> None:
    try:
        read_method(octets)
    except ConnectionFault as fault:
        assert fault.reply in (Reply.SYNTAX_ERROR, Reply.COMMAND_INVALID)


def test_a_table_within_tables_without_end_costs_nothing() -> None:
    nested = b""
    for _ in range(5000):
        nested = b"\1aF" + len(nested).to_bytes(4, "big") + nested
    start_ok = payload(commands.Connection.StartOk({}, "PLAIN", "\0a\0b", "en_US"))
    assert start_ok[4:8] == bytes(4)
    read = read_method(start_ok[:4] + len(nested).to_bytes(4, "big") + nested + start_ok[8:])
    assert (read.response, read.client_properties) == ("\0a\0b", {})


# --- Messages --------------------------------------------------------------------------------------------------------

text = st.text(max_size=40)
any_melding = st.builds(
    Melding,
    st.dictionaries(st.text(min_size=1, max_size=60), text, max_size=5),
    st.binary(max_size=10_000),
    st.none() | st.integers(0, 10**12),
)


def read_message(octets: bytes) -> tuple[Any, Any, bytes, list[int]]:
    """The method, the properties and the body, and the sizes of all frames, as a client reads them."""
    frames, sizes = [], []
    while octets:
        consumed, _, found = unmarshal(octets)
        frames.append(found)
        sizes.append(consumed)
        octets = octets[consumed:]
    method, header, *pieces = frames
    body = b"".join(one.value for one in pieces)
    assert header.body_size == len(body)
    return method, header.properties, body, sizes


@given(any_melding, st.integers(1, 2**60), st.booleans(), st.integers(4096, 20_000))
def test_a_message_is_read_as_it_was_and_in_frames_that_fit(
    melding: Melding, tag: int, redelivered: bool, largest: int
) -> None:
    octets = b"".join(message(3, delivered(tag, "tag", "kø", redelivered), melding, largest))
    method, properties, body, sizes = read_message(octets)
    assert (method.delivery_tag, method.consumer_tag, method.routing_key) == (tag, "tag", "kø")
    assert (method.redelivered, method.exchange) == (redelivered, "")
    assert (properties.headers or {}, body) == (melding.headers, melding.body)
    assert properties.expiration == (None if melding.expiration is None else str(melding.expiration))
    assert properties.delivery_mode == 2
    assert max(sizes) <= largest


def test_what_is_got_says_how_many_are_left() -> None:
    method, _, body, _ = read_message(b"".join(message(1, got(5, "kø", True, 9), Melding({}, b"x"), FRAME_MAX)))
    assert (method.delivery_tag, method.redelivered, method.routing_key, method.message_count) == (5, True, "kø", 9)
    assert body == b"x"


def test_the_longest_name_of_a_header_is_whole() -> None:
    """pamqp cuts names at 128 octets, so that two of them become one."""
    names = [f"egendefinert-header.{'x' * 234}{last}" for last in "ab"]
    octets = b"".join(message(1, got(1, "kø", False, 0), Melding(dict.fromkeys(names, "v")), FRAME_MAX))
    _, properties, _, _ = read_message(octets)
    assert properties.headers == dict.fromkeys(names, "v")


def test_headers_that_do_not_fit_the_clients_frames_are_not_sent() -> None:
    with pytest.raises(ConnectionFault, match="4096") as raised:
        message(1, got(1, "kø", False, 0), Melding({"a": "x" * 4096}), 4096)
    assert raised.value.reply is Reply.RESOURCE_ERROR


@pytest.mark.parametrize(("said", "kept"), [("æ" * 127, "æ" * 127), ("æ" * 128, "æ" * 127), ("\udce6", "?")])
def test_a_text_is_clipped_between_letters(said: str, kept: str) -> None:
    assert clipped(said) == kept


@given(st.uuids())
def test_a_queue_is_named_in_one_way(konto_id: Any) -> None:
    assert konto_of(queue_of(konto_id)) == konto_id
    upper = f"fiksio.konto.{str(konto_id).upper()}"
    assert konto_of(upper) == (konto_id if upper == queue_of(konto_id) else None)


@pytest.mark.parametrize("name", ["", "fiksio.konto.", "fiksio.konto.1-1-1-1-1", "dlx", f"{'0' * 32}"])
def test_other_names_are_no_accounts(name: str) -> None:
    assert konto_of(name) is None
