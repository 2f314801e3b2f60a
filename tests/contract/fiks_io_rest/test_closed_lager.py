"""A message that was taken in can be had by its receiver, also where somebody closed an account in Dokumentlager."""

from __future__ import annotations

from dataclasses import replace

from gateway.fiks_io import LARGEST_INLINE
from tests.contract.fiks_io_rest.test_fiks_io_manuell import at, first, get, send
from tests.support.certificates import pem
from tests.support.fiks_io_konto import KONTOER, Io, done, give


async def test_what_waits_and_what_comes_can_be_had_though_an_administrator_closes_the_account_it_lies_in(
    io: Io,
) -> None:
    konto = await io.konto(io.b, offentligNokkel=pem(), skalAktiveres=True)
    await give(io.b, io.b_machine, "SVARINN.SENDE_MOTTA", konto)
    lager = (await done(io.b, "GET", f"{KONTOER}/{konto}"))["dokumentlagerKontoId"]
    large = bytes(LARGEST_INLINE + 1)
    await send(replace(io, b_konto=konto), large)

    closing = await io.b.ask("DELETE", io.b.konto_of(lager))

    await send(replace(io, b_konto=konto), large)  # 202
    for _ in range(2):
        await first(io.b_machine, konto)
        answer = await get(io.b_machine, konto, "neste/data")
        assert answer.status == 200, f"closing was {closing.status}; the content is {answer.status}"
        await done(io.b_machine, "GET", at(konto, "neste/ack"))
