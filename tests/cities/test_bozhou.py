"""The monitors of Bozhou against the simulated city, where what happened is known."""

from __future__ import annotations

import pytest

from domain.city import City
from domain.city_files import load_city, load_settings
from domain.clock import HOUR
from flows.matching import Matching, match
from simulators.measured import MeasuredCity
from simulators.scenario import Scenario, demo, quiet
from simulators.scenes import part, scene
from workbench.tape import judge, steps

SETTINGS = load_settings("bozhou")


@pytest.fixture(scope="module")
def city() -> City:
    return load_city("bozhou")


def rehearsed(scenario: Scenario, chunk: int) -> Matching:
    source = MeasuredCity(scenario, chunk)
    return match(scenario.truth, judge(scenario.city, SETTINGS, steps(scenario.city, SETTINGS, source)).alerts)


def test_nothing_is_paged_when_nothing_happens(city: City) -> None:
    """An hour of a twentieth of the city, with one bridge: no alert at all."""
    town = part(city, every=20)
    assert rehearsed(quiet(town, HOUR), 600).false == ()


def test_whatever_happens_in_the_demo_is_found(city: City) -> None:
    """Every incident that can be told from normal, and no false alert."""
    found = rehearsed(demo(city, seed=3), 30)
    assert [m.incident.kind for m in found.matches if m.incident.alert and m.incident.detectable and not m.alert] == []
    assert found.false == ()


@pytest.mark.parametrize(
    ("name", "every", "within"),
    [("cabinets", 12, 2.5), ("sewers", 40, 1.0), ("tanks", 50, 0.5), ("pier", 17, 1.0)],
)
def test_what_is_slow_is_found(city: City, name: str, every: int, within: float) -> None:
    """A part of the city, for as long as it takes: everything is found within so many hours, and nothing else."""
    found = rehearsed(scene(city, name, every), 600)
    assert found.false == ()
    for one in found.matches:
        assert one.delay is not None, one.incident.kind
        assert one.delay <= within * 3600, one.incident.kind
