"""Offsets that never come: counted, alerted, the same in a replay, and no reason to stop."""

from __future__ import annotations

import time
from pathlib import Path

from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from domain.findings import AlertEvent, AlertEventType, Finding, Phase
from domain.operations import KIND
from flows.commands.record import copy
from sources.kafka import KafkaSource
from tests.kafka.feed import Feed, Live, make_topic
from tests.kafka.server import Server
from tests.kafka_broker import Broker, drain, payloads


def read(source: KafkaSource, partition: str) -> list[bytes]:
    """All messages up to the present end."""
    opened = source.open(partition, None)
    try:
        return payloads(drain(opened))
    finally:
        opened.close()


def remove(kafka: Broker, topic: str, partition: int) -> None:
    """Take away all that a partition holds."""
    admin = AdminClient({"bootstrap.servers": kafka.address, "log_level": 0})
    admin.delete_records([TopicPartition(topic, partition, OFFSET_END)])[TopicPartition(topic, partition)].result(10)


def test_retention_passed(kafka: Broker, server: Server, tmp_path: Path) -> None:
    """What retention removed while the engine was away raises one alert of the partition; live and replay agree."""
    topic = make_topic(kafka.address, kafka.topic())
    live = Live(kafka.address, topic, tmp_path)
    with live:
        with Feed(kafka.address, topic) as feed:
            live.comes_to(20)
        live.has_read(feed.delivered)
    source = KafkaSource(kafka.address, [topic], until_end=True)
    copy(source, tmp_path / "recording")
    with Feed(kafka.address, topic):
        time.sleep(1)
    remove(kafka, topic, 2)
    with Feed(kafka.address, topic):
        time.sleep(1)
    stored = live.finish()
    gaps = [f for f in live.found.of(Finding) if f.kind == KIND]
    assert [(f.phase, f.sensor, f.value > 0) for f in gaps] == [(Phase.ONSET, f"{topic}/2", True)]
    alerts = [e for e in live.found.of(AlertEvent) if e.alert.kind == KIND]
    assert [(e.type, e.alert.place) for e in alerts] == [(AlertEventType.RAISED, f"{topic}/2")]
    assert "are missing" in alerts[0].alert.support[0]
    assert live.replay()[1] == stored


def test_aborted_transactions(kafka: Broker, server: Server) -> None:
    """Messages of a transaction that was given up are not read; their offsets, and the broker's marks, are counted."""
    topic = make_topic(kafka.address, kafka.topic(), 1)
    producer = Producer({"bootstrap.servers": kafka.address, "transactional.id": topic, "log_level": 0})
    producer.init_transactions(20)
    commit, abort = producer.commit_transaction, producer.abort_transaction
    for number, end in enumerate((commit, abort, commit)):
        producer.begin_transaction()
        for i in range(5):
            producer.produce(topic, b"%d" % (10 * number + i))
        producer.flush(10)
        end(20)
    missing: list[int] = []
    source = KafkaSource(kafka.address, [topic], until_end=True, on_gap=lambda _, count: missing.append(count))
    assert read(source, f"{topic}/0") == [b"%d" % i for i in (0, 1, 2, 3, 4, 20, 21, 22, 23, 24)]
    assert sum(missing) == 5 + 3


def test_compacted(kafka: Broker, server: Server) -> None:
    """Of messages with one key the last is left; the others are counted as missing."""
    rules = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "segment.ms": "50"}
    topic = make_topic(kafka.address, kafka.topic(), 1, **rules)
    kafka.produce(topic, [b"%d" % i for i in range(30)])
    deadline, missing, left = time.monotonic() + 20, [0], 30
    while left > 20:
        assert time.monotonic() < deadline, "the broker has compacted nothing"
        time.sleep(0.1)
        kafka.produce(topic, [b"more"])  # lets it close the segment before
        missing.clear()
        source = KafkaSource(kafka.address, [topic], until_end=True, on_gap=lambda _, count: missing.append(count))
        left = len([payload for payload in read(source, f"{topic}/0") if payload != b"more"])
    assert sum(missing) >= 10
