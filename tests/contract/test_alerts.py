"""Each alert pages for what it is for, and for nothing else: Prometheus' own promtool judges the rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from infra.local.processes import run
from tests.support.debian import unpacked

FOLDER = Path(__file__).resolve().parents[2] / "infra/dashboards"
RULES, DASHBOARD = FOLDER / "alerts.yaml", FOLDER / "grafana.json"
ALERTS: dict[str, Any] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
MINUTES = 30
"""Of which every series has a sample each."""
ALWAYS = f"x{MINUTES}"

CALLS, ROUTE = "fiks_request_seconds_count", 'method="POST",route="/r",instance="gateway"'
WORKER, OTHER = 'role="projections",instance="worker-1"', 'role="projections",instance="worker-2"'
ON = 'topic="fiks.svarut",partition="0"'
QUIET = {
    f'{CALLS}{{{ROUTE},status="200"}}': "0+600" + ALWAYS,
    f'{CALLS}{{method="GET",route="/readyz",status="200",instance="gateway"}}': "0+6000" + ALWAYS,
    f'{CALLS}{{{ROUTE},status="500"}}': "3+0" + ALWAYS,
    f'{CALLS}{{{ROUTE},status="503"}}': "7+1" + ALWAYS,
    'fiks_append_failures_total{topic="fiks.svarut",reason="unavailable",instance="gateway"}': "4+0" + ALWAYS,
    'fiks_gateway_memory_staleness_seconds{instance="gateway"}': "0.4+0" + ALWAYS,
    'fiks_gateway_started_seconds{instance="gateway"}': "1000+0x10 1600+60x3 1780+0x16",
    'fiks_gateway_started_seconds{instance="worker-1"}': "0+0" + ALWAYS,
    'fiks_gateway_memory_staleness_seconds{instance="worker-1"}': "0+0" + ALWAYS,
    'fiks_audit_missed_total{instance="gateway"}': "0+0" + ALWAYS,
    'fiks_downloads_missed_total{instance="gateway"}': "0+0" + ALWAYS,
    'fiks_blob_failures_total{instance="gateway"}': "2+0" + ALWAYS,
    'fiks_io_unsaid{instance="gateway"}': "40+0" + ALWAYS,
    'fiks_io_unreadable_total{instance="gateway"}': "0+0" + ALWAYS,
    f"fiks_agent_lag_events{{{WORKER},{ON}}}": "0+0x5 50000-5000x10 0+0x15",
    f'fiks_projection_lag_events{{projection="audit",{ON},instance="worker-1"}}': "0+0x5 50000-5000x10 0+0x15",
    f'fiks_carried_seconds_bucket{{{WORKER},le="1"}}': "0+60" + ALWAYS,
    f'fiks_carried_seconds_bucket{{{WORKER},le="+Inf"}}': "0+60" + ALWAYS,
    f"fiks_worker_claims{{{WORKER}}}": "6+0x10 0+0x2 6+0x18",
    f"fiks_worker_claims{{{OTHER}}}": "6+0x10 12+0x2 6+0x18",
    f"fiks_worker_blocked{{{WORKER}}}": "0+0" + ALWAYS,
    'process_start_time_seconds{instance="worker-1"}': "1000+0x10 1600+0x20",
    'process_start_time_seconds{instance="worker-2"}': "1000+0" + ALWAYS,
    f"fiks_batch_retries_total{{{WORKER}}}": "5+0x10 9+0x20",
    'fiks_projection_lost{projection="audit",instance="worker-1"}': "0+0" + ALWAYS,
    'fiks_dlq_size{topic="fiks.svarut",instance="worker-1"}': "0+0" + ALWAYS,
}
"""A day as any other: a worker and two gateways were replaced, and who was behind caught up."""


class Day(NamedTuple):
    """What is otherwise, and which alerts that sets off, with the labels that they tell. None: there is no such series
    any more after ten minutes.
    """

    changes: Mapping[str, str | None]
    alerts: Mapping[str, Mapping[str, str]]


def series(name: str) -> str:
    """The one of a quiet day whose name begins so."""
    (found,) = [one for one in QUIET if one.startswith(name)]
    return found


ROLE = {"role": "projections"}
DAYS = {
    "a day as any other": Day({}, {}),
    "the log does not answer": Day(
        {series("fiks_append_failures_total"): "4+0x10 5+9x20"}, {"FiksAppendFailing": {"topic": "fiks.svarut"}}
    ),
    "the first fault of ours": Day(
        {f'{CALLS}{{{ROUTE},status="500"}}': "_x26 1+0x4"},
        {"FiksServerErrors": {}},
    ),
    "more faults of ours": Day({f'{CALLS}{{{ROUTE},status="500"}}': "3+0x10 4+1x20"}, {"FiksServerErrors": {}}),
    "one call in ten is refused": Day({f'{CALLS}{{{ROUTE},status="503"}}': "7+0x10 8+66x20"}, {"FiksUnavailable": {}}),
    "no gateway is left": Day({name: None for name in QUIET if 'instance="gateway"' in name}, {"FiksNoGateway": {}}),
    "a gateway falls again and again": Day(
        {'fiks_gateway_started_seconds{instance="gateway"}': "1000+0x10 1600+60x20"},
        {"FiksGatewayRestarting": {"instance": "gateway"}},
    ),
    "a gateway hears nothing": Day(
        {'fiks_gateway_memory_staleness_seconds{instance="gateway"}': "0.4+0x10 60+60x20"},
        {"FiksMemoryStale": {"instance": "gateway"}},
    ),
    "an agent falls behind": Day(
        {series("fiks_agent_lag_events"): "0+0x5 9000+1000x25"},
        {"FiksAgentBehind": {**ROLE, "topic": "fiks.svarut"}},
    ),
    "a projection falls behind": Day(
        {series("fiks_projection_lag_events"): "0+0x5 9000+1000x25"},
        {"FiksProjectionBehind": {"projection": "audit", "topic": "fiks.svarut"}},
    ),
    "what is appended is carried late": Day(
        {f'fiks_carried_seconds_bucket{{{WORKER},le="1"}}': "0+60x10 600+0x20"}
        | {f'fiks_carried_seconds_bucket{{{WORKER},le="60"}}': "0+60" + ALWAYS},
        {"FiksCarriedLate": ROLE},
    ),
    "nobody plays a role": Day(
        {f"fiks_worker_claims{{{one}}}": "6+0x10 0+0x20" for one in (WORKER, OTHER)}, {"FiksPartitionsUnclaimed": ROLE}
    ),
    "no worker is left": Day(
        {name: None for name in QUIET if 'instance="worker' in name}, {"FiksPartitionsUnclaimed": {}}
    ),
    "a newer release is needed": Day({series("fiks_worker_blocked"): "0+0x10 1+0x20"}, {"FiksNewerNeeded": ROLE}),
    "a newer release is needed, and who waits for it steps aside now and then": Day(
        {series("fiks_worker_blocked"): "0+0x10 " + "0 1+0x1 " * 10}, {"FiksNewerNeeded": ROLE}
    ),
    "a worker falls again and again": Day(
        {'process_start_time_seconds{instance="worker-1"}': "1000+0x10 1600+60x20"},
        {"FiksRestarting": {"instance": "worker-1"}},
    ),
    "PostgreSQL is away": Day({series("fiks_batch_retries_total"): "5+0x10 6+50x20"}, {"FiksWaiting": ROLE}),
    "tables are gone": Day(
        {series("fiks_projection_lost"): "0+0x10 1+0x20"}, {"FiksProjectionLost": {"projection": "audit"}}
    ),
    "an event cannot be read": Day(
        {series("fiks_dlq_size"): "0+0x10 1+0x20"}, {"FiksDeadLetters": {"topic": "fiks.svarut"}}
    ),
    "a refusal is not on the log": Day({series("fiks_audit_missed_total"): "0+0x27 1+0x3"}, {"FiksAuditMissing": {}}),
    "a download is not on the log": Day(
        {series("fiks_downloads_missed_total"): "0+0x27 1+0x3"}, {"FiksDownloadsMissing": {}}
    ),
    "the blob store is away": Day({series("fiks_blob_failures_total"): "2+0x10 3+5x20"}, {"FiksBlobsAway": {}}),
    "acknowledgements cannot be said": Day({series("fiks_io_unsaid"): "40+0x10 2000+0x20"}, {"FiksMessagesUnsaid": {}}),
    "a message cannot be read": Day(
        {series("fiks_io_unreadable_total"): "0+0x25 1+0x5"}, {"FiksMessagesUnreadable": {}}
    ),
}


@pytest.fixture
async def promtool() -> Path:
    return await unpacked("prometheus", ("prometheus",)) / "usr/bin/promtool"


@pytest.mark.parametrize("day", DAYS)
async def test_a_day_pages_for_what_is_wrong_in_it_and_for_nothing_else(
    day: str, promtool: Path, tmp_path: Path
) -> None:
    at = DAYS[day]
    values = QUIET | at.changes
    said = [
        {"series": name, "values": QUIET[name].split("x")[0] + "x10" if value is None else value}
        for name, value in values.items()
    ]
    judged = [{"alertname": name, "eval_time": f"{MINUTES}m", "exp_alerts": told(name, at.alerts)} for name in ALERTS]
    case = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "15s",
        "tests": [{"interval": "1m", "input_series": said, "alert_rule_test": judged}],
    }
    file = tmp_path / "day.yaml"
    file.write_text(yaml.safe_dump(case))
    await run(str(promtool), "test", "rules", str(file))


def told(name: str, alerts: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """What promtool is to find of an alert."""
    if name not in alerts:
        return []
    rule, labels = ALERTS[name], alerts[name]
    summary = re.sub(
        r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels.get(found[1], ""), rule["annotations"]["summary"]
    )
    return [{"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": {"summary": summary}}]


def test_every_alert_is_set_off_on_some_day() -> None:
    assert {name for day in DAYS.values() for name in day.alerts} == ALERTS.keys()


async def test_prometheus_can_answer_what_the_dashboard_asks(promtool: Path, tmp_path: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"asked:{number}", "expr": one} for number, one in enumerate(asked)]
    file = tmp_path / "asked.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    await run(str(promtool), "check", "rules", str(file))
