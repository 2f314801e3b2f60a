"""Who logs in over AMQP, and which accounts it may read: by the door's own proofs, and told as the door tells it.

Contract: fiks-io.md 1.2 and 2.1. A refused login is 403 whatever was wrong; what cannot be known just now is 541.
"""

from __future__ import annotations
