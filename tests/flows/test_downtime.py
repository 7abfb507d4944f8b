"""The engine was down for a weekend: no flood of stale alerts, no reading called late, and everything is stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import operators.inlet
import operators.steps
from domain.clock import HOUR, MILLISECOND, MINUTE, SECOND
from domain.findings import AlertEvent, AlertEventType
from domain.settings import EngineSettings, TimeRules
from flows.commands.record import copy
from flows.engine import Engine
from flows.run import Recovery
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.flows.collect import Collected
from tests.flows.command import until
from tests.flows.town import CITY, T0, reading
from tests.kafka_broker import Broker, broker

TOWN = replace(CITY, monitors=CITY.monitors[:1], video_rules=(), ventilation=None)
SETTINGS = EngineSettings(shards=3, time=TimeRules(lateness=200 * MILLISECOND, idle=300 * MILLISECOND))


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def test_a_weekend_of_downtime(kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped on Friday, started on Monday, on a topic that went on being written to."""
    topic, now = kafka.topic(), time.time_ns()
    friday = now - 60 * HOUR

    def row(sensor: int, value: float, at: int) -> tuple[int, bytes]:
        return at + 20 * MILLISECOND, reading(TOWN.sensors[sensor].id, at // MILLISECOND - T0, value)

    def send(sensor: int, value: float, at: int) -> None:
        kafka.produce_at(topic, [row(sensor, value, at)], sensor)

    def told() -> list[tuple[tuple[str, ...], AlertEventType]]:
        events = people.of(AlertEvent)
        return [(event.alert.sensors, event.type) for event in events if event.alert.kind == "gas-leak"]

    stored, people = Collected(), Collected()
    recovery = Recovery(tmp_path / "recovery", timedelta(seconds=0.2))

    def run(stop: threading.Event) -> None:
        source = KafkaSource(kafka.address, [topic], stop=stop)
        Engine(
            TOWN, SETTINGS, source, None, live=True, recovery=recovery, store={"c": stored}, alerts={"people": people}
        ).run(stop)

    def while_running(send_all: threading.Thread, steps: int) -> None:
        stop = threading.Event()
        engine = threading.Thread(target=run, args=(stop,))
        engine.start()
        send_all.start()
        try:
            until(lambda: len(told()) >= steps, engine.is_alive, 30, lambda: repr(told()))
            time.sleep(0.5)
        finally:
            stop.set()
            engine.join(30)
            send_all.join(10)

    def on_friday() -> None:
        for second in range(3):
            for sensor in range(4):
                send(sensor, 50.0 if sensor == 0 and second else 1.0, friday + second * SECOND)

    def on_monday() -> None:
        for tenth in range(-30, 40):
            at = now + tenth * 100 * MILLISECOND
            for sensor in range(4):
                send(sensor, 50.0 if sensor == 2 or (sensor == 3 and tenth > 0) else 1.0, at)
            time.sleep(max(0.0, (at - time.time_ns()) / SECOND))

    # What the weekend was like: 0 ends, 1 comes and goes, 2 begins and lasts.
    began = time.time_ns()
    friday_clock = lambda: friday + 2 * SECOND + time.time_ns() - began  # noqa: E731
    with monkeypatch.context() as then:
        then.setattr(operators.inlet, "time", SimpleNamespace(time_ns=friday_clock))
        then.setattr(operators.steps, "time_ns", friday_clock)
        while_running(threading.Thread(target=on_friday), steps=1)
    for sensor in range(4):
        rows = []
        for ten_minutes in range(1, 358):
            leaks = {0: ten_minutes < 30, 1: 50 <= ten_minutes < 60, 2: ten_minutes > 200}.get(sensor, False)
            rows.append(row(sensor, 50.0 if leaks else 1.0, friday + ten_minutes * 10 * MINUTE))
        kafka.produce_at(topic, rows, sensor)
    now = time.time_ns()
    while_running(threading.Thread(target=on_monday), steps=4)

    zero, one, two, three = ((sensor.id,) for sensor in TOWN.sensors[:4])
    first, *others = told()
    assert first == (zero, AlertEventType.RAISED)
    assert sorted(others) == [
        (zero, AlertEventType.CLEARED),
        (two, AlertEventType.RAISED),
        (three, AlertEventType.RAISED),
    ]
    everything = [(event.alert.sensors, event.type) for event in stored.of(AlertEvent)]
    assert (one, AlertEventType.RAISED) in everything
    assert (one, AlertEventType.CLEARED) in everything
    assert "late_rows" not in stored.tables()
    Engine(
        TOWN,
        SETTINGS,
        KafkaSource(kafka.address, [topic], until_end=True),
        None,
        recovery=recovery,
        store={"c": stored},
    ).run()
    copy(KafkaSource(kafka.address, [topic], until_end=True), tmp_path / "recording")
    again = Collected()
    Engine(TOWN, SETTINGS, open_recording(tmp_path / "recording", TOWN, batch=37), None, store={"c": again}).run()
    assert again.tables() == stored.tables()
