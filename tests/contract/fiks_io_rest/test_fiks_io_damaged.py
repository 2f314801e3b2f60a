"""Content that is damaged in our store is no fault of who asks for it (DESIGN, Errors: 400 is for what was said)."""

from __future__ import annotations

from tests.contract.fiks_io_rest.test_fiks_io_manuell import CONTENT, at, first, get, send
from tests.support.fiks_io_konto import Io, done
from tests.support.files import stored_in


async def test_content_that_is_damaged_is_not_told_as_a_bad_request(io: Io) -> None:
    blobs = io.a.settings.state / "blobs"
    before = set(stored_in(blobs))
    await send(io, CONTENT)
    await first(io.b_machine, io.b_konto)
    [made] = set(stored_in(blobs)) - before
    path = blobs / made
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    answer = await get(io.b_machine, io.b_konto, "neste/data")
    await done(io.b_machine, "GET", at(io.b_konto, "neste/nac"))
    assert answer.status >= 500, answer.body
    assert "not as it was stored" not in str(answer.body), "a text of ours, in English, which names what lies behind"
