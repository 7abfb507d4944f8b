"""A Kafka broker for tests: librdkafka's own mock, or a real one at LIFELINE_TEST_KAFKA=host:port.

The mock lives in this process, keeps messages in memory, makes topics of four partitions when something is produced to
them, and stamps nothing itself: time stamps are the producer's.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Producer

from domain.records import RawBatch
from domain.streams import Partition

T0 = 1_764_000_000_000  # ms


class Broker:
    """An address, topic names that nobody else uses, and a way to fill them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 1, "log_level": 0})

    def topic(self) -> str:
        return f"lifeline.test.{uuid.uuid4().hex}"

    def produce(self, topic: str, payloads: Sequence[bytes | None], partition: int = 0, first: int = T0) -> None:
        """Message i is stamped `first` + i milliseconds."""
        for i, payload in enumerate(payloads):
            self._producer.produce(topic, payload, b"key", partition=partition, timestamp=first + i)
        assert self._producer.flush(10) == 0

    def produce_at(self, topic: str, rows: Sequence[tuple[int, bytes]], partition: int = 0) -> None:
        """Messages of (recorded time in ns, payload)."""
        for recorded, payload in rows:
            self._producer.produce(topic, payload, b"key", partition=partition, timestamp=recorded // 1_000_000)
        assert self._producer.flush(10) == 0


@contextmanager
def broker() -> Iterator[Broker]:
    address = os.environ.get("LIFELINE_TEST_KAFKA")
    if address:
        yield Broker(address)
        return
    mock = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = mock.list_topics(timeout=10).brokers.values()
    yield Broker(",".join(f"{node.host}:{node.port}" for node in brokers))
    del mock


def drain(partition: Partition, messages: int | None = None, seconds: float = 10.0) -> list[RawBatch]:
    """Poll until the stream ends or so many messages have come."""
    batches: list[RawBatch] = []
    deadline = time.monotonic() + seconds
    while messages is None or sum(map(len, batches)) < messages:
        assert time.monotonic() < deadline, f"{sum(map(len, batches))} of {messages} messages came in {seconds} s"
        try:
            batch = partition.poll()
        except StopIteration:
            break
        if batch is None:
            time.sleep(0.002)
        else:
            assert isinstance(batch, RawBatch)
            batches.append(batch)
    return batches


def payloads(batches: Sequence[RawBatch]) -> list[bytes]:
    return [batch.payload(i) for batch in batches for i in range(len(batch))]
