"""Readings, and short runs of readings, unlike anything seen before: nearest neighbours against their own tail."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField

__all__ = ["Novelty", "NoveltyParams"]

_MEMORY: Final = 4096  # readings
_ROOM: Final = _MEMORY + 128  # of which the latest count: they are moved once in so many
_BINS: Final = 512  # of distances: an eighth of an octave each, from 2^-32 to 2^32
_EIGHTHS: Final = 8
_CENTRE: Final = _BINS // 2
_FULL: Final = 4 * _MEMORY  # distances after which all counts are halved
_MOST: Final = 1e6  # a ratio is at most this
_INFINITE: Final = np.float32(np.inf).view(np.int32)
_CAP: Final = 1e36  # readings are cut off here, so that sums of distances stay finite in 32 bits


@njit(nogil=True, cache=True)
def _bin(distance: float) -> int:
    if distance <= 0.0:
        return 0
    return int(min(max(math.floor(math.log2(distance) * _EIGHTHS) + _CENTRE, 1.0), _BINS - 1.0))


@njit(nogil=True, cache=True)
def _usual(counts: Any, highest: int, total: int, quantile: float) -> float:
    """Upper edge of the bin in which the quantile lies; 0 where nearly all distances were 0."""
    above = (1.0 - quantile) * total
    k = highest
    n = 0.0 + counts[k]
    while k > 0 and n <= above:
        k -= 1
        n += counts[k]
    return 2.0 ** ((k + 1 - _CENTRE) / _EIGHTHS) if k > 0 else 0.0


@njit(nogil=True, cache=True)
def _ratio(cell: Any, k: int, distance: float, warm_up: int, quantile: float, floor: float, least: float) -> float:
    """How far beyond the usual a distance is, before it is learned; 0 while there is nothing to compare with."""
    counts = cell.counts[k]
    ratio = 0.0
    if cell.total[k] >= warm_up and distance > least:
        usual = _usual(counts, _bin(cell.top[k]), cell.total[k], quantile) + floor * cell.top[k]
        usual = max(usual, least)
        ratio = min(distance / usual, _MOST) if usual * _MOST > distance else _MOST
    counts[_bin(distance)] += 1
    cell.total[k] += 1
    cell.top[k] = max(cell.top[k], distance)
    if cell.total[k] >= _FULL:
        total = 0
        for j in range(_BINS):
            counts[j] >>= 1
            total += counts[j]
        cell.total[k] = total
    return ratio


@njit(nogil=True, cache=True)
def _least(distances: Any) -> float:
    """The least of distances in 32 bits; infinite if there is none.

    Without a sign their bits rise as they do, and whole numbers, whose order of comparing is free, go eight at a time.
    """
    bits = distances.view(np.int32)
    least = _INFINITE
    for j in range(len(bits)):
        least = min(least, bits[j])
    return float(np.full(1, least, np.int32).view(np.float32)[0])


@njit(nogil=True, cache=True)
def _add(distances: Any, earlier: Any, x: float) -> None:
    for j in range(len(distances)):
        distances[j] += abs(earlier[j] - x)


@njit(nogil=True, cache=True)
def _nearest(line: Any, width: int, one: Any, run: Any) -> tuple[float, float]:
    """Distances of the last reading, and of the run that it ends, to the nearest earlier ones; infinite without any.

    A run is nearest to another by the sum of the absolute differences; runs do not overlap, and a single earlier one
    tells nothing yet. `one` and `run` are room for the distances, as long as the line.
    """
    c = len(line) - 1
    one = one[:c]
    one[:] = 0.0
    _add(one, line[:c], line[c])
    runs = c - 2 * width + 2 if c >= 2 * width else 0
    run = run[:runs]
    run[:] = 0.0
    for q in range(width):
        _add(run, line[width - 1 - q : width - 1 - q + runs], line[c - q])
    return _least(one), _least(run)


@njit(nogil=True, cache=True)
def _base(line: Any) -> float:
    """The earlier reading that the last one is nearest to; of equals the newest."""
    x = line[-1]
    near, least = x, np.inf
    for j in range(len(line) - 2, -1, -1):
        if abs(line[j] - x) < least:
            near, least = line[j], abs(line[j] - x)
    return float(near)


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
    fade: float,
    width: int,
    memory: int,
    warm_up: int,
    quantile: float,
    floor: float,
    least: float,
) -> int:
    n = 0
    one, run = np.empty(_MEMORY, np.float32), np.empty(_MEMORY, np.float32)
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        readings = cell.readings
        if cell.count == len(readings):  # keep the latest
            cell.count = memory - 1
            readings[: memory - 1] = readings[1 - memory :].copy()
        readings[cell.count] = min(max(x, -_CAP), _CAP)
        cell.count += 1
        line = readings[max(cell.count - memory, 0) : cell.count]

        distance, distance_of_run = _nearest(line, width, one, run)
        ratio = 0.0
        if distance < np.inf:
            ratio = _ratio(cell, 0, distance, warm_up, quantile, floor, least)
        if distance_of_run < np.inf:
            ratio = max(ratio, _ratio(cell, 1, distance_of_run / width, warm_up, quantile, floor, least))

        # An abnormality lasts while the memory of its peak does; only what tops that memory is news.
        cell.peak *= fade
        cell.score = 0.0
        if ratio > cell.peak:
            cell.peak = ratio
            cell.score = ratio / bounds[0]
        grade = 0
        for k in range(len(bounds)):
            if cell.peak > bounds[k] or (k < cell.grade and cell.peak > release * bounds[k]):
                grade = k + 1
        if grade == cell.grade:
            continue
        bound = bounds[grade - 1] if grade else release * bounds[0]
        near = _base(line)
        n = settle(out, n, cell, slot, grade, RISE if x >= near else FALL, t, t, cell.peak, bound, x, near)
    return n


class NoveltyParams(Params):
    """What counts as far from everything seen before."""

    ratio: tuple[float, ...] = Field(
        (2.0,),
        min_length=1,
        max_length=3,
        description="Distances of grade 1, 2, 3 in multiples of the usual largest distance, ascending, above 0.",
    )
    width: int = Field(4, ge=2, le=64, description="Readings in a run, which is compared with all earlier runs.")
    memory: int = Field(_MEMORY, ge=64, le=_MEMORY, description="Readings that are remembered.")
    warm_up: int = Field(50, ge=10, description="Distances that are learned before the first is judged.")
    quantile: float = Field(
        0.98, ge=0.5, lt=1, description="Share of earlier distances that the usual largest one is not below."
    )
    floor: float = Field(
        0.01, ge=0, le=1, description="Part of the largest distance ever that the usual largest one is raised by."
    )
    min_distance: QuantityField | None = Field(
        None, description="Smaller distances are no novelty: about the sensors' resolution."
    )
    half_life: float = Field(
        50.0, ge=1, description="Readings after which the peak of an abnormality is half forgotten: how long it lasts."
    )
    release: float = Field(
        0.5, gt=0, le=1, description="A grade is left at or below this part of its distance (no unit)."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("ratio")
        if self.min_distance and self.min_distance.value < 0:
            raise ValueError(f"expected a `min_distance` of 0 or more, got {self.min_distance}")
        return self


class Novelty(Detector):
    """Finds readings, and short runs of readings, that are unlike anything in the sensor's own past.

    Each reading's distance to the nearest earlier reading, and the distance (mean of absolute differences) of the
    latest `width` readings to the nearest earlier run of as many, is set in proportion to what such distances usually
    are: their `quantile` so far, plus a little of their largest. So nothing needs to be known of the readings' level,
    scale, rhythm or distribution: a new extreme, a value in a gap that was never used, a rhythm that breaks off all
    count, a daily peak that was seen yesterday does not. The peak of what was found fades with `half_life`; until
    then only what tops it counts as news.

    Misses what happened before in the same way (it is in memory then), and slow drift. Readings are
    remembered to seven digits. Needs `warm_up` distances, then one reading. Looks at `memory` readings for each new one
    (some microseconds): meant for sensors that report every second or more slowly.
    State: 19024 bytes a sensor. Marks: score is the peak's ratio, threshold the ratio, baseline the nearest reading.

    Method: Knorr and Ng, Algorithms for Mining Distance-Based Outliers in Large Datasets (1998); over runs of readings
    and against the tail of earlier distances as in conformal anomaly detection: Laxhammar and Falkman, Annals of
    Mathematics and Artificial Intelligence 74 (2015).
    """

    name = "novelty"
    lane = Lane.FAST
    version = 2
    Params = NoveltyParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("count", np.int64),  # readings in their room
            ("score", np.float64),
            ("peak", np.float64),
            ("total", np.int64, 2),  # distances counted, of readings and of runs
            ("top", np.float64, 2),  # the largest ever
            ("counts", np.uint16, (2, _BINS)),
            ("readings", np.float32, _ROOM),  # in the order of time
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: NoveltyParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._bounds = np.array(params.ratio, np.float64)
        self._fade = 0.5 ** (1.0 / params.half_life)
        self._least = float(params.min_distance.value) if params.min_distance else 0.0

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
                self._fade,
                p.width,
                p.memory,
                p.warm_up,
                p.quantile,
                p.floor,
                self._least,
            )
        )
