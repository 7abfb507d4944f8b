"""Alert events and findings in a topic, against librdkafka's mock broker."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from domain.errors import SinkError, SinkRefused
from sinks.channel import Note
from sinks.kafka import KafkaWriter
from sinks.messages import Message
from tests.kafka_broker import Broker, broker
from tests.sinks.alerts import FINDING, VIDEO, event


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def topic_of(kafka: Broker) -> str:
    """A topic that is there: the mock broker makes it when something is produced to it."""
    topic = kafka.topic()
    kafka.produce(topic, [b"first"])
    return topic


def consumed(kafka: Broker, topic: str, count: int) -> list[tuple[bytes, dict[str, object]]]:
    consumer = Consumer(
        {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.assign(
        [TopicPartition(topic, n, OFFSET_BEGINNING) for n in consumer.list_topics(topic).topics[topic].partitions]
    )
    found = [m for m in consumer.consume(count + 1, 20) if m.value() != b"first"]
    consumer.close()
    assert len(found) == count
    return [(m.key() or b"", orjson.loads(m.value() or b"")) for m in found]


def test_round_trip(kafka: Broker) -> None:
    """What `flush` has returned for is in the topic: keys name the thing, times and numbers are readable."""
    topic = topic_of(kafka)
    writer = KafkaWriter(kafka.address, topic)
    items: list[Message] = [event(0), FINDING, VIDEO]
    writer.write(items)
    writer.flush()
    found = dict(consumed(kafka, topic, 3))
    assert set(found) == {b"M-7", b"G-1", b"C-1"}
    alert = found[b"M-7"]
    assert (alert["record"], alert["type"], alert["ts"]) == ("alert-event", "raised", "2025-11-24T16:00:00.000000000Z")
    assert alert["id"] == str(event(0).id)
    state = alert["alert"]
    assert isinstance(state, dict)
    assert (state["onset"], state["cleared"]) == ("2025-11-24T15:59:59.000000000Z", None)
    assert (state["sensors"], state["level"]) == (["G-1", "G-2"], 2)
    finding = found[b"G-1"]
    assert (finding["record"], finding["phase"], finding["value"], finding["baseline"]) == (
        "finding",
        "onset",
        12.5,
        None,
    )
    assert found[b"C-1"]["record"] == "video-event"


def test_channel(kafka: Broker) -> None:
    """All notes are delivered when `send` returns, in order."""
    topic = topic_of(kafka)
    notes = [Note(event(seq)) for seq in range(20)]
    assert KafkaWriter(kafka.address, topic).send(notes) == 20
    assert [item["seq"] for _, item in consumed(kafka, topic, 20)] == list(range(20))


def test_undelivered() -> None:
    """Where no broker answers, flush says so, names it, and does not wait for ever."""
    writer = KafkaWriter("127.0.0.1:1", "alerts", timeout=1.0)
    writer.write([event(0)])
    with pytest.raises(SinkError, match=r"Kafka alerts at 127\.0\.0\.1:1"):
        writer.flush()


def test_refused(kafka: Broker) -> None:
    """Only a message that the broker will never take is refused; rights that are missing are somebody's to mend."""
    writer = KafkaWriter(kafka.address, topic_of(kafka))
    for code, words, refused in (
        (KafkaError.MSG_SIZE_TOO_LARGE, r"max\.message\.bytes", True),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "give this user access", False),
    ):
        writer._delivered(KafkaError(code), None)  # type: ignore[arg-type]
        with pytest.raises(SinkError, match=words) as caught:
            writer.flush()
        assert isinstance(caught.value, SinkRefused) == refused
    writer.flush()
