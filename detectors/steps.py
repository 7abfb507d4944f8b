"""The sensors of an asset in step: what the detectors over several sensors share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np
from numba import njit

from detectors.contract import GroupDetector, Marks
from detectors.kernels import LIMIT, nanoseconds, number
from domain.records import Floats, Int32s, Int64s

__all__ = ["DRAIN_WIDTH", "SteppedDetector", "in_steps", "step_fields"]

#: Sensors of a drain or a tank at most.
DRAIN_WIDTH: Final = 4
#: Means are kept below it, so that their products stay finite.
_CAP: Final = 1e30


def step_fields(width: int) -> list[Any]:
    """What the state of a `SteppedDetector` of so many sensors begins with."""
    return [
        ("tick", np.int64),  # ns, start of the step under way
        ("last", np.int64, width),  # ns, of each sensor
        ("sum", np.float64, width),
        ("readings", np.int64, width),
        ("open", np.uint8),
    ]


@njit(nogil=True, cache=True)
def _order(slot_of: Int32s, sensor: Int32s, ts: Int64s, step: int, order: Int32s) -> int:
    """Count the rows into their steps; returns how many are watched, or -1 if they lie too far apart for it."""
    n = 0
    k = first = last = 0
    rows, numbers = np.empty(len(ts), np.int32), np.empty(len(ts), np.int64)
    for i in range(len(ts)):
        if slot_of[sensor[i]] < 0:
            continue
        k = number(ts[i], step, k)
        if n == 0:
            first = last = k
        first, last = min(first, k), max(last, k)
        rows[n], numbers[n] = i, k
        n += 1
    if first == last:
        order[:n] = rows[:n]
        return n
    if last - first > 4 * n:
        return -1
    place = np.zeros(last - first + 2, np.int32)
    for j in range(n):
        place[numbers[j] - first + 1] += 1
    for j in range(1, len(place)):
        place[j] += place[j - 1]
    for j in range(n):
        k = numbers[j] - first
        order[place[k]] = rows[j]
        place[k] += 1
    return n


def in_steps(slot_of: Int32s, sensor: Int32s, ts: Int64s, step: int) -> Int32s:
    """The rows that are watched, in the order of the steps (ns) that they lie in.

    Within a step they stay as they are: a sensor's are in the order of time, and that of different sensors is all one.
    """
    order = np.empty(len(ts), np.int32)
    count = _order(slot_of, sensor, ts, step, order)
    if count >= 0:
        return order[:count]
    order = np.argsort(ts, kind="stable").astype(np.int32)
    return order[slot_of[sensor[order]] >= 0]


@njit(nogil=True, cache=True)
def _close(cell: Any, at: int, n: int, groups: Int32s, ticks: Int64s, means: Any) -> int:
    """Write the step under way as step `n`; returns how many there are then."""
    groups[n], ticks[n] = at, cell.tick
    for k in range(means.shape[1]):
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
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    order: Int32s,
    step: int,
    groups: Int32s,
    ticks: Int64s,
    means: Any,
) -> int:
    """Add rows to their steps; write those that they end."""
    n = 0
    for i in order:
        slot = slot_of[sensor[i]]
        at, k = group[slot], place[slot]
        cell = state[at]
        t, x = ts[i], value[i]
        if t <= cell.last[k] or not abs(x) <= LIMIT:
            continue
        if not (cell.open and cell.tick <= t < cell.tick + step):
            start = cell.tick + step  # mostly; otherwise it takes a division
            if not start <= t < start + step:
                start = t - t % step
            if start <= cell.tick:
                continue  # its step has been judged
            if cell.open:
                n = _close(cell, at, n, groups, ticks, means)
            cell.open, cell.tick = 1, start
        cell.last[k] = t
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
    step's length in s; the state begins with `step_fields(WIDTH)`.
    """

    #: Judges steps in order, each with at most one mark; returns how many marks it wrote. It takes the state, members,
    #: group, start in ns and means of every step (shapes (steps,), (steps,), (steps, WIDTH)), a step's length in ns,
    #: the marks, the places' shares in each mark (0 beforehand), and `settings`.
    kernel: ClassVar[Callable[..., int]]

    def __init__(self, params: Any, low: Floats, high: Floats, rate: Floats, group: Int32s) -> None:
        super().__init__(params, low, high, rate, group)
        self._step = nanoseconds(params.step)
        self._settings = self.settings()
        self._groups, self._ticks, self._means = self._columns(0)

    @abstractmethod
    def settings(self) -> tuple[Any, ...]:
        """What the kernel takes besides, made of the parameters."""

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        self._room(len(ts))
        n = _gather(
            self.state,
            self.group,
            self.place,
            slot_of,
            sensor,
            ts,
            value,
            in_steps(slot_of, sensor, ts, self._step),
            self._step,
            self._groups,
            self._ticks,
            self._means,
        )
        return self._judge(n, out)

    def advance(self, now: int, out: Marks) -> int:  # noqa: D102
        self._room(len(self.state))
        return self._judge(_pass(self.state, now, self._step, self._groups, self._ticks, self._means), out)

    def _judge(self, steps: int, out: Marks) -> int:
        self.shares = np.zeros((steps, self.WIDTH))
        if not steps:
            return 0
        columns = (self._groups[:steps], self._ticks[:steps], self._means[:steps])
        n = self.kernel(self.state, self.members, *columns, self._step, out, self.shares, *self._settings)
        self.shares = self.shares[:n]
        return n

    def _room(self, rows: int) -> None:
        """Make room for so many rows, each of which may end a step."""
        if rows > len(self._groups):
            self._groups, self._ticks, self._means = self._columns(rows)

    def _columns(self, rows: int) -> tuple[Int32s, Int64s, Floats]:
        return np.empty(rows, np.int32), np.empty(rows, np.int64), np.empty((rows, self.WIDTH))
