"""A name of content that no store takes, in an event, neither ends nor holds up the role that deletes content."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.blobs import Blobs
from streams.domain.errors import NotFound

NO_NAMES = ["../x", "a//b", "a\0b", "", "x" * 300, "/etc/hostname", "a/../../b"]


@pytest.mark.parametrize("name", NO_NAMES)
async def test_there_is_nothing_of_such_a_name(tmp_path: Path, name: str) -> None:
    """``MeldingSendt.blob`` and ``DokumentLastetOpp.blob`` are any text, and reach the store as they are."""
    (tmp_path / "x").write_text("what lies beside the store")
    blobs = Blobs((tmp_path / "store").as_uri())
    await blobs.delete([name])
    with pytest.raises(NotFound):
        await blobs.begin(name, 1)
    with pytest.raises(NotFound):
        await anext(aiter(blobs.get(name)))
    assert (tmp_path / "x").exists()
