"""Lasting steps of a quantity with a weekly rhythm, such as the flow into a district."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["WeeklyCusum", "WeeklyCusumParams"]

#: Bins of a period: the hours of a week.
BINS: Final = 168
#: The gravest grade: steps beyond are not counted.
_MOST: Final = 9


@njit(nogil=True, cache=True)
def _learn(cell: Any, j: int, x: float, now: int) -> bool:
    """Learn the first two periods: the profile, and how far apart they lie."""
    if math.isnan(cell.season[j]):
        cell.season[j] = x - cell.level
        return True
    if now - cell.first >= 2 * BINS and cell.count >= 2:
        return False
    e = x - cell.season[j] - cell.level
    cell.season[j] += 0.5 * e
    cell.count += 1
    d = e - cell.mean
    cell.mean += d / cell.count
    cell.squares += d * (e - cell.mean)
    if now - cell.first >= 2 * BINS - 1 and cell.count >= 2:
        # Both periods are noisy: their difference has twice the variance of one.
        cell.variance = 0.5 * cell.squares / (cell.count - 1)
        # The profile is midway between the periods. What lies between them may be a step: a trend is learned later.
        cell.level += 0.5 * cell.mean
        cell.at = now
    return True


@njit(nogil=True, cache=True)
def _close(
    out: Any,
    n: int,
    cell: Any,
    slot: int,
    t: int,
    width: int,
    floor: float,
    drift: float,
    limit: float,
    clip: float,
    settling: int,
    accept: int,
) -> int:
    """Take the mean of the bin that has just ended."""
    now, x = cell.bin, cell.sum / cell.n
    j = now % BINS
    if _learn(cell, j, x, now):
        return n
    sigma = max(floor, math.sqrt(cell.variance))
    if sigma == 0.0:
        return n
    cell.level += cell.trend * (now - cell.at)
    cell.at = now
    e = x - cell.season[j] - cell.level
    if cell.until:  # after a step: see where the level settles
        cell.steps += 1
        cell.step += (e - cell.step) / cell.steps
        if now < cell.until:
            return n
        cell.until = 0
        cell.up = cell.down = 0.0
        cell.level += cell.step
        if cell.grade == 0:
            return n
        cell.raised += cell.step
        # Gone when most of what had been raised is gone: a repair, or no step at all.
        grade = 0 if cell.raised < 0.5 * cell.highest else cell.grade
        cell.highest = max(cell.highest, cell.raised)
        return settle(out, n, cell, slot, grade, RISE, t, t, cell.raised / sigma, limit, x, x - e)
    if cell.grade and t - cell.onset >= accept:
        n = settle(out, n, cell, slot, 0, RISE, t, t, cell.raised / sigma, limit, x, x - e)
    z = min(max(e / sigma, -clip), clip)
    if cell.up == 0.0:
        cell.up_since = now
    cell.up = max(cell.up + z - drift, 0.0)
    cell.down = max(cell.down - z - drift, 0.0)
    if cell.up > limit or cell.down > limit:
        cell.until = now + settling
        cell.steps, cell.step = 0, 0.0
        if cell.up > limit:
            if cell.grade == 0:
                cell.raised = cell.highest = 0.0
            grade = min(cell.grade + 1, _MOST)
            n = settle(out, n, cell, slot, grade, RISE, t, cell.up_since * width, cell.up, limit, x, x - e)
        return n
    cell.level += e / BINS
    cell.trend += 0.25 * e / (BINS * BINS)
    if abs(z) < clip:
        cell.season[j] += 0.2 * e
        cell.variance += (e * e - cell.variance) / (2 * BINS)
    return n


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    width: int,
    floor: float,
    drift: float,
    limit: float,
    clip: float,
    settling: int,
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
        now = t // width
        if now != cell.bin:
            if cell.n:
                n = _close(out, n, cell, slot, t, width, floor, drift, limit, clip, settling, accept)
            else:
                cell.first = now
            cell.bin, cell.n, cell.sum = now, 0, 0.0
        cell.n += 1
        cell.sum += x
    return n


class WeeklyCusumParams(Params):
    """The defaults suit the inflow of a district of some thousand households."""

    period: Seconds = Field(604_800.0, ge=1, description="Length of the rhythm; it is cut into 168 bins.")
    limit: float = Field(
        24.0, gt=0, description="Sum at which a step counts, in standard deviations of a bin (h of the literature)."
    )
    drift: float = Field(
        0.75, gt=0, description="Half the smallest step worth finding, in standard deviations of a bin (k)."
    )
    clip: float = Field(
        4.0, gt=0, description="One bin counts as at most so many standard deviations, so that no hour alone alarms."
    )
    settling: int = Field(
        24,
        ge=1,
        le=168,
        description="Bins after a step in which its height is measured, before the next one is sought.",
    )
    min_sigma: QuantityField | None = Field(
        None, description="The standard deviation of a bin is taken to be at least this: about the meter's resolution."
    )
    accept: Seconds = Field(
        7_776_000.0, gt=0, description="Event time after which a rise that has not gone is the new normal."
    )


class WeeklyCusum(Detector):
    """Finds lasting rises of a quantity with a weekly rhythm: leaks in the flow into a district.

    Readings are averaged in 168 bins a period, the hours of a week. Two periods are learned: a profile, and how far
    two periods lie apart. From then on the residual against the profile and a slow level (it follows over a period,
    as seasons need) goes into two cumulative sums. When the upper one passes `limit`, a rise begins, or one more step
    of it: each is a grade. Its height is the mean residual of the next `settling` bins; the level is moved by it, so
    that the next step is found on top of this one. A rise ends when less than half of its highest height is left, or
    `accept` after its onset.

    Misses rises that are slower than the level, about the noise of one bin a period, and what was there in the first
    two periods. Needs those two periods, then limit / (height / sigma - drift) bins. A holiday may look like a fall,
    which moves the level but is no finding. State: 1504 bytes a sensor. Marks: score is the sum, at an end the height
    left in standard deviations; baseline is the profile with the level.

    Method: Page, Continuous Inspection Schemes, Biometrika 41 (1954), on weekly residuals as in Eliades and Polycarpou,
    Leakage Fault Detection in District Metered Areas of Water Distribution Systems, J. Hydroinformatics 14 (2012).
    """

    name = "weekly_cusum"
    lane = Lane.PANE
    Params = WeeklyCusumParams
    STATE = np.dtype(
        [
            ("season", np.float64, (BINS,)),  # NaN where not yet seen
            ("last", np.int64),
            ("onset", np.int64),
            ("first", np.int64),  # bins since the epoch, as are the next three
            ("bin", np.int64),
            ("at", np.int64),
            ("until", np.int64),  # 0 unless a step is being measured
            ("up_since", np.int64),
            ("sum", np.float64),
            ("level", np.float64),
            ("trend", np.float64),  # a bin
            ("mean", np.float64),  # what the second period learned
            ("squares", np.float64),
            ("variance", np.float64),
            ("up", np.float64),
            ("down", np.float64),
            ("step", np.float64),
            ("raised", np.float64),  # height of the rise that lasts, and the most it was
            ("highest", np.float64),
            ("n", np.int32),
            ("count", np.int32),
            ("steps", np.int32),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: WeeklyCusumParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._width = nanoseconds(params.period) // BINS
        self._floor = float(params.min_sigma.value) if params.min_sigma else 0.0
        self._accept = nanoseconds(params.accept)

    def initial(self, slots: int) -> npt.NDArray[np.void]:  # noqa: D102
        state = super().initial(slots)
        state["season"] = math.nan
        return state

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
                self._width,
                self._floor,
                p.drift,
                p.limit,
                p.clip,
                p.settling,
                self._accept,
            )
        )
