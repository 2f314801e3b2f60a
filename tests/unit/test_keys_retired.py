"""A key that was made while the generation that wraps it was retired opens all the same, or is not made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.keks import InTheClear, Keks
from infra.keys import Keys
from streams.domain.errors import Unavailable


async def test_by_a_process_that_stood_still_meanwhile(tmp_path: Path) -> None:
    """SIGSTOP, or a host that is paused, between the wrapping and the append: ``fiks keys retire`` sees the table, in
    which that key is not yet.
    """
    file = tmp_path / "keks.json"
    await Keks(file, InTheClear()).begin()
    operator = Keks(file, InTheClear())

    class _Log:
        """Takes the record once the operator is through."""

        said: bytes | None = None

        async def send(self, _topic: str, _key: Any, value: bytes | None, *_: Any) -> Any:
            if len(await operator.generations()) == 1 and 1 in await operator.generations():
                await operator.add()
                await operator.forget({1})
            self.said = value

    log = _Log()
    try:
        made = await Keys(Keks(file, InTheClear()), log).create("svarut:1")
    except Unavailable:
        return
    assert log.said is not None
    assert await Keks(file, InTheClear()).unwrap({"svarut:1": log.said}) == {"svarut:1": made}
