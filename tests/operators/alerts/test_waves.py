"""Arrivals of one wave become one alert with a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import dijkstra

from detectors.locate import pipe_graph
from detectors.pipe_network import PipeNetwork
from domain.city import Asset, City, Level, Pipe, Sensor, Zone
from domain.city_files import load_city
from domain.clock import SECOND
from domain.findings import AlertEvent, Finding, Phase, Verdict
from domain.identity import identify
from domain.monitors import Monitor, Select
from domain.records import Verdicts
from operators.alerts.desk import Desk
from operators.alerts.rules import Rules
from operators.alerts.waves import Waves
from tests.conftest import ROOT

T0 = 1_764_000_000 * SECOND
WAVE = Monitor("wave", "negative_pressure_wave", "water-burst", Select(), {}, (2,), on_delay=4 * SECOND)
LTOWN = ROOT / "../shared/data/battledim/L-TOWN.inp"


def listening(city: City, nodes: list[str], rate: float = 100.0) -> City:
    """A city whose only sensors are loggers of pressure at some assets."""
    sensors = tuple(Sensor(f"P-{node}", "transient-pressure", "m", "Z", node, rate=rate) for node in nodes)
    return replace(city, sensors=sensors, monitors=(WAVE,))


def ladder() -> City:
    """Two mains of five pipes of 400 m side by side, 300 m apart, with six rungs."""
    assets = {
        f"{row}{i}": Asset(f"{row}{i}", "junction", "Z", lon=115.0 + 0.004 * i, lat=33.0 + 0.003 * (row == "b"))
        for row in "ab"
        for i in range(6)
    }
    mains = [Pipe(f"{row}{i}{i + 1}", "water", f"{row}{i}", f"{row}{i + 1}", 400.0) for row in "ab" for i in range(5)]
    rungs = [Pipe(f"r{i}", "water", f"a{i}", f"b{i}", 300.0) for i in range(6)]
    return City(
        "ladder", "UTC", (), {"Z": Zone("Z")}, assets, pipes=(*mains, *rungs), levels=(Level(1, "I"), Level(2, "II"))
    )


LADDER = listening(ladder(), ["a0", "b1", "a3", "b4", "a5"])


def arrivals(city: City, pipe: str, offset: float, sigma: float = 0.0, seed: int = 1) -> dict[str, float]:
    """Seconds after a burst at which its wave reaches each sensor, at 1,000 m/s."""
    chance = Random(seed)
    network = Waves(city)._networks["water"]
    (broken,) = (one for one in city.pipes if one.id == pipe)
    ends = dijkstra(pipe_graph(network), False, indices=[network.index[broken.start], network.index[broken.end]])
    way = np.minimum(ends[0] + offset, ends[1] + broken.length - offset)
    return {
        sensor.id: float(way[network.index[sensor.asset]]) / 1000.0 + chance.gauss(0, sigma)
        for sensor in city.sensors
        if sensor.asset in network.index
    }


def wave(sensor: str, at: float, phase: Phase = Phase.ONSET) -> Finding:
    """A wave has arrived, or its time is over 30 s later."""
    onset = T0 + round(at * SECOND)
    ts = onset + (30 if phase is Phase.END else 0.01) * SECOND
    return Finding(
        identify("finding", sensor, onset), phase, "wave", "negative_pressure_wave", "c0ffee", "water-burst",
        Verdict.EVENT, "fall", sensor, round(ts), round(ts), onset, 0 if phase is Phase.END else 2, 22.0, 20.0, 30.0,
        35.0,
    )  # fmt: skip


def told(city: City, heard: Mapping[str, float], shards: int = 1, upto: float = 60.0) -> list[AlertEvent]:
    """What the desk says of a wave that each sensor hears at its second."""
    desk = Desk(city, shards)
    events: list[AlertEvent] = []
    for shard in range(shards):
        mine = [(sensor, at) for i, (sensor, at) in enumerate(sorted(heard.items())) if i % shards == shard]
        found = tuple(wave(sensor, at, phase) for sensor, at in mine for phase in (Phase.ONSET, Phase.END))
        events += desk.take(Verdicts(shard, T0 + round(upto * SECOND), found))
    return events + desk.finish()


def test_one_burst_is_one_alert_with_its_place() -> None:
    """Five loggers up to 2 km apart: one alert; the desk is told at once when an arrival moves its place."""
    events = told(LADDER, arrivals(LADDER, "a23", 120.0, sigma=0.003))
    assert len({event.alert.id for event in events}) == 1
    assert [event.type for event in events] == ["raised", "updated", "updated", "cleared"]  # the rest agrees
    assert events[0].alert.pipe == ""
    last = events[-1].alert
    assert last.pipe == "a23"
    assert abs(last.offset - 120.0) < 15
    assert 0 < last.radius < 100
    assert last.lon == pytest.approx(115.008 + 0.004 * last.offset / 400, abs=1e-6)
    assert last.lat == pytest.approx(33.0)
    assert f"on pipe a23 {last.offset:.0f} m from a2, within {last.radius:.0f} m" in last.summary
    assert [event.ts < T0 + 6 * SECOND for event in events] == [True, True, True, False]
    assert events[1].alert.radius > 1000  # two arrivals tell a line of places
    assert set(last.sensors) == {sensor.id for sensor in LADDER.sensors}


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(LADDER.pipes), st.floats(0.0, 1.0), st.integers(0, 1000))
def test_the_cause_is_within_the_radius(pipe: Pipe, part: float, seed: int) -> None:
    """Wherever on the ladder it bursts: within twice the radius, which holds nine of ten."""
    city = listening(ladder(), [f"{row}{i}" for row in "ab" for i in (0, 2, 3, 5)])
    offset = part * pipe.length
    spot = Waves(city).place(
        {s: T0 + round(at * SECOND) for s, at in arrivals(city, pipe.id, offset, 0.003, seed).items()}
    )
    assert spot is not None
    network = Waves(city)._networks["water"]
    ends = dijkstra(pipe_graph(network), False, indices=[network.index[pipe.start], network.index[pipe.end]])
    way = np.minimum(ends[0] + offset, ends[1] + pipe.length - offset)
    (found,) = (one for one in city.pipes if one.id == spot.pipe)
    ways = (way[network.index[found.start]] + spot.offset, way[network.index[found.end]] + found.length - spot.offset)
    apart = abs(spot.offset - offset) if found == pipe else min(ways)
    assert apart <= 2 * spot.radius + 10


def test_it_does_not_depend_on_shards() -> None:
    """Arrivals that come from one shard or from three make the same events."""
    heard = arrivals(LADDER, "r4", 100.0, sigma=0.003)
    assert told(LADDER, heard, 3) == told(LADDER, heard, 1)


def test_another_wave_is_another_alert() -> None:
    """A logger 2 km away that hears something a minute later has heard something else."""
    heard = {"P-a0": 0.0, "P-a5": 20.0}
    events = told(LADDER, heard, upto=120.0)
    assert len({event.alert.id for event in events}) == 2
    assert {event.alert.pipe for event in events} == {""}


def test_what_is_out_of_reach_is_another_wave() -> None:
    """Farther than the reach, or on pipes that nothing joins: never of one wave, however near in time."""
    far = replace(LADDER, pipes=(*LADDER.pipes, Pipe("x", "water", "c0", "c1", 50.0), Pipe("y", "gas", "a0", "d", 9.0)))
    far = replace(far, sensors=(*far.sensors, Sensor("P-c0", "transient-pressure", "m", "Z", "c0", rate=100.0)))
    far = replace(far, assets={**far.assets, **{name: Asset(name, "junction", "Z") for name in ("c0", "c1", "d")}})
    waves = Waves(far)
    assert waves.together("P-a0", T0, "P-a5", T0 + SECOND)
    assert not waves.together("P-a0", T0, "P-c0", T0)
    assert not Waves(LADDER, Rules(wave_reach=1500.0)).together("P-a0", T0, "P-a5", T0 + SECOND)
    assert waves.place({"P-a0": T0, "P-c0": T0}) is None
    assert waves.place({"P-a0": T0}) is None


def test_a_sensor_on_no_pipe_is_not_placed() -> None:
    """It is heard as any other."""
    city = listening(ladder(), [])
    alone = replace(city, sensors=(Sensor("X", "pressure", "m", "Z"), Sensor("Y", "pressure", "m", "Z")))
    events = told(alone, {"X": 0.0, "Y": 0.5})
    assert {event.alert.pipe for event in events} == {""}
    assert {event.alert.radius for event in events} == {0.0}


def test_a_burst_in_bozhou() -> None:
    """In the demo city's water mains, from eight loggers in the streets around, 0.5 to 1.5 km away: within 30 m."""
    whole = load_city("bozhou")
    water = [pipe for pipe in whole.pipes if pipe.network == "water"]
    broken = water[100]
    near = Waves(replace(whole, sensors=()))._networks["water"].from_node(broken.start, 1500.0)
    nodes = Waves(whole)._networks["water"].nodes
    reached = [nodes[i] for i in np.flatnonzero(np.isfinite(near)) if near[i] > 400][::6]
    city = listening(whole, reached)
    events = told(city, arrivals(city, broken.id, 80.0, sigma=0.003))
    last = events[-1].alert
    assert len({event.alert.id for event in events}) == 1
    assert last.pipe == broken.id
    assert abs(last.offset - 80.0) < 30
    assert last.radius < 200
    assert last.lon != 0


