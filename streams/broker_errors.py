"""What it means that the log refused a record: too large, never to be taken, or perhaps later."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from streams.domain.errors import TooLarge, Unacknowledged
from streams.reader import die

TOO_LARGE = "Innholdet er for stort til å tas imot i ett kall; ingenting er tatt imot"

UNKNOWN = {KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART}
"""A broker may say so for a moment after its start, of a topic that has taken records before. Else nobody made it."""
NEVER = {
    KafkaError._INVALID_ARG,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.INVALID_REQUIRED_ACKS,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError.POLICY_VIOLATION,
}
"""What a retry never mends: rights that we lack, a record that breaks the topic's rules. Of a broker that is away,
slow, full or electing a leader we hear something else, or nothing in time.
"""


class NotTaken(Exception):
    """The log will never take the record: we are wrong, or set up wrongly. Nothing was appended."""


def refusal(error: KafkaError, topic: str, has_taken: bool) -> Exception:
    """What it means to whoever appended that the log refused; ``has_taken``: the topic has taken other records from us.

    An error of the producer itself ends the process: it would append nothing any more, and only a new one can.
    """
    if error.fatal() or error.code() == KafkaError._FATAL:
        die("log", KafkaException(error))
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLarge(TOO_LARGE)
    if error.code() in NEVER or (error.code() in UNKNOWN and not has_taken):
        return NotTaken(f"{topic} will not take the record: {error.str()} ({error.name()}); see `fiks topics check`")
    unsure = "Loggen bekreftet ikke i tide, men kan ha tatt imot. Se etter før du prøver igjen"
    return Unacknowledged(f"{unsure} ({error.name()})")
