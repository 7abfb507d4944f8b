"""Which of a broker's errors end by themselves, and which say that something is to be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError

from domain.errors import SourceError

__all__ = ["ABSENT", "NoTopic", "passing", "telling"]

#: Errors that end by themselves once a broker is back, whatever librdkafka's `retriable` says.
_TRANSIENT: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)

#: Errors of a topic that is not there, or is just being made.
ABSENT: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.LEADER_NOT_AVAILABLE)


class NoTopic(SourceError):
    """A topic is not there, or not yet."""


def passing(error: KafkaError) -> bool:
    """Whether an error ends by itself."""
    return error.retriable() or error.code() in _TRANSIENT


def telling(errors: Sequence[KafkaError]) -> KafkaError:
    """The error that says most: a refusal rather than that nobody answers."""
    return next((error for error in errors if not passing(error)), errors[-1])
