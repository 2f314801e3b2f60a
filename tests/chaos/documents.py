"""Documents in a chaos run: what the generator remembers of its uploads, and whether the system kept its word of them.

Pure: values in, faults out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.dokumentlager import DokumentLastetOpp
from streams.domain.opplasting import FERDIG, UTFALL, placed
from tests.chaos.history import Verdict


@dataclass(slots=True)
class Upload:
    """An upload. ``korrelasjonsid`` is its own; ``answered`` is the id of a 2xx, else None."""

    korrelasjonsid: UUID
    sha256: str
    answered: UUID | None = None


def orphans_in(left: Iterable[str], named: Collection[str]) -> list[str]:
    """What is left in the blob store, by its names, though no event names it. An upload in several calls may wait to be
    gone on with; of one that is decided only what it became may be remembered.
    """
    places = {name: at for name in left if (at := placed(name))}
    decided = {folder for folder, part, _ in places.values() if part == UTFALL}
    kept = {name for name, (folder, part, _) in places.items() if part in {UTFALL, FERDIG} or folder not in decided}
    return sorted(set(left) - set(named) - kept)


def judge_documents(
    uploads: Sequence[Upload],
    log: Iterable[DokumentLastetOpp],
    contents: Mapping[UUID, str | None],
    orphans: Iterable[str],
    keys: Iterable[str],
) -> Verdict:
    """Compare what was acknowledged with the log, and the log with what can be downloaded.

    ``contents`` are the SHA-256 of what came back of each document, None where nothing did; ``orphans`` are the names
    of what is left in the blob store that no event names, ``keys`` those of data keys whose stream no event tells of.
    """
    verdict, sent = Verdict(), {one.korrelasjonsid: one for one in uploads}
    made: dict[UUID | None, list[UUID]] = defaultdict(list)
    for event in log:
        made[event.korrelasjonsid].append(event.dokument_id)
        upload = sent.get(event.korrelasjonsid) if event.korrelasjonsid else None
        if upload is None:
            verdict.other.append(f"document {event.dokument_id} was never sent")
        elif (came := contents.get(event.dokument_id)) is None:
            verdict.lost.append(f"document {event.dokument_id} is on the log, its content is not there")
        elif came != upload.sha256:
            verdict.other.append(f"document {event.dokument_id} has another content than was sent")
    for upload in uploads:
        ids = made.get(upload.korrelasjonsid, [])
        if len(ids) > 1:
            verdict.doubled.append(f"upload {upload.korrelasjonsid} was received {len(ids)} times")
        if upload.answered is not None and upload.answered not in ids:
            verdict.lost.append(f"upload {upload.korrelasjonsid} was answered {upload.answered}, not on the log")
    verdict.other += [f"{name} was left in the blob store, and no event names it" for name in orphans]
    verdict.other += [f"the key {name} was left, and no event tells of its stream" for name in keys]
    return verdict
