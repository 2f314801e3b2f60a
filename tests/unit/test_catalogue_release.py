"""What was released never changes, and what is released is complete and compatible."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner

from schemas import example, release
from schemas.catalogue import EventType, Personal, event_types, part
from schemas.commands import schemas
from schemas.registry import Lock, lock_file, read_lock, read_released

ROOT = Path(__file__).parents[2]


@part
class Avsender:
    navn: Personal[str]


def hendt() -> EventType:
    @part
    class Hendt:
        """It happened."""

        id: UUID
        avsender: Avsender

    return EventType(Hendt, "fiks.svarut", "id")


def hendt_with_more() -> EventType:
    @part
    class Hendt:
        """It happened."""

        id: UUID
        avsender: Avsender
        arsak: str | None = None

    return EventType(Hendt, "fiks.svarut", "id")


def hendt_with_a_demand() -> EventType:
    @part
    class Hendt:
        """It happened."""

        id: UUID
        avsender: Avsender
        arsak: str

    return EventType(Hendt, "fiks.svarut", "id")


def annet() -> EventType:
    @part
    class Annet:
        """Something else happened."""

        id: UUID

    return EventType(Annet, "fiks.svarut", "id")


def only(problems: list[str]) -> str:
    (problem,) = problems
    return problem


def test_the_committed_catalogue_is_whole() -> None:
    assert release.check() == []
    assert example.check() == []


def test_a_release_is_complete_and_repeating_it_changes_nothing(tmp_path: Path) -> None:
    assert release.write(tmp_path, [hendt(), annet()]) == [
        "no.fiks.test_catalogue_release.Hendt version 1, id 1",
        "no.fiks.test_catalogue_release.Annet version 1, id 2",
    ]
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert release.write(tmp_path, [hendt(), annet()]) == []
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert release.check(tmp_path, [hendt(), annet()]) == []


def test_a_compatible_change_is_a_new_version_with_a_new_id(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt(), annet()])
    assert release.write(tmp_path, [hendt_with_more(), annet()]) == [
        "no.fiks.test_catalogue_release.Hendt version 2, id 3"
    ]
    assert [(one.id, one.name, one.version) for one in read_released(tmp_path)] == [
        (1, "Hendt", 1),
        (2, "Annet", 1),
        (3, "Hendt", 2),
    ]
    assert release.check(tmp_path, [hendt_with_more(), annet()]) == []


def test_an_incompatible_change_is_not_released(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt()])
    before = read_lock(tmp_path)
    with pytest.raises(release.Incompatible, match=r"version 1: it cannot read what .*arsak.*a new event type"):
        release.write(tmp_path, [annet(), hendt_with_a_demand()])
    assert read_lock(tmp_path) == before
    assert [file.name for file in tmp_path.glob("*.avsc")] == [before.schemas[0].file]


def test_an_incompatible_version_that_got_in_anyhow_is_found(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt()])
    elsewhere = tmp_path / "elsewhere"
    release.write(elsewhere, [hendt_with_a_demand()])
    text = (elsewhere / "no.fiks.test_catalogue_release.Hendt.v1.avsc").read_text()
    (tmp_path / "no.fiks.test_catalogue_release.Hendt.v2.avsc").write_text(text)
    digest = read_lock(elsewhere).schemas[0].sha256
    lock = json.loads(lock_file(tmp_path).read_text())
    lock["schemas"].append({**lock["schemas"][0], "id": 2, "version": 2, "sha256": digest})
    lock_file(tmp_path).write_text(json.dumps(lock | {"next_id": 3}))
    assert "Hendt clashes with its version 1" in only(release.check(tmp_path, [hendt_with_a_demand()]))


def test_a_changed_class_that_was_not_released_is_found(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt()])
    problem = only(release.check(tmp_path, [hendt_with_more()]))
    assert "Hendt differs from what is committed; run `fiks schemas write`" in problem


def test_a_class_that_is_gone_is_found(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt(), annet()])
    assert "Annet was released but is no event type any more" in only(release.check(tmp_path, [hendt()]))


def test_an_edited_file_is_found(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt()])
    file = next(tmp_path.glob("*.avsc"))
    file.write_text(file.read_text().replace("It happened", "It really happened"))
    assert only(release.check(tmp_path, [hendt()])).startswith(
        f"{file.name} was edited; restore it with `git checkout`"
    )
    file.unlink()
    assert only(release.check(tmp_path, [hendt()])).startswith(f"{file.name} is gone")


def test_a_file_that_the_lock_does_not_know_is_found(tmp_path: Path) -> None:
    release.write(tmp_path, [hendt()])
    (tmp_path / "no.fiks.Stray.v1.avsc").write_text("{}")
    assert only(release.check(tmp_path, [hendt()])) == "no.fiks.Stray.v1.avsc is not in lock.json; delete it"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"next_id": 2}, "ids [1, 2] must rise and be below next_id"),
        ({"ids": [1, 1]}, "ids [1, 1] must rise"),
        ({"ids": [2, 1]}, "ids [2, 1] must rise"),
        ({"versions": [1, 2]}, "Annet has versions [2], they must be 1, 2, 3"),
    ],
)
def test_a_lock_that_reuses_or_skips_numbers_is_found(tmp_path: Path, change: dict[str, list[int]], found: str) -> None:
    release.write(tmp_path, [hendt(), annet()])
    lock = json.loads(lock_file(tmp_path).read_text())
    for number, entry in enumerate(lock["schemas"]):
        entry["id"] = change.get("ids", [1, 2])[number]
        entry["version"] = change.get("versions", [1, 1])[number]
    lock["next_id"] = change.get("next_id", 3)
    lock_file(tmp_path).write_text(json.dumps(lock))
    for name in list(tmp_path.glob("*Annet.v1.avsc")):
        if "versions" in change:
            name.rename(name.with_name(name.name.replace("v1", "v2")))
    assert found in only(release.check(tmp_path, [hendt(), annet()]))


def test_what_was_released_on_another_revision_may_not_change_or_vanish(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=test", "-c", "user.email=test@example.invalid"]
    avro = tmp_path / "avro"
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "before"], check=True)
    release.write(avro, [hendt(), annet()])
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "released"], check=True)

    assert release.lock_at("HEAD~1", avro) == Lock()
    then = release.lock_at("HEAD", avro)
    assert then == read_lock(avro)
    release.write(avro, [hendt_with_more(), annet()])
    assert release.check_against(then, read_lock(avro)) == []

    again = tmp_path / "again"
    release.write(again, [annet(), hendt_with_more()])
    assert len(release.check_against(then, read_lock(again))) == 2
    with pytest.raises(subprocess.CalledProcessError):
        release.lock_at("nothing-of-that-name", avro)


def test_an_example_fills_every_field_and_is_kept_as_edited(tmp_path: Path) -> None:
    kind = hendt_with_more()
    assert example.write(tmp_path, [kind]) == ["example Hendt.json"]
    file = tmp_path / "Hendt.json"
    assert json.loads(file.read_text()) == {
        "id": str(example.derived(kind.cls).id),
        "avsender": {"navn": "navn"},
        "arsak": "arsak",
    }
    file.write_text(file.read_text().replace('"arsak": "arsak"', '"arsak": "flyttet"'))
    assert example.write(tmp_path, [kind]) == []
    assert example.example(kind, tmp_path).arsak == "flyttet"


def test_examples_that_are_missing_broken_or_strays_are_found(tmp_path: Path) -> None:
    chosen = [event_types()["ForsendelseAkseptert"]]
    assert only(example.check(tmp_path, chosen)) == "ForsendelseAkseptert has no example; run `fiks schemas write`"
    example.write(tmp_path, chosen)
    assert example.check(tmp_path, chosen) == []
    file = tmp_path / "ForsendelseAkseptert.json"
    whole = file.read_text()
    file.write_text(whole.replace("{", '{"ukjent": 1,', 1))
    assert only(example.check(tmp_path, chosen)).endswith("is not in its written form; run `fiks schemas write`")
    file.write_text("{}")
    assert "examples/ForsendelseAkseptert.json does not encode" in only(example.check(tmp_path, chosen))
    file.write_text(whole)
    (tmp_path / "Ingen.json").write_text("{}")
    assert only(example.check(tmp_path, chosen)) == "examples/Ingen.json is of no event type; delete it"


def test_the_command_says_what_is_wrong_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as at_a_release:
        at_a_release.setattr(release, "lock_at", lambda revision: {"v1": read_lock()}[revision])
        good = CliRunner().invoke(schemas, ["check", "--against", "v1"])
    assert (good.exit_code, good.output.split(maxsplit=1)[1]) == (0, "released schemas are whole and compatible\n")
    unknown = CliRunner().invoke(schemas, ["check", "--against", "nothing-of-that-name"])
    assert (unknown.exit_code, "git does not know nothing-of-that-name" in unknown.output) == (1, True)
    monkeypatch.setattr(example, "check", lambda: ["X has no example; run `fiks schemas write`"])
    bad = CliRunner().invoke(schemas, ["check"])
    assert (bad.exit_code, bad.stderr) == (1, "X has no example; run `fiks schemas write`\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package, which `fiks schemas` reads and writes when it is run here."""
    copytree(ROOT / "schemas", tmp_path / "schemas", ignore=ignore_patterns("__pycache__"))
    return tmp_path


