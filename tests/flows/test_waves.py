"""A burst from readings to the place on the alert, through the whole engine."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

import pytest

from domain.clock import MILLISECOND, SECOND
from domain.findings import AlertEvent, Finding
from domain.settings import EngineSettings
from flows.engine import Engine
from flows.run import Cluster
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource
from tests.operators.alerts.test_waves import LADDER, WAVE, arrivals

T0 = 1_764_000_000_000  # ms
CITY = replace(LADDER, monitors=(replace(WAVE, params={"depth": "0.5 m", "min_sigma": "0.02 m"}),))


def _packet(sensor: str, ms: int, values: list[float]) -> bytes:
    return json.dumps({"sensor": sensor, "t0": ms, "hz": 100, "v": values}).encode()


def burst() -> dict[str, list[tuple[int, bytes]]]:
    """Half a minute at 100 Hz: after 15 s pipe a23 bursts 120 m from its start; every second a packet a logger."""
    chance = Random(5)
    heard = arrivals(CITY, "a23", 120.0)
    sent: dict[str, list[tuple[int, bytes]]] = {"p0": [], "p1": []}
    for second in range(30):
        for i, sensor in enumerate(CITY.sensors):
            values = [
                round(35.0 + chance.gauss(0, 0.05) - (3.0 if second + k / 100 >= 15.0 + heard[sensor.id] else 0.0), 3)
                for k in range(100)
            ]
            at = (T0 + 1000 * (second + 1) + 7 * i) * MILLISECOND
            sent[f"p{i % 2}"].append((at, _packet(sensor.id, T0 + 1000 * second, values)))
    return sent


def run(batch: int, workers: int) -> Collected:
    collected = Collected()
    source = MemorySource(burst(), batch)
    Engine(CITY, EngineSettings(shards=3), source, None, cluster=Cluster(workers), store={"c": collected}).run()
    return collected


def test_a_burst_is_placed_live() -> None:
    """Each logger finds the arrival to some samples; one alert says which pipe, and where on it; however it is run."""
    collected = run(10_000, 1)
    heard = arrivals(CITY, "a23", 120.0)
    found = collected.of(Finding)
    assert {finding.sensor for finding in found} == heard.keys()
    for finding in found:
        assert finding.onset / SECOND - T0 / 1000 - 15.0 == pytest.approx(heard[finding.sensor], abs=0.02)
        assert len(finding.samples.columns()[0]) == 32
    alert = collected.of(AlertEvent)[-1].alert
    assert len({event.alert.id for event in collected.of(AlertEvent)}) == 1
    assert (alert.kind, alert.pipe) == ("water-burst", "a23")
    assert abs(alert.offset - 120.0) < alert.radius < 60
    assert run(1, 2).tables() == collected.tables()
