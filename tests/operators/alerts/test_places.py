"""Near and far, against a plain calculation."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.city import Asset, City, Pipe, Sensor
from operators.alerts.places import Places
from operators.alerts.rules import DEFAULT
from tests.operators.alerts.town import TOWN

spots = st.tuples(st.floats(115.77, 115.79), st.floats(33.84, 33.86), st.sampled_from("ab"))


def great_circle(a: Asset, b: Asset) -> float:
    """Haversine, in metres."""
    lon1, lat1, lon2, lat2 = map(math.radians, (a.lon, a.lat, b.lon, b.lat))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


@given(st.lists(spots, min_size=1, max_size=25))
def test_near_is_within_the_radius_in_one_zone(drawn):
    """The grid finds what comparing everything with everything finds."""
    assets = {f"A{i}": Asset(f"A{i}", "manhole", zone, lon=lon, lat=lat) for i, (lon, lat, zone) in enumerate(drawn)}
    sensors = tuple(Sensor(f"S{i}", "gas", "%LEL", "", f"A{i}") for i in range(len(assets)))
    places = Places(City("c", "UTC", sensors, assets=assets))
    for sensor in sensors:
        here = assets[sensor.asset]
        near = places.near(places.of_sensor(sensor.id))
        for there in assets.values():
            distance = great_circle(here, there)
            if there.zone != here.zone or distance > 301:
                assert f"asset:{there.id}" not in near
            elif distance < 299:
                assert math.isclose(near[f"asset:{there.id}"], distance, rel_tol=1e-3, abs_tol=0.1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([100.0, 250.0])), max_size=10))
def test_pipe_lengths_are_the_shortest_paths(edges):
    """Floyd and Warshall agree."""
    assets = {str(i): Asset(str(i), "node", "") for i in range(6)}
    pipes = tuple(Pipe(f"p{k}", "water", str(a), str(b), length) for k, (a, b, length) in enumerate(edges))
    least = [[0.0 if a == b else math.inf for b in range(6)] for a in range(6)]
    for a, b, length in edges:
        least[a][b] = least[b][a] = min(least[a][b], length)
    for k in range(6):
        for a in range(6):
            for b in range(6):
                least[a][b] = min(least[a][b], least[a][k] + least[k][b])
    sensors = tuple(Sensor(f"S{i}", "pressure", "m", "", str(i)) for i in range(6))
    places = Places(City("c", "UTC", sensors, assets=assets, pipes=pipes))
    for a in range(6):
        near = places.near(places.of_sensor(f"S{a}"))
        assert near == {f"asset:{b}": least[a][b] for b in range(6) if least[a][b] <= DEFAULT.pipe_length}


def test_another_network_is_no_connection():
    """A gas pipe does not lengthen a water pipe."""
    pipes = (Pipe("p", "water", "W1", "W2", 100.0), Pipe("q", "gas", "W2", "W3", 100.0))
    places = Places(replace(TOWN, pipes=pipes))
    assert set(places.near(places.of_sensor("P1"))) == {"asset:W1", "asset:W2"}


@given(st.lists(spots, min_size=1, max_size=25), st.floats(1, 2000))
def test_within_reach_is_any_zone_and_any_distance(drawn, metres):
    """Also farther than the cells of the grid are wide."""
    assets = {f"A{i}": Asset(f"A{i}", "manhole", zone, lon=lon, lat=lat) for i, (lon, lat, zone) in enumerate(drawn)}
    sensors = tuple(Sensor(f"S{i}", "gas", "%LEL", "", f"A{i}") for i in range(len(assets)))
    places = Places(City("c", "UTC", sensors, assets=assets))
    reach = places.reach(places.of_sensor("S0"), metres)
    for there in assets.values():
        distance = great_circle(assets["A0"], there)
        if abs(distance - metres) > 0.002 * metres:
            assert (f"asset:{there.id}" in reach) == (distance < metres)
