"""What every confluent-kafka client of ours is made with."""

from __future__ import annotations

import logging
from typing import Any


def kafka_settings(bootstrap: str) -> dict[str, Any]:
    """What a client needs to reach the log. What librdkafka has to say goes where logs go, as the client is polled."""
    logger = logging.getLogger("confluent_kafka")
    return {"bootstrap.servers": bootstrap, "log.connection.close": False, "logger": logger}
