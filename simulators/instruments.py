"""Instruments: when the sensors of a city measure, and what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from domain.clock import MILLISECOND
from domain.records import Bools, Floats, Int32s, Int64s
from simulators.effects import ClockAhead, Effect, Fault
from simulators.scenario import Scenario
from simulators.signals import Rows

__all__ = ["Instruments"]


@njit(nogil=True, cache=True)
def _times(period: Int64s, phase: Int64s, bound: Int64s, out: Int64s) -> None:
    """Fill in the times of all rows: the first of each sensor is in `phase`."""
    for k in range(len(period)):
        for i in range(bound[k + 1] - bound[k]):
            out[bound[k] + i] = phase[k] + i * period[k]


class Instruments:
    """Some sensors of a scenario's city, in slots.

    Parameters
    ----------
    scenario
        What happens.
    sensor
        Dense indexes of the sensors, in the order of their slots. Shape (slots,).
    """

    def __init__(self, scenario: Scenario, sensor: Sequence[int]) -> None:
        city = scenario.city
        sensors = [city.sensors[i] for i in sensor]
        self.sensor: Int32s = np.array(sensor, np.int32)
        self.period = np.array([max(round(1000 / s.rate), 1) for s in sensors], np.int64)  # ms
        phase = np.random.default_rng([scenario.seed, 5]).random(len(city.sensors))[self.sensor]
        self._phase = (phase * self.period).astype(np.int64)
        self._low, self._high = np.array([s.low for s in sensors]), np.array([s.high for s in sensors])
        self.decimals = scenario.world.decimals[self.sensor]
        self.scale = 10.0**self.decimals
        self._effects = [(k, scenario.effects[i]) for k, i in enumerate(sensor) if i in scenario.effects]
        self._world = scenario.world
        self._span = scenario.span // MILLISECOND
        self._epoch = scenario.start // MILLISECOND

    def measure(
        self, begin: int, end: int, noise: np.random.Generator, faults: np.random.Generator
    ) -> tuple[Rows, Int64s, Int64s, Bools]:
        """Rows in [begin, end) ms by slot: of each its stamped ms, the value in its last digit, and whether it is sent.

        `noise` and `faults` are seeded for this span alone, so that it can be measured by itself.
        """
        first = -((self._phase - begin) // self.period)
        first = np.maximum(first, 0) * self.period + self._phase
        count = np.maximum(-((first - min(end, self._span)) // self.period), 0)
        bound = np.zeros(len(count) + 1, np.int64)
        np.cumsum(count, out=bound[1:])
        ts = np.empty(bound[-1], np.int64)
        _times(self.period, first, bound, ts)
        rows = Rows(self.sensor, bound, ts, self.period)
        value = self._world.values(rows, begin, end, noise)
        stamped = ts + self._epoch
        self._disturb(rows, value, stamped, faults)
        sent = ~np.isnan(value)
        value = np.where(sent, value, 0.0) * np.repeat(self.scale, count)
        return rows, stamped, np.rint(value).astype(np.int64), sent

    def _disturb(self, rows: Rows, value: Floats, stamped: Int64s, rng: np.random.Generator) -> None:
        """Let incidents, the instruments' limits and faults act, in this order."""
        touched = [(k, e, slice(rows.bound[k], rows.bound[k + 1])) for k, effects in self._effects for e in effects]

        def act(effect: Effect, part: slice) -> None:
            effect.apply(rows.ts[part] / 1000.0, value[part], rng)

        for _, effect, part in touched:
            if not isinstance(effect, Fault):
                act(effect, part)
        count = np.diff(rows.bound)
        np.clip(value, np.repeat(self._low, count), np.repeat(self._high, count), out=value)
        for _, effect, part in touched:
            if isinstance(effect, Fault):
                act(effect, part)
            if isinstance(effect, ClockAhead):
                t = rows.ts[part] / 1000.0
                stamped[part] += np.where((t >= effect.start) & (t < effect.end), round(effect.by * 1000), 0)
