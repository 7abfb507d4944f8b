"""A week of the city: every fault of every kind of sensor, and incidents, at times that a seed draws.

The city is simulated in parts that do not hear of each other, each as large and as long as its rates allow: what
measures once a second or more seldom for the whole week, what shakes at 100 Hz for a day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from domain.city import City
from domain.clock import SECOND
from domain.errors import ConfigError
from simulators.bozhou import SPACES
from simulators.faults import faults_of
from simulators.incidents import SCRIPTS
from simulators.scenario import START, Scenario
from simulators.scenes import part
from simulators.slow import SLOW
from simulators.stage import DRAINS, Script, Scripted, Stage

__all__ = ["LEFT_OUT", "PARTS", "Happening", "Part", "week"]

HOUR: Final = 3600.0
DAY: Final = 86_400.0

#: Nothing begins in the first hour, nor so late that its alert could not be raised.
QUIET: Final = HOUR
#: What happens at one place is so far from what happens there next.
APART: Final = HOUR
#: Draws of a time until one is found at which a place is free.
TRIES: Final = 50


@dataclass(frozen=True, slots=True)
class Happening:
    """A script that is acted so many times a week, for as long as drawn between two durations, not before a time."""

    script: str
    times: int
    lasts: tuple[float, float]  # s
    earliest: float = 0.0  # s after the week's start: until then its detectors learn


@dataclass(frozen=True, slots=True)
class Part:
    """Some kinds of assets (one in `every`) with some kinds of sensors, for so many days."""

    name: str
    asset_kinds: tuple[str, ...]
    kinds: tuple[str, ...]
    days: float
    happenings: tuple[Happening, ...]
    every: int = 1
    faulty: tuple[float, float] = (2 * HOUR, 6 * HOUR)  # how long faults last, s


#: What no week can show, and why.
LEFT_OUT: Final = {
    "illicit-discharge": "its monitor learns for two weeks of dry hours",
    "crack-growth": "it shows after about six days of growth",
    "hidden-leak": "its monitors learn for one to two weeks of nights",
    "slow-leak": "nobody can tell it from demand",
}

_MINUTES: Final = 60.0

PARTS: Final = (
    Part(
        "gas and sewers",
        (*SPACES, "regulator-cabinet", "septic-tank", "sewer"),
        (),
        7.0,
        (
            Happening("gas-leak", 5, (10 * _MINUTES, 2 * HOUR)),
            Happening("sewer-biogas", 5, (12 * _MINUTES, 20 * _MINUTES)),
            Happening("cabinet-leak", 3, (5 * _MINUTES, HOUR)),
            Happening("septic-gas", 5, (10 * _MINUTES, 2 * HOUR)),
            Happening("gas-seep", 3, (6 * HOUR, 10 * HOUR)),
            Happening("sewer-leak", 3, (4 * HOUR, 8 * HOUR), 4 * DAY),
            Happening("septic-filling", 3, (2 * HOUR, 3 * HOUR), 3 * HOUR),
            Happening("regulator-creep", 3, (12 * HOUR, 20 * HOUR), 1.3 * DAY),
            Happening("fault-drift", 3, (1.5 * DAY, 2 * DAY)),
        ),
    ),
    Part(
        "water and drains",
        ("water-main", *DRAINS, "flood-spot"),
        ("pressure", "flow", "leak-noise", "level", "drain-flow", "rain", "road-depth"),
        7.0,
        (
            Happening("water-burst", 5, (5 * _MINUTES, 2 * HOUR)),
            Happening("waterlogging", 4, (8 * _MINUTES, 40 * _MINUTES)),
            Happening("drain-overflow", 4, (8 * _MINUTES, 20 * _MINUTES)),
            Happening("blockage", 3, (3 * HOUR, 6 * HOUR), 2 * DAY),
            Happening("shower", 3, (HOUR, 4 * HOUR)),
            Happening("street-vending", 20, (5 * _MINUTES, 40 * _MINUTES)),
            Happening("road-occupied", 20, (5 * _MINUTES, 40 * _MINUTES)),
        ),
    ),
    Part(
        "bridges, what is slow",
        ("bridge",),
        ("strain", "temperature", "crack", "tilt"),
        7.0,
        (Happening("overload", 8, (30.0, 30.0)), Happening("settlement", 3, (HOUR, HOUR))),
        every=2,
    ),
    Part(
        "one bridge, all of it",
        ("bridge",),
        (),
        1.0,
        (
            Happening("fatigue", 1, (5 * HOUR, 6 * HOUR)),
            Happening("scour", 1, (3 * HOUR, 3 * HOUR), 3 * HOUR),
            Happening("overload", 3, (30.0, 30.0)),
            Happening("impact", 3, (10.0, 10.0)),
        ),
        every=17,
        faulty=(0.5 * HOUR, HOUR),
    ),
    Part(
        "mains with fast loggers",
        ("water-main",),
        ("pressure", "transient-pressure", "flow"),
        1.0,
        (Happening("water-burst", 4, (5 * _MINUTES, HOUR)),),
        faulty=(0.5 * HOUR, 2 * HOUR),
    ),
)


def week(city: City, chosen: Part, seed: int = 1, start: int = START, days: float = 7.0, every: int = 1) -> Scenario:
    """Act a part's week.

    Parameters
    ----------
    city
        All of it.
    chosen
        One of `PARTS`, or another.
    seed
        Chooses times, durations and places.
    start
        When the week begins, ns.
    days
        So long at most.
    every
        Of the part's assets, only one in so many of each kind.

    What finds no time and place in fewer days or assets is left out.
    """
    town = part(city, chosen.asset_kinds, chosen.kinds, chosen.every * every)
    span = round(min(chosen.days, days) * DAY)
    rng = np.random.default_rng([seed, 11])
    acted: list[Scripted] = []
    known = SCRIPTS | SLOW
    for happening in chosen.happenings:
        for _ in range(-(-round(happening.times * span) // round(chosen.days * DAY))):
            if _fits(happening, span):
                _act(town, known[happening.script], happening, acted, span, seed, start, rng)
    kinds = sorted({(s.kind, town.assets[s.asset].kind) for s in town.sensors if s.asset})
    for kind, asset_kind in kinds:
        for reason, script in faults_of(kind, asset_kind).items():
            happening = Happening(f"fault-{reason}", 1, chosen.faulty)
            if _fits(happening, span):
                _act(town, script, happening, acted, span, seed, start, rng)
    return Scenario(town, seed, start, span * SECOND, tuple(acted))


def _fits(happening: Happening, span: float) -> bool:
    return max(QUIET, happening.earliest) + happening.lasts[1] + QUIET < span


def _act(
    town: City,
    script: Script,
    happening: Happening,
    acted: list[Scripted],
    span: float,
    seed: int,
    start: int,
    rng: np.random.Generator,
) -> None:
    """Act one script where nothing else happens then, and add it to what was acted, if there is such a place."""
    number = len(acted) + 1
    for _ in range(TRIES):
        lasts = float(rng.uniform(*happening.lasts))
        begin = float(rng.uniform(max(QUIET, happening.earliest), span - lasts - QUIET))
        low, high = start + (begin - APART) * SECOND, start + (begin + lasts + APART) * SECOND
        stage = Stage(town, seed * 10_000 + number, start)
        beside = [one.incident for one in acted if one.incident.start < high and one.incident.end > low]
        stage.keep(i.asset for i in beside if i.asset)
        stage.keep(sensor for i in beside for sensor in i.sensors)
        stage.keep(camera for i in beside for camera in i.cameras)
        try:
            found = script(stage, begin, begin + lasts)
        except ConfigError:
            continue
        acted.append(replace(found, incident=replace(found.incident, id=f"{happening.script}-{number:03d}")))
        return
