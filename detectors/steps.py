"""The sensors of an asset in step: what the detectors of drains and septic tanks share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from detectors.contract import GroupDetector, Marks
from detectors.kernels import LIMIT, nanoseconds
from domain.records import Floats, Int32s, Int64s

__all__ = ["STEP_FIELDS", "STEP_WIDTH", "SteppedDetector"]

#: Sensors of an asset at most.
STEP_WIDTH: Final = 4
#: Means are kept below it, so that their products stay finite.
_CAP: Final = 1e30

#: What the state of a `SteppedDetector` begins with.
STEP_FIELDS: Final[list[Any]] = [
    ("tick", np.int64),  # ns, start of the step under way
    ("last", np.int64, STEP_WIDTH),
    ("sum", np.float64, STEP_WIDTH),
    ("readings", np.int64, STEP_WIDTH),
    ("open", np.uint8),
]


@njit(nogil=True, cache=True)
def _close(cell: Any, at: int, n: int, groups: Int32s, ticks: Int64s, means: Any) -> int:
    """Write the step under way as step `n`; returns how many there are then."""
    groups[n], ticks[n] = at, cell.tick
    for k in range(STEP_WIDTH):
        means[n, k] = np.nan
        if cell.readings[k]:
            means[n, k] = min(max(cell.sum[k] / cell.readings[k], -_CAP), _CAP)
        cell.readings[k] = 0
        cell.sum[k] = 0.0
    cell.open = 0
    return n + 1


@njit(nogil=True, cache=True)
def _gather(
    state: Any,
    group: Int32s,
    place: Int32s,
    slots: Int32s,
    ts: Int64s,
    value: Floats,
    step: int,
    groups: Int32s,
    ticks: Int64s,
    means: Any,
) -> int:
    """Add rows to their steps; write those that they end."""
    n = 0
    for i in range(len(ts)):
        at, k = group[slots[i]], place[slots[i]]
        cell = state[at]
        t, x = ts[i], value[i]
        if t <= cell.last[k] or not abs(x) <= LIMIT:
            continue
        start = t - t % step
        if start < cell.tick or (start == cell.tick and not cell.open):
            continue  # its step has been judged
        if cell.open and start > cell.tick:
            n = _close(cell, at, n, groups, ticks, means)
        cell.last[k] = t
        cell.open, cell.tick = 1, start
        cell.sum[k] += x
        cell.readings[k] += 1
    return n


@njit(nogil=True, cache=True)
def _pass(state: Any, now: int, step: int, groups: Int32s, ticks: Int64s, means: Any) -> int:
    """Write the steps that have ended by `now`."""
    n = 0
    for at in range(len(state)):
        cell = state[at]
        if cell.open and cell.tick + step <= now:
            n = _close(cell, at, n, groups, ticks, means)
    return n


class SteppedDetector(GroupDetector):
    """Averages each asset's readings over steps of event time, and judges each step once it has ended.

    A step without readings is not judged; a sensor without readings in a step has NaN there. `params.step` is the
    step's length in s.
    """

    WIDTH = STEP_WIDTH

    def __init__(self, params: Any, low: Floats, high: Floats, rate: Floats, group: Int32s) -> None:
        super().__init__(params, low, high, rate, group)
        self._step = nanoseconds(params.step)

    @abstractmethod
    def judge(
        self, groups: Int32s, ticks: Int64s, means: npt.NDArray[np.float64], step: int, out: Marks, shares: Floats
    ) -> int:
        """Judge steps in order, each with at most one mark; return how many marks were written.

        Parameters
        ----------
        groups, ticks, means
            Group, start in ns, and each place's mean of every step. Shapes (steps,), (steps,), (steps, WIDTH).
        step
            A step's length in ns.
        out, shares
            Marks, and the places' shares in each of them (0 beforehand).
        """

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        slots = slot_of[sensor]
        order = np.argsort(ts, kind="stable")
        order = order[slots[order] >= 0]
        groups, ticks, means = self._room(len(order))
        n = _gather(
            self.state,
            self.group,
            self.place,
            slots[order],
            ts[order],
            value[order],
            self._step,
            groups,
            ticks,
            means,
        )
        return self._judge(groups[:n], ticks[:n], means[:n], out)

    def advance(self, now: int, out: Marks) -> int:  # noqa: D102
        groups, ticks, means = self._room(len(self.state))
        n = _pass(self.state, now, self._step, groups, ticks, means)
        return self._judge(groups[:n], ticks[:n], means[:n], out)

    def _judge(self, groups: Int32s, ticks: Int64s, means: npt.NDArray[np.float64], out: Marks) -> int:
        shares = np.zeros((len(groups), STEP_WIDTH))
        n = self.judge(groups, ticks, means, self._step, out, shares) if len(groups) else 0
        self.shares = shares[:n]
        return n

    @staticmethod
    def _room(steps: int) -> tuple[Int32s, Int64s, npt.NDArray[np.float64]]:
        return np.empty(steps, np.int32), np.empty(steps, np.int64), np.empty((steps, STEP_WIDTH))
