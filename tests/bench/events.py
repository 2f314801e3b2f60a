"""Makes a topic full of real events, quickly: each is a real encoding with the stream's id written over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from confluent_kafka import Producer

from infra.partitions import partition_of
from schemas.codec import encode
from schemas.envelope import Headers, decided, derived_id, fact
from schemas.svarut import (
    Adresse,
    Dokument,
    ForsendelseAkseptert,
    ForsendelseMottatt,
    ForsendelseSendtAltinn,
    Grensesnitt,
)
from schemas.topics import TOPICS

TOPIC = "fiks.svarut"
SPACE = UUID(int=0x5EED)
TEMPLATE = UUID(int=1)
EVENTS_A_STREAM = 3


def mottatt(forsendelse_id: UUID) -> ForsendelseMottatt:
    """A forsendelse as vendors send it."""
    return ForsendelseMottatt(
        forsendelse_id=forsendelse_id,
        fiks_org_id=uuid5(SPACE, "org"),
        konto_id=uuid5(SPACE, "konto"),
        integrasjon_id=uuid5(SPACE, "integrasjon"),
        grensesnitt=Grensesnitt.REST_V2,
        tittel="Vedtak om barnehageplass",
        mottaker=Adresse(
            navn="Ola Nordmann",
            digital_id="15819000066",
            adresselinje1="Storgata 1",
            postnummer="0155",
            poststed="Oslo",
        ),
        dokumenter=(
            Dokument(filnavn="vedtak.pdf", mime_type="application/pdf", storrelse=48_113, sha256="ab" * 32, blob="x"),
        ),
        ekstern_referanse="SAK-2026/1234",
        avgivende_system="Sak",
    )


def fill(bootstrap: str, streams: int, start: int = 0) -> int:
    """Append the three events of each stream, adjacent as in life. The topic must hold only what this made before.

    Returns how many events were appended.
    """
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4", "acks": 1})
    offsets = [0] * TOPICS[TOPIC].partitions
    for number in range(start + streams):
        stream = str(uuid5(SPACE, str(number)))
        partition = partition_of(stream, len(offsets))
        if number >= start:
            for value, headers in records(stream, partition, offsets[partition], number):
                while True:
                    try:
                        producer.produce(TOPIC, value, stream, partition, headers=list(headers))
                        break
                    except BufferError:
                        producer.poll(0.1)
            producer.poll(0)
        offsets[partition] += EVENTS_A_STREAM
    producer.flush()
    return streams * EVENTS_A_STREAM


_time = datetime(2026, 1, 1, 12, tzinfo=UTC)
_bodies = [
    encode(event)
    for event in (
        mottatt(TEMPLATE),
        ForsendelseAkseptert(forsendelse_id=TEMPLATE),
        ForsendelseSendtAltinn(forsendelse_id=TEMPLATE, lesefrist=_time),
    )
]


def records(stream: str, partition: int, offset: int, number: int) -> Iterator[tuple[bytes, Headers]]:
    """The values and headers of a stream's events, the first at ``offset``."""
    id_ = UUID(stream)
    bodies = [body.replace(str(TEMPLATE).encode(), stream.encode()) for body in _bodies]
    time = _time + timedelta(milliseconds=number)
    first = fact(mottatt(TEMPLATE), time=time, id=derived_id(stream, "mottatt"), source="urn:bench", actor="urn:bench")
    akseptert = decided(ForsendelseAkseptert(forsendelse_id=id_), because=first, cause=offset, source="urn:fiks")
    sendt = decided(
        ForsendelseSendtAltinn(forsendelse_id=id_, lesefrist=_time),
        because=akseptert,
        cause=offset + 1,
        source="urn:fiks",
    )
    for body, envelope in zip(bodies, (first, akseptert, sendt), strict=True):
        headers = envelope.headers()
        yield body, [(name, stream.encode() if name == "ce_subject" else value) for name, value in headers]
