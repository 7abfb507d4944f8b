"""Alert events and findings to a Kafka topic, for whoever acts on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from domain import metrics
from domain.answers import Answering
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEvent
from domain.kafka import access, advice
from sinks.channel import Channel, Note
from sinks.messages import Message, encode, key

__all__ = ["KafkaWriter"]

log = logging.getLogger(__name__)

#: The broker will never take this message.
_REFUSED: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG})

#: Nor any other, until somebody has mended what is wrong: there is nothing to wait for.
_HOPELESS: Final = _REFUSED | {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError._AUTHENTICATION,
}

#: Seconds between two looks whether the broker has refused us.
_LOOK: Final = 0.5


class KafkaWriter(Channel):
    """Writes messages to one topic; what `flush` has returned for is on the broker and its replicas.

    After a crash the engine gives its last epoch's messages again: their ids are the same, so a reader can tell.

    Parameters
    ----------
    brokers
        "host:port", several with commas. Security settings come from the environment as for `KafkaSource`.
    topic
        Name of the topic.
    timeout
        Seconds in which a message must be delivered, retries included.
    label
        Of this topic's receiver, in metrics.
    answering
        Knows the city; None: messages have no answers.
    """

    def __init__(
        self, brokers: str, topic: str, timeout: float = 30.0, label: str = "kafka", answering: Answering | None = None
    ) -> None:
        self._place = f"Kafka {topic} at {brokers}"
        self.topic, self._label, self._answering = topic, label, answering
        self._timeout = timeout
        self._failed: KafkaError | None = None
        self._refused: KafkaError | None = None  # what the broker has against us, whatever we send
        self._producer = Producer(
            {
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "zstd",
                "linger.ms": 5,
                "delivery.timeout.ms": round(timeout * 1000),
                "error_cb": self._on_error,
                **access(brokers),
            },
            logger=log,
        )

    def write(self, messages: Sequence[Message]) -> None:
        """Hand messages to the producer; raises SinkError when its queue stays full."""
        for message in messages:
            payload = encode(message, self._answering)
            try:
                self._produce(key(message), payload)
            except BufferError:
                self.flush()
                self._produce(key(message), payload)

    def _produce(self, about: bytes, payload: bytes) -> None:
        try:
            self._producer.produce(self.topic, payload, about, on_delivery=self._delivered)
        except KafkaException as error:
            raise self._failure(error.args[0]) from error

    def send(self, notes: Sequence[Note]) -> int:
        """All of them, and wait until they are delivered."""
        self.say([note.event for note in notes])
        return len(notes)

    def say(self, events: Sequence[AlertEvent]) -> None:
        """The same, of events."""
        self.write(events)
        self.flush()
        metrics.SINK_ROWS.labels(self._label, self.topic).inc(len(events))

    def _on_error(self, error: KafkaError) -> None:
        log.warning("%s: %s", self._place, error)
        if error.code() in _HOPELESS:
            self._refused = error

    def _delivered(self, error: KafkaError | None, _: Delivered) -> None:
        self._failed = self._failed or error

    def flush(self) -> None:
        """Wait until all messages are delivered; raises SinkError or SinkRefused for the first that was not."""
        deadline = monotonic() + self._timeout + 1.0
        while (left := self._producer.flush(_LOOK)) and monotonic() < deadline and self._refused is None:
            pass
        failed, self._failed, self._refused = self._refused or self._failed, None, None
        if failed is not None:
            raise self._failure(failed)
        if left:
            raise SinkError(f"{self._place}: {left} messages were not delivered within {self._timeout:g} s")

    def _failure(self, error: KafkaError) -> SinkError:
        kind = SinkRefused if error.code() in _REFUSED else SinkError
        return kind(f"{self._place}: {error.str()} ({error.name()}): {advice(error.name())}")
