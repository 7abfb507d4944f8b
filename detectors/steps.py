"""The sensors of an asset in step: what the detectors over several sensors share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np
from numba import njit

from detectors.contract import GroupDetector, Marks
from detectors.kernels import LIMIT, nanoseconds
from domain.records import Floats, Int32s, Int64s

__all__ = ["DRAIN_WIDTH", "SteppedDetector", "rains", "step_fields"]

#: Sensors of a drain or a tank at most.
DRAIN_WIDTH: Final = 4
#: Means are kept below it, so that their products stay finite.
_CAP: Final = 1e30
#: Before any time.
_NEVER: Final = -(2**63) + 1


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
def rains(cell: Any, rain: float, t: int, trace: float, dry: int) -> bool:
    """Whether it rains, or has rained within `dry`, ns; `cell` has a field `rained`, and NaN is no rain."""
    if rain > trace:
        cell.rained = t
    return cell.rained != 0 and t - cell.rained < dry  # type: ignore[no-any-return]


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
def _runs(
    row: int, group: Int32s, slot_of: Int32s, sensor: Int32s, runs: Any, assets: Int32s, among: Any
) -> tuple[int, int]:
    """Find the rows of each sensor from `row` on, up to where the sensors begin anew: there, and how many assets."""
    found, before = 0, -1
    while row < len(sensor) and sensor[row] > before:
        before, begin = sensor[row], row
        while row < len(sensor) and sensor[row] == before:
            row += 1
        slot = slot_of[before]
        if slot < 0:
            continue
        runs[slot, 0], runs[slot, 1] = begin, row
        at = group[slot]
        if not among[at]:
            among[at] = True
            assets[found] = at
            found += 1
    for k in range(found):
        among[assets[k]] = False
    return row, found


@njit(nogil=True, cache=True)
def _gather(
    state: Any,
    members: Any,
    group: Int32s,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    step: int,
    groups: Int32s,
    ticks: Int64s,
    means: Any,
) -> int:
    """Add rows to their steps; write those that they end.

    Rows come pane by pane, those of a pane by sensor, and those of a sensor in the order of time. So a pane is taken
    asset by asset, its sensors side by side, and needs no sorting. (Calls in the loops would cost more than what they
    did: numba counts references to arrays.)
    """
    runs = np.zeros((len(group), 2), np.int32)  # of each slot: the next of its rows, and past the last
    assets, among = np.empty(len(members), np.int32), np.zeros(len(members), np.bool_)
    n = row = 0
    while row < len(ts):
        row, found = _runs(row, group, slot_of, sensor, runs, assets, among)
        for at in assets[:found]:
            cell = state[at]
            end, judged = _NEVER, True
            while True:
                # Take each sensor's readings before `end`, and see which comes next.
                first = -_NEVER
                for k in range(members.shape[1]):
                    slot = members[at, k]
                    if slot < 0:
                        break
                    i, last, total, readings = runs[slot, 0], cell.last[k], cell.sum[k], cell.readings[k]
                    while i < runs[slot, 1]:
                        t, x = ts[i], value[i]
                        if t > last and abs(x) <= LIMIT:
                            if t >= end:
                                first = min(first, t)
                                break
                            if not judged:
                                last, total, readings = t, total + x, readings + 1
                        i += 1
                    runs[slot, 0], cell.last[k], cell.sum[k], cell.readings[k] = i, last, total, readings
                if first == -_NEVER:
                    break
                start = cell.tick
                if not start <= first < start + step:
                    start += step  # mostly; otherwise it takes a division
                    if not start <= first < start + step:
                        start = first - first % step
                end = start + step
                judged = start < cell.tick or (start == cell.tick and not cell.open)
                if judged:
                    continue
                if start != cell.tick and cell.open:
                    n = _close(cell, at, n, groups, ticks, means)
                cell.open, cell.tick = 1, start
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
            self.members,
            self.group,
            slot_of,
            sensor,
            ts,
            value,
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
