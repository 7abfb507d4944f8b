"""What happens in a city: each script is one incident, with what its sensors and cameras see of it, and the truth.

A script is a function of a `Stage` (the city, and random choices that a seed makes) and the times in s at which it
begins and ends. Its figures stand where they are used; they are the simulator's own unless a source is named.
"""

from __future__ import annotations

from typing import Final

from domain.city import Asset, Sensor
from simulators.effects import Effect, Pulse, Ramp, Ring, Swell
from simulators.faults import FAULTS
from simulators.signals import Storm
from simulators.stage import DRAINS, DRY, Script, Scripted, Stage

__all__ = ["SCRIPTS"]


def gas_leak(stage: Stage, start: float, end: float) -> Scripted:
    """Gas from a main finds a space under the street, and minutes later the next one along the main."""

    def quick(id: str, period: float) -> bool:
        return any(1 / s.rate <= period for s in stage.on(id, "gas-lel"))

    def fit(asset: Asset) -> bool:
        return quick(asset.id, 10.1) and any(quick(b, 30.1) for b in stage.beside.get(asset.id, ()))

    asset = stage.asset(*DRY, fit=fit)
    near = next(b for b in stage.beside[asset.id] if quick(b, 30.1))
    stage.keep([near])
    here, there = stage.on(asset.id, "gas-lel")[0], stage.on(near, "gas-lel")[0]
    effects = (
        Swell(here.id, start, end, amount=40, rise=90, fall=240),
        Swell(there.id, start + 150, end, amount=18, rise=120, fall=240),
    )
    truth = stage.incident(
        "gas-leak", start, end, asset, (here, there), alert="gas-leak", level=1, allowed=("sewer-gas",)
    )
    return Scripted(truth, effects)


def sewer_biogas(stage: Stage, start: float, end: float) -> Scripted:
    """Biogas of a sewer builds up slowly, below 1 %LEL a minute: no leak, though a notice is right."""
    sensor = stage.sensor("gas-lel", ("sewer-manhole",), period=30)
    effects = (Ramp(sensor.id, start, end, amount=11.0, fall=300),)
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
        ring = [b for a in ring for b in stage.beside.get(a, ()) if b not in hops]
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
    effects = (Ramp(pressure.id, start, end, amount=-0.05, fall=60), Ramp(flow.id, start, end, amount=4.0, fall=60))
    truth = stage.incident(
        "slow-leak", start, end, asset, (pressure, flow), alert="water-leak", level=3, detectable=False
    )
    return Scripted(truth, effects)


def waterlogging(stage: Stage, start: float, end: float) -> Scripted:
    """A rainstorm drowns a flood-prone spot, and its camera sees it. GB 50014 designs for at most 15 cm on a lane."""
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
    truth = stage.incident(
        "septic-gas", start, end, asset, (sensor,), alert="septic-gas", level=2, allowed=("ventilation-request",)
    )
    return Scripted(truth, effects)


def impact(stage: Stage, start: float, end: float) -> Scripted:
    """A barge hits a pier: one hard blow, which rings in all accelerometers for half a second."""
    asset = stage.asset("bridge")
    shakes = stage.on(asset.id, "acceleration")
    effects = [
        Ring(s.id, start, end, amount=float(stage.rng.uniform(2.0, 4.0)), hertz=12.0, decay=0.15) for s in shakes
    ]
    truth = stage.incident("impact", start, start + 10, asset, shakes, alert="bridge-impact", level=2)
    return Scripted(truth, tuple(effects))


def drain_overflow(stage: Stage, start: float, end: float) -> Scripted:
    """A river gate is left shut: in dry weather a drain fills to above its crest of 2 m."""
    asset = stage.asset(*DRAINS)
    level = stage.on(asset.id, "level")[0]
    effects = (Ramp(level.id, start, end, amount=1.9, fall=300),)
    truth = stage.incident(
        "drain-overflow", start, end, asset, (level,), alert="drain-overflow", level=2, allowed=("drain-blockage",)
    )
    return Scripted(truth, effects)


def _street_case(type: str, every: float) -> Script:
    def script(stage: Stage, start: float, end: float) -> Scripted:
        free = {c.id: c for c in stage.city.cameras.values() if not c.asset}
        camera = free[stage.pick((c.id, c.zone) for c in free.values())]
        truth = stage.incident(type, start, end, None, (), (camera,), alert=type, level=3)
        return Scripted(truth, sightings=stage.watch((camera,), start, end, every, type))

    script.__doc__ = f"A camera sees {type} again and again: one case."
    return script


#: What shows within minutes, by its name.
SCRIPTS: Final[dict[str, Script]] = {
    "gas-leak": gas_leak,
    "sewer-biogas": sewer_biogas,
    "cabinet-leak": cabinet_leak,
    "water-burst": water_burst,
    "slow-leak": slow_leak,
    "waterlogging": waterlogging,
    "overload": overload,
    "settlement": settlement,
    "septic-gas": septic_gas,
    "impact": impact,
    "drain-overflow": drain_overflow,
    "street-vending": _street_case("street-vending", 75),
    "road-occupied": _street_case("road-occupied", 60),
    **FAULTS,
}
