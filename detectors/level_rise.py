"""Levels that rise faster than the rain explains."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Marks, Params
from detectors.kernels import RISE, gain, settle
from detectors.steps import DRAIN_WIDTH, SteppedDetector, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["LevelRise", "LevelRiseParams"]

#: The slow reservoir empties in so many times the fast one's time.
_SLOWER: Final = 4.0
#: Added to the diagonal of the moments, as a part of it: the two reservoirs are much alike.
_RIDGE: Final = 1e-3


@njit(nogil=True, cache=True)
def _explained(cell: Any) -> float:
    """Speed of rise that the rain explains, by the moments learned."""
    a, b, c = cell.moments[0] * (1.0 + _RIDGE), cell.moments[1], cell.moments[2] * (1.0 + _RIDGE)
    d = a * c - b * b
    if d <= 0.0:
        return 0.0
    fast = (c * cell.moments[3] - b * cell.moments[4]) / d
    slow = (a * cell.moments[4] - b * cell.moments[3]) / d
    return max(fast * cell.wet[0] + slow * cell.wet[1], 0.0)  # type: ignore[no-any-return]


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
    rain: int,
    rise: Floats,
    part: float,
    memory: float,
    response: float,
    trace: float,
    learn: int,
    forget: float,
    release: float,
) -> int:
    n = 0
    memo, memos = np.zeros(2), np.zeros((2, 2))
    for i in range(len(groups)):
        cell = state[groups[i]]
        slot = members[groups[i], level]
        x = means[i, level]
        t = ticks[i]
        if rain >= 0 and not math.isnan(means[i, rain]):
            cell.rain = max(means[i, rain], 0.0)
        if cell.at:  # rain runs through two reservoirs
            for k in range(2):
                weight = gain(memos[k], t - cell.at, response * (_SLOWER if k else 1.0))
                cell.pool[k] += weight * (cell.rain - cell.pool[k])
        cell.at = t
        if slot < 0 or math.isnan(x):
            continue
        if cell.before == 0:
            cell.before, cell.level = t, x
            continue
        dt = (t - cell.before) / 1e9
        weight = gain(memo, t - cell.before, memory)
        cell.speed += weight * ((x - cell.level) / dt * 60.0 - cell.speed)
        for k in range(2):
            cell.wet[k] += weight * (cell.pool[k] - cell.wet[k])
        cell.before, cell.level = t, x
        rains = cell.wet[0] > trace or cell.wet[1] > trace
        explained = _explained(cell) if rains else 0.0
        excess = cell.speed - explained
        ripe = not rains or cell.count >= learn
        grade = 0
        for k in range(len(rise)):
            bound = rise[k] + part * explained
            if (excess >= bound and ripe) or (k < cell.grade and excess >= release * bound):
                grade = k + 1
        least = (rise[grade - 1] if grade else release * rise[0]) + part * explained * (1.0 if grade else release)
        shares[n, level] = 1.0
        n = settle(out, n, cell, slot, grade, RISE, t + step, t, excess, least, x, x - cell.speed + explained)
        cell.score = min(max(excess / (rise[0] + part * explained), 0.0), 1e3)
        if rains and grade == 0:
            cell.count += 1
            a, b = cell.wet[0], cell.wet[1]
            cell.moments[0] = forget * cell.moments[0] + a * a
            cell.moments[1] = forget * cell.moments[1] + a * b
            cell.moments[2] = forget * cell.moments[2] + b * b
            cell.moments[3] = forget * cell.moments[3] + a * cell.speed
            cell.moments[4] = forget * cell.moments[4] + b * cell.speed
    return n


class LevelRiseParams(Params):
    """Sensors are named by their place among those of the asset that the monitor selects, in the city file's order."""

    level: int = Field(1, ge=1, le=DRAIN_WIDTH, description="Which of an asset's sensors is the level, from 1.")
    rain: int = Field(
        2,
        ge=0,
        le=DRAIN_WIDTH,
        description="Which is the rain gauge, from 1; with 0, or where there is none, the speed alone counts.",
    )
    rise: tuple[float, ...] = Field(
        (0.01, 0.03),
        min_length=1,
        max_length=4,
        description="Speeds of rise beyond what is explained, of grade 1, 2, ..., ascending: level's unit a minute.",
    )
    part: float = Field(
        0.5, ge=0, description="What is added to each speed, as a part of what the rain explains (no unit)."
    )
    step: Seconds = Field(60.0, gt=0, description="Readings are averaged over it: they need not be in step.")
    memory: Seconds = Field(300.0, gt=0, description="Time constant over which the speed is smoothed.")
    response: Seconds = Field(
        900.0, gt=0, description="Time constant at which rain runs off; a second one is four times as slow."
    )
    trace: float = Field(0.1, gt=0, description="Rain below it is none, in the gauge's unit.")
    learn: int = Field(
        120, ge=3, description="Steps with rain that are learned before a rise in the rain is judged at all."
    )
    horizon: int = Field(3000, ge=1, description="Steps with rain after which the weight of one has fallen to 1/e.")
    release: float = Field(0.5, gt=0, le=1, description="A grade is left below this part of its speed (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("rise")
        if self.rain == self.level:
            raise ValueError("expected `rain` and `level` to be two sensors")
        return self


class LevelRise(SteppedDetector):
    """Finds levels that rise faster than the rain explains: backwater, a burst main, a discharge, a failed pump.

    Readings are averaged over `step`. The speed of the level, smoothed over `memory`, is explained by the rain,
    smoothed likewise, after it has run through two linear reservoirs, a fast and a slow one: the shape of a unit
    hydrograph. How much each of them lifts the level is learned by least squares from the steps with rain in which
    nothing is abnormal, old ones fading. A rise begins when the speed exceeds what is explained by one of `rise`, and
    by `part` of what is explained; it ends below `release` of that. In rain nothing begins before `learn` steps with
    rain are known. A gauge that falls silent is taken to read on what it read last.

    Misses rises slower than `rise`, and those in the very first rains. Where the outlet drowns, rain lifts the level
    more than it used to: that is found, and is meant. Needs, when dry, one to two `memory`. At most 4 sensors an asset.
    State: 256 bytes an asset. Marks: score is the speed beyond what is explained, a minute; value the level, baseline
    where it would be had it moved for the last minute as explained.

    Method: unit hydrograph of linear reservoirs, Nash, The Form of the Instantaneous Unit Hydrograph, IAHS Publication
    45 (1957); recursive least squares with exponential forgetting, on the moments.
    """

    name = "level_rise"
    WIDTH = DRAIN_WIDTH
    kernel = staticmethod(_judge)
    Params = LevelRiseParams
    STATE = np.dtype(
        [
            *step_fields(DRAIN_WIDTH),
            ("onset", np.int64),
            ("at", np.int64),  # the last step, and the last one with a level
            ("before", np.int64),
            ("count", np.int64),  # steps with rain that were learned
            ("level", np.float64),
            ("rain", np.float64),
            ("speed", np.float64),  # a minute
            ("score", np.float64),
            ("pool", np.float64, 2),  # rain that runs off, from the fast and the slow reservoir, ...
            ("wet", np.float64, 2),  # ... smoothed as the speed is
            ("moments", np.float64, 5),  # of the two with each other and with the speed
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            p.level - 1,
            p.rain - 1,
            np.array(p.rise, np.float64),
            p.part,
            p.memory,
            p.response,
            p.trace,
            p.learn,
            math.exp(-1.0 / p.horizon),
            p.release,
        )
