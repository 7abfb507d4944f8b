"""Kafka as a source, against librdkafka's mock broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Event, Timer

import numpy as np
import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError

from domain.clock import MILLISECOND
from domain.errors import SourceError
from sources.kafka import KafkaPartition, KafkaSource, Start, parse_start
from tests.kafka_broker import T0, Broker, broker, drain, payloads


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def fill(kafka: Broker, count: int, **options: int) -> tuple[str, list[bytes]]:
    topic = kafka.topic()
    sent = [b"message %d" % i for i in range(count)]
    kafka.produce(topic, sent, **options)
    return topic, sent


def test_round_trip(kafka: Broker) -> None:
    """Bytes, offsets and time stamps come as they were produced, several messages in one batch."""
    topic, sent = fill(kafka, 500)
    partition = KafkaSource(kafka.address, [topic], until_end=True).open(f"{topic}/0", None)
    batches = drain(partition)
    partition.close()
    assert payloads(batches) == sent
    assert np.concatenate([b.offset for b in batches]).tolist() == list(range(500))
    expected = (T0 + np.arange(500)) * MILLISECOND
    assert np.array_equal(np.concatenate([b.recorded for b in batches]), expected)
    assert len(batches) < 100
    assert {b.partition for b in batches} == {f"{topic}/0"}


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_batch_bounds_a_poll(kafka: Broker, batch: int) -> None:
    """No poll holds more than asked, and the messages are the same."""
    topic, sent = fill(kafka, 60)
    partition = KafkaSource(kafka.address, [topic], until_end=True, batch=batch).open(f"{topic}/0", None)
    batches = drain(partition)
    partition.close()
    assert payloads(batches) == sent
    assert max(map(len, batches)) <= batch


def test_resume(kafka: Broker) -> None:
    """A partition opened at a snapshot goes on with the very next message."""
    topic, sent = fill(kafka, 50)
    source = KafkaSource(kafka.address, [topic], until_end=True, batch=8, group="lag")
    partition = source.open(f"{topic}/0", None)
    before = drain(partition, 10)
    snapshot = partition.snapshot()
    partition.close()
    again = source.open(f"{topic}/0", snapshot)
    assert payloads(before) + payloads(drain(again)) == sent
    again.close()


def test_partitions(kafka: Broker) -> None:
    """All partitions of all topics, by number, topics in the order they were given."""
    topics = sorted((fill(kafka, 1)[0], fill(kafka, 1)[0]), reverse=True)
    names = KafkaSource(kafka.address, topics).partitions()
    assert names == tuple(f"{topic}/{n}" for topic in topics for n in range(4))


def test_an_empty_partition_ends_at_once(kafka: Broker) -> None:
    """With until_end a partition without messages has nothing to wait for."""
    topic, _ = fill(kafka, 1)
    partition = KafkaSource(kafka.address, [topic], until_end=True).open(f"{topic}/3", None)
    with pytest.raises(StopIteration):
        partition.poll()
    partition.close()


def test_until_end_leaves_what_comes_later(kafka: Broker) -> None:
    """The end is where the partition ended when it was opened."""
    topic, sent = fill(kafka, 20)
    partition = KafkaSource(kafka.address, [topic], until_end=True).open(f"{topic}/0", None)
    kafka.produce(topic, [b"later"] * 5)
    assert payloads(drain(partition)) == sent
    assert partition.snapshot() == 20
    partition.close()


def test_caught_up(kafka: Broker) -> None:
    """Caught up only when the broker has said that there is nothing more, and no longer when more has come."""
    topic, _ = fill(kafka, 10)
    partition = KafkaSource(kafka.address, [topic], batch=4).open(f"{topic}/0", None)
    assert not partition.caught_up
    drain(partition, 4)
    assert not partition.caught_up
    drain(partition, 6)
    deadline = time.monotonic() + 5
    while not partition.caught_up:
        assert partition.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kafka.produce(topic, [b"more"] * 9)
    drain(partition, 4)
    assert not partition.caught_up
    partition.close()


@pytest.mark.parametrize(
    ("start", "expected"),
    [("earliest", 0), ("latest", 20), (7, 7)],
)
def test_start(kafka: Broker, start: Start, expected: int) -> None:
    """Where a partition without a snapshot begins; the place is fixed when it is opened, not when something comes."""
    topic, _ = fill(kafka, 20)
    partition = KafkaSource(kafka.address, [topic], start=start).open(f"{topic}/0", None)
    assert partition.snapshot() == expected
    partition.close()


def test_start_at_a_time_after_the_last_message(kafka: Broker) -> None:
    """A time that nothing has come after is the end."""
    topic, _ = fill(kafka, 20)
    partition = KafkaSource(kafka.address, [topic], start=datetime(2030, 1, 1, tzinfo=UTC)).open(f"{topic}/0", None)
    assert partition.snapshot() == 20
    partition.close()


def test_tombstones_are_empty_messages(kafka: Broker) -> None:
    """A message without a value is passed on, so that it is counted."""
    topic = kafka.topic()
    kafka.produce(topic, [b"a", None, b"c"])
    partition = KafkaSource(kafka.address, [topic], until_end=True).open(f"{topic}/0", None)
    assert payloads(drain(partition)) == [b"a", b"", b"c"]
    partition.close()


def test_unknown_topic(kafka: Broker) -> None:
    """The error names the topic, the broker and what to do."""
    with pytest.raises(SourceError, match=rf"nowhere at {kafka.address}.*UNKNOWN_TOPIC_OR_PART.*create the topic"):
        KafkaSource(kafka.address, ["nowhere"]).partitions()


def test_topic_that_comes_later(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run can be stopped, a topic that is not there is waited for: until it is, or until the run is stopped."""
    monkeypatch.setattr("sources.kafka._LOOK", 0.05)
    topic, stop = kafka.topic(), Event()
    source = KafkaSource(kafka.address, [topic], stop=stop)
    later = Timer(0.2, kafka.produce, (topic, [b"first"]))
    later.start()
    assert len(source.partitions()) == 4
    later.join()
    Timer(0.2, stop.set).start()
    assert KafkaSource(kafka.address, ["nowhere"], stop=stop).partitions() == ()


