"""Scenes: a part of the city, watched for as long as something slow takes to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from domain.city import City
from domain.clock import HOUR
from simulators.scenario import START, Scenario, scenario
from simulators.stage import DRAINS, DRY

__all__ = ["SCENES", "part", "scene"]

DAY: Final = 24.0  # hours


def part(city: City, asset_kinds: Sequence[str] = (), kinds: Sequence[str] = (), every: int = 1) -> City:
    """The city with assets of some kinds only (of each kind one in `every`), and sensors of some kinds on them.

    Nothing named means all, also what is mounted on nothing. Pipes stay where both their ends do, the rest as it is.

    >>> from domain.city import Asset, City, Sensor
    >>> bridges = {id: Asset(id, "bridge", "zone") for id in "abc"}
    >>> sensors = tuple(Sensor(id + "-1", "tilt", "deg", "zone", id) for id in bridges)
    >>> [sensor.id for sensor in part(City("town", "UTC", sensors, assets=bridges), every=2).sensors]
    ['a-1', 'c-1']
    """
    seen: dict[str, int] = {}
    kept = {}
    for id, asset in city.assets.items():
        if asset_kinds and asset.kind not in asset_kinds:
            continue
        seen[asset.kind] = seen.get(asset.kind, -1) + 1
        if seen[asset.kind] % every == 0:
            kept[id] = asset
    return replace(
        city,
        sensors=tuple(
            s
            for s in city.sensors
            if (s.asset in kept or not (s.asset or asset_kinds)) and (not kinds or s.kind in kinds)
        ),
        assets=kept,
        pipes=tuple(pipe for pipe in city.pipes if pipe.start in kept and pipe.end in kept),
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """What is watched, for how many hours, and what happens: script, and the hours at which it begins and ends."""

    asset_kinds: tuple[str, ...]
    kinds: tuple[str, ...]
    hours: float
    timetable: tuple[tuple[str, float, float], ...]


SCENES: Final = {
    "spaces": Scene(DRY, ("gas-lel",), 3 * DAY, (*[("gas-seep", 1.0, 8.0)] * 3, *[("fault-drift", DAY, 3 * DAY)] * 3)),
    "sewers": Scene(("sewer-manhole",), ("gas-lel",), 5 * DAY, (("sewer-leak", 4 * DAY + 2, 4 * DAY + 8),) * 3),
    "tanks": Scene(("septic-tank", "sewer"), (), 8, (("septic-filling", 3, 5),) * 3),
    "cabinets": Scene(("regulator-cabinet",), (), 2 * DAY, (("regulator-creep", 1.3 * DAY, 2 * DAY),) * 3),
    "mains": Scene(("water-main",), ("flow", "leak-noise"), 22 * DAY, (("hidden-leak", 17 * DAY, 21 * DAY),) * 2),
    "drains": Scene(
        DRAINS,
        ("level", "drain-flow", "rain"),
        17 * DAY,
        (
            ("shower", 3 * DAY, 3 * DAY + 2),
            ("shower", 9 * DAY + 5, 9 * DAY + 6),
            ("shower", 14 * DAY + 15, 14 * DAY + 19),
            *[("blockage", 15 * DAY + 6, 15 * DAY + 11)] * 2,
            *[("illicit-discharge", 15 * DAY + 18, 15 * DAY + 20)] * 2,
            *[("drain-overflow", 16 * DAY, 16 * DAY + 0.75)] * 2,
            ("shower", 16 * DAY + 8, 16 * DAY + 9),
        ),
    ),
    "pier": Scene(("bridge",), ("acceleration",), 6, (("scour", 3, 6),)),
    "joint": Scene(("bridge",), ("crack",), 22 * DAY, (("crack-growth", 8 * DAY, 22 * DAY),)),
    "haulage": Scene(("bridge",), ("strain", "dynamic-strain"), 9, (("fatigue", 0.5, 9),)),
}


def scene(city: City, name: str, every: int = 1, seed: int = 1, start: int = START) -> Scenario:
    """Act a scene of `SCENES` in one in `every` of its assets; raises KeyError for an unknown one."""
    chosen = SCENES[name]
    town = part(city, chosen.asset_kinds, chosen.kinds, every)
    timetable = [(script, begin * 60, end * 60) for script, begin, end in chosen.timetable]
    return scenario(town, timetable, round(chosen.hours * HOUR), seed, start)
