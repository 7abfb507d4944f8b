"""Values that rise or fall faster than they should."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, bound_of, grade_of, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, RateField, Seconds

__all__ = ["RateOfRise", "RateOfRiseParams"]

#: The window is kept as the means of so many parts of equal length.
PARTS: Final = 8


@njit(nogil=True, cache=True)
def _slope(cell: Any) -> float:
    """Least-squares slope, per part, through the means of the parts; 0 before they cover half of the window."""
    parts = 0
    t_mean = v_mean = 0.0
    first = last = -1
    # From the oldest part to the newest, in units of parts.
    for age in range(PARTS - 1, -1, -1):
        k = (cell.part - age) % PARTS
        if cell.count[k]:
            position = PARTS - 1 - age + cell.at[k]
            parts += 1
            t_mean += (position - t_mean) / parts
            v_mean += (cell.mean[k] - v_mean) / parts
            if first < 0:
                first = age
            last = age
    if parts < 3 or first - last < PARTS // 2:
        return 0.0
    tt = tv = 0.0
    for age in range(PARTS - 1, -1, -1):
        k = (cell.part - age) % PARTS
        if cell.count[k]:
            dt = PARTS - 1 - age + cell.at[k] - t_mean
            tt += dt * dt
            tv += dt * (cell.mean[k] - v_mean)
    return tv / tt


@njit(nogil=True, cache=True)
def _oldest(cell: Any) -> float:
    """Mean of the oldest part that holds readings."""
    for age in range(PARTS - 1, -1, -1):
        k = (cell.part - age) % PARTS
        if cell.count[k]:
            return cell.mean[k]  # type: ignore[no-any-return]
    return 0.0


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    rising: Floats,
    falling: Floats,
    length: int,
    above: float,
    release: float,
) -> int:
    n = 0
    per_second = 1e9 / length
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        part = t // length
        if part != cell.part:
            for step in range(min(part - cell.part, PARTS)):
                cell.count[(part - step) % PARTS] = 0
            cell.part = part
        k = part % PARTS
        count = cell.count[k] + 1
        if count == 1:
            cell.at[k] = cell.mean[k] = 0.0
        cell.count[k] = count
        cell.at[k] += ((t - part * length) / length - cell.at[k]) / count
        cell.mean[k] += (x - cell.mean[k]) / count
        if x < above and cell.grade == 0:
            continue
        slope = _slope(cell) * per_second if x >= above else 0.0
        speed = abs(slope)
        reason = RISE if slope > 0.0 else FALL
        if cell.grade and reason != cell.reason:
            bound = release * (rising[0] if cell.reason == RISE else falling[0])
            n = settle(out, n, cell, slot, 0, cell.reason, t, t, speed, bound, x, cell.before)
        bounds = rising if slope > 0.0 else falling
        grade = grade_of(speed, bounds, 0.0, True, cell.grade, release)
        if grade == cell.grade:
            continue
        if cell.grade == 0:
            cell.reason = reason
            cell.before = _oldest(cell)
        bound = bound_of(grade, bounds, 0.0, release)
        n = settle(out, n, cell, slot, grade, reason, t, t, speed, bound, x, cell.before)
    return n


class RateOfRiseParams(Params):
    """At least one of `rising` and `falling`."""

    rising: tuple[RateField, ...] = Field(
        (),
        max_length=4,
        description="Speeds of rise of grade 1, 2, ..., ascending, above 0: the sensors' unit per time.",
    )
    falling: tuple[RateField, ...] = Field(
        (),
        max_length=4,
        description="Speeds of fall of grade 1, 2, ..., ascending, above 0: the sensors' unit per time.",
    )
    window: Seconds = Field(
        300.0, ge=0.001, description="Event time over which the slope is taken; best eight expected readings or more."
    )
    above: QuantityField | None = Field(
        None,
        description="Readings below this do not count: there is no abnormality at low values. Any value if not given.",
    )
    release: float = Field(0.8, gt=0, le=1, description="A grade is left below this part of its threshold (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.rising and not self.falling:
            raise ValueError("expected speeds in `rising`, in `falling` or in both")
        self.check_grades("rising", "falling")
        return self


class RateOfRise(Detector):
    """Finds values that rise or fall faster than given speeds over a window.

    The window is cut into eight parts of event time; each keeps the mean of its readings and of their times. The slope
    is the least-squares line through these means, each counting once: a burst of readings, a gap or a changed sampling
    rate does not tilt it. There is no slope before three parts are filled, half a window apart. The grade is the number
    of speeds reached; a grade is left below `release` times its speed.

    Misses changes shorter than about an eighth of the window, steps of less than about 0.7 speed x window, and slow
    creep. Needs half a window to start; a ramp is found when its part of the window outweighs the calm before it.
    State: 200 bytes a sensor. Marks: score is the speed, in units per second; baseline the mean of the oldest part of
    the window at the onset.

    Method: ordinary least squares on binned means (Draper and Smith, Applied Regression Analysis, chapter 1).
    """

    name = "rate_of_rise"
    lane = Lane.FAST
    Params = RateOfRiseParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("part", np.int64),  # number of the newest part since 1970
            ("before", np.float64),  # mean of the oldest part at the onset
            ("at", np.float64, (PARTS,)),  # mean time of a part's readings, 0 to 1 within the part
            ("mean", np.float64, (PARTS,)),
            ("count", np.int32, (PARTS,)),
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: RateOfRiseParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._rising = np.array([r.value for r in params.rising], np.float64)
        self._falling = np.array([r.value for r in params.falling], np.float64)
        self._length = nanoseconds(params.window) // PARTS
        self._above = float(params.above.value) if params.above else -np.inf

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._rising,
                self._falling,
                self._length,
                self._above,
                self.params.release,
            )
        )
