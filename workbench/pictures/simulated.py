"""Recordings that the simulator makes where no public one is at hand: its sensors, its rhythms, its incidents.

A scenario of days is sampled straight from the simulator's world, without gateways and their wire: readings are in
order and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from domain.city import Asset, City, Sensor, Zone
from domain.clock import MILLISECOND, SECOND
from simulators.effects import Effect
from simulators.scenario import Scenario
from simulators.signals import Rows, Storm
from simulators.stage import Incident, Scripted
from workbench.pictures.recordings import Reader, Recording

__all__ = ["DAY", "HOUR", "START", "resonance", "simulated"]

#: In seconds, as simulations count.
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR

#: Monday, 14 July 2025, 00:00 of the place.
START: Final = 1_752_451_200 * SECOND


def simulated(
    sensors: Sequence[tuple[str, str]],
    asset: str,
    span: float,
    period: float,
    effects: Sequence[Effect] = (),
    storms: Sequence[Storm] = (),
    events: Sequence[tuple[float, float]] = (),
    seed: int = 1,
) -> Reader:
    """One asset's sensors over a span.

    Parameters
    ----------
    sensors
        Kind and unit of each. Effects know them as "0", "1", ...
    asset
        Its kind: kinds of sensors and assets choose the simulator's profiles.
    span, period
        Length, and time between readings, s.
    effects, storms, events
        What happens, and when, in s after the start.
    """

    def read(data: Path) -> Recording:
        # All at one place, where storms are at their heaviest.
        watched = tuple(Sensor(str(i), kind, unit, "Z", "A", rate=1 / period) for i, (kind, unit) in enumerate(sensors))
        city = City("picture", "UTC", watched, zones={"Z": Zone("Z")}, assets={"A": Asset("A", asset, "Z")})
        truth = Incident("picture", "picture", START, START, (), (), "A", "Z", "", "")
        scripts = (Scripted(truth, tuple(effects), storms=tuple(storms)),)
        scenario = Scenario(city, seed, START, round(span * SECOND), scripts)
        step, count = round(period * 1000), len(sensors)
        chunk = max(600_000 // step, 1) * step  # straight lines join the ends of ten minutes
        scale = 10.0 ** scenario.world.decimals.astype(np.float64)  # an instrument gives so many digits
        parts, times = [], []
        index = np.arange(count, dtype=np.int32)
        for begin in range(0, round(span * 1000), chunk):
            ts = np.arange(begin, min(begin + chunk, round(span * 1000)), step)
            rows = Rows(index, np.arange(count + 1) * len(ts), np.tile(ts, count), np.full(count, step))
            rng = np.random.default_rng([seed, 6, begin])
            value = scenario.world.values(rows, begin, begin + chunk, rng).reshape(count, -1)
            for i, effects_of in scenario.effects.items():
                for effect in effects_of:
                    effect.apply(ts / 1000.0, value[i], rng)
            parts.append(np.round(value.T * scale) / scale)
            times.append(START + ts * MILLISECOND)
        spans = [(START + round(a * SECOND), START + round(b * SECOND)) for a, b in events]
        names = tuple(kind.replace("-lel", "").replace("-", " ") for kind, _ in sensors)
        return Recording(names, tuple(unit for _, unit in sensors), np.concatenate(times), np.concatenate(parts), spans)

    return read


def resonance(hertz: Sequence[float], each: float, rate: float = 50.0, damping: float = 0.02, seed: int = 1) -> Reader:
    """Acceleration of a deck that the wind shakes, one natural frequency after another, `each` s.

    A second-order resonance driven by white noise: the simulator's bridges have modes that do not change.
    """

    def read(data: Path) -> Recording:
        rng = np.random.default_rng(seed)
        rows = round(each * rate)
        value = np.zeros(rows * len(hertz))
        before = now = 0.0
        for k, f in enumerate(hertz):
            radius = np.exp(-2 * np.pi * f * damping / rate)
            a, b = 2 * radius * np.cos(2 * np.pi * f / rate), -radius * radius
            push = rng.normal(0, 0.002, rows)
            for i in range(rows):
                before, now = now, a * now + b * before + push[i]
                value[k * rows + i] = now
        value += rng.normal(0, 0.01, len(value))
        ts = START + np.arange(len(value)) * round(SECOND / rate)
        return Recording(("acceleration",), ("m/s2",), ts, value[:, None], [(int(ts[rows]), int(ts[-1]))])

    return read
