"""Acoustic loggers on pipes: nights that are no longer as silent as they were."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["LeakNoise", "LeakNoiseParams"]

_NIGHTS: Final = 28
_MAD: Final = 1.4826  # standard deviations in a median absolute deviation of normal noise


@njit(nogil=True, cache=True)
def _judge(
    out: Any, n: int, cell: Any, slot: int, t: int, rise: float, times: float, nights: int, learn: int, accept: int
) -> int:
    """Judge the night that has just been heard; nights that are not noisy are remembered."""
    x = cell.least
    known = min(cell.filled, _NIGHTS)
    base = spread = 0.0
    if known:
        base = np.median(cell.quiet[:known])
        spread = _MAD * np.median(np.abs(cell.quiet[:known] - base))
    limit = max(rise, times * spread)
    above = x - base
    if cell.grade and t - cell.onset >= accept:
        n = settle(out, n, cell, slot, 0, RISE, t, t, above, limit, x, base)
        cell.filled = known = cell.run = 0
    if known >= learn:
        cell.score = min(max(above / limit, 0.0), 1e300)
        if above > limit:
            if cell.run == 0:
                cell.first = cell.since
            cell.run = min(cell.run + 1, nights)
            if cell.run >= nights:
                n = settle(out, n, cell, slot, 1, RISE, t, cell.first, above, limit, x, base)
            return n
        if cell.grade and above > 0.5 * limit:
            return n
        n = settle(out, n, cell, slot, 0, RISE, t, t, above, 0.5 * limit, x, base)
    cell.run = 0
    cell.quiet[cell.filled % _NIGHTS] = x
    cell.filled += 1
    return n


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    day: int,
    shift: int,
    begin: int,
    end: int,
    rise: float,
    times: float,
    nights: int,
    learn: int,
    accept: int,
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
        today = (t + shift) // day
        at = t + shift - today * day
        if cell.heard and (today != cell.day or at >= end):
            n = _judge(out, n, cell, slot, t, rise, times, nights, learn, accept)
            cell.heard = 0
        if begin <= at < end:
            if cell.heard == 0:
                cell.heard, cell.day, cell.since, cell.least = 1, today, t, x
            cell.least = min(cell.least, x)
    return n


class LeakNoiseParams(Params):
    """A night must be louder by both, `rise` and `times`."""

    rise: QuantityField = Field(description="Rise of the night's minimum above its history that counts, above 0.")
    times: float = Field(4.0, ge=0, description="The rise is at least so many standard deviations of a night.")
    nights: int = Field(3, ge=1, le=28, description="Nights in a row that must be noisy.")
    learn: int = Field(7, ge=1, le=28, description="Quiet nights that are learned before the first is judged.")
    night_from: Seconds = Field(7200.0, ge=0, description="Begin of the night, after midnight.")
    night_to: Seconds = Field(14_400.0, gt=0, description="End of the night, after midnight.")
    utc_offset: Seconds = Field(0.0, ge=-86_400, le=86_400, description="Local time less UTC.")
    day: Seconds = Field(86_400.0, ge=0.001, description="Length of a day.")
    accept: Seconds = Field(7_776_000.0, gt=0, description="Event time after which the noise is taken for normal.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rise.value <= 0:
            raise ValueError(f"expected a `rise` above 0, got {self.rise}")
        if not self.night_from < self.night_to <= self.day:
            raise ValueError("expected `night_from` before `night_to`, and both within the day")
        return self


class LeakNoise(Detector):
    """Finds leaks by acoustic loggers: the night's minimum level stays above its own history, night after night.

    A leak never pauses, so it lifts even the quietest moment of the night, which traffic and demand do not. The minimum
    between `night_from` and `night_to` is held against the median of the 28 latest quiet nights. It is noisy when it is
    above it by `rise` and by `times` their standard deviation (from the median absolute deviation); `nights` such
    nights in a row are a leak. Noisy nights are not remembered. The leak ends with a night at or below half of the
    bound, and is taken for normal after `accept`. The onset is the first reading of the first noisy night.

    Misses leaks that were there while it learned, and those too far from the logger or too slow to be above `rise`
    before the median follows. Takes a pump or a valve that starts to run every night for a leak. One reading that is
    too low hides the night: let `out_of_range` watch the logger, too. Nights without readings are passed over. Needs
    `learn` nights, then `nights`. State: 296 bytes a sensor. Marks: score is the rise, value the night's minimum,
    baseline the median.

    Method: minimum night noise level of correlating and lift-and-shift loggers (Hamilton and Charalambous, Leak
    Detection: Technology and Implementation, IWA Publishing, 2013), against a median with the median absolute deviation
    (Hampel, Journal of the American Statistical Association 69, 1974).
    """

    name = "leak_noise"
    lane = Lane.PANE
    Params = LeakNoiseParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("day", np.int64),  # of the night that is being heard
            ("since", np.int64),  # its first reading
            ("first", np.int64),  # first reading of the first noisy night of the run
            ("least", np.float64),
            ("score", np.float64),
            ("quiet", np.float64, _NIGHTS),  # minima of quiet nights, in a ring
            ("filled", np.int64),
            ("run", np.int32),  # noisy nights in a row
            ("heard", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

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
                nanoseconds(p.day),
                nanoseconds(p.utc_offset),
                nanoseconds(p.night_from),
                nanoseconds(p.night_to),
                p.rise.value,
                p.times,
                p.nights,
                p.learn,
                nanoseconds(p.accept),
            )
        )
