"""The checker of documents in the chaos runs catches what it is there to catch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace as changed

from schemas.dokumentlager import DokumentLastetOpp
from streams.domain.dokumentlager import blob_of, key_id_of
from streams.domain.opplasting import id_of
from tests.chaos.documents import Upload, judge_documents, orphans_in


def run(count: int = 3) -> dict[str, Any]:
    """A clean run: so many uploads, and what each led to."""
    uploads = [Upload(uuid4(), f"{number:064}", uuid4()) for number in range(count)]
    log = [event(one) for one in uploads]
    return {
        "uploads": uploads,
        "log": log,
        "contents": {one.answered: one.sha256 for one in uploads},
        "orphans": [],
        "keys": [],
    }


def event(upload: Upload) -> DokumentLastetOpp:
    id_ = upload.answered or uuid4()
    return DokumentLastetOpp(
        dokument_id=id_,
        fiks_org_id=uuid4(),
        konto_id=uuid4(),
        korrelasjonsid=upload.korrelasjonsid,
        blob=blob_of(id_),
        nokkel_id=key_id_of(id_),
        dokumentnavn="kaos.bin",
        mimetype="application/octet-stream",
        sikkerhetsniva=3,
        ukryptert_storrelse=1,
        kryptert_storrelse=70,
        sha256=upload.sha256,
    )


def test_a_clean_run_is_clean() -> None:
    assert judge_documents(**run()).clean


def test_an_unanswered_upload_may_be_on_the_log_or_not() -> None:
    found = run()
    found["uploads"][0].answered = None
    found["uploads"].append(Upload(uuid4(), "never arrived"))
    assert judge_documents(**found).clean


def test_an_answer_without_an_event_is_caught() -> None:
    found = run()
    found["uploads"].append(Upload(uuid4(), "lost", uuid4()))
    assert len(judge_documents(**found).lost) == 1


@pytest.mark.parametrize(("content", "kind"), [(None, "lost"), ("another", "other")])
@pytest.mark.parametrize("answered", [True, False])
def test_an_event_without_its_content_is_caught(content: str | None, kind: str, answered: bool) -> None:
    """Also of an upload that was never answered: whoever finds it on the log must be able to have it."""
    found = run()
    found["contents"][found["log"][1].dokument_id] = content
    if not answered:
        found["uploads"][1] = replace(found["uploads"][1], answered=None)
    verdict = judge_documents(**found)
    assert len(getattr(verdict, kind)) == 1


def test_a_double_is_caught() -> None:
    found = run()
    again = changed(found["log"][0], dokument_id=uuid4())
    found["log"].append(again)
    found["contents"][again.dokument_id] = again.sha256
    assert len(judge_documents(**found).doubled) == 1


def test_a_document_that_nobody_sent_is_caught() -> None:
    found = run()
    found["uploads"].pop()
    assert len(judge_documents(**found).other) == 1


def test_what_was_not_swept_is_caught() -> None:
    assert judge_documents(**run() | {"orphans": ["0123.part"]}).other
    assert judge_documents(**run() | {"keys": [f"dokumentlager:{uuid4()}"]}).other


def test_of_an_upload_in_several_calls_only_what_was_decided_may_be_left() -> None:
    upload = f"opplasting-{uuid4().hex}-{id_of(datetime.now(UTC) + timedelta(7), uuid4().hex)}"
    assert orphans_in({f"{upload}/opprettet", f"{upload}/000000000000"}, named={}) == [], "it may be gone on with"
    left = {"a", "b", f"{upload}/utfall", f"{upload}/ferdig"}
    assert orphans_in(left, named={"a"}) == ["b"]
    assert orphans_in(left | {f"{upload}/opprettet"}, named={"a", "b"}) == [f"{upload}/opprettet"]
