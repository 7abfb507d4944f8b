"""The simulated week: everything happens, each thing at a place of its own."""

from __future__ import annotations

from itertools import pairwise

import pytest

from domain.clock import HOUR
from simulators.bozhou import bozhou
from simulators.faults import EFFECTS, UNSEEN
from simulators.incidents import SCRIPTS
from simulators.scenario import Scenario
from simulators.slow import SLOW
from simulators.week import LEFT_OUT, PARTS, Part, week

CITY = bozhou()
WEEKS = {part.name: week(CITY, part) for part in PARTS}


def test_every_script_is_acted_or_left_out_with_a_reason() -> None:
    """Nobody should read "a week of everything" and find that something was forgotten."""
    acted = {happening.script for part in PARTS for happening in part.happenings}
    faults = {name for name in SCRIPTS | SLOW if name.startswith("fault-")}
    assert acted | LEFT_OUT.keys() | faults == (SCRIPTS | SLOW).keys()
    assert not acted & LEFT_OUT.keys()


def test_every_sensor_is_in_some_part() -> None:
    """Of every kind on every kind of asset."""
    there = {(s.kind, s.asset.split("-")[1]) for scenario in WEEKS.values() for s in scenario.city.sensors}
    assert there == {(s.kind, s.asset.split("-")[1]) for s in CITY.sensors}


def test_every_fault_befalls_every_kind_of_sensor() -> None:
    """On each kind of asset, but for what nobody can see."""
    for scenario in WEEKS.values():
        town = scenario.city
        kinds = {s.id: (s.kind, town.assets[s.asset].kind) for s in town.sensors}
        befallen = {(kinds[i.sensors[0]], i.reason) for i in scenario.truth if i.reason}
        wanted = {
            (kind, reason)
            for kind in set(kinds.values())
            for reason in EFFECTS
            if reason != "drift" and (kind[0], reason) not in UNSEEN
        }
        assert wanted <= befallen


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_week_is_as_its_seed_says(part: Part) -> None:
    """The same seed gives the same week, another one another; all of it within the span, with time for its alert."""
    scenario = WEEKS[part.name]
    assert week(CITY, part).truth == scenario.truth
    assert week(CITY, part, seed=2).truth != scenario.truth
    assert len({incident.id for incident in scenario.truth}) == len(scenario.truth)
    for incident in scenario.truth:
        assert scenario.start + HOUR <= incident.start < incident.end <= scenario.start + scenario.span - HOUR


def test_incidents_at_one_place_are_apart() -> None:
    """An hour at least: the alert of one is not taken for that of the other. Faults may meet them on a bridge."""
    for scenario in WEEKS.values():
        by_asset: dict[str, list[tuple[int, int]]] = {}
        for incident in scenario.truth:
            if incident.asset and not incident.reason:
                by_asset.setdefault(incident.asset, []).append((incident.start, incident.end))
        for spans in by_asset.values():
            spans.sort()
            assert all(b[0] - a[1] >= HOUR for a, b in pairwise(spans))


def test_fewer_days_and_assets_leave_out_what_has_no_room() -> None:
    """A quick look is still a fair one."""
    few: Scenario = week(CITY, PARTS[0], days=1, every=20)
    assert 0 < len(few.truth) < len(WEEKS[PARTS[0].name].truth)
    assert {i.kind for i in few.truth}.isdisjoint({"sewer-leak", "regulator-creep"})
