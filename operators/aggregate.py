"""Statistics per sensor over 1 s, 1 min and 1 h of event time.

One-second rows are computed from the panes' sorted rows, minutes from seconds, hours from minutes. Means and squared
deviations are merged by the pairwise update of Chan, Golub and LeVeque (1979, "Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances"), always in the same order, so the result does not depend on how panes
travelled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import END, HOUR, MINUTE, SECOND, floor_to
from domain.errors import StateError
from domain.records import Aggregates, Floats, Int32s, Int64s, Panes
from domain.renumbering import Renumbering

__all__ = ["Aggregator"]

#: A period of one sensor that is still open, or one row of results.
ROW = np.dtype(
    [
        ("start", np.int64),
        ("count", np.int64),
        ("min", np.float64),
        ("max", np.float64),
        ("mean", np.float64),
        ("m2", np.float64),  # sum of squared deviations from the mean
        ("last", np.float64),
        ("sensor", np.int32),
    ],
    align=True,
)

Rows = npt.NDArray[np.void]


class Aggregator:
    """All aggregates of one shard.

    Parameters
    ----------
    shard
        Index of the shard.
    interval
        Length of a pane, ns: some whole seconds, or a whole part of one.
    local_of, members
        Index of each sensor among the shard's own, and the shard's own sensors.
    """

    def __init__(
        self, shard: int, interval: int, local_of: Int32s, members: Int32s, state: dict[str, Any] | None = None
    ) -> None:
        self._shard = shard
        # Panes of whole seconds give seconds at once; shorter ones are first gathered into seconds.
        self._finest = min(interval, SECOND)
        periods = (MINUTE, HOUR) if self._finest == SECOND else (SECOND, MINUTE, HOUR)
        self._steps = [_Rollup(period, local_of, members) for period in periods]
        if state:
            if state["members"] != len(members):
                raise StateError(
                    f"the snapshot of shard {shard} holds aggregates of {state['members']} sensors, the city has "
                    f"{len(members)} there: start with a new recovery directory, or with the city it was written with"
                )
            for step, open_rows in zip(self._steps, state["open"], strict=True):
                step.open = np.frombuffer(open_rows, ROW).copy()

    def take(self, panes: Panes) -> list[Aggregates]:
        """What the closing of these panes completes, shortest period first."""
        rows = _summarise(panes.ts, panes.value, panes.bound, panes.segment_sensor, self._finest)
        out = []
        if self._finest == SECOND:
            out.append(self._result(rows, SECOND, panes.upto))
        for step in self._steps:
            rows = step.take(rows, panes.upto)
            out.append(self._result(rows, step.period, panes.upto))
        return out

    def finish(self) -> list[Aggregates]:
        """Periods that the end of the stream cut short; every period is said to be complete."""
        carried = np.empty(0, ROW)
        out = [self._result(carried, SECOND, END)] if self._finest == SECOND else []
        for step in self._steps:
            carried = np.concatenate([step.take(carried, 0), step.flush()])
            out.append(self._result(carried, step.period, END))
        return out

    def _result(self, rows: Rows, period: int, upto: int) -> Aggregates:
        std = np.sqrt(rows["m2"] / np.maximum(rows["count"], 1))
        sensor, start, count, low, high, mean, last = (
            np.ascontiguousarray(rows[name]) for name in ("sensor", "start", "count", "min", "max", "mean", "last")
        )
        complete = floor_to(upto, period)
        return Aggregates(self._shard, period, complete, sensor, start, count, low, high, mean, last, std)

    @staticmethod
    def renumbered(state: dict[str, Any], moved: Renumbering) -> dict[str, Any]:
        """The state of a shard that has other sensors now; open periods of those that are gone are dropped."""
        stays = moved.origin >= 0
        open_rows = []
        for held in state["open"]:
            rows = np.zeros(len(moved.members), ROW)
            rows[stays] = np.frombuffer(held, ROW)[moved.origin[stays]]
            rows["sensor"] = moved.members
            open_rows.append(rows.tobytes())
        return {"members": len(moved.members), "open": open_rows}

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        return {"members": len(self._steps[0].open), "open": [step.open.tobytes() for step in self._steps]}


class _Rollup:
    """Rows of a shorter period gathered into a longer one."""

    def __init__(self, period: int, local_of: Int32s, members: Int32s) -> None:
        self.period = period
        self._local_of = local_of
        self.open: Rows = np.zeros(len(members), ROW)
        self.open["sensor"] = members

    def take(self, rows: Rows, upto: int) -> Rows:
        """Add rows, each sensor's in order of time; return the periods that are complete now, by start and sensor."""
        out = np.empty(len(rows) + len(self.open), ROW)
        n = _gather(self.open, rows, self._local_of, self.period, floor_to(upto, self.period), out)
        done = out[:n]
        return done[np.lexsort((done["sensor"], done["start"]))] if n else done

    def flush(self) -> Rows:
        """All open periods, which end here."""
        done = self.open[self.open["count"] > 0]
        self.open["count"] = 0
        return done


@njit(nogil=True, cache=True)
def _summarise(ts: Int64s, value: Floats, bound: Int64s, sensor: Int32s, period: int) -> Rows:
    """One row per sensor and period; rows of a segment are in order of time."""
    out = np.empty(len(value), ROW)
    n = 0
    for k in range(len(sensor)):
        a = bound[k]
        while a < bound[k + 1]:
            start = ts[a] - ts[a] % period
            low = high = total = value[a]
            b = a + 1
            while b < bound[k + 1] and ts[b] < start + period:
                v = value[b]
                low = min(low, v)
                high = max(high, v)
                total += v
                b += 1
            mean = total / (b - a)
            m2 = 0.0
            for i in range(a, b):
                m2 += (value[i] - mean) * (value[i] - mean)
            row = out[n]
            row.sensor = sensor[k]
            row.start = start
            row.count = b - a
            row.min = low
            row.max = high
            row.mean = mean
            row.m2 = m2
            row.last = value[b - 1]
            n += 1
            a = b
    return out[:n]


@njit(nogil=True, cache=True)
def _gather(open_: Rows, rows: Rows, local_of: Int32s, period: int, upto: int, out: Rows) -> int:
    n = 0
    for k in range(len(rows)):
        row = rows[k]
        held = open_[local_of[row.sensor]]
        start = row.start - row.start % period
        if held.count > 0 and held.start != start:
            out[n] = held
            n += 1
            held.count = 0
        if held.count == 0:
            held.count = row.count
            held.min = row.min
            held.max = row.max
            held.mean = row.mean
            held.m2 = row.m2
            held.start = start
        else:
            total = held.count + row.count
            apart = row.mean - held.mean
            held.mean += apart * row.count / total
            held.m2 += row.m2 + apart * apart * held.count * row.count / total
            held.min = min(held.min, row.min)
            held.max = max(held.max, row.max)
            held.count = total
        held.last = row.last
    for s in range(len(open_)):
        held = open_[s]
        if held.count > 0 and held.start + period <= upto:
            out[n] = held
            n += 1
            held.count = 0
    return n
