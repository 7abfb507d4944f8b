"""Alert events and findings to a Kafka topic, for whoever acts on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from bytewax.outputs import DynamicSink, StatelessSinkPartition
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from domain import metrics
from domain.errors import SinkError, SinkRefused
from domain.kafka import advice, security
from sinks.messages import Message, encode, key

__all__ = ["KafkaSink", "KafkaWriter"]

log = logging.getLogger(__name__)

#: Trying the same message again would end the same way.
_FOR_GOOD: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._AUTHENTICATION,
    }
)


class KafkaWriter:
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
    """

    def __init__(self, brokers: str, topic: str, timeout: float = 30.0) -> None:
        self._place = f"Kafka {topic} at {brokers}"
        self.topic = topic
        self._timeout = timeout
        self._failed: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "zstd",
                "linger.ms": 5,
                "delivery.timeout.ms": round(timeout * 1000),
                "error_cb": lambda error: log.warning("%s: %s", self._place, error),
                **security(),
            },
            logger=log,
        )

    def write(self, messages: Sequence[Message]) -> None:
        """Hand messages to the producer; raises SinkError when its queue stays full."""
        for message in messages:
            payload = encode(message)
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

    def _delivered(self, error: KafkaError | None, _: Delivered) -> None:
        self._failed = self._failed or error

    def flush(self) -> None:
        """Wait until all messages are delivered; raises SinkError or SinkRefused for the first that was not."""
        left = self._producer.flush(self._timeout + 1.0)
        failed, self._failed = self._failed, None
        if failed is not None:
            raise self._failure(failed)
        if left:
            raise SinkError(f"{self._place}: {left} messages were not delivered within {self._timeout:g} s")

    def _failure(self, error: KafkaError) -> SinkError:
        kind = SinkRefused if error.code() in _FOR_GOOD else SinkError
        return kind(f"{self._place}: {error.str()} ({error.name()}): {advice(error.name())}")


class _Partition(StatelessSinkPartition[Message]):
    def __init__(self, writer: KafkaWriter) -> None:
        self._writer = writer

    def write_batch(self, items: list[Message]) -> None:
        # Bytewax has no end of an epoch for such sinks. Alerts are few and urgent, so each batch is delivered at once.
        self._writer.write(items)
        self._writer.flush()
        metrics.SINK_ROWS.labels("kafka", self._writer.topic).inc(len(items))


class KafkaSink(DynamicSink[Message]):
    """Delivers every item to a topic before the epoch ends. Parameters as for `KafkaWriter`."""

    def __init__(self, brokers: str, topic: str, timeout: float = 30.0) -> None:
        self._arguments = brokers, topic, timeout

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Partition:
        """One producer a worker."""
        return _Partition(KafkaWriter(*self._arguments))
