"""What happens in a city: each script is one incident, with what its sensors and cameras see of it, and the truth.

A script is a function of a `Stage` (the city, and random choices that a seed makes) and the times in s at which it
begins and ends. Its figures stand where they are used; they are the simulator's own unless a source is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from domain.city import Asset, Camera, City, Sensor
from domain.clock import SECOND
from simulators.effects import (
    ClockAhead,
    Effect,
    Noisy,
    Offscale,
    Pulse,
    Ramp,
    Ring,
    Silent,
    Spikes,
    Stuck,
    Swell,
)
from simulators.signals import Storm

__all__ = ["SCRIPTS", "Incident", "Scripted", "Sighting", "Stage"]


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
        """One of the ids, given with their zones: never the same twice, and if possible in a zone of its own."""
        free = [(id, zone) for id, zone in choices if id not in self._used]
        calm = [(id, zone) for id, zone in free if zone not in self._used] or free
        if not calm:
            raise ValueError("this city has no place left where that could happen")
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

    def sensor(self, kind: str, asset_kinds: tuple[str, ...] = (), period: float = 60.0) -> Sensor:
        """A random sensor of a kind that measures at least every `period` s."""
        found = {
            s.id: s
            for s in self.city.sensors
            if s.kind == kind
            and 1 / s.rate <= period + 1e-9
            and s.rate <= 1.0
            and s.asset not in self._used
            and (not asset_kinds or self.city.assets[s.asset].kind in asset_kinds)
        }
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


def gas_leak(stage: Stage, start: float, end: float) -> Scripted:
    """Gas from a main finds a space under the street, and minutes later the next one along the main."""

    def quick(id: str, period: float) -> bool:
        return any(1 / s.rate <= period for s in stage.on(id, "gas-lel"))

    dry = ("valve-well", "telecom-manhole", "cable-trench")

    def fit(asset: Asset) -> bool:
        return quick(asset.id, 10.1) and any(quick(b, 30.1) for b in stage.beside.get(asset.id, ()))

    asset = stage.asset(*dry, fit=fit)
    near = next(b for b in stage.beside[asset.id] if quick(b, 30.1))
    stage.keep([near])
    here, there = stage.on(asset.id, "gas-lel")[0], stage.on(near, "gas-lel")[0]
    effects = (
        Swell(here.id, start, end, amount=40, rise=90, fall=240),
        Swell(there.id, start + 150, end, amount=18, rise=120, fall=240),
    )
    return Scripted(stage.incident("gas-leak", start, end, asset, (here, there), alert="gas-leak", level=1), effects)


def sewer_biogas(stage: Stage, start: float, end: float) -> Scripted:
    """Biogas of a sewer builds up slowly, below 1 %LEL a minute: no leak, though a notice is right."""
    sensor = stage.sensor("gas-lel", ("sewer-manhole",), period=30)
    effects = (Ramp(sensor.id, start, end, amount=11.0),)
    asset = stage.city.assets[sensor.asset]
    return Scripted(stage.incident("sewer-biogas", start, end, asset, (sensor,), allowed=("sewer-gas",)), effects)


def cabinet_leak(stage: Stage, start: float, end: float) -> Scripted:
    """A regulator cabinet fills with gas while its outlet pressure sinks by a tenth."""
    asset = stage.asset("regulator-cabinet")
    gas, outlet = stage.on(asset.id, "gas-lel")[0], stage.on(asset.id, "outlet-pressure")[0]
    effects = (
        Swell(gas.id, start, end, amount=50, rise=40, fall=60),
        Swell(outlet.id, start, end, amount=-0.25, rise=20, fall=20),
    )
    truth = stage.incident(
        "cabinet-leak",
        start,
        end,
        asset,
        (gas, outlet),
        alert="gas-leak",
        level=1,
        allowed=("regulator-pressure",),
    )
    return Scripted(truth, effects)


def water_burst(stage: Stage, start: float, end: float) -> Scripted:
    """A main bursts: a pressure wave at about 1,000 m/s, less head around it, more flow until valves are shut."""
    asset = stage.asset("water-main", fit=lambda a: bool(stage.on(a.id, "flow")) and bool(stage.on(a.id, "pressure")))
    hops = {asset.id: 0}
    ring = [asset.id]
    for hop in (1, 2):
        ring = [b for a in ring for b in stage.beside[a] if b not in hops]
        hops |= dict.fromkeys(ring, hop)
    stage.keep(hops)
    effects: list[Effect] = []
    seen: list[Sensor] = []
    for id, hop in hops.items():
        at, share = start + 0.28 * hop, (1.0, 0.55, 0.3)[hop]
        for sensor in stage.on(id, "pressure", "transient-pressure"):
            effects.append(Swell(sensor.id, at, end, amount=-7 * share, rise=2.0, fall=60))
            effects.append(Ring(sensor.id, at, end, amount=4 * share, hertz=0.4, decay=4.0))
            seen.append(sensor)
    for sensor in stage.on(asset.id, "flow"):
        effects.append(Swell(sensor.id, start, end, amount=180, rise=10, fall=60))
        seen.append(sensor)
    truth = stage.incident("water-burst", start, end, asset, seen, alert="water-burst", level=2)
    return Scripted(truth, tuple(effects))


def slow_leak(stage: Stage, start: float, end: float) -> Scripted:
    """A joint begins to weep: 4 m3/h and 5 cm of head, which no one can tell from demand within minutes."""
    asset = stage.asset("water-main", fit=lambda a: bool(stage.on(a.id, "flow")) and bool(stage.on(a.id, "pressure")))
    pressure, flow = stage.on(asset.id, "pressure")[0], stage.on(asset.id, "flow")[0]
    effects = (Ramp(pressure.id, start, end, amount=-0.05), Ramp(flow.id, start, end, amount=4.0))
    truth = stage.incident(
        "slow-leak", start, end, asset, (pressure, flow), alert="water-leak", level=3, detectable=False
    )
    return Scripted(truth, effects)


def waterlogging(stage: Stage, start: float, end: float) -> Scripted:
    """A rainstorm drowns a flood-prone spot, and its camera sees it. 15 cm on a lane are waterlogging (GB 50014)."""
    asset = stage.asset("flood-spot")
    depth, cameras = stage.on(asset.id, "road-depth")[0], stage.cameras_on(asset.id)
    storm = Storm(max(start - 150, 0.0), end + 180, peak=60.0, lon=asset.lon, lat=asset.lat, radius=2500.0)
    effects = (Swell(depth.id, start, end, amount=0.38, rise=100, fall=400),)
    truth = stage.incident("waterlogging", start, end, asset, (depth,), cameras, alert="waterlogging", level=2)
    return Scripted(truth, effects, stage.watch(cameras, start + 70, end, 25, "waterlogging"), (storm,))


def overload(stage: Stage, start: float, end: float) -> Scripted:
    """A truck of several times the usual weight crosses a bridge in ten seconds; the bridge's cameras see it."""
    asset = stage.asset("bridge")
    strains, shakes = stage.on(asset.id, "strain", "dynamic-strain"), stage.on(asset.id, "acceleration")
    cameras = stage.cameras_on(asset.id)
    effects: list[Effect] = []
    for i, sensor in enumerate(strains):
        at = start + 4 * i / len(strains)
        effects.append(Pulse(sensor.id, at, at + 6, amount=float(stage.rng.uniform(90, 130))))
    effects += [
        Ring(s.id, start + 2, end, amount=float(stage.rng.uniform(0.1, 0.2)), hertz=3.0, decay=3.0) for s in shakes
    ]
    truth = stage.incident(
        "overload", start, start + 10, asset, (*strains, *shakes), cameras, alert="bridge-overload", level=2
    )
    return Scripted(truth, tuple(effects), stage.watch(cameras, start + 2, start + 8, 4, "heavy-truck"))


