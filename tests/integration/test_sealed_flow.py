"""From an event with personal text to the row that shows it, and to a rebuilt system after the key was destroyed."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from projections import dokumentlager as plain
from projections import versions
from projections.projection import projections
from schemas.catalogue import event_type
from schemas.dokumentlager import DokumentLastetOpp
from schemas.personal import ERASED
from schemas.svarut import Adresse
from streams.dead_letters import read_all
from tests.support.backbone import Backbone, about, mottatt

SECRETS = (b"hemmelig", b"Kari Nordmann", b"15819000066")
DOKUMENTER = projections()["dokumentlager"]


@pytest.fixture(autouse=True)
def opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projection of documents that shows their names in the clear. The real one keeps them sealed."""
    monkeypatch.setitem(DOKUMENTER.handlers, DokumentLastetOpp.__name__, (plain.lastet_opp, None))
    monkeypatch.setitem(DOKUMENTER.personal, DokumentLastetOpp.__name__, None)


def lastet_opp(dokumentnavn: str) -> DokumentLastetOpp:
    return DokumentLastetOpp(
        dokument_id=uuid4(),
        fiks_org_id=uuid4(),
        konto_id=uuid4(),
        blob=uuid4().hex,
        nokkel_id="dokumentlager:x",
        dokumentnavn=dokumentnavn,
        mimetype="text/plain",
        sikkerhetsniva=3,
        ukryptert_storrelse=1,
        kryptert_storrelse=61,
        sha256="ab" * 32,
    )


async def names(system: Backbone, ids: list[UUID]) -> list[str]:
    """The names that are shown of the documents, in order."""
    await system.until_projected("dokumentlager")
    rows = await system.connection.fetch("select dokument_id, dokumentnavn from read.dokumentlager_dokument")
    shown = {row["dokument_id"]: row["dokumentnavn"] for row in rows}
    return [shown[id_] for id_ in ids]


async def start_anew(system: Backbone) -> None:
    """Lose the projection's tables, and make empty ones."""
    found = await versions.live(system.connection, DOKUMENTER)
    assert found is not None
    async with system.connection.transaction():
        await versions.drop(system.connection, DOKUMENTER.name, found[0])
        await system.connection.execute("delete from projection where name = $1", DOKUMENTER.name)
        await versions.install(system.connection, DOKUMENTER)


async def test_personal_text_is_shown_is_nowhere_on_the_log_and_is_gone_from_a_rebuilt_system_once_its_key_is(
    system: Backbone,
) -> None:
    gone, kept = lastet_opp("hemmelig søknad.pdf"), lastet_opp("hemmelig svar.pdf")
    letter = mottatt(tittel="hemmelig brev", mottaker=Adresse(navn="Kari Nordmann", digital_id="15819000066"))
    for event in (gone, kept, letter):
        await system.log.append(event, about(event))
    ids = [gone.dokument_id, kept.dokument_id]
    async with system.worker():
        assert await names(system, ids) == ["hemmelig søknad.pdf", "hemmelig svar.pdf"]
        await system.until_status([letter.forsendelse_id], "SENDT_ALTINN")  # decided without opening anything
        await system.log.keys.destroy(event_type(gone).key_id(str(gone.dokument_id)))
        assert system.log.keys.table is not None
        await system.log.keys.table.catch_up()
    await start_anew(system)
    async with system.worker():
        assert await names(system, ids) == [ERASED, "hemmelig svar.pdf"]
    for topic in ("fiks.dokumentlager", "fiks.svarut", "fiks.nokkel"):
        for record in system.records(topic):
            said = b"".join((record.key, record.value, *(value for _, value in record.headers)))
            assert not any(secret in said for secret in SECRETS)
    journals = b"".join(row["journal"] for row in await system.connection.fetch("select journal from journal"))
    assert not any(secret in journals for secret in SECRETS)


async def test_an_event_whose_text_was_tampered_with_is_set_aside_and_the_rest_goes_on(system: Backbone) -> None:
    bad, good = lastet_opp("a.txt"), lastet_opp("b.txt")
    await system.log.append(bad, about(bad))
    victim = next(one for one in system.records("fiks.dokumentlager") if one.key == str(bad.dokument_id).encode())
    async with system.worker():
        assert await names(system, [bad.dokument_id]) == ["a.txt"]
        at = victim.value.index(b"fiks1:") + 40
        value = victim.value[:at] + (b"A" if victim.value[at : at + 1] != b"A" else b"B") + victim.value[at + 1 :]
        await system.log.send("fiks.dokumentlager", victim.key, value, victim.headers)
        await system.log.append(good, about(good))
        assert await names(system, [bad.dokument_id, good.dokument_id]) == ["a.txt", "b.txt"]
    letters = [one for one in read_all(system.settings.kafka, "fiks.dokumentlager") if one.value == value]
    assert "sealed" in letters[0].reasons["projections"]
