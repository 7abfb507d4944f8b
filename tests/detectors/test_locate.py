"""Leaks and bursts placed on small networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.locate import burst_place, leak_place
from detectors.pipe_network import PipeNetwork
from domain.errors import SourceError
from tests.detectors.streams import find

#: A reservoir and a ladder of two lines with rungs; 100 m and 60 m.
LADDER = PipeNetwork.parse(
    "[JUNCTIONS]\n"
    + "".join(f"a{i} 0 5\nb{i} 0 5\n" for i in range(6))
    + "[RESERVOIRS]\nr 60\n[PIPES]\nin r a0 50 300 130\n"
    + "".join(f"a{i}{i + 1} a{i} a{i + 1} 100 150 130\nb{i}{i + 1} b{i} b{i + 1} 100 150 130\n" for i in range(5))
    + "".join(f"r{i} a{i} b{i} 60 100 130\n" for i in range(6))
)
SENSORS = ["a1", "a4", "b2", "b5"]


def test_sensitivity_is_that_of_the_full_network() -> None:
    """On a single line the pressure falls by 1.852 r q^0.852 for each m3/h more, the derivative of head loss."""
    line = PipeNetwork.parse("[JUNCTIONS]\na 0 36\n[RESERVOIRS]\nr 60\n[PIPES]\np r a 1000 200 100\n")
    slope = 1.852 * line.resistance[0] * 36.0**0.852
    assert line.sensitivity(["a"]).pressure[0, 0] == pytest.approx(-slope / 2, rel=1e-6)  # half of it at each end
    loss = 10.667 * 1000 * (36 / 3600) ** 1.852 / 100**1.852 / 0.2**4.871
    assert line.resistance[0] * 36**1.852 == pytest.approx(loss, rel=1e-9)


def test_a_valve_holds_the_pressure_below_and_draws_above() -> None:
    """A leak below a valve lowers pressures above it as if it were there, and one above none below."""
    text = (
        "[JUNCTIONS]\nu 0 10\nv 0 0\nw 0 10\n[RESERVOIRS]\nr 60\n[PIPES]\np1 r u 500 200 100\np2 v w 500 200 100\n"
        "[VALVES]\nx u v 200 PRV 30 0\n"
    )
    s = PipeNetwork.parse(text).sensitivity(["u", "w"]).pressure
    assert s[0, 1] == pytest.approx(2 * s[0, 0])
    assert s[1, 0] == 0 > s[1, 1]


@given(st.integers(0, len(LADDER.pipes) - 1), st.floats(1.0, 20.0))
def test_a_leak_is_placed_where_it_is(pipe: int, flow: float) -> None:
    """The pattern of a leak without noise leads back to its pipe, or to one that no sensor can tell from it."""
    s = LADDER.sensitivity(SENSORS)
    step = flow * s.residual[:, pipe]
    if np.abs(step).max() < 1e-3:
        return
    noise = 1e-12 * np.eye(len(SENSORS))
    place = leak_place(step, noise, s, LADDER.between())
    assert place is not None
    assert place.fit > 0.999
    best = place.candidates[0]
    cos = s.residual[:, best] @ step / np.linalg.norm(s.residual[:, best]) / np.linalg.norm(step)
    assert best == pipe or cos > 0.999
    assert LADDER.between()[place.pipe, best] <= place.radius + 1e-9


def test_a_repair_is_no_leak() -> None:
    """The pattern backwards is not placed."""
    s = LADDER.sensitivity(SENSORS)
    assert leak_place(-9.0 * s.residual[:, 7], 1e-8 * np.eye(4), s, LADDER.between()) is None


@given(st.integers(0, len(LADDER.pipes) - 1), st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_a_burst_is_placed_within_its_radius(pipe: int, part: float, seed: int) -> None:
    """Arrivals to a sample of 100 Hz lead back to within the radius, and some metres for the grid of places."""
    between = LADDER.between()
    rng = np.random.default_rng(seed)
    offset = part * float(LADDER.length[pipe])
    arrivals = {}
    for name in ("a0", "b1", "a3", "b3", "a5", "b5"):
        way = _way(pipe, offset, name)
        arrivals[name] = 100.0 + way / 1000.0 + rng.normal(0, 0.003)
    place = burst_place(LADDER, arrivals, sigma=0.003, speed_sigma=0.0)
    assert place is not None
    assert place.error < 0.02
    if place.pipe == pipe:
        assert abs(place.offset - offset) <= 3 * place.radius + 10
    else:
        assert between[place.pipe, pipe] <= 3 * place.radius + 130


def _way(pipe: int, offset: float, node: str) -> float:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    a, b = LADDER.ends.T
    n = len(LADDER.nodes)
    apart = dijkstra(coo_array((LADDER.length, (a, b)), (n, n)).tocsr(), False, indices=LADDER.nodes.index(node))
    return float(min(apart[a[pipe]] + offset, apart[b[pipe]] + LADDER.length[pipe] - offset))


def test_one_arrival_places_nothing() -> None:
    """A single sensor knows when, not where."""
    assert burst_place(LADDER, {"a1": 5.0}) is None


@pytest.mark.parametrize("text", ["", "[JUNCTIONS]\na x\n[PIPES]\n", "[OPTIONS]\nHeadloss D-W\n"])
def test_broken_files_are_refused(text: str) -> None:
    """With what is wrong, not with a KeyError."""
    with pytest.raises(SourceError):
        PipeNetwork.parse(text)


def test_unknown_sensors_are_refused() -> None:
    """By name."""
    with pytest.raises(SourceError, match="zz"):
        LADDER.sensitivity(["a1", "zz"])


def test_a_burst_from_readings_to_a_place() -> None:
    """200 readings a second of six sensors with noise: arrivals to two samples, and the place to some metres."""
    rng = np.random.default_rng(7)
    pipe = LADDER.pipes.index("a23")
    arrivals = {}
    for name in ("a0", "b1", "a3", "b3", "a5", "b5"):
        true = 5.0 + _way(pipe, 30.0, name) / 1000.0
        t = np.arange(1, 2000) / 200.0
        x = 40.0 + rng.normal(0, 0.05, len(t)) - np.where(t >= true, 2.0, 0.0)
        marks = find("negative_pressure_wave", x, at=t, rate=200.0, depth="0.5 u")
        assert [mark.phase for mark in marks] == [0]
        assert abs(marks[0].onset - true) <= 0.011
        arrivals[name] = marks[0].onset
    place = burst_place(LADDER, arrivals, sigma=0.005, speed_sigma=0.0)
    assert place is not None
    assert LADDER.pipes[place.pipe] == "a23"
    assert abs(place.offset - 30.0) < 15.0
    assert abs(place.time - 5.0) < 0.02