def settlement(stage: Stage, start: float, end: float) -> Scripted:
    """A support sinks within 40 s: strain moves by 20 to 30 um/m (Munich: 13 to 32) and stays, and piers tilt."""
    asset = stage.asset("bridge")
    strains, tilts = stage.on(asset.id, "strain", "dynamic-strain")[::2], stage.on(asset.id, "tilt")[:3]
    effects: list[Effect] = [Ramp(s.id, start, start + 40, amount=-float(stage.rng.uniform(20, 30))) for s in strains]
    effects += [Ramp(s.id, start, start + 40, amount=float(stage.rng.uniform(0.06, 0.12))) for s in tilts]
    truth = stage.incident("settlement", start, end, asset, (*strains, *tilts), alert="bridge-settlement", level=2)
    return Scripted(truth, tuple(effects))


def septic_gas(stage: Stage, start: float, end: float) -> Scripted:
    """A septic tank passes its thresholds: ventilation is wanted."""
    sensor = stage.sensor("gas-lel", ("septic-tank",))
    effects = (Swell(sensor.id, start, end, amount=32, rise=120, fall=200),)
    asset = stage.city.assets[sensor.asset]
    return Scripted(stage.incident("septic-gas", start, end, asset, (sensor,), alert="septic-gas", level=2), effects)


