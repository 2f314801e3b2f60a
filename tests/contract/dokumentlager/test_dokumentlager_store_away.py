"""A blob store that is away as a whole, as a folder is whose disk is not mounted: nothing in it is damaged, and nothing
is taken in that would lie elsewhere.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from infra.blobs import IDENTITY
from tests.support.dokumentlager import Answer, Lager, form, gateway_process, said_of
from tests.support.tus import begun

DAMAGED = "Dokumentets innhold er skadet og kan ikke lastes ned"


@contextmanager
def unmounted(lager: Lager) -> Iterator[None]:
    """An empty folder stands where the store was."""
    folder = lager.settings.state / "blobs"
    aside = folder.rename(folder.with_name("blobs-aside"))
    folder.mkdir()
    try:
        yield
        assert lager.blobs == set(), "nothing was put there"
        assert not (folder / IDENTITY).exists(), "nor is it taken for the store"
    finally:
        shutil.rmtree(folder)
        aside.rename(folder)


async def ready(lager: Lager) -> Answer:
    return await lager.ask("GET", "/readyz")


async def metrics(lager: Lager) -> Answer:
    return await lager.ask("GET", "/metrics")


async def melding_of(lager: Lager, dokument_id: str) -> list[str]:
    known = await lager.ask("GET", f"{lager.konto}/dokumenter/{dokument_id}")
    return [one["melding"] for one in known.json["hendelser"]]


async def test_while_the_store_is_away_nothing_is_damaged_and_nothing_is_taken(lagre: tuple[Lager, Lager]) -> None:
    lager, _ = lagre
    dokument_id, upload = await lager.uploaded(), await begun(lager, 7)
    assert await upload.offset() == 0
    assert (await ready(lager)).status == 200

    with unmounted(lager):
        for one in lagre:
            assert (await one.download(dokument_id)).status == 503
            assert (await one.upload(form(said_of(), b"x"))).status == 503
            assert (await one.upload(form(said_of(), bytes(3 << 20)))).status == 503
            assert (await upload.at(one).head()).status == 503
            assert (await ready(one)).status == 503
        assert (await lager.download(dokument_id, "/metadata")).status == 200, "what needs no content goes on"
        [told] = re.findall(r"^fiks_blob_failures_total (.*)$", (await metrics(lager)).body.decode(), re.MULTILINE)
        assert float(told) > 0, "which pages somebody"

    assert (await ready(lager)).status == 200
    assert (await lager.download(dokument_id)).body == b"innhold"
    assert DAMAGED not in await melding_of(lager, dokument_id)
    assert await upload.offset() == 0


async def test_a_gateway_that_starts_while_the_store_is_away_waits_for_it(lager: Lager) -> None:
    dokument_id = await lager.uploaded()

    with unmounted(lager):
        async with gateway_process(lager) as (other, _):
            assert (await ready(other)).status == 503
            assert (await other.download(dokument_id)).status == 503
            assert (await other.upload(form(said_of(), b"x"))).status == 503


async def test_a_document_that_is_deleted_while_the_store_is_away_is_gone_from_it_afterwards(lager: Lager) -> None:
    """Its key goes at once, its bytes when they are there again."""
    before = lager.blobs
    dokument_id = await lager.uploaded()
    [blob] = lager.blobs - before

    with unmounted(lager):
        assert (await lager.ask("DELETE", f"{lager.konto}/dokumenter/{dokument_id}")).status == 200
        assert (await lager.download(dokument_id)).status == 410
    while blob in lager.blobs:
        await asyncio.sleep(0.1)
    while "Dokumentets innhold og nøkkel er destruert" not in str(await melding_of(lager, dokument_id)):
        await asyncio.sleep(0.1)