def fiks_schemas(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gateway.cli", "schemas", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, cwd=checkout, env=environment, check=False, capture_output=True, text=True)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_in_a_fresh_checkout_there_is_nothing_to_write(checkout: Path) -> None:
    before = files_of(checkout)
    done = fiks_schemas(checkout, "write")
    assert (done.returncode, done.stdout) == (0, "nothing to write\n")
    assert files_of(checkout) == before


def test_the_command_writes_what_was_not_released_yet_and_the_example_that_is_missing(checkout: Path) -> None:
    before, avro = files_of(checkout), checkout / "schemas/avro"
    lock = read_lock(avro)
    newest = lock.schemas[-1]
    (avro / newest.file).unlink()
    lock_file(avro).write_bytes(msgspec.json.encode(Lock(newest.id, lock.schemas[:-1])))
    example_of_it = checkout / "schemas/examples/ForsendelseLest.json"
    example_of_it.unlink()

    done = fiks_schemas(checkout, "write")
    assert done.returncode == 0
    released = f"{newest.subject} version {newest.version}, id {newest.id}"
    assert done.stdout.splitlines() == [released, "example ForsendelseLest.json"]
    name = str(example_of_it.relative_to(checkout))
    assert files_of(checkout).keys() == before.keys()
    assert {one for one, content in files_of(checkout).items() if content != before[one]} <= {name}
    assert fiks_schemas(checkout, "check").returncode == 0


def test_examples_are_not_blamed_for_a_schema_that_is_gone(checkout: Path) -> None:
    gone = checkout / "schemas/avro/no.fiks.svarut.ForsendelseAkseptert.v1.avsc"
    gone.unlink()

    done = fiks_schemas(checkout, "check")
    told = f"{gone.name} is gone; restore it with `git checkout`: what was released never changes\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_what_would_leave_old_readers_behind_is_said_and_nothing_written(checkout: Path) -> None:
    module = checkout / "schemas/svarut.py"
    lest = 'class ForsendelseLest:\n    """The recipient has read the forsendelse."""\n\n'
    assert lest in module.read_text()
    module.write_text(module.read_text().replace(lest, f"{lest}    hvorfor: str\n"))
    before = files_of(checkout)

    done = fiks_schemas(checkout, "write")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: no.fiks.svarut.ForsendelseLest clashes with its version 1" in done.stderr
    assert files_of(checkout) == before
