"""What lies in the files of a Kafka, which compresses: also what no consumer is shown any more, until it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aiokafka.codec import lz4_decode

BEFORE_LENGTH, HEAD, ATTRIBUTES, CODEC, LZ4 = 8, 61, 21, 7, 3
"""Of a record batch (Kafka's documentation, 5.3.1): the length stands behind the offset and counts what follows it, the
lowest bits of the attributes name the codec, and the records stand behind the head.
"""


def records_in_files(folder: Path) -> Iterator[bytes]:
    """The records of each batch in each segment, about to be deleted or not, readable. Raises where it is of a codec
    that nobody here uses.
    """
    for file in sorted(folder.rglob("*.log*")):
        content, at = memoryview(file.read_bytes()), 0
        while (end := at + BEFORE_LENGTH + 4 + int.from_bytes(content[at + BEFORE_LENGTH :][:4])) > at + HEAD:
            codec, records = content[at + ATTRIBUTES + 1] & CODEC, bytes(content[at + HEAD : end])
            assert codec in (0, LZ4), (file, codec)
            yield lz4_decode(records) if codec == LZ4 else records
            at = end
