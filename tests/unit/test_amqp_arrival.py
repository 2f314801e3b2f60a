"""What came to a client, by looks at a socket that a model plays: TLS, a kernel, and a buffer behind it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.amqp.arrival import SURE, Arrival

RECORD, ADDED = 16_384, 22
"""Octets in a record of TLS at most, and what it adds to them."""


def in_tls(written: int) -> int:
    return written + -(-written // RECORD) * ADDED


class Line:
    """A connection. What is written lies in the kernel as far as that has taken it, and else where nobody sees it."""

    def __init__(self, *, over_tls: bool) -> None:
        self.over_tls, self.written, self.sent, self.acknowledged = over_tls, 0, 0, 0
        self.ends: list[tuple[int, int]] = []
        """Of each write, of what we wrote and of what it was on the line."""

    def write(self, octets: int) -> None:
        self.written += octets
        self.sent += in_tls(octets) if self.over_tls else octets
        self.ends.append((self.written, self.sent))

    def acknowledge(self, share: float) -> None:
        self.acknowledged += int((self.sent - self.acknowledged) * share)

    def seen_waiting(self, taken: float) -> int:
        """Where the kernel has taken that share of what waits; without TLS all of it is seen."""
        waiting = self.sent - self.acknowledged
        return int(waiting * taken) if self.over_tls else waiting


STEPS = st.lists(
    st.tuples(st.just("write"), st.integers(1, 600) | st.integers(2_000, 3_000_000))
    | st.tuples(st.just("acknowledge") | st.just("look"), st.floats(0, 1)),
    max_size=40,
)


@given(steps=STEPS, over_tls=st.booleans())
def test_what_is_large_and_never_came_is_missing_and_what_came_is_not(
    steps: list[tuple[str, float]], over_tls: bool
) -> None:
    line, arrival = Line(over_tls=over_tls), Arrival()
    arrival.look(0, 0, 0)
    for what, how in steps:
        if what == "write":
            line.write(int(how))
        elif what == "acknowledge":
            line.acknowledge(how)
        else:
            arrival.look(line.written, line.seen_waiting(how), line.acknowledged)
            added = line.sent - line.written
            for written, sent in line.ends:
                if line.acknowledged < sent - SURE - added:
                    assert written in arrival.missing
                if line.acknowledged >= sent + max(line.sent // 512, added) or line.acknowledged == line.sent:
                    assert written not in arrival.missing


def test_what_was_written_since_the_last_look_is_not_missing() -> None:
    arrival = Arrival()
    arrival.look(100, 100, 0)
    assert (100 in arrival.missing, 101 in arrival.missing) == (True, False)


def test_a_look_tells_whether_any_came_since_the_one_before() -> None:
    arrival = Arrival()
    told = [arrival.look(10**6, 10**5, acknowledged) for acknowledged in (0, 500, 500, 501)]
    assert told == [False, True, False, True]
