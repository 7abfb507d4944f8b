"""A broker that shows nothing new because nobody can hear it is not one at which nothing happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import KafkaError

from domain.clock import MILLISECOND, SECOND
from domain.records import Frame
from domain.settings import EngineSettings, TimeRules
from operators.decode import Decoder
from operators.intake import TICK_MARGIN, PartitionIntake
from operators.layout import Layout
from sources.kafka import KafkaPartition, KafkaSource
from tests.flows.command import until
from tests.flows.town import CITY, T0, reading
from tests.kafka.feed import make_topic
from tests.kafka.mock import LIST_OFFSETS, MockCluster
from tests.kafka.server import Server
from tests.kafka_broker import Broker

RULES = TimeRules(lateness=0, idle=0, pane=100 * MILLISECOND)


@pytest.fixture
def mock(cluster: MockCluster) -> Iterator[MockCluster]:
    yield cluster
    cluster.delay(1, 0)
    cluster.fail(LIST_OFFSETS)


@pytest.fixture
def topic(mock: MockCluster) -> str:
    """A topic at the first broker."""
    topic = mock.make(mock.topic())
    mock.lead(topic, 1)
    return topic


def _opened(address: str, topic: str) -> KafkaPartition:
    return KafkaSource(address, [topic]).open(f"{topic}/0", None)


def _polled(partition: KafkaPartition, holds: Callable[[], bool], seconds: float = 15.0) -> None:
    """Poll, and drop what comes, until something holds."""

    def polled() -> bool:
        partition.poll()
        return holds()

    until(polled, seconds=seconds)


def _current(partition: KafkaPartition) -> Callable[[], bool]:
    return lambda: partition.caught_up and partition.unheard < 1 * SECOND


def _at_work() -> int:
    return sum(thread.name == "kafka-ends" for thread in threading.enumerate())


def test_ticks_wait_for_what_was_stamped_before(mock: MockCluster, topic: str) -> None:
    """Answers stall for longer than ticks keep as a margin: what the broker stamped meanwhile comes in time."""
    partition = _opened(mock.address, topic)
    intake = PartitionIntake(
        0, f"{topic}/0", partition, Decoder(CITY), Layout(CITY, 1), EngineSettings(shards=1, time=RULES), time.time_ns
    )
    frames: list[Frame] = []

    def current() -> bool:
        frames.extend(frame for frame in intake.next() or () if isinstance(frame, Frame))
        return intake.watermark > time.time_ns() - TICK_MARGIN - SECOND

    def arrived() -> bool:
        current()
        return any(len(frame.ts) for frame in frames)

    mock.produce(topic, [b""])
    until(current, seconds=20)
    mock.delay(1, 3500)
    time.sleep(0.3)  # the answers under way are slow by now
    at = time.time_ns() // MILLISECOND
    mock.produce(topic, [reading("G00", at - T0, 1.0)], first=at)
    until(arrived, seconds=20)
    assert time.time_ns() - at * MILLISECOND > TICK_MARGIN, "or it proves nothing"
    assert [frame.late for frame in frames if frame.late is not None] == []
    mock.delay(1, 0)
    until(current, seconds=20)
    intake.close()


def test_an_end_that_nobody_tells(mock: MockCluster, topic: str) -> None:
    """Brokers that do not know where the partition ends say nothing of it; the first that knows does."""
    partition = _opened(mock.address, topic)
    _polled(partition, _current(partition))
    mock.fail(LIST_OFFSETS, *[KafkaError.NOT_LEADER_FOR_PARTITION] * 1000)
    _polled(partition, lambda: partition.unheard > 2 * SECOND)
    assert partition.caught_up
    mock.fail(LIST_OFFSETS)
    _polled(partition, _current(partition))
    partition.close()


def test_what_has_not_been_polled(mock: MockCluster, topic: str) -> None:
    """An end behind what was polled says nothing, until it has been polled."""
    partition = _opened(mock.address, topic)
    _polled(partition, _current(partition))
    mock.produce(topic, [b"more"])
    time.sleep(0.5)  # the end is known by now
    before = partition.unheard
    time.sleep(0.5)
    assert partition.unheard >= before + 500 * MILLISECOND
    _polled(partition, _current(partition))
    partition.close()


def test_nobody_asks_for_what_nobody_reads(mock: MockCluster, topic: str) -> None:
    """The questions begin with the first partition that is followed, and end with the last."""
    before = _at_work()
    source = KafkaSource(mock.address, [topic])
    for _ in range(2):
        partition = source.open(f"{topic}/0", None)
        assert _at_work() == before
        _polled(partition, _current(partition))
        assert _at_work() == before + 1
        partition.close()
        until(lambda: _at_work() == before, seconds=10)


def test_frozen(kafka: Broker, server: Server) -> None:
    """The real broker, stopped for seconds and gone on."""
    topic = make_topic(kafka.address, kafka.topic(), 1)
    partition = _opened(kafka.address, topic)
    _polled(partition, _current(partition))
    server.freeze()
    try:
        _polled(partition, lambda: partition.unheard > 3 * SECOND)
    finally:
        server.thaw()
    assert partition.caught_up
    _polled(partition, _current(partition))
    partition.close()
