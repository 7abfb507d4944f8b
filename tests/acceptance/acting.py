"""Timetables acted in one town: what the stream brings, and what people do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np

from domain.actions import Action, Verb
from domain.city import City, Sensor
from domain.clock import MILLISECOND, SECOND
from domain.identity import identify
from domain.records import Floats
from simulators.effects import ClockAhead, Effect, Noisy, Pulse, Ring, Silent, Spikes, Stuck
from simulators.scenario import START, Scenario
from simulators.signals import Storm
from simulators.stage import Incident, Scripted, Sighting
from tests.acceptance.grammar import Deed, Push, Timetable, TimetableError, seconds

__all__ = ["Place", "Town", "town_of"]

#: After the last thing that a timetable speaks of the stream goes on for so long, s.
AFTER = 60.0
#: It lasts for a whole number of these, s: what reads it in columns reads so much at once.
WHOLE = 600.0


@dataclass(frozen=True, slots=True)
class Change(Effect):
    """A straight climb by `amount` within `rise` s, which stays until the end and goes within `fall` s."""

    amount: float
    rise: float
    fall: float

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        come = np.clip((t - self.start) / self.rise, 0.0, 1.0)
        gone = np.clip((t - self.end) / self.fall, 0.0, 1.0) if math.isfinite(self.end) else 0.0
        value += self.amount * come * (1.0 - gone)


@dataclass(frozen=True, slots=True)
class Place:
    """What a timetable speaks of: nothing else in town is its own."""

    assets: frozenset[str]
    sensors: frozenset[str]
    cameras: frozenset[str]


@dataclass(frozen=True)
class Town:
    """Timetables of one kind of stream, side by side in a part of a city.

    Attributes
    ----------
    scenario
        What the town sends.
    places
        Of each timetable, by its name.
    """

    timetables: tuple[Timetable, ...]
    scenario: Scenario
    places: Mapping[str, Place]

    def zero(self, timetable: Timetable) -> int:
        """The event time from which a timetable counts, ns."""
        return self.scenario.start + round(timetable.calm * SECOND)

    def actions(self, timetable: Timetable, alerts: Mapping[str, UUID]) -> list[Action]:
        """What people do; `alerts` are those that it names. Raises TimetableError for one that never came."""
        return [self._action(timetable, deed, alerts) for deed in timetable.deeds]

    def _action(self, timetable: Timetable, deed: Deed, alerts: Mapping[str, UUID]) -> Action:
        words: dict[str, Any] = dict(deed.words)
        zero = self.zero(timetable)

        def at(s: float) -> int:
            return (zero + round(s * SECOND)) // MILLISECOND * MILLISECOND

        alert = None
        if "alert" in words:
            alert = alerts.get(words.pop("alert"))
            if alert is None:
                raise TimetableError(f"{timetable.name}, line {deed.line}: that alert was never raised")
        until = at(seconds(words.pop("until"))) if "until" in words else 0
        id = identify("deed", timetable.name, str(deed.line))
        return Action(id, Verb(deed.verb), at(deed.at), deed.actor, "operator", alert, until=until, **words)


def town_of(city: City, timetables: Sequence[Timetable], seed: int = 1) -> Town:
    """The part of a city that the timetables speak of, and everything that they push there.

    Raises TimetableError where one speaks of what the city has not, or two of the same place.
    """
    places: dict[str, Place] = {}
    owner: dict[str, str] = {}
    for timetable in timetables:
        assets, cameras = _named(city, timetable)
        for id in sorted(assets | cameras):
            if id in owner:
                raise TimetableError(f"{timetable.name}: {id} belongs to {owner[id]} already")
            owner[id] = timetable.name
        sensors = frozenset(
            s.id for s in city.sensors if s.asset in assets and (not timetable.kinds or s.kind in timetable.kinds)
        )
        places[timetable.name] = Place(frozenset(assets), sensors, frozenset(cameras))
    kept = {id: asset for id, asset in city.assets.items() if id in owner}
    cameras_kept = {id: camera for id, camera in city.cameras.items() if id in owner}
    part = replace(
        city,
        sensors=tuple(s for s in city.sensors if any(s.id in place.sensors for place in places.values())),
        assets=kept,
        cameras=cameras_kept,
        pipes=tuple(pipe for pipe in city.pipes if pipe.start in kept and pipe.end in kept),
    )
    watched = {s.kind for s in part.sensors}
    part = replace(
        part,
        monitors=tuple(m for m in part.monitors if not m.select.kinds or watched & set(m.select.kinds)),
    )
    span = max(timetable.calm + _last(timetable) + AFTER for timetable in timetables)
    span = math.ceil(span / WHOLE) * WHOLE
    scripts = tuple(_acted(part, timetable, span) for timetable in timetables)
    return Town(tuple(timetables), Scenario(part, seed, START, round(span) * SECOND, scripts), places)


def _named(city: City, timetable: Timetable) -> tuple[set[str], set[str]]:
    """Assets and cameras that a timetable speaks of; the cameras of its assets are its own, too."""
    ids: list[tuple[int, str]] = [(0, id) for id in timetable.town]
    for push in timetable.pushes:
        if "sensors" in push.words:
            ids += [(push.line, s.asset or s.id) for s in _sensors(city, timetable, push)]
        ids += [(push.line, push.words[key]) for key in ("camera", "asset") if key in push.words]
    for deed in timetable.deeds:
        ids += [(deed.line, deed.words[key]) for key in ("asset", "sensor") if key in deed.words]
    ids += [(wanted.line, wanted.place) for wanted in timetable.wanted if wanted.place]
    ids += [(never.line, never.place) for never in timetable.never]
    assets: set[str] = set()
    cameras: set[str] = set()
    for line, id in ids:
        if id in city.assets:
            assets.add(id)
        elif id in city.cameras:
            cameras.add(id)
        elif id in city.sensor_index:
            assets.add(city.sensors[city.sensor_index[id]].asset)
        else:
            where = f"line {line}" if line else "town"
            raise TimetableError(
                f"{timetable.name}, {where}: expected an asset, a sensor or a camera of {city.name}, got {id!r}"
            )
    assets |= {city.cameras[id].asset for id in cameras if city.cameras[id].asset}
    return assets, cameras | {id for id, camera in city.cameras.items() if camera.asset in assets}


def _sensors(city: City, timetable: Timetable, push: Push) -> list[Sensor]:
    """The sensors of a sentence: one by its id, or those of some kinds on an asset."""
    text = push.words["sensors"]
    kinds, _, asset = text.rpartition(" of ")
    if not asset or not kinds:
        found = [city.sensors[city.sensor_index[text]]] if text in city.sensor_index else []
    else:
        found = [s for s in city.sensors if s.asset == asset and s.kind in kinds.split(", ")]
    unit = push.words.get("unit")
    if not found or (unit is not None and any(s.unit != unit for s in found)):
        measured = f" that measure in {unit}" if unit else ""
        raise TimetableError(
            f"{timetable.name}, line {push.line}: expected sensors of {city.name}{measured}, got {text!r}"
        )
    return found


def _last(timetable: Timetable) -> float:
    """The last time that a timetable speaks of, s."""
    ends = [seconds(push.words["until"]) for push in timetable.pushes if "until" in push.words]
    times = [*(push.at for push in timetable.pushes), *(deed.at for deed in timetable.deeds)]
    return max([*ends, *times, *(wanted.end for wanted in timetable.wanted)])


def _acted(city: City, timetable: Timetable, span: float) -> Scripted:
    effects: list[Effect] = []
    sightings: list[Sighting] = []
    storms: list[Storm] = []
    for push in timetable.pushes:
        words, start = push.words, timetable.calm + push.at
        until = timetable.calm + seconds(words["until"]) if "until" in words else math.inf
        if push.kind == "see":
            sightings += _seen(words, start, until)
        elif push.kind == "rain":
            place = city.assets[words["asset"]]
            storms.append(Storm(start, until, float(words["amount"]), place.lon, place.lat, 500.0))
        else:
            effects += [_effect(push, s, start, until, span) for s in _sensors(city, timetable, push)]
    truth = Incident(timetable.name, timetable.name, 0, 0, (), (), "", "", "", "")
    return Scripted(truth, tuple(effects), tuple(sightings), tuple(storms))


def _seen(words: Mapping[str, str], start: float, until: float) -> Iterable[Sighting]:
    times = np.arange(start, until, seconds(words["every"])) if "every" in words else [start]
    return [Sighting(words["camera"], float(at), words["type"], float(words["confidence"])) for at in times]


def _effect(push: Push, sensor: Sensor, start: float, until: float, span: float) -> Effect:
    words = push.words
    amount = float(words.get("amount", 0.0))
    match push.kind:
        case "change":
            sign = -1.0 if words["way"].startswith("fall") else 1.0
            rise, fall = (max(seconds(words.get(key, "0 s")), 0.001) for key in ("rise", "fall"))
            return Change(sensor.id, start, until, sign * amount, rise, fall)
        case "read":
            return Stuck(sensor.id, start, until, amount)
        case "stick":
            return Stuck(sensor.id, start, until, None)
        case "silent":
            return Silent(sensor.id, start, until)
        case "spike":
            return Spikes(sensor.id, start, until, amount, seconds(words["every"]), 1 / sensor.rate)
        case "scatter":
            return Noisy(sensor.id, start, until, amount)
        case "clock":
            return ClockAhead(sensor.id, start, until, seconds(words["by"]))
        case "ring":
            return Ring(sensor.id, start, span, amount, float(words["hertz"]), seconds(words["decay"]))
        case "pulse":
            return Pulse(sensor.id, start, start + seconds(words["lasts"]), amount)
    raise AssertionError(push.kind)
