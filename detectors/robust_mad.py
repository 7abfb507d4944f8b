"""Readings far from the median of the latest ones, in multiples of their median absolute deviation."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField

__all__ = ["RobustMad", "RobustMadParams"]

_WINDOW: Final = 256
_MOST: Final = 1e300  # distances are cut off here
_SIGMA: Final = 1.482602218505602  # standard deviation of a normal distribution over its median absolute deviation


@njit(nogil=True, cache=True)
def _place(line: Any, n: int, x: float) -> int:
    """Where x belongs in a rising line of n values: before the first that is not below it."""
    a, b = 0, n
    while a < b:
        middle = (a + b) >> 1
        if line[middle] < x:
            a = middle + 1
        else:
            b = middle
    return a


@njit(nogil=True, cache=True)
def _replace(line: Any, n: int, old: float, new: float) -> None:
    """Take `old` out of a rising line of n values and put `new` in."""
    a, b = _place(line, n, old), _place(line, n, new)
    if b > a:
        for k in range(a, b - 1):
            line[k] = line[k + 1]
        line[b - 1] = new
    else:
        for k in range(a, b, -1):
            line[k] = line[k - 1]
        line[b] = new


@njit(nogil=True, cache=True)
def _median(line: Any, n: int) -> float:
    half = n >> 1
    return float(line[half] if n & 1 else line[half - 1] + 0.5 * (line[half] - line[half - 1]))


@njit(nogil=True, cache=True)
def _deviation(line: Any, n: int, median: float) -> float:
    """Median of the distances to the median: both sides of a rising line, merged from the middle outwards."""
    right = _place(line, n, median)
    left = right - 1
    before, here = 0.0, 0.0
    for _ in range((n >> 1) + 1):
        before = here
        if right >= n or (left >= 0 and median - line[left] <= line[right] - median):
            here = median - line[left]
            left -= 1
        else:
            here = line[right] - median
            right += 1
    return here if n & 1 else before + 0.5 * (here - before)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    bounds: Floats,
    release: float,
    window: int,
    warm_up: int,
    floor: float,
) -> int:
    n = 0
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        have = min(cell.count, window)
        line, ring = cell.line, cell.ring
        if cell.count >= warm_up:
            median = _median(line, have)
            sigma = max(_SIGMA * _deviation(line, have, median), floor)
            z = min(abs(x - median) / sigma, _MOST) if sigma > 0.0 else 0.0
            cell.score = z / bounds[0]
            grade = 0
            for k in range(len(bounds)):
                if z > bounds[k] or (k < cell.grade and z > release * bounds[k]):
                    grade = k + 1
            bound = bounds[grade - 1] if grade else release * bounds[0]
            n = settle(out, n, cell, slot, grade, RISE if x >= median else FALL, t, t, z, bound, x, median)
        if cell.count < window:
            line[have] = np.inf
            _replace(line, have + 1, np.inf, x)
        else:
            _replace(line, window, ring[cell.count % window], x)
        ring[cell.count % window] = x
        cell.count += 1
    return n


class RobustMadParams(Params):
    """How far is far, and from how many readings."""

    z: tuple[float, ...] = Field(
        (8.0,),
        min_length=1,
        max_length=3,
        description="Distances from the median of grade 1, 2, 3 in (robust) standard deviations, ascending, above 0.",
    )
    window: int = Field(_WINDOW, ge=8, le=_WINDOW, description="Latest readings that the median is taken of.")
    warm_up: int = Field(30, ge=5, description="Readings that are learned before the first is judged.")
    release: float = Field(
        0.5, gt=0, le=1, description="A grade is left at or below this part of its distance (no unit)."
    )
    min_sigma: QuantityField | None = Field(
        None,
        description="The standard deviation is taken to be at least this: about the sensors' resolution. "
        "If not given, a deviation from readings that are mostly equal is not judged.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("z")
        if self.min_sigma and self.min_sigma.value < 0:
            raise ValueError(f"expected a `min_sigma` of 0 or more, got {self.min_sigma}")
        return self


class RobustMad(Detector):
    """Finds readings far from the median of the latest ones, in multiples of their median absolute deviation.

    A reading is judged against the readings before it, then takes the place of the oldest. Neither median nor deviation
    moves much while less than half of the window is abnormal: so spikes and short plateaus leave the scale alone, and
    no reading has to be kept from learning. A lasting shift is normal once it fills half of the window.

    Misses what lasts longer than half of the window, slow drift, and deviations of readings that are mostly equal
    (their deviation is 0; give `min_sigma`). Needs `warm_up` readings, then one.
    State: 4136 bytes a sensor. Marks: score is the distance, threshold its bound, baseline the median.

    Method: Hampel, The Influence Curve and its Role in Robust Estimation, Journal of the American Statistical
    Association 69 (1974); the line of sorted readings is kept as readings come and go.
    """

    name = "robust_mad"
    lane = Lane.FAST
    Params = RobustMadParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("count", np.int64),  # readings so far
            ("score", np.float64),
            ("ring", np.float64, _WINDOW),  # in order of time
            ("line", np.float64, _WINDOW),  # in order of size
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: RobustMadParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._bounds = np.array(params.z, np.float64)
        self._floor = float(params.min_sigma.value) if params.min_sigma else 0.0

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        p = self.params
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._bounds,
                p.release,
                p.window,
                p.warm_up,
                self._floor,
            )
        )
