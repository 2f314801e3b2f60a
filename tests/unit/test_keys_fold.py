"""What the topic of the keys says: nothing that was destroyed comes back, whatever is said of it later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.keys import id_of
from streams.keys import Outcome, fold

Records = list[tuple[str, bytes | None]]
ids = st.sampled_from(["svarut:1", "svarut:11", "konfigurasjon:1"])
names = st.builds(lambda id_, suffix: id_ + suffix, ids, st.sampled_from(["", "#a", "#b"]))
histories = st.lists(st.tuples(names, st.none() | st.sampled_from([b"old", b"new"])), max_size=25)


class Table:
    """The table and its memory of what was destroyed, as PostgreSQL keeps them."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.destroyed: set[str] = set()

    def apply(self, records: Records) -> Outcome:
        puts = {name for name, value in records if value is not None}
        erased = [name for name, value in records if value is None]
        alive = {id_: {name for name in self.rows if name == id_ or id_of(name) == id_} for id_ in erased}
        outcome = fold(records, puts & self.destroyed, alive)
        self.destroyed |= outcome.destroyed
        self.rows = {name: value for name, value in self.rows.items() if name not in outcome.destroyed} | outcome.put
        return outcome


@given(histories)
def test_a_key_is_there_as_it_was_last_put_unless_it_or_its_id_was_destroyed_since_it_was_first_put(
    history: Records,
) -> None:
    table = Table()
    table.apply(history)
    expected, gone = {}, set()
    for name, value in history:
        if value is None:
            doomed = {one for one in expected if one == name or id_of(one) == name} | {name}
            gone |= doomed
            expected = {one: was for one, was in expected.items() if one not in doomed}
        elif name not in gone:
            expected[name] = value
    assert table.rows == expected


@given(histories, st.integers(1, 5))
def test_it_does_not_matter_how_the_records_are_cut_into_batches(history: Records, size: int) -> None:
    whole, cut = Table(), Table()
    whole.apply(history)
    for start in range(0, len(history), size):
        cut.apply(history[start : start + size])
    assert (cut.rows, cut.destroyed) == (whole.rows, whole.destroyed)


@given(histories)
def test_once_the_owner_has_said_what_counts_the_compacted_topic_agrees_with_the_table(
    history: Records,
) -> None:
    table, topic, said = Table(), list(history), history
    while said:  # what the owner says is read as well, and leads to nothing more
        said = [(name, None) for name in sorted(table.apply(said).again)]
        topic += said
    compacted = dict(topic)
    assert {name: value for name, value in compacted.items() if value is not None} == table.rows


@given(histories)
def test_a_table_that_is_built_from_the_compacted_topic_is_the_same(history: Records) -> None:
    table, topic, said = Table(), list(history), history
    while said:
        said = [(name, None) for name in sorted(table.apply(said).again)]
        topic += said
    rebuilt = Table()
    rebuilt.apply([(name, value) for name, value in dict(topic).items() if value is not None])  # tombstones go too
    assert rebuilt.rows == table.rows


def test_a_destroyed_key_id_takes_the_keys_of_no_other_with_it() -> None:
    table = Table()
    table.apply([("svarut:1", b"a"), ("svarut:1#x", b"b"), ("svarut:11", b"c"), ("svarut:1", None)])
    assert table.rows == {"svarut:11": b"c"}
