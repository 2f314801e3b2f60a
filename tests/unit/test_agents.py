"""What a carrier does with a batch of several partitions when one of them cannot be carried."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import NotYetKnown, Unreadable
from streams.agents import Blocked, Carrier, Lot, TooManyUnreadable, check_follows
from streams.domain.errors import TooLarge, Unavailable
from streams.reader import Claim

GOOD, POISON, NEWER = b"good", b"poison", b"newer"
Partitions = list[list[bytes]]

LIMIT = 100


class _Record:
    headers: tuple[Any, ...] = ()
    timestamp = 0

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.value = offset, value


class _Pool:
    """Gives connections that can begin a transaction, and nothing else."""

    @asynccontextmanager
    async def _nothing(self, timeout: float | None = None) -> Any:
        yield self

    acquire = transaction = _nothing


class _Work:
    """Keeps what it carried, by partition. It is told what cannot be read by the values of the records."""

    role, topics, batch, patience = "test", ("t",), 100, 0.0

    def __init__(self) -> None:
        self.carried: dict[int, list[int]] = {}
        self.aside: list[tuple[int, int]] = []
        self.known: dict[int, int] = {}
        self.transactions = 0
        self.faults: list[Exception] = []

    async def load(self, _connection: Any, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: self.known[one.partition] for one in partitions if one.partition in self.known}

    async def prepare(self, lots: Sequence[Lot]) -> Sequence[Lot]:
        for lot in lots:
            for record in lot.records:
                if record.value == POISON:
                    raise Unreadable("poison")
                if record.value == NEWER:
                    raise NotYetKnown("newer")
        return lots

    async def carry(self, _connection: Any, prepared: Sequence[Lot]) -> None:
        if self.faults:
            raise self.faults.pop()
        self.transactions += 1
        for lot in prepared:
            check_follows("test", lot, self.known.get(lot.at[1], lot.records[0].offset))
        for lot in prepared:
            self.carried.setdefault(lot.at[1], []).extend(record.offset for record in lot.records)

    async def set_aside(self, _connection: Any, lot: Lot, reason: str) -> None:
        assert len(lot.records) == 1
        assert "poison" in reason
        self.aside.append((lot.at[1], lot.records[0].offset))


def claims_of(partitions: Partitions) -> list[Claim]:
    claims = []
    for number, values in enumerate(partitions):
        claim = Claim(TopicPartition("t", number))
        claim.put([_Record(offset, value) for offset, value in enumerate(values)])  # type: ignore[misc]
        claims.append(claim)
    return claims


async def carried(partitions: Partitions) -> tuple[_Work, bool]:
    """What became of the partitions, and whether a newer release is asked for."""
    work = _Work()
    try:
        await Carrier(work, _Pool(), LIMIT).carry(claims_of(partitions))  # type: ignore[arg-type]
    except Blocked:
        return work, True
    return work, False


async def test_many_partitions_are_one_transaction() -> None:
    work, _ = await carried([[GOOD] * 3, [GOOD], [], [GOOD] * 2])
    assert (work.transactions, work.carried) == (1, {0: [0, 1, 2], 1: [0], 3: [0, 1]})


@given(st.lists(st.lists(st.sampled_from([GOOD, GOOD, GOOD, POISON, NEWER]), max_size=6), max_size=4))
async def test_each_partition_is_carried_in_order_up_to_what_a_newer_release_must_read(partitions: Partitions) -> None:
    work, newer = await carried(partitions)
    assert newer == any(NEWER in values for values in partitions)
    for number, values in enumerate(partitions):
        done = sorted([*work.carried.get(number, []), *(at for of, at in work.aside if of == number)])
        assert done == list(range(len(done))), "nothing is passed over"
        readable = values.index(NEWER) if NEWER in values else len(values)
        assert len(done) == readable, "neither what lies before it nor others wait for it"
        assert work.carried.get(number, []) == [at for at in done if values[at] == GOOD]
    assert max(Counter(work.aside).values(), default=1) == 1


async def test_a_release_that_can_read_nothing_does_not_empty_a_topic_into_its_dead_letters() -> None:
    work = _Work()
    work.batch = 3 * LIMIT
    with pytest.raises(TooManyUnreadable, match="poison"):
        await Carrier(work, _Pool(), LIMIT).carry(claims_of([[GOOD] + [POISON] * 2 * LIMIT]))  # type: ignore[arg-type]
    assert work.aside == [(0, 1 + number) for number in range(LIMIT)]


async def test_what_can_be_read_between_poison_shows_that_it_is_the_records_that_are_wrong() -> None:
    work, row = _Work(), [POISON] * LIMIT
    work.batch = 2 * LIMIT
    carrier = Carrier(work, _Pool(), LIMIT)  # type: ignore[arg-type]
    for _ in range(3):
        await carrier.carry(claims_of([[*row, GOOD]]))
    assert len(work.aside) == 3 * LIMIT


@pytest.mark.parametrize("fault", [Unavailable("away"), OSError("gone")])
async def test_what_is_away_is_waited_for_and_the_whole_batch_carried_once(fault: Exception) -> None:
    work = _Work()
    work.faults = [fault]
    await Carrier(work, _Pool(), LIMIT).carry(claims_of([[GOOD], [GOOD]]))  # type: ignore[arg-type]
    assert (work.transactions, work.carried) == (1, {0: [0], 1: [0]})


@pytest.mark.parametrize("where", ["prepare", "carry"])
@pytest.mark.parametrize("fault", [Unreadable("poison"), TooLarge("poison"), OverflowError("poison")])
async def test_a_record_that_leads_to_what_nothing_takes_is_set_aside(where: str, fault: Exception) -> None:
    class Leading(_Work):
        async def prepare(self, lots: Sequence[Lot]) -> Sequence[Lot]:
            return self._refused("prepare", lots)

        async def carry(self, connection: Any, prepared: Sequence[Lot]) -> None:
            await super().carry(connection, self._refused("carry", prepared))

        def _refused(self, here: str, lots: Sequence[Lot]) -> Sequence[Lot]:
            if here == where and any(record.value == POISON for lot in lots for record in lot.records):
                raise fault
            return lots

    work = Leading()
    await Carrier(work, _Pool(), LIMIT).carry(claims_of([[GOOD, POISON, GOOD], [GOOD]]))  # type: ignore[arg-type]
    assert (work.carried, work.aside) == ({0: [0, 2], 1: [0]}, [(0, 1)])


async def test_a_claim_that_is_lost_meanwhile_is_left_out_and_the_others_go_on() -> None:
    class Losing(_Work):
        async def carry(self, connection: Any, prepared: Sequence[Lot]) -> None:
            if len(prepared) > 1:
                prepared[0].claim.live = False
                raise Unavailable("away")
            await super().carry(connection, prepared)

    work = Losing()
    await Carrier(work, _Pool(), LIMIT).carry(claims_of([[GOOD], [GOOD]]))  # type: ignore[arg-type]
    assert work.carried == {1: [0]}


async def test_what_comes_while_a_small_batch_is_carried_is_carried_together() -> None:
    carrier = Carrier(_Work(), _Pool(), LIMIT)  # type: ignore[arg-type]
    first, second, third = claims_of([[GOOD]] * 3)

    async def take(claim: Claim) -> list[Claim]:
        async with carrier.taking(claim) as taken:
            return taken

    carrier.offer(first)
    async with carrier.taking(first) as taken:
        carrier.offer(second)
        following = asyncio.create_task(take(second))
        await asyncio.sleep(0)
        carrier.offer(third)
    assert (taken, await following) == ([first], [second, third])


async def test_a_claim_that_another_took_along_is_not_taken_again() -> None:
    carrier = Carrier(_Work(), _Pool(), LIMIT)  # type: ignore[arg-type]
    claims = claims_of([[GOOD]] * 5)
    for claim in claims:
        carrier.offer(claim)
    for number, claim in enumerate(claims):
        async with carrier.taking(claim) as taken:
            assert taken == ([] if number else claims)


async def test_a_batch_whose_checkpoint_was_forgotten_is_read_again_from_there_with_what_is_beside_it() -> None:
    work, claims = _Work(), claims_of([[GOOD], [GOOD, GOOD]])
    for claim in claims:
        claim.next = 2
    claims[1].carried, work.known = 7, {1: 0}
    await Carrier(work, _Pool(), LIMIT).carry(claims)  # type: ignore[arg-type]
    assert work.carried == {}
    assert [(claim.next, list(claim.waiting), claim.live) for claim in claims] == [(None, [], True)] * 2


@pytest.mark.parametrize(
    ("known", "busy", "again"),
    [({0: 8}, False, False), ({0: 5}, False, True), ({0: 5}, True, False), ({0: 9}, False, False), ({}, False, False)],
    ids=["as it was", "forgotten", "being carried", "another was faster", "its projection was dropped"],
)
async def test_a_claim_at_rest_whose_checkpoint_was_forgotten_is_read_again(
    known: dict[int, int], busy: bool, again: bool
) -> None:
    work, [claim] = _Work(), claims_of([[]])
    claim.next = claim.carried = 8
    claim.busy, work.known = busy, known
    await Carrier(work, _Pool(), LIMIT).look_back([claim])  # type: ignore[arg-type]
    assert claim.next == (None if again else 8)


async def test_what_was_carried_is_remembered_by_the_claim() -> None:
    work, claims = _Work(), claims_of([[GOOD, POISON, GOOD], [POISON]])
    await Carrier(work, _Pool(), LIMIT).carry(claims)  # type: ignore[arg-type]
    assert [claim.carried for claim in claims] == [3, 1]
