"""Sensors that fall silent."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from pydantic import Field

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import SKIPPED, nanoseconds, settle
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["DropOut", "DropOutParams"]

_DROP_OUT: Final = int(Reason.DROP_OUT)


@njit(nogil=True, cache=True)
def _pass_deadline(out: Marks, n: int, cell: Any, slot: int, now: int, silence: int) -> int:
    """Write the onset if the slot's deadline is at or before `now` and has not been written."""
    deadline = cell.last + silence
    if cell.last == 0 or now < deadline:
        return n
    limit = silence * 1e-9
    return settle(out, n, cell, slot, 1, _DROP_OUT, deadline, cell.last, limit, limit, cell.value, cell.value)


@njit(nogil=True, cache=True)
def _rows(state: Any, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks, silence: Int64s) -> int:
    n = 0
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= SKIPPED:
            continue
        n = _pass_deadline(out, n, cell, slot, t, silence[slot])
        seconds = (t - cell.last) * 1e-9
        n = settle(out, n, cell, slot, 0, _DROP_OUT, t, t, seconds, silence[slot] * 1e-9, x, cell.value)
        cell.last, cell.value = t, x
    return n


@njit(nogil=True, cache=True)
def _advance(state: Any, now: int, out: Marks, silence: Int64s) -> int:
    n = 0
    for slot in range(len(state)):
        cell = state[slot]
        if cell.grade == 0:
            n = _pass_deadline(out, n, cell, slot, now, silence[slot])
    return n


class DropOutParams(Params):
    """The longer of both counts."""

    intervals: float = Field(
        10.0,
        ge=1.5,
        description="Silence in expected intervals between readings (1 / the sensor's rate), so that it counts.",
    )
    at_least: Seconds = Field(
        0.0,
        ge=0,
        description="Silence shorter than this does not count, however fast the sensor: cover the transport's pauses.",
    )


class DropOut(Detector):
    """Finds sensors from which nothing has come for too long.

    The silence that counts is the longer of `intervals` expected intervals and `at_least`. The fault begins at the
    deadline (the onset is the last reading), whether or not anything comes, and ends with the next reading. Late
    readings do not end it.

    Misses sensors that have never reported: nothing says when they should have begun. Readings that are not numbers do
    not count as readings. Needs the silence itself. State: 32 bytes a sensor. Marks: score is the silence so far in s,
    threshold the silence that counts in s, value and baseline the last reading (the value of an end is the new
    reading).

    Method: the gap test of QARTOD, Manual for Real-Time Quality Control of In-situ Temperature and Salinity Data, IOOS
    (test 1).
    """

    name = "drop_out"
    lane = Lane.PANE
    verdict = Verdict.FAULT
    Params = DropOutParams
    STATE = np.dtype(
        [("last", np.int64), ("onset", np.int64), ("value", np.float64), ("grade", np.uint8)],
        align=True,
    )

    def __init__(self, params: DropOutParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._silence = np.array(
            [nanoseconds(max(params.intervals / r if r > 0 else np.inf, params.at_least)) for r in rate.tolist()],
            np.int64,
        )

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(_rows(self.state, slot_of, sensor, ts, value, out, self._silence))

    def advance(self, now: int, out: Marks) -> int:  # noqa: D102
        return int(_advance(self.state, now, out, self._silence))
