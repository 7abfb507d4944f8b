"""Ventilation by order through the whole flow: one result for all batches, workers and crashes."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from bytewax.errors import BytewaxRuntimeError
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from domain.city import Asset, City, Level, Sensor, Zone
from domain.clock import MINUTE, SECOND
from domain.commands import CommandEvent, Step
from domain.errors import ConfigError
from domain.findings import AlertEvent, AlertEventType
from domain.monitors import Monitor, Select
from domain.settings import EngineSettings
from domain.ventilation import Fan, Ventilation
from flows.command_topic import command_topic
from flows.engine import Engine
from flows.run import Cluster, Recovery
from sinks.commands import CommandTopic
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource
from tests.kafka_broker import Broker, broker

T0 = 1_764_000_000  # s
PARAMS = {"level": 0, "temperature": 0, "rising": [15.0, 25.0], "moderate": 8.0, "at_least": "1 min", "step": "10 s"}
CITY = City(
    "town",
    "UTC",
    tuple(
        Sensor(f"{name}{i}", kind, unit, "Z", f"T{i}", rate=0.1)
        for i in range(3)
        for name, kind, unit in (("G", "gas-lel", "%LEL"), ("F", "fan", "on"))
    ),
    zones={"Z": Zone("Z")},
    assets={f"T{i}": Asset(f"T{i}", "septic-tank", "Z") for i in range(3)},
    levels=(Level(1, "I", urgent=True), Level(2, "II")),
    monitors=(Monitor("fans", "septic", "ventilation-request", Select(kinds=("gas-lel",)), PARAMS, (2, 2)),),
    ventilation=Ventilation(
        ("fans",), tuple(Fan(f"T{i}", f"G{i}", f"F{i}") for i in range(3)), confirm=MINUTE, least=MINUTE, run=5 * MINUTE
    ),
)
SETTINGS = EngineSettings(shards=3)
Stream = dict[str, list[tuple[int, bytes]]]


def _message(seconds: int, **fields: object) -> tuple[int, bytes]:
    return (T0 + seconds) * SECOND, json.dumps({"ts": (T0 + seconds) * 1000, **fields}).encode()


def _tanks(answers: bool) -> Stream:
    """Three tanks: the fan of the first obeys, that of the second does not move, somebody is inside the third."""
    rows: list[tuple[int, bytes]] = []
    for t in range(0, 600, 10):
        gas = 2.0 if t < 60 or t >= 240 else 20.0
        for i in range(3):
            runs = float(i == 0 and 90 <= t < 260 and answers)
            rows += [_message(t, sensor=f"G{i}", value=gas), _message(t, sensor=f"F{i}", value=runs)]
    said = [_message(5, action="enter", id=str(UUID(int=1)), actor="li.na", asset="T2")]
    if answers:
        for select in _steps(_run(_tanks(False), 100), Step.SELECT):
            at, command = select.ts // SECOND - T0, str(select.command)
            said.append(_message(at + 3, command=command, asset=select.asset, state="selected"))
            said.append(_message(at + 5, command=command, asset=select.asset, state="running"))
    said.append(_message(600, command=None, asset="T0", state="released"))
    return {"p0": rows, "p1": sorted(said)}


def _run(
    stream: Stream,
    batch: int,
    workers: int = 1,
    crash_after: int | None = None,
    settings: EngineSettings = SETTINGS,
    **how: object,
) -> Collected:
    collected = how.pop("collected", None) or Collected()
    Engine(
        CITY, settings, MemorySource(stream, batch, crash_after), None, cluster=Cluster(workers),
        store={"collect": collected}, **how,  # type: ignore[arg-type, dict-item]
    ).run()  # fmt: skip
    return collected  # type: ignore[return-value]


def _steps(collected: Collected, *wanted: Step) -> list[CommandEvent]:
    found = {item.id: item for item in collected.of(CommandEvent)}
    return sorted((item for item in found.values() if item.step in wanted or not wanted), key=lambda item: item.ts)


def test_three_tanks() -> None:
    """One obeys, one shows no effect and is an alert, one must not be started; tables store each step."""
    collected = _run(_tanks(True), 100)
    told: dict[str, list[str]] = {}
    for step in _steps(collected):
        told.setdefault(step.asset, []).append(step.step.value)
    assert told == {
        "T0": ["select", "operate", "running", "confirmed", "stop", "ended"],
        "T1": ["select", "operate", "running", "unconfirmed", "stop", "ended"],
        "T2": ["blocked", "ended"],
    }
    alerts = {event.alert.id: event.alert for event in collected.of(AlertEvent)}
    (alert,) = [alert for alert in alerts.values() if alert.kind == "ventilation-unconfirmed"]
    assert (alert.asset, alert.level, alert.sensors) == ("T1", 1, ("G1",))


def test_a_second_look_takes_nothing_back() -> None:
    """What was ordered was ordered: readings that come late do not withdraw an alert about it."""
    collected = _run(_tanks(True), 100, settings=EngineSettings(shards=3, second_look=30 * SECOND))
    types = {event.type for event in collected.of(AlertEvent) if event.alert.kind == "ventilation-unconfirmed"}
    assert types == {AlertEventType.RAISED, AlertEventType.CLEARED}


def test_batches_workers_and_crashes_change_nothing(tmp_path: Path) -> None:
    """Commands are a function of the stream, as all else is."""
    stream = _tanks(True)
    tables = _run(stream, 10_000).tables()
    assert "commands" in tables
    assert _run(stream, 1).tables() == tables
    assert _run(stream, 7, workers=4).tables() == tables
    collected, recovery = Collected(), Recovery(tmp_path / "recovery", timedelta(0))
    for crash_after in (30, 25, 21, 17):
        with pytest.raises(BytewaxRuntimeError):
            _run(stream, 3, crash_after=crash_after, collected=collected, recovery=recovery)
    _run(stream, 3, collected=collected, recovery=recovery)
    assert collected.tables() == tables


def test_nothing_is_ordered_by_default() -> None:
    """Neither without [ventilation], nor sent without --commands, nor for anything but the present."""
    still = replace(CITY, ventilation=None)
    assert command_topic(CITY, "", live=True) == {}
    for city, url, live, words in (
        (still, "kafka://b:1/orders", True, r"expected a city with a \[ventilation\] table"),
        (CITY, "kafka://b:1/orders", False, "for a live stream only"),
        (CITY, "kafka://b:1", True, "expected kafka://BROKERS/TOPIC"),
        (CITY, "kafka://ann:sesame@b:1/orders", True, "LIFELINE_KAFKA_SASL_PASSWORD"),
    ):
        with pytest.raises(ConfigError, match=words):
            command_topic(city, url, live=live)
    assert list(command_topic(CITY, "kafka://b:1/orders", live=True)) == ["commands"]


def _sent(kafka: Broker, topic: str) -> list[tuple[str, str, str]]:
    """Id, asset and order of all that is in a topic, by asset in their order."""
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": topic, "log_level": 0})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in partitions])
    found = [message.value() or b"" for message in consumer.consume(100, 2)]
    consumer.close()
    orders = [json.loads(payload) for payload in found if payload != b"first"]
    return sorted(((one["id"], one["asset"], one["order"]) for one in orders), key=lambda one: one[1])


def test_orders_reach_the_topic(tmp_path: Path) -> None:
    """In their order, and after crashes with the same ids; one that has expired by the wall clock is never sent."""
    stream = _tanks(True)
    with broker() as kafka:
        straight, late, crashed = kafka.topic(), kafka.topic(), kafka.topic()
        for topic in (straight, late, crashed):
            kafka.produce(topic, [b"first"])
        _run(stream, 100, commands={"commands": CommandTopic(kafka.address, straight, now=lambda: T0 * SECOND)})
        orders = _sent(kafka, straight)
        each = ["select", "operate", "stop"]
        assert [order for _, _, order in orders] == [*each, *each]
        _run(stream, 100, commands={"commands": CommandTopic(kafka.address, late, now=lambda: (T0 + 100) * SECOND)})
        assert _sent(kafka, late) == [one for one in orders if one[2] == "stop"]
        recovery = Recovery(tmp_path / "recovery", timedelta(0))
        for crash_after in (30, 25, 21, None):
            outlet = CommandTopic(kafka.address, crashed, now=lambda: T0 * SECOND)
            with suppress(BytewaxRuntimeError):
                _run(stream, 3, crash_after=crash_after, recovery=recovery, commands={"commands": outlet})
        assert sorted(set(_sent(kafka, crashed))) == sorted(orders)
