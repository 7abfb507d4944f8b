"""Scenarios: what happens is told truly and leaves its mark on the readings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from domain.clock import MILLISECOND, MINUTE, SECOND
from simulators.bozhou import bozhou
from simulators.effects import Effect, Procession, Pulse, Ramp, Ring, Spikes, Stuck, Swell
from simulators.gateway import CHUNK, Gateway, Network
from simulators.incidents import SCRIPTS
from simulators.instruments import Instruments
from simulators.scenario import DEMO, Scenario, demo, faults, quiet, random, write_truth
from simulators.scenes import scene

RNG = np.random.default_rng(0)
CITY = bozhou()


def seen(scenario: Scenario, sensor: str, begin: float, end: float) -> np.ndarray:
    """Readings of one sensor between two times in s."""
    index = CITY.sensor_index[sensor]
    found = []
    for partition in range(8):
        gateway = Gateway(scenario, partition, 8, Network())
        if index not in gateway._tools.sensor:
            continue
        slot = int(np.flatnonzero(gateway._tools.sensor == index)[0])
        for chunk in range(int(begin * 1000) // CHUNK, int(end * 1000) // CHUNK):
            rows, _, number, sent = gateway.readings(chunk)
            part = slice(rows.bound[slot], rows.bound[slot + 1])
            found.append((number[part] / 10.0 ** scenario.world.decimals[index])[sent[part]])
    return np.concatenate(found)


def test_the_demo_has_an_incident_of_every_kind() -> None:
    """Whoever sees the demo sees everything that the simulator can do, and sensors and cameras that exist."""
    scenario = demo(CITY)
    assert {script for script, _, _ in DEMO} == set(SCRIPTS)
    assert len(scenario.truth) == len(DEMO)
    for incident in scenario.truth:
        assert scenario.start <= incident.start < incident.end <= scenario.start + scenario.span
        assert set(incident.sensors) <= set(CITY.sensor_index)
        assert set(incident.cameras) <= set(CITY.cameras)
        assert incident.sensors or incident.cameras
        assert incident.zone in CITY.zones


def test_a_seed_makes_one_scenario() -> None:
    """The same seed gives the same incidents, another seed gives others."""
    assert demo(CITY, 5) == demo(CITY, 5)
    assert random(CITY, 60 * MINUTE, seed=5) == random(CITY, 60 * MINUTE, seed=5)
    assert demo(CITY, 5).truth != demo(CITY, 6).truth


def test_an_hour_of_random_incidents_stays_inside_its_span() -> None:
    """Whatever is drawn begins after the first two minutes and ends in time."""
    scenario = random(CITY, 60 * MINUTE, per_hour=60, seed=3)
    assert 30 < len(scenario.truth) < 90
    assert all(i.start >= scenario.start + 2 * MINUTE for i in scenario.truth)
    assert all(i.end <= scenario.start + scenario.span for i in scenario.truth)


def test_sensors_read_within_their_range_when_nothing_happens() -> None:
    """The quiet city stays far from the thresholds that stand for danger."""
    highest = {"gas-lel": 15.0, "road-depth": 0.02, "strain": 60.0, "rain": 0.0, "acceleration": 0.8, "level": 1.9}
    scenario = quiet(CITY)
    gateway = Gateway(scenario, 0, 8, Network())
    for chunk in (0, 40):
        rows, _, number, sent = gateway.readings(chunk)
        value = number / np.repeat(gateway._tools.scale, np.diff(rows.bound))
        kinds = np.array([CITY.sensors[i].kind for i in rows.sensor])
        assert sent.all()
        for kind, limit in highest.items():
            of_kind = np.repeat(kinds == kind, np.diff(rows.bound))
            assert np.abs(value[of_kind]).max(initial=0) <= limit, kind


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("gas-leak", 25, 60), ("cabinet-leak", 25, 70), ("waterlogging", 0.27, 0.45), ("septic-gas", 30, 60)],
)
def test_what_should_alert_passes_its_threshold(kind: str, low: float, high: float) -> None:
    """The incident's first sensor reads as high as the level in the truth asks for, but no higher than is plausible."""
    scenario = demo(CITY)
    incident = next(i for i in scenario.truth if i.kind == kind)
    at = (incident.start - scenario.start) / SECOND
    values = seen(scenario, incident.sensors[0], at // 10 * 10, (incident.end - scenario.start) / SECOND // 10 * 10)
    assert low < values.max() < high


def test_faults_look_like_faults() -> None:
    """A stuck sensor repeats one value, a silent one sends nothing, one out of range is far outside."""
    scenario = demo(CITY)
    fault = {i.reason: i for i in scenario.truth if i.reason}

    def during(reason: str) -> np.ndarray:
        begin, end = ((t - scenario.start) / SECOND for t in (fault[reason].start, fault[reason].end))
        return seen(scenario, fault[reason].sensors[0], begin, end)

    assert len(np.unique(during("stuck"))) == 1
    assert len(during("drop-out")) == 0
    assert np.unique(during("out-of-range")).tolist() == [700.0]


def test_every_kind_of_sensor_has_every_fault() -> None:
    """Each on a sensor of its own; what rests at zero is neither stuck nor dead there."""
    truth = faults(CITY).truth
    sensors = [incident.sensors[0] for incident in truth]
    assert len(set(sensors)) == len(sensors)
    kinds = {(CITY.sensors[CITY.sensor_index[i.sensors[0]]].kind, i.reason) for i in truth}
    assert len(kinds) == len(truth) == 17 * 7 - 7
    assert ("rain", "stuck") not in kinds


def test_a_bridge_that_softens_swings_more_slowly() -> None:
    """Before and after an hour in which its modes sink by 8 %, the strongest frequency near 3 Hz says so."""
    scenario = scene(CITY, "pier")
    asset = scenario.truth[0].asset
    index = next(i for i, s in enumerate(scenario.city.sensors) if s.asset == asset)
    tools = Instruments(scenario, [index])
    heard = []
    for begin in (2, 5):
        rng = np.random.default_rng(1), np.random.default_rng(2)
        _, _, number, _ = tools.measure(begin * 3_600_000, begin * 3_600_000 + 200_000, *rng)
        hertz = np.fft.rfftfreq(len(number), 0.01)
        near = (hertz > 2) & (hertz < 4)
        heard.append(hertz[near][np.abs(np.fft.rfft(number))[near].argmax()])
    assert 2.9 <= heard[0] <= 3.3
    assert heard[1] / heard[0] == pytest.approx(0.92, abs=0.005)


@pytest.mark.parametrize(
    ("effect", "at", "change"),
    [
        (Swell("s", 10, 20, 4.0, rise=0.1, fall=0.1), [0, 9, 19, 30], [0, 0, 4, 0]),
        (Ramp("s", 10, 20, 4.0), [0, 10, 15, 20, 99], [0, 0, 2, 4, 4]),
        (Ramp("s", 10, 20, 4.0, fall=1.0), [0, 15, 20, 21, 99], [0, 2, 4, 4 / np.e, 0]),
        (Pulse("s", 10, 16, 4.0), [0, 13, 30], [0, 4, 0]),
        (Procession("s", 10, 30, 4.0, every=10), [0, 10, 15, 25, 35], [0, 0, 4, 4, 0]),
        (Ring("s", 10, 20, 4.0, hertz=0.25, decay=1e9), [0, 10, 11, 13], [0, 0, -4, 4]),
        (Spikes("s", 10, 30, 4.0, every=10, period=1), [9, 10, 11, 20, 21, 30], [0, 4, 0, 4, 0, 0]),
        (Stuck("s", 10, 20, 1.5), [9, 10, 19, 20], [0, 0.5, 0.5, 0]),
    ],
)
def test_effects(effect: Effect, at: list[float], change: list[float]) -> None:
    """Each effect changes a sensor at 1.0 as its words say."""
    value = np.ones(len(at))
    effect.apply(np.array(at, float), value, RNG)
    assert value - 1.0 == pytest.approx(change, abs=1e-3)


def test_truth_is_written_for_people(tmp_path: Path) -> None:
    """JSON with readable times."""
    scenario = demo(CITY)
    write_truth(scenario.truth, tmp_path / "truth.json")
    rows = orjson.loads((tmp_path / "truth.json").read_bytes())["incidents"]
    assert len(rows) == len(scenario.truth)
    assert rows[0]["start"] == "2025-07-14T00:01:00.000Z"
    assert scenario.start % (1000 * MILLISECOND) == 0
