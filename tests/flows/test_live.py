"""A live run, and the replay of what was recorded from the same topics: the same tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain import metrics
from domain.clock import MILLISECOND, SECOND
from domain.settings import EngineSettings, TimeRules
from flows.commands.record import copy
from flows.engine import Engine
from flows.run import Cluster, Recovery
from flows.streams import open_stream
from sinks.clickhouse.blocks import Block
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.flows.collect import Collected
from tests.flows.command import until
from tests.flows.town import CITY, SETTINGS, T0, event, messages, reading
from tests.kafka_broker import Broker, broker


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def _replayed(kafka: Broker, topic: str, settings: EngineSettings, folder: Path) -> dict[str, str]:
    copy(KafkaSource(kafka.address, [topic], until_end=True), folder)
    replayed = Collected()
    source = open_recording(folder, CITY, batch=37)
    Engine(CITY, settings, source, None, cluster=Cluster(2), store={"collect": replayed}).run()
    return replayed.tables()


def test_replay_of_a_recording_is_the_live_run(kafka: Broker, tmp_path: Path) -> None:
    """To the present end of the topic, and from the recording of it, in other batches and with more workers."""
    topic = kafka.topic()
    for partition, rows in enumerate(messages(20).values()):
        kafka.produce_at(topic, rows, partition)
    live = Collected()
    stream = open_stream(f"kafka://{kafka.address}/{topic}", CITY, until_end=True)
    Engine(CITY, SETTINGS, stream, None, store={"collect": live}).run()
    assert {"findings", "late_rows", "dead_letters", "video_events", "readings_packed"} <= live.tables().keys()
    assert _replayed(kafka, topic, SETTINGS, tmp_path / "recording") == live.tables()


def test_idle_ticks_change_nothing(kafka: Broker, tmp_path: Path) -> None:
    """Recorded time ticks on for three partitions that hold nothing, or no pane would close; the replay knows no ticks.

    The run is stopped and taken up again; what it had closed by a tick is late there and in the replay alike.
    """
    topic = kafka.topic()
    rules = TimeRules(lateness=200 * MILLISECOND, idle=300 * MILLISECOND)
    settings = EngineSettings(shards=3, block=SECOND, time=rules)
    live, recovery = Collected(), Recovery(tmp_path / "recovery", timedelta(seconds=0.2))
    now = time.time_ns() // MILLISECOND
    ago = now - T0  # the town's clock, set to the present

    def send(ms: int, payload: bytes, partition: int = 0) -> None:
        kafka.produce_at(topic, [((now + ms) * MILLISECOND, payload)], partition)

    def run(stop: threading.Event, until_end: bool) -> None:
        source = KafkaSource(kafka.address, [topic], until_end=until_end)
        Engine(CITY, settings, source, None, live=not until_end, recovery=recovery, store={"collect": live}).run(stop)

    for ms in range(-8_000, -4_000, 100):
        send(ms, reading("G00", ago + ms, 1.0 if ms < -7_000 else 50.0))
    send(-5_000, event("C0", ago - 5_000))
    stop, before = threading.Event(), metrics.EVENT_TO_ALERT._sum.get()
    engine = threading.Thread(target=run, args=(stop, False))
    engine.start()
    try:
        until(lambda: any(block.table == "readings_packed" for block in live.of(Block)), engine.is_alive, 30)
        send(0, reading("G00", ago - 6_050, 7.0))  # late, since a tick has closed its pane
        for partition in range(4):
            send(100, reading(f"G0{partition}", ago + 50, 1.0), partition)
        until(lambda: "late_rows" in live.tables() or not engine.is_alive(), seconds=30)
    finally:
        stop.set()
        engine.join(30)
    assert not engine.is_alive()
    assert metrics.EVENT_TO_ALERT._sum.get() > before, "a live run's alerts are measured against the wall clock"
    run(threading.Event(), until_end=True)
    assert {"findings", "alert_events", "late_rows"} <= live.tables().keys()
    assert _replayed(kafka, topic, settings, tmp_path / "recording") == live.tables()
