"""The memory as a file: what comes back is what went in, and nothing that was cut, changed or made by others does."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import snapshot
from gateway.auth.memory import FOLDED
from gateway.auth.snapshot import Mark, Snapshot, SnapshotFile, Unusable
from schemas.derive import fields_of, is_personal, optional_of
from schemas.konfigurasjon import PersonopplysningerOppgitt, PersonOpprettet
from schemas.topics import TOPICS, Topic
from streams.domain.configuration import Configuration
from streams.domain.konfigurasjon import KonfigurasjonEvent
from tests.support.konfigurasjon import AKTORER, GENESIS, IDS, PRIVILEGIER, TYPER, A, any_configuration_event, fold
from tests.support.stack import temporary_folder

TOPIC = TOPICS["fiks.konfigurasjon"]
MARKS = [Mark(0, 12, b"before"), Mark(3, 1, b"other")]
Decisions = Sequence[tuple[KonfigurasjonEvent, int | None]]
decisions = st.lists(st.tuples(any_configuration_event, st.none() | st.integers(-1, 60)), max_size=40)


def meet(configuration: Configuration, history: Decisions, first: int = 0) -> list[bool]:
    return [configuration.meet(event, cause, offset) for offset, (event, cause) in enumerate(history, first)]


def answers(configuration: Configuration) -> list[object]:
    """All that can be asked."""
    return [
        configuration.streams(),
        [configuration.may(a, p, r) for a in AKTORER for p in PRIVILEGIER for r in IDS],
        [(configuration.integrasjon(one), configuration.ressurs(one)) for one in IDS],
        [(configuration.sees(a, r), configuration.administrates_by_root(a, r)) for a in AKTORER for r in IDS],
        [configuration.mottakersystem(n, t, v) for n in ("310991007", "310992003") for t in TYPER for v in (3, 4)],
        [configuration.mottakersystem("310991007", t, v) for t in ("byggesak", "annet", None) for v in (3, 4)],
    ]


def restored(file: SnapshotFile) -> Configuration:
    configuration = Configuration()
    with file.opened() as kept:
        assert kept is not None
        for stream in kept.streams:
            configuration.adopt(stream)
    return configuration


def of(configuration: Configuration, personal: Sequence[bytes] = ()) -> Snapshot:
    return Snapshot(MARKS, configuration.streams(), personal)


@pytest.fixture
def file(tmp_path: Path) -> SnapshotFile:
    file = SnapshotFile(tmp_path, TOPIC)
    file.write(of(fold(GENESIS), [b"a person", b""]))
    return file


@given(decisions, decisions)
def test_a_snapshot_and_what_came_after_is_the_memory_from_zero(before: Decisions, after: Decisions) -> None:
    whole = fold(GENESIS)
    meet(whole, before)
    with temporary_folder() as folder:
        file = SnapshotFile(folder, TOPIC)
        file.write(of(whole))
        again = restored(file)
    assert answers(again) == answers(whole)
    assert meet(again, after, len(before)) == meet(whole, after, len(before))
    assert answers(again) == answers(whole)


@given(decisions)
def test_what_was_written_down_is_not_changed_by_what_comes_later(after: Decisions) -> None:
    configuration = fold(GENESIS)
    streams = configuration.streams()
    meet(configuration, after)
    assert streams == fold(GENESIS).streams()


def test_it_says_how_far_it_goes_and_keeps_persons_as_the_log_has_them(file: SnapshotFile) -> None:
    assert file.records() == 13
    with file.opened() as kept:
        assert kept is not None
        assert kept.marks == MARKS
        assert [one.fiks_org_id for one in kept.streams] == [UUID(int=0), UUID(int=0xA), UUID(int=0xB)]
        assert list(kept.personal) == [b"a person", b""]


def test_only_its_owner_may_read_it_and_no_draft_is_left(file: SnapshotFile, tmp_path: Path) -> None:
    assert [one.name for one in tmp_path.iterdir()] == ["fiks.konfigurasjon.snapshot"]
    assert (tmp_path / "fiks.konfigurasjon.snapshot").stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_snapshot(tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path / "none", TOPIC)
    assert file.records() == 0
    with file.opened() as kept:
        assert kept is None
    file.forget()


def assert_unusable(file: SnapshotFile) -> None:
    with pytest.raises(Unusable), file.opened():
        pytest.fail("it was opened")


def test_a_file_cut_anywhere_is_not_used(file: SnapshotFile, tmp_path: Path) -> None:
    path = tmp_path / "fiks.konfigurasjon.snapshot"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert_unusable(file)
        assert file.records() in (0, 13)


def test_a_file_with_any_byte_changed_is_not_used(file: SnapshotFile, tmp_path: Path) -> None:
    path = tmp_path / "fiks.konfigurasjon.snapshot"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert_unusable(file)


def test_what_another_release_folded_is_not_used(
    file: SnapshotFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "fold_version", lambda: "newer")
    assert_unusable(SnapshotFile(tmp_path, TOPIC))
    assert file.records() == 0


def test_the_file_of_another_topic_is_not_used(file: SnapshotFile, tmp_path: Path) -> None:
    (tmp_path / "fiks.konfigurasjon.snapshot").rename(tmp_path / "other.snapshot")
    assert_unusable(SnapshotFile(tmp_path, Topic("other", "", 1)))


def test_a_write_that_fails_leaves_the_old_one(file: SnapshotFile, tmp_path: Path) -> None:
    broken = Snapshot(MARKS, fold(GENESIS).streams(), [None])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        file.write(broken)
    assert [one.name for one in tmp_path.iterdir()] == ["fiks.konfigurasjon.snapshot"]
    assert restored(file).streams() == fold(GENESIS).streams()


def personal_fields(cls: type) -> list[str]:
    return [field.name for field, kind in fields_of(cls) if is_personal(optional_of(kind) or kind)]


@pytest.mark.parametrize("cls", [cls for cls in FOLDED.values() if personal_fields(cls)])
def test_personal_text_is_in_no_stream_of_a_snapshot(cls: type, tmp_path: Path) -> None:
    """It would outlive its key there. Only records as they lie on the log may hold it."""
    about = {"fiks_org_id": A, "aktor": "person:9", "opplysninger_id": UUID(int=1)}
    of_old = {"person_id": UUID(int=9), "aktor": "person:9"}
    texts = dict.fromkeys(personal_fields(cls), "Kari Marked")
    said = cls(**(of_old | about if cls is PersonopplysningerOppgitt else of_old), **texts)
    configuration = fold([*GENESIS, said, PersonOpprettet(**about)])
    if cls is PersonopplysningerOppgitt:
        assert configuration.person(A, "person:9").navn == "Kari Marked"
    SnapshotFile(tmp_path, TOPIC).write(of(configuration))
    assert b"Kari Marked" not in (tmp_path / "fiks.konfigurasjon.snapshot").read_bytes()
