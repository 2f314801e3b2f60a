"""What is too large for the queue is not taken in where it would be deleted as it comes (contract fiks-io.md 2.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from gateway.auth.memory import MEMORY
from gateway.fiks_io import LARGEST_INLINE
from gateway.seed import PROVDAL
from schemas.konfigurasjon import KontoOpprettet, KontoSlettet
from streams.domain.fiks_io import dokumentlager_konto_of
from tests.support.fiks_io import java, konto_made, running_sender
from tests.support.gateway import lasting_tokens
from tests.support.stack import OwnKafka, temporary_folder


async def test_nothing_large_is_taken_in_for_an_account_whose_account_in_dokumentlager_is_closed() -> None:
    """The receiver is told 410 from the first moment, and the sender nothing."""
    with temporary_folder() as folder, lasting_tokens():
        server = OwnKafka(folder)
        await server.start()
        async with running_sender(server.bootstrap, folder / "state") as sender:
            konto = uuid4()
            await sender.say(*konto_made(PROVDAL, konto))
            lager = {"fiks_org_id": PROVDAL.id("organisasjon"), "konto_id": dokumentlager_konto_of(konto)}
            await sender.say(
                KontoOpprettet(tjeneste="DOKUMENTLAGER", navn="k", for_konto_id=konto, **lager),
                KontoSlettet(endret=datetime.now(UTC), endret_av="person:test", **lager),
            )
            assert sender.caller.app[MEMORY].configuration.konto(lager["konto_id"]).slettet
            body = java(sender.metadata(mottakerKontoId=str(konto)), bytes(LARGEST_INLINE + 1))
            status, answer = await sender.send(body)
            assert status != 202, answer
        await server.stop()