def test_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing listens the error says so, within the time to answer."""
    monkeypatch.setattr("sources.kafka._ANSWER", 0.5)
    with pytest.raises(SourceError, match=r"t at 127\.0\.0\.1:1: .*check that the broker runs"):
        KafkaSource("127.0.0.1:1", ["t"]).partitions()


def test_resume_behind_the_end(kafka: Broker) -> None:
    """A snapshot of another topic of the same name is refused instead of waiting for ever."""
    topic, _ = fill(kafka, 5)
    with pytest.raises(SourceError, match="offset 9: its end is 5"):
        KafkaSource(kafka.address, [topic]).open(f"{topic}/0", 9)


class Message:
    """As much of a Kafka message as a partition looks at."""

    def __init__(self, offset: int, error: KafkaError | None = None) -> None:
        self._offset, self._error = offset, error

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error

    def value(self) -> bytes:
        return b"%d" % self._offset

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_NOT_AVAILABLE, -1


class Consumer:
    """Gives out prepared polls."""

    def __init__(self, *polls: list[Message], ends: tuple[int, int]) -> None:
        self.polls, self.ends = list(polls), ends

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return self.ends

    def assign(self, *_: object) -> None:
        pass

    def consume(self, *_: object) -> list[Message]:
        return self.polls.pop(0)


def prepared(
    kafka: Broker, *polls: list[Message], until_end: bool = False, ends: tuple[int, int] = (0, 0)
) -> tuple[KafkaPartition, list[tuple[str, int]]]:
    topic, _ = fill(kafka, 10)
    gaps: list[tuple[str, int]] = []
    source = KafkaSource(
        kafka.address, [topic], on_gap=lambda name, missing: gaps.append((name, missing)), until_end=until_end
    )
    partition = source.open(f"{topic}/0", None)
    partition.close()
    partition._consumer = Consumer(*polls, ends=ends)  # type: ignore[assignment]
    return partition, gaps


def test_gaps_are_counted(kafka: Broker) -> None:
    """Offsets that are skipped, before, inside or behind a batch, are counted and told."""
    eof = KafkaError(KafkaError._PARTITION_EOF)
    partition, gaps = prepared(
        kafka,
        [Message(1), Message(2), Message(5)],
        [],
        [Message(6)],
        [Message(9), Message(12, eof)],
        [Message(12, eof)],
    )
    for _ in range(5):
        partition.poll()
    assert [missing for _, missing in gaps] == [3, 2, 2]
    assert partition.gaps == 7
    assert partition.snapshot() == 12
    assert partition.caught_up


def test_control_records_at_the_end_do_not_keep_it_from_ending(kafka: Broker) -> None:
    """The last offsets of a transactional topic are no messages: the end is reached without them."""
    eof = KafkaError(KafkaError._PARTITION_EOF)
    partition, _ = prepared(kafka, [Message(i) for i in range(9)] + [Message(10, eof)], until_end=True)
    batch = partition.poll()
    assert batch is not None
    assert len(batch) == 9
    assert not batch.recorded.any(), "a message without a time stamp is recorded at its event time"
    with pytest.raises(StopIteration):
        partition.poll()


def test_the_end_is_no_gap(kafka: Broker) -> None:
    """Messages behind the end that was asked for are left out, not missing."""
    eof = KafkaError(KafkaError._PARTITION_EOF)
    partition, gaps = prepared(kafka, [Message(i) for i in range(15)] + [Message(15, eof)], until_end=True)
    batch = partition.poll()
    assert batch is not None
    assert (len(batch), partition.snapshot(), gaps) == (10, 10, [])


def test_wrong_arguments() -> None:
    """Said at once, not when the first message should come."""
    with pytest.raises(SourceError, match="at least one topic"):
        KafkaSource("b:1", [])
    with pytest.raises(SourceError, match="messages in a batch, got 0"):
        KafkaSource("b:1", ["t"], batch=0)


def test_what_heals_is_waited_for(kafka: Broker) -> None:
    """A broker that is away is no reason to stop; a refusal is."""
    away, refused = KafkaError(KafkaError._TRANSPORT), KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    partition, _ = prepared(kafka, [Message(0, away)], [Message(0)], [Message(0, refused)])
    assert partition.poll() is None
    batch = partition.poll()
    assert batch is not None
    with pytest.raises(SourceError, match=r"offset 1 at .*TOPIC_AUTHORIZATION_FAILED.*give this user access"):
        partition.poll()


def test_retention_passed(kafka: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """What retention has removed is counted and told, and reading goes on behind it."""
    passed = [Message(0, KafkaError(KafkaError._AUTO_OFFSET_RESET))]
    partition, gaps = prepared(kafka, passed, [Message(4)], ends=(4, 10))
    assert partition.poll() is None
    assert "retention has removed offsets 0 to 3" in caplog.text
    assert partition.poll() is not None
    assert [missing for _, missing in gaps] == [4]


def test_another_topic_of_the_same_name(kafka: Broker) -> None:
    """Where the offset is not there for another reason, reading does not leap."""
    passed = [Message(0, KafkaError(KafkaError._AUTO_OFFSET_RESET))]
    partition, _ = prepared(kafka, passed, ends=(0, 10))
    with pytest.raises(SourceError, match=r"cannot go on at offset 0: it has 0 to 10\. Was the topic made anew"):
        partition.poll()


def test_parse_start() -> None:
    """Words, offsets and times; anything else is refused with what was expected."""
    assert parse_start("latest") == "latest"
    assert parse_start("2025-11-24T16:00:00") == datetime(2025, 11, 24, 16, tzinfo=UTC)
    with pytest.raises(SourceError, match="expected earliest, latest"):
        parse_start("yesterday")
