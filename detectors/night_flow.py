"""Night flow above its own history: background leaks of a district."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["NightFlow", "NightFlowParams"]

#: Nights that are remembered, four of each day of the week.
NIGHTS: Final = 28
_MAD: Final = 1.4826  # standard deviations in a median absolute deviation of normal noise


@njit(nogil=True, cache=True)
def _history(nights: Floats, day: int) -> tuple[float, float, int]:
    """Median of the same days of the week, standard deviation of one night, and how many nights are known."""
    same, gaps = np.empty(4), np.empty(NIGHTS)
    n = m = known = 0
    for k in range(NIGHTS):
        if math.isnan(nights[k]):
            continue
        known += 1
        if k % 7 == day % 7:
            same[n] = nights[k]
            n += 1
        week = nights[(k + NIGHTS - 7) % NIGHTS]
        if not math.isnan(week):
            gaps[m] = abs(nights[k] - week)
            m += 1
    if n < 2 or m < 7:
        return 0.0, 0.0, 0
    # Two nights differ by the noise of both.
    return float(np.median(same[:n])), _MAD * float(np.median(gaps[:m])) / math.sqrt(2.0), known


@njit(nogil=True, cache=True)
def _judge(
    out: Any, n: int, cell: Any, slot: int, t: int, floor: float, part: float, z: float, learn: int, accept: int
) -> int:
    """Judge the night that has just been measured."""
    x, k = cell.sum / cell.n, cell.day % NIGHTS
    base, sigma, known = _history(cell.nights, cell.day)
    sigma = max(sigma, floor)
    limit = max(z * sigma, part * abs(base))
    rise = x - base
    if cell.grade and t - cell.onset >= accept:
        n = settle(out, n, cell, slot, 0, RISE, t, t, rise, limit, x, base)
        cell.nights[:] = np.nan
        known = 0
    if known < learn or limit == 0.0:
        cell.nights[k] = x
        return n
    if cell.grade == 0:
        if rise <= limit:
            cell.nights[k] = x
            return n
        cell.count, cell.mean = 0, 0.0
        n = settle(out, n, cell, slot, 1, RISE, t, cell.since, rise, limit, x, base)
    elif rise < 0.5 * max(limit, cell.mean):
        n = settle(out, n, cell, slot, 0, RISE, t, t, rise, 0.5 * max(limit, cell.mean), x, base)
        cell.nights[k] = x
        return n
    cell.count += 1
    cell.mean += (rise - cell.mean) / cell.count
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
    report: int,
    floor: float,
    part: float,
    z: float,
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
        if cell.n and (today != cell.day or at >= report):
            n = _judge(out, n, cell, slot, t, floor, part, z, learn, accept)
            cell.n = 0
        if begin <= at < end:
            if cell.n == 0:
                cell.day, cell.since, cell.sum = today, t, 0.0
                if cell.grade == 0:
                    cell.nights[today % NIGHTS] = np.nan  # four weeks old
            cell.n += 1
            cell.sum += x
    return n


class NightFlowParams(Params):
    """A night must pass both bounds, `z` and `part`, so that neither quiet nor noisy districts alarm for nothing."""

    z: float = Field(4.0, gt=0, description="Rise that counts, in standard deviations of a night.")
    part: float = Field(0.05, ge=0, description="Rise that counts, as a part of the night flow's own level (no unit).")
    night_from: Seconds = Field(7200.0, ge=0, description="Begin of the night, after midnight.")
    night_to: Seconds = Field(14_400.0, gt=0, description="End of the night, after midnight.")
    report: Seconds = Field(21_600.0, gt=0, description="When the night is judged, after midnight.")
    utc_offset: Seconds = Field(
        0.0, ge=-50_400, le=50_400, description="What the local clock is ahead of UTC: midnight is that of the place."
    )
    learn: int = Field(14, ge=9, le=28, description="Nights that are learned before the first is judged.")
    min_sigma: QuantityField | None = Field(
        None,
        description="The standard deviation of a night is taken to be at least this: about the meter's resolution.",
    )
    accept: Seconds = Field(
        31_536_000.0, gt=0, description="Event time after which a rise that has not gone is the new normal."
    )
    day: Seconds = Field(86_400.0, gt=0, description="Length of a day; for tests in quick motion.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.night_from < self.night_to <= self.report < self.day:
            raise ValueError("expected `night_from` < `night_to` <= `report` < `day`")
        return self


class NightFlow(Detector):
    """Finds leaks that raise the flow of the night above its own history.

    At night people draw little, so that a leak shows. Each day's mean flow between `night_from` and `night_to` is
    judged with the first reading at or after `report`, never before: against the median of the same day of the week
    in the last four weeks. A leak begins when the night is higher by more than `z` standard deviations of a night
    (from the differences to the week before) and by more than `part` of the level. It ends when the rise is less than
    half of what it was on average, or `accept` after its onset. Nights of a leak are not remembered.

    Misses leaks below those bounds, those that grow by less than that in a month (history follows them), and what was
    there before the first night. Needs two weeks, and then one night: half a day on average. Holidays with high flow
    at night look like a leak of one day. State: 288 bytes a sensor. Marks: score is the rise, threshold what counts,
    value the night's flow, baseline the median.

    Method: minimum night flow, Farley and Trow, Losses in Water Distribution Networks, IWA (2003), with median and MAD.
    """

    name = "night_flow"
    lane = Lane.PANE
    Params = NightFlowParams
    STATE = np.dtype(
        [
            ("nights", np.float64, (NIGHTS,)),  # by day since the epoch, modulo their number; NaN where unknown
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # first reading of the night
            ("day", np.int64),
            ("sum", np.float64),
            ("mean", np.float64),  # of the rise since the onset
            ("n", np.int32),
            ("count", np.int32),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: NightFlowParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._times = tuple(
            nanoseconds(seconds)
            for seconds in (params.day, params.utc_offset, params.night_from, params.night_to, params.report)
        )
        self._floor = float(params.min_sigma.value) if params.min_sigma else 0.0

    def initial(self, slots: int) -> npt.NDArray[np.void]:  # noqa: D102
        state = super().initial(slots)
        state["nights"] = math.nan
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
                *self._times,  # type: ignore[call-arg]
                self._floor,
                p.part,
                p.z,
                p.learn,
                nanoseconds(p.accept),
            )
        )
