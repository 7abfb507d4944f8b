"""Flow at odd hours without rain: illicit discharges."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Marks, Params
from detectors.kernels import RISE, bound_of, grade_of, nanoseconds, settle
from detectors.steps import DRAIN_WIDTH, SteppedDetector, rains, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["IllicitDischarge", "IllicitDischargeParams"]

#: Bins of a period: the hours of a week.
BINS: Final = 168


@njit(nogil=True, cache=True)
def _judge(
    state: Any,
    members: Any,
    groups: Int32s,
    ticks: Int64s,
    means: Any,
    step: int,
    out: Marks,
    shares: Floats,
    flow: int,
    rain: int,
    rise: Floats,
    z: float,
    bin_: int,
    trace: float,
    dry: int,
    learn: int,
    slowest: float,
    hold: int,
    accept: int,
    release: float,
) -> int:
    n = 0
    for i in range(len(groups)):
        cell = state[groups[i]]
        slot = members[groups[i], flow]
        t, x = ticks[i], means[i, flow]
        wet = rain >= 0 and rains(cell, means[i, rain], t, trace, dry)
        if slot < 0 or math.isnan(x):
            continue
        j = (t // bin_) % BINS
        usual = cell.usual[j] if cell.seen[j] else x
        excess = x - usual
        noise = z * math.sqrt(max(cell.spread[j] if cell.seen[j] else 0.0, cell.all))
        ripe = cell.seen[j] >= learn
        if cell.grade == 0 and (wet or not ripe or excess < max(rise[0], noise)):
            cell.since = 0
        elif cell.since == 0:
            cell.since = t
        lasted = cell.since != 0 and t + step - cell.since >= hold
        grade = grade_of(excess, rise, noise, lasted, cell.grade, release)
        accepted = cell.grade > 0 and t - cell.onset >= accept
        if accepted:
            grade = 0
            cell.seen[:] = 0  # learn anew
        bound = bound_of(grade, rise, noise, release)
        shares[n, flow] = 1.0
        n = settle(out, n, cell, slot, grade, RISE, t + step, cell.since, excess, bound, x, usual)
        if accepted or (grade == 0 and excess < max(rise[0], noise)):
            cell.since = 0
        cell.score = min(max(excess / max(rise[0], noise), 0.0), 1e3) if cell.since else 0.0
        if wet or cell.since or accepted:
            continue
        cell.seen[j] += 1
        a = max(1.0 / cell.seen[j], slowest)
        if cell.seen[j] == 1:
            cell.usual[j], cell.spread[j] = x, 0.0
        cell.usual[j] += a * excess
        cell.spread[j] = (1.0 - a) * (cell.spread[j] + a * excess * excess)
        cell.count += 1
        cell.all += max(1.0 / cell.count, slowest / BINS) * (excess * excess - cell.all)
    return n


class IllicitDischargeParams(Params):
    """Sensors are named by their place among those of the asset that the monitor selects, in the city file's order."""

    flow: int = Field(1, ge=1, le=DRAIN_WIDTH, description="Which of an asset's sensors is the flow meter, from 1.")
    rain: int = Field(
        2,
        ge=0,
        le=DRAIN_WIDTH,
        description="Which is the rain gauge, from 1; with 0, or where there is none, it never rains.",
    )
    rise: tuple[float, ...] = Field(
        (5.0, 20.0),
        min_length=1,
        max_length=4,
        description="Flow above that of the hour, of grade 1, 2, ..., ascending: the flow's unit.",
    )
    z: float = Field(4.0, ge=0, description="Flow that counts at least, in standard deviations of the hour.")
    period: Seconds = Field(604_800.0, ge=1, description="Length of the rhythm; it is cut into 168 bins.")
    step: Seconds = Field(600.0, gt=0, description="Readings are averaged over it.")
    hold: Seconds = Field(1200.0, ge=0, description="Event time for which the flow must stay above before it counts.")
    trace: float = Field(0.1, ge=0, description="Rain up to it is none, in the gauge's unit.")
    dry: Seconds = Field(21_600.0, gt=0, description="How long after rain nothing is learned, and nothing begins.")
    learn: int = Field(12, ge=2, description="Dry steps of an hour that are learned before it is judged.")
    horizon: int = Field(48, ge=2, description="Dry steps of an hour in which the weight of one falls to 1/e.")
    accept: Seconds = Field(
        1_209_600.0, gt=0, description="Event time after which a flow that has not gone is learned as normal."
    )
    release: float = Field(0.5, gt=0, le=1, description="A grade is left below this part of its flow (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("rise")
        if self.flow == self.rain:
            raise ValueError("expected `flow` and `rain` to be two sensors")
        return self


class IllicitDischarge(SteppedDetector):
    """Finds flow at odd hours without rain: more than the same hour of the week usually has.

    Readings are averaged over `step`. Mean and variance of each hour of the week are learned from dry steps. A
    discharge begins when the flow has been above its hour's mean by one of `rise`, and by `z` standard deviations (of
    that hour, or of all together, whichever is larger), for `hold`, and it has not rained for `dry`. It ends below
    `release` of that, whatever the weather, or `accept` after its onset, when all is learned anew. What is abnormal is
    not learned. Steps without flow are passed over.

    Misses discharges in rain and until `dry` after it, those at their usual hour every week, and those shorter than
    `hold`. Holidays may look like one. Needs each hour in two dry weeks, then `hold`. At most 4 sensors an asset.
    State: 3528 bytes an asset. Marks: score is the flow above the hour's mean, value the flow, baseline that mean.

    Method: seasonal profile with exponentially weighted moments (West, Updating Mean and Variance Estimates,
    Communications of the ACM 22, 1979), as dry-weather flow is separated in sewer practice.
    """

    name = "illicit_discharge"
    WIDTH = DRAIN_WIDTH
    kernel = staticmethod(_judge)
    Params = IllicitDischargeParams
    STATE = np.dtype(
        [
            *step_fields(DRAIN_WIDTH),
            ("usual", np.float64, BINS),
            ("spread", np.float64, BINS),  # variance
            ("seen", np.int32, BINS),  # steps learned
            ("onset", np.int64),
            ("rained", np.int64),  # last step with rain
            ("since", np.int64),  # first step above, 0 unless the flow is
            ("count", np.int64),
            ("all", np.float64),  # mean square of what all hours' steps were off
            ("score", np.float64),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            p.flow - 1,
            p.rain - 1,
            np.array(p.rise, np.float64),
            p.z,
            nanoseconds(p.period) // BINS,
            p.trace,
            nanoseconds(p.dry),
            p.learn,
            -math.expm1(-1.0 / p.horizon),
            nanoseconds(p.hold),
            nanoseconds(p.accept),
            p.release,
        )
