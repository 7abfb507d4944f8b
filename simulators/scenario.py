"""A scenario: a city, a seed, a span of time, and what happens in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from domain.city import City
from domain.clock import HOUR, MINUTE, SECOND, iso
from domain.errors import ConfigError
from simulators.effects import Effect, Stuck
from simulators.faults import every_fault
from simulators.incidents import SCRIPTS
from simulators.signals import Signals, World
from simulators.slow import SLOW
from simulators.stage import Incident, Scripted, Sighting, Stage

__all__ = ["DEMO", "START", "Scenario", "demo", "faults", "goes_on", "quiet", "random", "scenario", "write_truth"]

#: 14 July 2025, 08:00 in Bozhou: a rush hour in the rainy season.
START: Final = 1_752_451_200 * SECOND

#: The demo's timetable: script, and the minutes at which it begins and ends.
DEMO: Final[tuple[tuple[str, float, float], ...]] = (
    ("fault-zero", 1.0, 15.0),
    ("sewer-biogas", 1.0, 14.0),
    ("gas-leak", 1.5, 10.0),
    ("street-vending", 2.0, 8.0),
    ("water-burst", 2.5, 9.0),
    ("fault-dead", 2.5, 6.0),
    ("waterlogging", 3.0, 12.0),
    ("fault-stuck", 3.5, 15.0),
    ("septic-gas", 4.0, 13.0),
    ("cabinet-leak", 4.5, 9.0),
    ("overload", 5.0, 5.5),
    ("fault-drop-out", 5.5, 9.5),
    ("fault-spike", 6.0, 10.0),
    ("drain-overflow", 6.2, 14.5),
    ("settlement", 6.5, 15.0),
    ("slow-leak", 7.0, 15.0),
    ("gas-leak", 7.5, 14.0),
    ("road-occupied", 8.0, 13.0),
    ("fault-out-of-range", 8.5, 11.0),
    ("fault-noise", 9.0, 11.0),
    ("fault-clock", 9.5, 15.0),
    ("impact", 10.0, 10.5),
    ("overload", 10.5, 11.0),
    ("water-burst", 11.0, 14.0),
    ("street-vending", 12.0, 14.5),
)

#: What happens after the demo, again and again: script, and the minutes of each half hour at which it begins and ends.
AFTERWARDS: Final[tuple[tuple[str, float, float], ...]] = (
    ("gas-leak", 2.0, 7.0),
    ("street-vending", 4.0, 7.0),
    ("waterlogging", 6.0, 14.0),
    ("cabinet-leak", 11.0, 15.0),
    ("overload", 14.0, 14.5),
    ("water-burst", 16.0, 21.0),
    ("septic-gas", 20.0, 28.0),
    ("fault-drop-out", 23.0, 26.0),
    ("road-occupied", 25.0, 29.0),
)


@dataclass(frozen=True)
class Scenario:
    """Everything that decides what a simulated city sends.

    `start` and `span` are nanoseconds, both whole seconds. Equal scenarios give equal bytes.
    """

    city: City
    seed: int
    start: int
    span: int
    scripts: tuple[Scripted, ...] = ()

    @cached_property
    def world(self) -> World:
        """What sensors would read without incidents and faults."""
        storms = [storm for s in self.scripts for storm in s.storms]
        softenings = [softening for s in self.scripts for softening in s.softenings]
        return Signals(self.city, self.seed, self.start, storms, softenings)

    @cached_property
    def effects(self) -> Mapping[int, Sequence[Effect]]:
        """Effects on every sensor that has some, by its index; a sensor that sticks holds what it read last."""
        found: dict[int, list[Effect]] = {}
        for scripted in self.scripts:
            for effect in scripted.effects:
                sensor = self.city.sensor_index[effect.sensor]
                if isinstance(effect, Stuck) and effect.held is None:
                    effect = replace(effect, held=self.world.calm(sensor, effect.start))
                found.setdefault(sensor, []).append(effect)
        return found

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """What the cameras report, in order of time."""
        return tuple(sorted((v for s in self.scripts for v in s.sightings), key=lambda v: (v.at, v.camera, v.type)))

    @property
    def truth(self) -> tuple[Incident, ...]:
        """What happened, in order of time."""
        return tuple(sorted((s.incident for s in self.scripts), key=lambda i: (i.start, i.id)))


def scenario(city: City, timetable: Sequence[tuple[str, float, float]], span: int, seed: int, start: int) -> Scenario:
    """Act a timetable of (script, begin in min, end in min) out; the seed chooses where. Raises ConfigError."""
    stage = Stage(city, seed, start)
    known = SCRIPTS | SLOW
    scripts = tuple(known[name](stage, begin * 60, end * 60) for name, begin, end in timetable)
    return Scenario(city, seed, start, span, scripts)


def demo(city: City, seed: int = 1, start: int = START) -> Scenario:
    """Fifteen minutes with an incident of every kind."""
    return scenario(city, DEMO, 15 * MINUTE, seed, start)


def goes_on(city: City, seed: int = 1, start: int = START, span: int = 8 * HOUR) -> Scenario:
    """The demo, and after it a city in which something happens every few minutes, as long as it finds a place."""
    stage = Stage(city, seed, start)
    known = SCRIPTS | SLOW
    scripts = [known[name](stage, begin * 60, end * 60) for name, begin, end in DEMO]
    for half in range(15, span // MINUTE - 30, 30):
        for name, begin, end in AFTERWARDS:
            with suppress(ConfigError):
                scripts.append(known[name](stage, (half + begin) * 60, (half + end) * 60))
    return Scenario(city, seed, start, span, tuple(scripts))


def quiet(city: City, span: int = 15 * MINUTE, seed: int = 1, start: int = START) -> Scenario:
    """Nothing happens: every alert is a false one."""
    return Scenario(city, seed, start, span)


def faults(city: City, seed: int = 1, start: int = START) -> Scenario:
    """Five hours; after half of them every kind of sensor has every fault that shows within hours."""
    scripts = every_fault(Stage(city, seed, start), 2.5 * 3600, 5 * 3600)
    return Scenario(city, seed, start, 5 * HOUR, scripts)


def random(city: City, span: int, per_hour: float = 30.0, seed: int = 1, start: int = START) -> Scenario:
    """Incidents at random times, `per_hour` on average, each for 4 to 12 minutes; nothing in the first two minutes.

    A place is used once: what finds none any more is left out. Raises ConfigError where nothing at all finds one.
    """
    rng = np.random.default_rng([seed, 4])
    stage, minutes = Stage(city, seed, start), span / MINUTE
    names = list(SCRIPTS)
    begins = np.sort(rng.uniform(2, max(minutes, 2), int(rng.poisson(per_hour * minutes / 60))))
    scripts: list[Scripted] = []
    refused: ConfigError | None = None
    for begin in begins.tolist():
        name, end = names[int(rng.integers(len(names)))], min(begin + rng.uniform(4, 12), minutes)
        if begin + 4 <= minutes:
            try:
                scripts.append(SCRIPTS[name](stage, begin * 60, end * 60))
            except ConfigError as error:
                refused = error
    if refused is not None and not scripts:
        raise refused
    return Scenario(city, seed, start, span, tuple(scripts))


def write_truth(truth: Sequence[Incident], path: Path) -> None:
    """Write incidents as JSON, times as RFC 3339."""
    rows = [asdict(incident) | {"start": iso(incident.start), "end": iso(incident.end)} for incident in truth]
    path.write_bytes(orjson.dumps({"incidents": rows}, option=orjson.OPT_INDENT_2))
