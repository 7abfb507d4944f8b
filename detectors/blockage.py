"""Levels that stand higher than the flow makes them, without rain: blocked drains."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Marks, Params, Reason
from detectors.kernels import RISE, bound_of, gain, grade_of, nanoseconds, settle
from detectors.steps import DRAIN_WIDTH, SteppedDetector, rains, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["Blockage", "BlockageParams"]

_RELATION: Final = int(Reason.RELATION)
#: A flow that is further above its mean than so many standard deviations is up.
_UP: Final = 2.0
#: What a unit of flow lifts the level at most, so that squares stay finite.
_CAP: Final = 1e30


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
    level: int,
    flow: int,
    rain: int,
    rise: Floats,
    z: float,
    memory: float,
    trace: float,
    dry: int,
    learn: int,
    slowest: float,
    accept: int,
    release: float,
) -> int:
    n = 0
    memo = np.zeros(2)
    for i in range(len(groups)):
        cell = state[groups[i]]
        slot = members[groups[i], level]
        t = ticks[i]
        wet = rain >= 0 and rains(cell, means[i, rain], t, trace, dry)
        gauged = flow >= 0 and members[groups[i], flow] >= 0
        x, q = means[i, level], means[i, flow] if gauged else 0.0
        if slot < 0 or math.isnan(x) or math.isnan(q):
            continue
        weight = gain(memo, t - cell.at, memory) if cell.at else 1.0
        cell.at = t
        cell.level += weight * (x - cell.level)
        cell.flow += weight * (q - cell.flow)
        du, dq = cell.level - cell.usual, cell.flow - cell.usual_flow
        per_flow = min(max(cell.both / cell.spread, 0.0), _CAP) if cell.spread > 0.0 else 0.0
        expected = cell.usual + per_flow * dq
        excess = cell.level - expected
        noise = z * math.sqrt(cell.error)
        ripe = cell.count >= learn
        begins = ripe and not wet and du > 0.0 and dq <= _UP * math.sqrt(cell.spread)
        grade = grade_of(excess, rise, noise, begins, cell.grade, release)
        if cell.grade and t - cell.onset >= accept:
            grade = 0
            cell.count = 0  # learn anew
        bound = bound_of(grade, rise, noise, release)
        reason = _RELATION if gauged else RISE
        shares[n, level] = 1.0
        n = settle(out, n, cell, slot, grade, reason, t + step, t, excess, bound, cell.level, expected)
        cell.score = min(max(excess / max(rise[0], noise), 0.0), 1e3) if begins else 0.0
        if wet or grade:
            continue
        cell.count += 1
        a = max(1.0 / cell.count, slowest)
        if cell.count == 1:
            du = dq = excess = 0.0
            cell.usual, cell.usual_flow = cell.level, cell.flow
        cell.usual += a * du
        cell.usual_flow += a * dq
        cell.spread = (1.0 - a) * (cell.spread + a * dq * dq)
        cell.both = (1.0 - a) * (cell.both + a * dq * du)
        cell.error = (1.0 - a) * (cell.error + a * excess * excess)
    return n


class BlockageParams(Params):
    """Sensors are named by their place among those of the asset that the monitor selects, in the city file's order."""

    level: int = Field(1, ge=1, le=DRAIN_WIDTH, description="Which of an asset's sensors is the level, from 1.")
    flow: int = Field(
        2,
        ge=0,
        le=DRAIN_WIDTH,
        description="Which is the flow meter, from 1; with 0, or where there is none, the level's own mean counts.",
    )
    rain: int = Field(
        3,
        ge=0,
        le=DRAIN_WIDTH,
        description="Which is the rain gauge, from 1; with 0, or where there is none, it never rains.",
    )
    rise: tuple[float, ...] = Field(
        (0.1, 0.3),
        min_length=1,
        max_length=4,
        description="Height above what the flow makes, of grade 1, 2, ..., ascending: the level's unit.",
    )
    z: float = Field(5.0, ge=0, description="Height that counts at least, in standard deviations of the relation.")
    step: Seconds = Field(300.0, gt=0, description="Readings are averaged over it: they need not be in step.")
    memory: Seconds = Field(900.0, gt=0, description="Time constant over which level and flow are smoothed.")
    trace: float = Field(0.1, ge=0, description="Rain up to it is none, in the gauge's unit.")
    dry: Seconds = Field(21_600.0, gt=0, description="How long after rain nothing is learned, and nothing begins.")
    learn: int = Field(288, ge=2, description="Dry steps that are learned before the first is judged.")
    horizon: int = Field(4032, ge=2, description="Dry steps in which the weight of one falls to 1/e.")
    accept: Seconds = Field(
        1_209_600.0, gt=0, description="Event time after which a height that has not gone is learned as normal."
    )
    release: float = Field(0.5, gt=0, le=1, description="A grade is left below this part of its height (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("rise")
        places = [place for place in (self.level, self.flow, self.rain) if place]
        if len(set(places)) < len(places):
            raise ValueError("expected `level`, `flow` and `rain` to be different sensors")
        return self


class Blockage(SteppedDetector):
    """Finds levels that stand higher than the flow makes them, without rain: drains that are blocked downstream.

    Readings are averaged over `step` and smoothed over `memory`. From dry steps the straight line of level on flow is
    learned, with the spread about it. A blockage begins when the level stands above that line by one of `rise`, and by
    `z` standard deviations, while it is above its own mean, the flow is not up (at most two standard deviations above
    its mean), and it has not rained for `dry`. It ends below `release` of that height, whatever the weather, or
    `accept` after its onset, when all is learned anew. What is abnormal is not learned. Steps in which the level or the
    flow is silent are passed over.

    Misses blockages during rain and until `dry` after it, those that were there while it learned, and those that grow
    slower than the line follows (`rise` in a `horizon`). A pump that stands still looks the same. Needs `learn` steps,
    then about a `memory`. At most 4 sensors an asset. State: 216 bytes an asset. Marks: score is the height above the
    line, value the smoothed level, baseline the line.

    Method: linear regression on exponentially weighted moments (West, Updating Mean and Variance Estimates,
    Communications of the ACM 22, 1979), and the residual's bound as in a Shewhart chart.
    """

    name = "blockage"
    WIDTH = DRAIN_WIDTH
    kernel = staticmethod(_judge)
    Params = BlockageParams
    STATE = np.dtype(
        [
            *step_fields(DRAIN_WIDTH),
            ("onset", np.int64),
            ("at", np.int64),  # the last step with level and flow, and the last with rain
            ("rained", np.int64),
            ("count", np.int64),  # steps learned
            ("level", np.float64),  # smoothed
            ("flow", np.float64),
            ("usual", np.float64),  # means that are learned
            ("usual_flow", np.float64),
            ("spread", np.float64),  # variance of the flow, and its covariance with the level
            ("both", np.float64),
            ("error", np.float64),  # mean square of the residual
            ("score", np.float64),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            p.level - 1,
            p.flow - 1,
            p.rain - 1,
            np.array(p.rise, np.float64),
            p.z,
            p.memory,
            p.trace,
            nanoseconds(p.dry),
            p.learn,
            -math.expm1(-1.0 / p.horizon),
            nanoseconds(p.accept),
            p.release,
        )
