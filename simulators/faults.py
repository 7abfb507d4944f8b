"""Faults of sensors: what each does to what a sensor says, and scripts as in `incidents`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from domain.city import Sensor
from simulators.effects import ClockAhead, Effect, Noisy, Offscale, Ramp, Silent, Spikes, Stuck
from simulators.profiles import profile_of
from simulators.stage import DRY, Script, Scripted, Stage

__all__ = ["FAULTS", "drift", "every_fault", "faults_of"]


def _spikes(stage: Stage, s: Sensor, start: float, end: float) -> Effect:
    return Spikes(s.id, start, end, 0.15 * (s.high - s.low), max(40.0, 10 / s.rate), 1 / s.rate)


def _noise(stage: Stage, s: Sensor, start: float, end: float) -> Effect:
    return Noisy(s.id, start, end, 8 * profile_of(s, stage.city.assets[s.asset].kind).noise)


#: What a fault does, by its reason.
EFFECTS: Final[dict[str, Callable[[Stage, Sensor, float, float], Effect]]] = {
    "stuck": lambda _, s, a, b: Stuck(s.id, a, b, None),
    "stuck-at-zero": lambda _, s, a, b: Stuck(s.id, a, b, 0.0),
    "spike": _spikes,
    "drop-out": lambda _, s, a, b: Silent(s.id, a, b),
    "out-of-range": lambda _, s, a, b: Offscale(s.id, a, b, 10 * s.high),
    "noise": _noise,
    "drift": lambda _, s, a, b: Ramp(s.id, a, b, 4.0 * (b - a) / 86_400, fall=1.0),  # 4 a day: far more than age does
    "clock": lambda _, s, a, b: ClockAhead(s.id, a, b),  # refused: as if silent
}

#: What nobody can see: a gauge that rests at zero is neither stuck nor dead there, and what shakes by nature scatters.
UNSEEN: Final = {
    *((kind, reason) for kind in ("rain", "road-depth") for reason in ("stuck", "stuck-at-zero", "noise")),
    ("acceleration", "noise"),
}


def _act(stage: Stage, reason: str, sensor: Sensor, start: float, end: float, needs: float = 0.0) -> Scripted:
    asset = stage.city.assets[sensor.asset]
    truth = stage.incident(
        f"fault-{reason}",
        start,
        end,
        asset,
        (sensor,),
        alert="sensor-fault",
        level=3,
        reason=reason,
        detectable=end - start >= needs,
    )
    return Scripted(truth, (EFFECTS[reason](stage, sensor, start, end),))


def _fault(
    reason: str, kind: str, period: float, needs: float, asset_kinds: tuple[str, ...] = (), fastest: float = 1.0
) -> Script:
    """The script of a fault of a `kind` sensor that measures at least every `period` s; it shows after `needs` s."""

    def script(stage: Stage, start: float, end: float) -> Scripted:
        return _act(stage, reason, stage.sensor(kind, asset_kinds, period, fastest), start, end, needs)

    script.__doc__ = f"A sensor of {kind} has a fault: {reason}."
    return script


#: Faults that show within minutes, by their name.
FAULTS: Final[dict[str, Script]] = {
    "fault-stuck": _fault("stuck", "pressure", 1, 100),
    "fault-zero": _fault("stuck", "gas-lel", 10, 320),
    "fault-dead": _fault("stuck-at-zero", "pressure", 1, 10),
    "fault-spike": _fault("spike", "pressure", 1, 3),
    "fault-drop-out": _fault("drop-out", "tilt", 1, 70),
    "fault-out-of-range": _fault("out-of-range", "temperature", 1, 3),
    "fault-noise": _fault("noise", "gas-lel", 10, 600, DRY),
    "fault-clock": _fault("clock", "pressure", 1, 70),
}


def drift(stage: Stage, start: float, end: float) -> Scripted:
    """A gas sensor ages within days."""
    sensor = stage.sensor("gas-lel", DRY)
    return _act(stage, "drift", sensor, start, end, needs=86_400)


def faults_of(kind: str, asset_kind: str) -> dict[str, Script]:
    """Scripts of every fault that shows within hours, by its reason, of a `kind` sensor on a kind of asset."""
    reasons = (reason for reason in EFFECTS if reason != "drift" and (kind, reason) not in UNSEEN)
    return {reason: _fault(reason, kind, 60.0, 0.0, (asset_kind,), fastest=1000.0) for reason in reasons}


def every_fault(stage: Stage, start: float, end: float) -> tuple[Scripted, ...]:
    """Every fault that shows within hours, on one sensor of every kind each."""
    kinds = sorted({sensor.kind for sensor in stage.city.sensors})
    found = []
    for kind in kinds:
        for reason in EFFECTS:
            if reason == "drift" or (kind, reason) in UNSEEN:
                continue
            at = start + float(stage.rng.uniform(0, (end - start) / 4))
            found.append(_act(stage, reason, stage.sensor(kind, fastest=1000.0), at, end))
    return tuple(found)
