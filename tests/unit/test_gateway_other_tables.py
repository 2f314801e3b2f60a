"""A read model whose tables another release made: who asks is told to come again, and the log what to do."""

from __future__ import annotations

from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from gateway.dokumenter import Dokumenter
from infra.database import Pool
from infra.ends import Ends
from infra.keys import Keys
from streams.domain.errors import Unavailable


class Older:
    """A database with the tables of another release."""

    async def fetch(self, *_: Any) -> Any:
        raise asyncpg.UndefinedColumnError('column "level" does not exist')


async def test_a_column_that_is_not_there_is_no_bug_but_a_projection_to_rebuild() -> None:
    dokumenter = Dokumenter(cast(Pool, Older()), cast(Ends, None), cast(Keys, None))
    with capture_logs() as logged, pytest.raises(Unavailable):
        await dokumenter._fetch("select level", uuid4())
    assert any("fiks rebuild dokumentlager" in one["event"] for one in logged)
