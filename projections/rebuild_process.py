"""One process of a rebuild: fills the versions being built until it is stopped. Started by ``projections.rebuild``."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal

from aiokafka import TopicPartition

from infra import telemetry
from infra.local.leash import attach
from infra.settings import Settings
from projections.worker import rebuild


def main() -> None:
    """Parse the arguments and work."""
    parser = argparse.ArgumentParser(prog="projections.rebuild_process")
    parser.add_argument("--group", required=True, help="the consumer group that the rebuild's processes share")
    parser.add_argument("--until", help="JSON [[topic, partition, offset], …]: where to stop")
    parser.add_argument("--parent", type=int, required=True, help="the process whose end ends this one")
    parser.add_argument("names", nargs="+")
    asked = parser.parse_args()
    attach(asked.parent, signal.SIGTERM)
    until = asked.until and {TopicPartition(topic, part): end for topic, part, end in json.loads(asked.until)}
    settings = Settings().model_copy(update={"metrics_port": None})  # the port belongs to the workers
    telemetry.start(settings, "rebuild")
    asyncio.run(rebuild(settings, asked.names, asked.group, until or None))


if __name__ == "__main__":
    main()