def _street_case(type: str, every: float) -> Callable[[Stage, float, float], Scripted]:
    def script(stage: Stage, start: float, end: float) -> Scripted:
        free = {c.id: c for c in stage.city.cameras.values() if not c.asset}
        camera = free[stage.pick((c.id, c.zone) for c in free.values())]
        truth = stage.incident(type, start, end, None, (), (camera,), alert=type, level=3)
        return Scripted(truth, sightings=stage.watch((camera,), start, end, every, type))

    script.__doc__ = f"A camera sees {type} again and again: one case."
    return script


def _fault(
    reason: str,
    kind: str,
    period: float,
    effect: Callable[[Sensor, float, float], Effect],
    detectable: bool = True,
) -> Callable[[Stage, float, float], Scripted]:
    """The script of a sensor fault, on a sensor of `kind` that measures at least every `period` s."""

    def script(stage: Stage, start: float, end: float) -> Scripted:
        sensor = stage.sensor(kind, period=period)
        truth = stage.incident(
            f"fault-{reason}",
            start,
            end,
            stage.city.assets[sensor.asset],
            (sensor,),
            alert="sensor-fault",
            level=3,
            reason=reason,
            detectable=detectable,
        )
        return Scripted(truth, (effect(sensor, start, end),))

    script.__doc__ = f"A sensor of {kind} has a fault: {reason}."
    return script


#: Every script by its name. What no detector of this version can tell is marked as not detectable.
SCRIPTS: Final[dict[str, Callable[[Stage, float, float], Scripted]]] = {
    "gas-leak": gas_leak,
    "sewer-biogas": sewer_biogas,
    "cabinet-leak": cabinet_leak,
    "water-burst": water_burst,
    "slow-leak": slow_leak,
    "waterlogging": waterlogging,
    "overload": overload,
    "settlement": settlement,
    "septic-gas": septic_gas,
    "street-vending": _street_case("street-vending", 75),
    "road-occupied": _street_case("road-occupied", 60),
    "fault-stuck": _fault("stuck", "pressure", 1, lambda s, a, b: Stuck(s.id, a, b, None)),
    "fault-zero": _fault("stuck", "gas-lel", 10, lambda s, a, b: Stuck(s.id, a, b, 0.0)),
    "fault-spike": _fault("spike", "pressure", 1, lambda s, a, b: Spikes(s.id, a, b, 15.0, 40.0, 1 / s.rate)),
    "fault-drop-out": _fault("drop-out", "tilt", 1, lambda s, a, b: Silent(s.id, a, b)),
    "fault-out-of-range": _fault("out-of-range", "temperature", 1, lambda s, a, b: Offscale(s.id, a, b, 850.0)),
    "fault-drift": _fault("drift", "gas-lel", 10, lambda s, a, b: Ramp(s.id, a, b, 4.0), detectable=False),
    "fault-noise": _fault("noise", "gas-lel", 10, lambda s, a, b: Noisy(s.id, a, b, 0.6), detectable=False),
    "fault-clock": _fault("clock", "pressure", 1, lambda s, a, b: ClockAhead(s.id, a, b)),  # refused: as if silent
}
