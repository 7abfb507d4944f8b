"""A stage for incidents: a city to act in, and the form in which the truth is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from domain.city import Asset, Camera, City, Sensor
from domain.clock import SECOND
from domain.errors import ConfigError, Problem
from simulators.effects import Effect
from simulators.signals import Softening, Storm

__all__ = ["DRAINS", "DRY", "Incident", "Script", "Scripted", "Sighting", "Stage"]

#: Kinds of assets: spaces where no gas is made, and what rain runs into.
DRY: Final = ("valve-well", "telecom-manhole", "cable-trench")
DRAINS: Final = ("storm-drain", "metered-drain", "trunk-drain")


@dataclass(frozen=True, slots=True)
class Incident:
    """The truth of one thing that happened."""

    id: str
    kind: str  # its script; of a fault: fault-REASON
    start: int  # ns
    end: int  # ns, when its cause is gone
    sensors: tuple[str, ...]  # that see it
    cameras: tuple[str, ...]
    asset: str
    zone: str
    place: str
    alert: str  # kind of alert that should come of it; empty: none needs to
    level: int = 0  # of that alert
    allowed: tuple[str, ...] = ()  # further kinds of alert that would be right; any other is a false alert
    reason: str = ""  # of a sensor fault: what is wrong with it
    detectable: bool = True  # whether it can be told from normal within the time it lasts


@dataclass(frozen=True, slots=True)
class Sighting:
    """An event that a camera reports, `at` s after the scenario's start."""

    camera: str
    at: float
    type: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Scripted:
    """An incident and everything it changes."""

    incident: Incident
    effects: tuple[Effect, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    storms: tuple[Storm, ...] = ()
    softenings: tuple[Softening, ...] = ()


class Stage:
    """A city to act in. Places already used are avoided, so that incidents can be told apart."""

    def __init__(self, city: City, seed: int, start: int) -> None:
        self.city, self.start = city, start
        self.rng = np.random.default_rng([seed, 3])
        self._used: set[str] = set()
        self._count = 0

    @cached_property
    def by_asset(self) -> dict[str, list[Sensor]]:
        """Sensors of every asset."""
        found: dict[str, list[Sensor]] = {}
        for sensor in self.city.sensors:
            found.setdefault(sensor.asset, []).append(sensor)
        return found

    @cached_property
    def beside(self) -> dict[str, list[str]]:
        """Assets next to every asset along the pipes."""
        found: dict[str, list[str]] = {}
        for pipe in self.city.pipes:
            found.setdefault(pipe.start, []).append(pipe.end)
            found.setdefault(pipe.end, []).append(pipe.start)
        return found

    def on(self, asset: str, *kinds: str) -> list[Sensor]:
        """The asset's sensors of some kinds."""
        return [sensor for sensor in self.by_asset.get(asset, ()) if sensor.kind in kinds]

    def cameras_on(self, asset: str) -> list[Camera]:
        """The asset's cameras."""
        return [camera for camera in self.city.cameras.values() if camera.asset == asset]

    def pick(self, choices: Iterable[tuple[str, str]]) -> str:
        """One of the ids, given with their zones: never the same twice, and if possible in a zone of its own.

        Raises ConfigError where there is none: the city is too small for what is to happen.
        """
        free = [(id, zone) for id, zone in choices if id not in self._used]
        calm = [(id, zone) for id, zone in free if zone not in self._used] or free
        if not calm:
            raise ConfigError(
                [Problem("", f"city {self.city.name}", "", "it has no place left where that could happen")]
            )
        id, zone = calm[int(self.rng.integers(len(calm)))]
        self._used |= {id, zone}
        return id

    def asset(self, *kinds: str, fit: Callable[[Asset], bool] = lambda _: True) -> Asset:
        """A random asset of some kinds that fits."""
        found = (a for a in self.city.assets.values() if a.kind in kinds and a.id not in self._used and fit(a))
        return self.city.assets[self.pick((a.id, a.zone) for a in found)]

    def keep(self, assets: Iterable[str]) -> None:
        """Let nothing else happen at these."""
        self._used.update(assets)

    def sensor(
        self, kind: str, asset_kinds: tuple[str, ...] = (), period: float = 60.0, fastest: float = 1.0
    ) -> Sensor:
        """A random sensor of a kind that measures at least every `period` s and at most `fastest` times a second.

        It is on an asset of its own as long as there are such.
        """
        fit = [
            s
            for s in self.city.sensors
            if s.kind == kind
            and 1 / s.rate <= period + 1e-9
            and s.rate <= fastest
            and s.id not in self._used
            and (not asset_kinds or self.city.assets[s.asset].kind in asset_kinds)
        ]
        alone = [s for s in fit if s.asset not in self._used]
        found = {s.id: s for s in alone or fit}
        sensor = found[self.pick((s.id, s.zone) for s in found.values())]
        self._used.add(sensor.asset)
        return sensor

    def incident(
        self,
        kind: str,
        start: float,
        end: float,
        asset: Asset | None,
        sensors: Iterable[Sensor] = (),
        cameras: Iterable[Camera] = (),
        alert: str = "",
        **truth: object,
    ) -> Incident:
        """Write the truth down."""
        self._count += 1
        seen, eyes = tuple(sensors), tuple(cameras)
        zone = asset.zone if asset else eyes[0].zone
        place = asset.name if asset else eyes[0].name
        return Incident(
            f"{kind}-{self._count:03d}",
            kind,
            self.start + round(start * SECOND),
            self.start + round(end * SECOND),
            tuple(s.id for s in seen),
            tuple(c.id for c in eyes),
            asset.id if asset else "",
            zone,
            place,
            alert,
            **truth,  # type: ignore[arg-type]
        )

    def watch(
        self, cameras: Iterable[Camera], start: float, end: float, every: float, type: str
    ) -> tuple[Sighting, ...]:
        """What cameras report of something that they see well, about `every` s."""
        found = []
        for camera in cameras:
            for at in np.arange(start, end, every):
                when = float(at + self.rng.uniform(0, every / 4))
                found.append(Sighting(camera.id, round(when, 3), type, round(float(self.rng.uniform(0.7, 0.97)), 2)))
        return tuple(found)


#: Acts an incident on a stage, from and to so many s after the scenario's start.
Script = Callable[[Stage, float, float], Scripted]
