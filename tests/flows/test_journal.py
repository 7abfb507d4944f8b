"""What people do while the engine runs, and the replay of it beside the recording."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.actions import Action, Verb
from domain.clock import MILLISECOND, SECOND
from domain.findings import AlertEvent, AlertEventType
from domain.settings import EngineSettings, TimeRules
from flows.commands.record import copy
from flows.engine import Engine
from flows.run import Recovery
from flows.streams import open_stream
from sources.journal import Journal, WithJournal
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.flows.collect import Collected
from tests.flows.command import until
from tests.flows.town import CITY, T0, reading
from tests.kafka_broker import Broker, broker

RULES = TimeRules(lateness=200 * MILLISECOND, idle=300 * MILLISECOND)
SETTINGS = EngineSettings(shards=3, block=SECOND, time=RULES)


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def test_an_alert_is_acknowledged_while_the_engine_runs(kafka: Broker, tmp_path: Path) -> None:
    """Within seconds, though nothing else is written to the journal; a replay of stream and journal tells the same."""
    topic, path = kafka.topic(), tmp_path / "actions.ndjson"
    live, stop = Collected(), threading.Event()
    recovery = Recovery(tmp_path / "recovery", timedelta(seconds=0.2))
    done = threading.Event()

    def send() -> None:
        """Ten readings a second on every partition, of the present; a leak from the first on."""
        while not done.wait(0.1):
            now = time.time_ns() // MILLISECOND
            for i in range(4):
                payload = reading(f"G0{i}", now - T0, 50.0 if i == 0 else 1.0)
                kafka.produce_at(topic, [(now * MILLISECOND, payload)], i)

    def run() -> None:
        source = open_stream(f"kafka://{kafka.address}/{topic}", CITY, journal=path, stop=stop)
        Engine(CITY, SETTINGS, source, None, live=True, recovery=recovery, store={"collect": live}).run(stop)

    def of(type: AlertEventType) -> list[AlertEvent]:
        return [event for event in live.of(AlertEvent) if event.type is type and event.alert.kind == "gas-leak"]

    threads = [threading.Thread(target=target) for target in (send, run)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: bool(of(AlertEventType.RAISED)), threads[1].is_alive, 30)
        alert = of(AlertEventType.RAISED)[0].alert
        now = time.time_ns() // MILLISECOND * MILLISECOND
        Journal(path).append(Action(UUID(int=1), Verb.ACKNOWLEDGE, now, "li.na", alert=alert.id))
        until(lambda: bool(of(AlertEventType.ACKNOWLEDGED)), threads[1].is_alive, 30)
        took = (time.time_ns() - now) / SECOND
        assert took < 15, "readings, journal and panes keep pace with the clock"
    finally:
        done.set()
        stop.set()
        for thread in threads:
            thread.join(30)
    acknowledged = of(AlertEventType.ACKNOWLEDGED)[0].alert
    assert (acknowledged.acknowledged, acknowledged.acknowledged_by) == (now, "li.na")
    rest = WithJournal(KafkaSource(kafka.address, [topic], until_end=True), path, follow=False)
    Engine(CITY, SETTINGS, rest, None, recovery=recovery, store={"collect": live}).run()
    copy(KafkaSource(kafka.address, [topic], until_end=True), tmp_path / "recording")
    recorded = WithJournal(open_recording(tmp_path / "recording", CITY, batch=37), path, follow=False)
    replayed = Collected()
    Engine(CITY, SETTINGS, recorded, None, store={"collect": replayed}).run()
    assert replayed.tables() == live.tables()
