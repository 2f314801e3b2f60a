"""What the gateway's routes ask: the keys under which an application holds them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from gateway.amqp.deliveries import Deliveries
from gateway.reads import Reads
from infra.blobs import Blobs
from infra.crypto.certificates import KeyFolder
from infra.ends import Ends
from infra.virus import Scanner
from streams.log import Log

LOG = web.AppKey("log", Log)
BLOBS = web.AppKey("blobs", Blobs)
READS = web.AppKey("reads", Reads)
ENDS = web.AppKey("ends", Ends)
CERTIFICATES = web.AppKey("certificates", KeyFolder)
"""The key pairs that vendors encrypt documents for."""
SCANNER: web.AppKey[Scanner] = web.AppKey("scanner")
DELIVERIES: web.AppKey[Deliveries] = web.AppKey("deliveries")
"""The queues of Fiks IO accounts."""
MINSIDE = web.AppKey("minside", str)
"""The address at which persons find their documents."""


@dataclass(slots=True)
class Traffic:
    """How many calls are being answered, and whether the process is about to stop."""

    running: int = 0
    draining: asyncio.Event = field(default_factory=asyncio.Event)


TRAFFIC = web.AppKey("traffic", Traffic)