@pytest.mark.skipif(not LTOWN.is_file(), reason="no network of L-Town here")
def test_a_burst_in_ltown() -> None:
    """In 905 pipes of a district, by six loggers at 100 Hz with clocks 3 ms off: within 50 m of the radius."""
    network = PipeNetwork.parse(LTOWN.read_text(errors="replace"))
    names = network.nodes
    pipes = tuple(
        Pipe(name, "water", names[a], names[b], max(float(length), 0.1))
        for name, (a, b), length in zip(network.pipes, network.ends.tolist(), network.length, strict=True)
    )
    assets = {name: Asset(name, "junction", "Z") for name in names}
    loggers = [f"n{i}" for i in (1, 4, 31, 54, 105, 114, 163, 188, 288, 296, 332, 342, 410, 415)]
    city = listening(City("ltown", "UTC", (), {"Z": Zone("Z")}, assets, pipes=pipes, levels=(Level(2, "II"),)), loggers)
    for name in ("p232", "p461", "p523"):
        pipe = next(one for one in pipes if one.id == name)
        heard = {s: at for s, at in arrivals(city, name, pipe.length / 2, sigma=0.003).items() if np.isfinite(at)}
        nearest = dict(sorted(heard.items(), key=lambda item: item[1])[:6])
        last = told(city, nearest)[-1].alert
        graph = Waves(city)._networks["water"]
        ends = dijkstra(pipe_graph(graph), False, indices=[graph.index[pipe.start], graph.index[pipe.end]]).min(axis=0)
        placed = next(one for one in pipes if one.id == last.pipe)
        apart = 0.0 if placed == pipe else float(min(ends[graph.index[placed.start]], ends[graph.index[placed.end]]))
        assert apart <= last.radius + 50, name
        assert last.lon == 0
