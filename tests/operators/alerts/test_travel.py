"""Travel times along the pipes, against every way there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.city import Asset, City, Pipe, Sensor
from domain.clock import MINUTE, SECOND
from domain.correlation import CauseRule, Correlation, NetworkRule
from domain.findings import AlertEventType
from domain.records import Verdicts
from operators.alerts.causes import Causes
from operators.alerts.desk import Desk
from operators.alerts.places import Index, Places
from operators.alerts.rules import DEFAULT
from operators.alerts.travel import Travel
from tests.operators.alerts.town import START, TOWN, finding

NODES = "ABCDE"
PIPES = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from(NODES), st.floats(1, 400)).filter(lambda p: p[0] != p[1]),
    max_size=8,
)


def net(pipes: list[tuple[str, str, float]], fastest: float = 100.0) -> City:
    """A network of five manholes without coordinates, each in a zone of its own."""
    return City(
        "net",
        "UTC",
        tuple(Sensor(f"s{node}", "level", "m", node, node) for node in NODES),
        assets={node: Asset(node, "manhole", node) for node in NODES},
        pipes=tuple(Pipe(f"p{i}", "drain", a, b, length) for i, (a, b, length) in enumerate(pipes)),
        correlation=Correlation(network=(NetworkRule("drain", 0.5, fastest, MINUTE),)),
    )


def shortest(pipes: list[tuple[str, str, float]], a: str, b: str) -> float:
    """The length of the shortest of all ways: every order of the places between."""
    edge: dict[tuple[str, str], float] = {}
    for start, end, length in pipes:
        for pair in ((start, end), (end, start)):
            edge[pair] = min(length, edge.get(pair, float("inf")))
    between = [node for node in NODES if node not in (a, b)]
    ways = [way for n in range(len(between) + 1) for way in permutations(between, n)]
    return min(sum(edge.get(pair, float("inf")) for pair in pairwise((a, *way, b))) for way in ways)


@settings(max_examples=150, deadline=None)
@given(PIPES, st.sampled_from(NODES[1:]), st.integers(-3000, 3000))
def test_neighbours_onsets_differ_by_no_more_than_the_slowest_takes(pipes, other, lag):
    """At 0.5 m/s along the shortest way, and a minute more; who is out of reach is not asked."""
    city = net(pipes)
    places = Places(city)
    a, b = places.of_sensor("sA"), places.of_sensor(f"s{other}")
    length = shortest(pipes, "A", other)
    wanted = length > DEFAULT.pipe_length or abs(lag) <= round(length / 0.5 * SECOND) / SECOND + 60
    assert Travel(city, places).neighbours(a, b, lag * SECOND) == wanted


@settings(max_examples=150, deadline=None)
@given(PIPES, st.sampled_from(NODES[1:]), st.integers(-300, 3000))
def test_a_consequence_comes_no_sooner_than_the_fastest_and_no_later_than_the_slowest(pipes, other, lag):
    """And within the rule's distance along the pipes, and its times."""
    rule = CauseRule("gas-leak", "waterlogging", 500.0, "drain", to=40 * MINUTE, tolerance=0)
    city = net(pipes, fastest=2.0)
    city = replace(city, correlation=replace(city.correlation, cause=(rule,)))
    places = Places(city)
    causes, travel = Causes(city, places, Travel(city, places)), Travel(city, places)
    length = shortest(pipes, "A", other)
    fits = length <= 500 and travel.follows("drain", length, lag * SECOND) and 0 <= lag <= 2400
    if length < 1e9:
        assert travel.follows("drain", length, lag * SECOND) == (
            round(length / 2 * SECOND) / SECOND - 60 <= lag <= round(length / 0.5 * SECOND) / SECOND + 60
        )
    case: Any = Stood(places.of_sensor("sA"), "gas-leak", 0)
    sign: Any = Stood(places.of_sensor(f"s{other}"), "waterlogging", lag * SECOND)
    open: Index[Any] = Index()
    open.add(case)
    assert (causes.of(sign, open) is case) == fits


class Stood:
    """What stands for a case and for a sign."""

    def __init__(self, site, kind: str, onset: int) -> None:
        self.site, self.kind, self.kinds, self.number, self.cause = site, kind, (kind,), 0, None
        self.began = self.onset = onset


def test_nothing_joins_across_another_network_or_without_speeds():
    """Gas pipes carry no sewage; and a network without speeds bounds nothing."""
    pipes = [("A", "B", 100.0)]
    city = net(pipes)
    other = replace(city, pipes=tuple(replace(pipe, network="gas") for pipe in city.pipes))
    for one in (other, replace(city, correlation=Correlation())):
        places = Places(one)
        assert Travel(one, places).neighbours(places.of_sensor("sA"), places.of_sensor("sB"), 10**15)


@pytest.mark.parametrize(("lag", "alerts"), [(0, 1), (100, 1), (1200, 2)])
def test_a_neighbour_that_comes_too_late_is_another_alert(lag, alerts):
    """P2 is 550 m along the main: at 10 m/s and with a minute, 115 s."""
    rule = NetworkRule("water", 10.0, tolerance=MINUTE)
    town = replace(TOWN, correlation=Correlation(network=(rule,)))
    desk = Desk(town, 1)
    found = (finding(10, "P1", monitor="burst"), finding(10 + lag, "P2", monitor="burst"))
    events = desk.take(Verdicts(0, START + 10**4 * SECOND, found))
    assert sum(event.type is AlertEventType.RAISED for event in events) == alerts


def test_a_network_may_reach_farther_than_others():
    """P3 is 1,450 m from P1."""
    found = (finding(10, "P1", monitor="burst"), finding(11, "P3", monitor="burst"))
    for reach, alerts in ((0.0, 2), (1500.0, 1)):
        rule = NetworkRule("water", 10.0, tolerance=MINUTE, reach=reach)
        desk = Desk(replace(TOWN, correlation=Correlation(network=(rule,))), 1)
        events = desk.take(Verdicts(0, START + 10**4 * SECOND, found))
        assert sum(event.type is AlertEventType.RAISED for event in events) == alerts
