"""The number of a person in an address, as the contract has it, is written nowhere by the gateway."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from structlog.testing import capture_logs

from gateway.seed import ADMINISTRATORS, PROVDAL, TESTVIK
from tests.support.dokumentlager import Lager

PERSONER = "/konfigurasjon/api/v1/personer"
LAW = {"Lovhjemmel": "Kommuneloven § 24-1"}
OURS, THEIRS = (ADMINISTRATORS[of].pid for of in (TESTVIK, PROVDAL))


async def test_it_is_in_no_log_metric_event_or_error(lagre: tuple[Lager, Lager]) -> None:
    one, begin = lagre[0], datetime.now(UTC)
    administrator = await one.as_administrator()
    with capture_logs() as logs:
        answers = [
            await administrator.ask(method, path, headers=headers, json={})
            for method, path, headers in (
                ("GET", f"{PERSONER}?fnr={OURS}&fnr={THEIRS}", LAW),
                ("PATCH", f"{PERSONER}/{OURS}", LAW),
                ("PATCH", f"{PERSONER}/{THEIRS}", LAW),
                ("PATCH", f"{PERSONER}/{OURS}", {}),
                ("PATCH", f"{PERSONER}/{OURS}0", LAW),
                ("PUT", f"{PERSONER}/{OURS}", LAW),
                ("PATCH", f"/konfigurasjon/api/v1/root/personer/{OURS}", LAW),
                ("GET", f"{PERSONER}/{OURS}/finnes/ikke", LAW),
            )
        ]
    assert [answer.status for answer in answers] == [200, 200, 404, 400, 400, 405, 403, 404]
    said = [answer.body.decode() for answer in answers[2:4] + answers[5:]]
    metrics = (await one.ask("GET", "/metrics")).body.decode()
    assert f"{PERSONER}/{{fnr}}" in metrics
    told = "select * from read.audit where time >= $1 and type in ('TilgangNektet', 'OppslagGjort')"
    while len(trail := await one.rows(told, begin)) < 4:  # two look-ups of the other, and two refusals
        await asyncio.sleep(0.05)
    everywhere = f"{said}{logs}{metrics}{[dict(row) for row in trail]}"
    assert not [number for number in (OURS, THEIRS) if number in everywhere]
