"""A live run, and the replay of what was recorded from the same topics: the same tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain import metrics
from domain.clock import MILLISECOND, SECOND
from domain.settings import EngineSettings, TimeRules
from flows.commands.record import copy
from flows.engine import Engine
from flows.streams import open_stream
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.flows.command import until
from tests.flows.stored import chdb, differences, tables
from tests.flows.town import CITY, T0, event, messages, reading
from tests.kafka_broker import Broker, broker

#: Partitions of a topic at the mock broker.
FOUR = 4


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def _produce(kafka: Broker, topic: str) -> None:
    for partition, rows in enumerate(messages(20).values()):
        for recorded, payload in rows:
            kafka.produce_one(topic, payload, partition, recorded // MILLISECOND)
    kafka.flush()


def test_replay_of_a_recording_is_the_live_run(kafka: Broker, tmp_path: Path) -> None:
    """To the present end of the topic, and from the recording of it, in other batches and with other workers."""
    topic = kafka.topic()
    _produce(kafka, topic)
    live = chdb(tmp_path / "clickhouse", "live")
    stream = open_stream(f"kafka://{kafka.address}/{topic}", CITY, until_end=True)
    Engine(CITY, EngineSettings(shards=3), stream, live).run()
    copy(KafkaSource(kafka.address, [topic], until_end=True), tmp_path / "recording")
    replayed = chdb(tmp_path / "clickhouse", "replayed")
    Engine(CITY, EngineSettings(shards=3), open_recording(tmp_path / "recording", CITY, batch=37), replayed).run()
    straight = tables(live)
    assert straight["findings"]
    assert differences(tables(replayed), straight) == {}


def test_idle_ticks_change_nothing(kafka: Broker, tmp_path: Path) -> None:
    """A quiet partition lets the others' panes close while the engine runs; replayed, the same rows come out.

    Three partitions never hold anything: without ticks nothing at all would be stored before the end of the stream.
    """
    topic = kafka.topic()
    settings = EngineSettings(shards=3, block=SECOND, time=TimeRules(lateness=200 * MILLISECOND, idle=300 * MILLISECOND))
    start = time.time_ns() // MILLISECOND
    ago = start - T0  # the town's clock, set to now
    stop = threading.Event()
    live = chdb(tmp_path / "clickhouse", "live")
    stream = open_stream(f"kafka://{kafka.address}/{topic}", CITY)

    def run() -> None:
        Engine(CITY, settings, stream, live, live=True, epoch=SHORT).run(stop)

    for ms in range(0, 3_000, 100):
        value = 1.0 if ms < 1_000 else 50.0
        kafka.produce_one(topic, reading("G00", ago + ms - 3_000, value), 0, start + ms - 3_000)
        kafka.produce_one(topic, event("C0", ago + ms - 3_000), 0, start + ms - 3_000)
    kafka.flush()
    before = _alert_events()
    engine = threading.Thread(target=run)
    engine.start()
    try:
        until(lambda: _alert_events() > before, engine.is_alive, 20)
        during = _watermark(topic)
    finally:
        stop.set()
        engine.join(20)
    assert during > start / 1000 - 3, "recorded time ticked on"
    assert not engine.is_alive()
