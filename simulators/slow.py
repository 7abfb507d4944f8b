"""What takes hours, days or weeks to show: scripts as in `incidents`."""

from __future__ import annotations

from typing import Final

from domain.city import Sensor
from simulators.effects import Procession, Ramp, Swell
from simulators.faults import drift
from simulators.signals import Softening, Storm
from simulators.stage import DRY, Script, Scripted, Stage

__all__ = ["SLOW"]


def gas_seep(stage: Stage, start: float, end: float) -> Scripted:
    """A fitting weeps: 7 %LEL in a valve well, below every threshold, hour after hour."""
    asset = stage.asset(*DRY)
    gas = stage.on(asset.id, "gas-lel")[0]
    effects = (Swell(gas.id, start, end, amount=7, rise=3600, fall=1800),)
    return Scripted(stage.incident("gas-seep", start, end, asset, (gas,), alert="gas-leak", level=3), effects)


def sewer_leak(stage: Stage, start: float, end: float) -> Scripted:
    """Gas of a main finds its way into a sewer manhole, too slowly for an alarm on its rise."""
    sensor = stage.sensor("gas-lel", ("sewer-manhole",))
    effects = (Swell(sensor.id, start, end, amount=10, rise=1500, fall=1800),)
    asset = stage.city.assets[sensor.asset]
    truth = stage.incident(
        "sewer-leak", start, end, asset, (sensor,), alert="gas-leak", level=2, allowed=("sewer-gas",)
    )
    return Scripted(truth, effects)


def septic_filling(stage: Stage, start: float, end: float) -> Scripted:
    """Sewage fills a tank by half a metre in an hour and drives its gas out: the fan should run before it is much."""
    asset = stage.asset("septic-tank")
    gas, level = stage.on(asset.id, "gas-lel")[0], stage.on(asset.id, "level")[0]
    effects = (
        Ramp(level.id, start, start + 3600, amount=0.5),
        Ramp(level.id, end, end + 900, amount=-0.5),  # it is pumped out
        Swell(gas.id, start, end, 6.5, rise=900, fall=900),
    )
    truth = stage.incident(
        "septic-filling",
        start,
        end,
        asset,
        (gas, level),
        alert="ventilation-request",
        level=3,
        allowed=("septic-overflow",),
    )
    return Scripted(truth, effects)


def regulator_creep(stage: Stage, start: float, end: float) -> Scripted:
    """The seat of a regulator is worn: its outlet creeps up by 0.3 kPa in two hours, and stays within its band."""
    asset = stage.asset("regulator-cabinet")
    outlet = stage.on(asset.id, "outlet-pressure")[0]
    effects = (Ramp(outlet.id, start, start + 7200, amount=0.3),)
    truth = stage.incident("regulator-creep", start, end, asset, (outlet,), alert="regulator-pressure", level=3)
    return Scripted(truth, effects)


def blockage(stage: Stage, start: float, end: float) -> Scripted:
    """Rubbish dams a drain: its level stands 0.35 m above what the flow makes."""
    asset = stage.asset("metered-drain", "trunk-drain")
    level = stage.on(asset.id, "level")[0]
    effects = (Swell(level.id, start, end, amount=0.35, rise=1800, fall=1800),)
    return Scripted(stage.incident("blockage", start, end, asset, (level,), alert="drain-blockage", level=2), effects)


def illicit_discharge(stage: Stage, start: float, end: float) -> Scripted:
    """Somebody pumps 150 m3/h into a trunk drain at night."""
    asset = stage.asset("trunk-drain")
    flow = stage.on(asset.id, "drain-flow")[0]
    effects = (Swell(flow.id, start, end, amount=150, rise=60, fall=60),)
    truth = stage.incident("illicit-discharge", start, end, asset, (flow,), alert="illicit-discharge", level=3)
    return Scripted(truth, effects)


def shower(stage: Stage, start: float, end: float) -> Scripted:
    """Rain of 30 mm/h at its heaviest: drains rise and run, as they should."""
    asset = stage.asset("trunk-drain")
    storm = Storm(start, end, peak=30.0, lon=asset.lon, lat=asset.lat, radius=4000.0)
    return Scripted(stage.incident("shower", start, end, asset, stage.on(asset.id, "rain")), storms=(storm,))


def hidden_leak(stage: Stage, start: float, end: float) -> Scripted:
    """A main leaks 40 m3/h for days: the meter nearest to it, and a logger that listens, are both disturbed."""

    def meters(id: str) -> list[Sensor]:
        near = {c for b in stage.beside.get(id, ()) for c in stage.beside.get(b, ())}
        return [sensor for other in sorted(near) for sensor in stage.on(other, "flow")]

    asset = stage.asset("water-main", fit=lambda a: bool(stage.on(a.id, "leak-noise")) and bool(meters(a.id)))
    noise, flow = stage.on(asset.id, "leak-noise")[0], meters(asset.id)[0]
    effects = (
        Swell(noise.id, start, end, amount=12, rise=600, fall=600),
        Swell(flow.id, start, end, amount=40, rise=1800, fall=600),
    )
    return Scripted(
        stage.incident("hidden-leak", start, end, asset, (noise, flow), alert="water-leak", level=3), effects
    )


def scour(stage: Stage, start: float, end: float) -> Scripted:
    """The river washes a pier free within an hour: the bridge's natural frequencies sink by 8 %."""
    asset = stage.asset("bridge")
    shakes = stage.on(asset.id, "acceleration")
    truth = stage.incident("scour", start, end, asset, shakes, alert="bridge-frequency", level=2)
    return Scripted(truth, softenings=(Softening(asset.id, start, start + 3600, 0.08),))


def crack_growth(stage: Stage, start: float, end: float) -> Scripted:
    """A crack opens by 0.03 mm a day."""
    asset = stage.asset("bridge")
    crack = stage.on(asset.id, "crack")[0]
    effects = (Ramp(crack.id, start, end, amount=0.03 * (end - start) / 86_400),)
    return Scripted(stage.incident("crack-growth", start, end, asset, (crack,), alert="bridge-crack", level=3), effects)


def fatigue(stage: Stage, start: float, end: float) -> Scripted:
    """Trucks of a building site cross a bridge every ten seconds: each within its limit, together too many."""
    asset = stage.asset("bridge")
    strains = stage.on(asset.id, "dynamic-strain", "strain")
    effects = tuple(Procession(s.id, start, end, amount=60.0, every=10.0) for s in strains)
    truth = stage.incident(
        "fatigue", start, end, asset, strains, alert="bridge-fatigue", level=3, allowed=("bridge-overload",)
    )
    return Scripted(truth, effects)


#: Every script by its name.
SLOW: Final[dict[str, Script]] = {
    "gas-seep": gas_seep,
    "sewer-leak": sewer_leak,
    "septic-filling": septic_filling,
    "regulator-creep": regulator_creep,
    "blockage": blockage,
    "illicit-discharge": illicit_discharge,
    "shower": shower,
    "hidden-leak": hidden_leak,
    "scour": scour,
    "crack-growth": crack_growth,
    "fatigue": fatigue,
    "fault-drift": drift,
}
