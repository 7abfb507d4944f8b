"""Alert events and findings to a Kafka topic, for whoever acts on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic
from typing import Final

from bytewax.outputs import DynamicSink, StatelessSinkPartition
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from domain import metrics
from domain.errors import SinkError, SinkRefused
from domain.failures import remembered
from domain.kafka import advice, bootstrap, security
from domain.operations import repeated
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

#: Seconds between two looks whether the broker has refused us.
_LOOK: Final = 0.5


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
        self._refused: KafkaError | None = None  # what the broker has against us, whatever we send
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap(brokers),
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "zstd",
                "linger.ms": 5,
                "delivery.timeout.ms": round(timeout * 1000),
                "error_cb": self._on_error,
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

    def pass_on(self, messages: Sequence[Message]) -> None:
        """Hand over what will be said again anyway: nobody waits for it, and it is only logged where it is lost."""
        try:
            for message in messages:
                self._producer.produce(self.topic, encode(message), key(message), on_delivery=self._passed_on)
            self._producer.poll(0)
        except (BufferError, KafkaException) as error:
            log.warning("%s: %s", self._place, error)

    def _passed_on(self, error: KafkaError | None, _: Delivered) -> None:
        if error is not None:
            log.warning("%s: a heartbeat was not delivered: %s", self._place, error)

    def _on_error(self, error: KafkaError) -> None:
        log.warning("%s: %s", self._place, error)
        if error.code() in _FOR_GOOD:
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
        kind = SinkRefused if error.code() in _FOR_GOOD else SinkError
        return kind(f"{self._place}: {error.str()} ({error.name()}): {advice(error.name())}")


class _Partition(StatelessSinkPartition[Message]):
    def __init__(self, writer: KafkaWriter) -> None:
        self._writer = writer

    @remembered()
    def write_batch(self, items: list[Message]) -> None:
        lasting = [item for item in items if not repeated(item)]
        # Bytewax has no end of an epoch for such sinks. Alerts are few and urgent, so each batch is delivered at once.
        if lasting:
            self._writer.write(lasting)
            self._writer.flush()
        self._writer.pass_on(list(filter(repeated, items)))
        metrics.SINK_ROWS.labels("kafka", self._writer.topic).inc(len(items))


class KafkaSink(DynamicSink[Message]):
    """Delivers every item to a topic before the epoch ends. Parameters as for `KafkaWriter`."""

    def __init__(self, brokers: str, topic: str, timeout: float = 30.0) -> None:
        self._arguments = bootstrap(brokers), topic, timeout

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Partition:
        """One producer a worker."""
        return _Partition(KafkaWriter(*self._arguments))
