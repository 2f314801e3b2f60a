"""Makes a topic full of real events, quickly: each is a real encoding with the stream's id written over, its personal
texts sealed under the stream's own key, which is put on the topic of the keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from confluent_kafka import Producer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.crypto.fields import FieldCipher
from infra.crypto.wrapping import wrap
from infra.partitions import partition_of
from schemas.catalogue import event_type
from schemas.codec import encode
from schemas.envelope import By, Headers, decided, derived_id, fact
from schemas.personal import Place, seal
from schemas.svarut import (
    Adresse,
    Dokument,
    ForsendelseAkseptert,
    ForsendelseMottatt,
    ForsendelseSendtAltinn,
    Grensesnitt,
)
from schemas.topics import NOKKEL, TOPICS

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


def fill(bootstrap: str, kek: bytes, streams: int, start: int = 0) -> int:
    """Append the three events of each stream, adjacent as in life. The topic must hold only what this made before.

    ``kek`` is the first generation of the key-encryption keys. Returns how many events were appended.
    """
    cipher = AESGCM(kek)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4", "acks": 1})
    offsets = [0] * TOPICS[TOPIC].partitions
    for number in range(start + streams):
        stream = str(uuid5(SPACE, str(number)))
        partition = partition_of(stream, len(offsets))
        if number >= start:
            name, key = event_type(ForsendelseMottatt).key_id(stream), os.urandom(32)
            wrapped = wrap(name, key, 1, cipher)
            _produce(producer, NOKKEL.name, wrapped, name, partition_of(name, NOKKEL.partitions), [])
            for value, headers in records(stream, partition, offsets[partition], number, key):
                _produce(producer, TOPIC, value, stream, partition, headers)
            producer.poll(0)
        offsets[partition] += EVENTS_A_STREAM
    producer.flush()
    return streams * EVENTS_A_STREAM


def _produce(producer: Producer, topic: str, value: bytes, key: str, partition: int, headers: Headers) -> None:
    while True:
        try:
            return producer.produce(topic, value, key, partition, headers=list(headers))
        except BufferError:
            producer.poll(0.1)


_time = datetime(2026, 1, 1, 12, tzinfo=UTC)
_bodies = [
    encode(event)
    for event in (
        ForsendelseAkseptert(forsendelse_id=TEMPLATE),
        ForsendelseSendtAltinn(forsendelse_id=TEMPLATE, lesefrist=_time),
    )
]


def records(stream: str, partition: int, offset: int, number: int, key: bytes) -> Iterator[tuple[bytes, Headers]]:
    """The values and headers of a stream's events, the first at ``offset`` and sealed under ``key``."""
    id_ = UUID(stream)
    letter, kind = mottatt(id_), event_type(ForsendelseMottatt)
    place = Place(kind.name, kind.key_id(stream))
    first_id = derived_id(stream, "mottatt")
    bodies = [encode(seal(letter, place, place.key_id, FieldCipher(key), first_id))]
    bodies += [body.replace(str(TEMPLATE).encode(), stream.encode()) for body in _bodies]
    time = _time + timedelta(milliseconds=number)
    first = fact(letter, time=time, id=first_id, source="urn:bench", by=By("urn:bench"))
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
