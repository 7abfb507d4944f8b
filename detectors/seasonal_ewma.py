"""Readings far from what is usual at this hour of the week, or at this part of any other season."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["SeasonalEwma", "SeasonalEwmaParams"]

_PARTS: Final = 168  # of a season: hours of a week
_MOST: Final = 1e300  # distances are cut off here


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
    alpha: Floats,
    seasons: int,
    floor: float,
    season: int,
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
        now = t // season
        h = min((t - now * season) // max(season // _PARTS, 1), _PARTS - 1)
        now += 1
        again = cell.season[h] == now
        d = x - cell.mean[h]
        z = 0.0
        if cell.seasons[h] - again >= seasons:
            sigma = math.sqrt(max(cell.var[h], floor))
            z = min(abs(d) / sigma, _MOST) if sigma > 0.0 else 0.0
            cell.score = z / bounds[0]
            grade = 0
            for k in range(len(bounds)):
                if z > bounds[k] or (k < cell.grade and z > release * bounds[k]):
                    grade = k + 1
            bound = bounds[grade - 1] if grade else release * bounds[0]
            n = settle(out, n, cell, slot, grade, RISE if d >= 0.0 else FALL, t, t, z, bound, x, cell.mean[h])
        if not again:
            cell.season[h] = now
            cell.seasons[h] += 1
        if z > bounds[0]:
            d *= bounds[0] / z  # learned as if it were at the first distance: so a lasting change is learned in the end
        cell.count[h] += 1
        a = max(alpha[slot], 1.0 / cell.count[h])
        cell.mean[h] += a * d
        cell.var[h] = (1.0 - a) * (cell.var[h] + a * d * d)
    return n


class SeasonalEwmaParams(Params):
    """How far is far, and how fast the week's rhythm is learned."""

    z: tuple[float, ...] = Field(
        (6.0,),
        min_length=1,
        max_length=3,
        description="Distances from the hour's mean of grade 1, 2, 3 in standard deviations, ascending, above 0.",
    )
    season: Seconds = Field(604800.0, gt=0, description="What repeats: a week, a day. It has 168 parts.")
    half_life: float = Field(4.0, ge=0.5, le=520, description="Seasons after which a season's weight has halved.")
    seasons: int = Field(2, ge=1, description="Seasons in which a part must have been learned before it is judged.")
    release: float = Field(
        0.5, gt=0, le=1, description="A grade is left at or below this part of its distance (no unit)."
    )
    min_sigma: QuantityField | None = Field(
        None,
        description="The standard deviation is taken to be at least this: about the sensors' resolution. "
        "If not given, a deviation from a constant is not judged.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("z")
        if self.min_sigma and self.min_sigma.value < 0:
            raise ValueError(f"expected a `min_sigma` of 0 or more, got {self.min_sigma}")
        return self


class SeasonalEwma(Detector):
    """Finds readings far from what is usual at this hour of the week, in multiples of the hour's standard deviation.

    Each of the 168 hours of the week (or parts of another `season`) has a weighted mean and variance of its own.
    Readings beyond the first distance are learned as if they were at it: one bad day hardly moves the hour, a new habit
    is learned within a few weeks.

    Misses what is usual at the hour in size but not in course, and drift over months; a holiday, and the weeks after a
    change to or from summer time, are findings to it. Needs `seasons` seasons, then one reading.
    State: 6080 bytes a sensor. Marks: score is the distance, threshold its bound, baseline the hour's mean.

    Method: seasonal profile of exponentially weighted moments: Roberts, Technometrics 1 (1959), and Holt, Forecasting
    Seasonals and Trends by Exponentially Weighted Averages (1957); learning bounded as in Huber, Robust Statistics
    (1981).
    """

    name = "seasonal_ewma"
    lane = Lane.FAST
    Params = SeasonalEwmaParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("score", np.float64),
            ("mean", np.float64, _PARTS),
            ("var", np.float64, _PARTS),
            ("count", np.int64, _PARTS),  # readings learned
            ("season", np.int64, _PARTS),  # the latest in which the part had readings
            ("seasons", np.int32, _PARTS),  # how many those were
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: SeasonalEwmaParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._bounds = np.array(params.z, np.float64)
        # A reading is one of so many in a part of the seasons of its half-life.
        part = params.season / _PARTS
        self._alpha = -np.expm1(-math.log(2.0) / np.maximum(params.half_life * np.maximum(part * rate, 1.0), 0.5))
        self._floor = float(params.min_sigma.value) ** 2 if params.min_sigma else 0.0
        self._season = max(nanoseconds(params.season), _PARTS)

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
                self._alpha,
                p.seasons,
                self._floor,
                self._season,
            )
        )
