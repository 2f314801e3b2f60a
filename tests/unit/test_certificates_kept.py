"""What somebody only asks about is not kept: the routes that judge certificates keep nothing of what they are sent."""

from __future__ import annotations

import tracemalloc

from streams.domain.sertifikater import LONGEST, sertifikat
from tests.support.certificates import pem as pem_of


def test_texts_around_one_certificate_are_not_all_remembered() -> None:
    """A participant of the catalogue sends 10,000 of them: 128 KB each, 1.3 GB in every gateway, for good."""
    pem = pem_of()
    sertifikat(pem)
    tracemalloc.start()
    try:
        for number in range(100):
            sertifikat("\U0001f600" * (LONGEST - len(pem) - 10) + f"{number:09d}\n" + pem)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1 << 20
