"""Gas in septic tanks and sewers, with level and temperature beside it: where to ventilate."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Marks, Params, Reason
from detectors.kernels import RISE, gain, nanoseconds, settle
from detectors.steps import DRAIN_WIDTH, SteppedDetector, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["Septic", "SepticParams"]

_RELATION: Final = int(Reason.RELATION)


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
    gas: int,
    beside: Int32s,
    faster: Floats,
    rising: Floats,
    moderate: float,
    hysteresis: float,
    memory: float,
    at_least: int,
) -> int:
    n = 0
    memo = np.zeros(2)
    for i in range(len(groups)):
        cell = state[groups[i]]
        slot = members[groups[i], gas]
        t, x = ticks[i], means[i, gas]
        for k in range(2):  # level and temperature: their speed, an hour
            if beside[k] < 0 or math.isnan(means[i, beside[k]]):
                continue
            y = means[i, beside[k]]
            if cell.at[k]:
                dt = (t - cell.at[k]) / 1e9
                weight = gain(memo, t - cell.at[k], memory)
                cell.speed[k] += weight * ((y - cell.before[k]) / dt * 3600.0 - cell.speed[k])
            cell.at[k], cell.before[k] = t, y
        if slot < 0 or math.isnan(x):
            continue
        grade = 0
        for k in range(len(rising)):
            if x >= rising[k] or (k < cell.grade and x >= rising[k] - hysteresis):
                grade = k + 1
        bound = rising[grade - 1] if grade else rising[0] - hysteresis
        # Gas below the first threshold counts where something moves beside it.
        moves = cell.speed[0] >= faster[0] or cell.speed[1] >= faster[1]
        combined = moves and x >= moderate
        if cell.grade and cell.reason == _RELATION and x >= moderate - hysteresis:
            combined = combined or cell.speed[0] >= 0.5 * faster[0] or cell.speed[1] >= 0.5 * faster[1]
        if grade == 0 and combined:
            grade, bound = 1, moderate
        if cell.grade == 0:
            cell.reason = _RELATION if x < rising[0] else RISE
        elif grade == 0 and t + step - cell.onset < at_least:
            grade = 1  # switch no fan on and off all the time
        if cell.reason == _RELATION and grade == 0:
            bound = moderate - hysteresis
        if grade != cell.grade:
            shares[n, gas] = 1.0
            total = 1.0
            for k in range(2):
                if cell.reason == _RELATION and beside[k] >= 0 and cell.speed[k] >= 0.5 * faster[k]:
                    shares[n, beside[k]] = 1.0
                    total += 1.0
            shares[n] /= total
        n = settle(out, n, cell, slot, grade, cell.reason, t + step, t, x, bound, x, cell.normal)
        cell.score = min(max(x / rising[0], 1.0 if combined else 0.0), 1e3)
        if grade == 0:
            cell.normal = x
    return n


class SepticParams(Params):
    """Sensors are named by their place among those of the asset that the monitor selects, in the city file's order."""

    gas: int = Field(1, ge=1, le=DRAIN_WIDTH, description="Which of an asset's sensors is the gas, from 1.")
    level: int = Field(2, ge=0, le=DRAIN_WIDTH, description="Which is the level, from 1; 0 for none.")
    temperature: int = Field(3, ge=0, le=DRAIN_WIDTH, description="Which is the temperature, from 1; 0 for none.")
    rising: tuple[float, ...] = Field(
        (10.0, 20.0),
        min_length=1,
        max_length=4,
        description="Gas of grade 1, 2, ..., ascending, whatever the others read: the gas sensor's unit.",
    )
    moderate: float = Field(
        5.0, gt=0, description="Gas that is grade 1 where level or temperature rises: the gas sensor's unit."
    )
    filling: float = Field(0.2, gt=0, description="Speed of the level that counts: its unit an hour.")
    warming: float = Field(2.0, gt=0, description="Speed of the temperature that counts: its unit an hour.")
    hysteresis: float = Field(
        2.0, ge=0, description="A grade is left only this far below its gas: the gas sensor's unit."
    )
    at_least: Seconds = Field(900.0, ge=0, description="Event time that a request stands at least.")
    step: Seconds = Field(60.0, gt=0, description="Readings are averaged over it: they need not be in step.")
    memory: Seconds = Field(1800.0, gt=0, description="Time constant over which the speeds are smoothed.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(a >= b for a, b in pairwise([self.moderate, *self.rising])):
            raise ValueError("expected `rising` to be above `moderate` and to rise from grade to grade")
        places = [place for place in (self.gas, self.level, self.temperature) if place]
        if len(set(places)) < len(places):
            raise ValueError("expected `gas`, `level` and `temperature` to be different sensors")
        return self


class Septic(SteppedDetector):
    """Finds septic tanks and sewers that want ventilation: much gas, or some gas while level or temperature rises.

    Readings are averaged over `step`; the speeds of level and temperature are smoothed over `memory`. Gas at one of
    `rising` is a finding of that grade (reason "rise"). Gas at `moderate` is one of grade 1 while the level rises by
    `filling` or the temperature by `warming` (reason "relation"): sewage that rises drives the gas out, and warmth
    makes more of it. A grade is left `hysteresis` below its gas, the combination also when neither speed is at half of
    what counts, and nothing ends before `at_least`: what is asked for here is a fan. Make the monitor's kind the
    request, such as "ventilation-request": a finding's onset is the wish to begin, its end that to stop.

    Misses gas that stays below `moderate`. A step without a reading of gas changes nothing. Needs one step; for the
    combination about a `memory`. At most 4 sensors an asset. State: 192 bytes an asset. Marks: score and value are the
    gas, baseline the last before the onset.

    Method: alarm set points with deadband and off-delay as in IEC 62682 (ISA-18.2), in a logical combination.
    """

    name = "septic"
    WIDTH = DRAIN_WIDTH
    kernel = staticmethod(_judge)
    Params = SepticParams
    STATE = np.dtype(
        [
            *step_fields(DRAIN_WIDTH),
            ("onset", np.int64),
            ("at", np.int64, 2),  # last reading of level and temperature
            ("before", np.float64, 2),
            ("speed", np.float64, 2),  # an hour
            ("normal", np.float64),
            ("score", np.float64),
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            p.gas - 1,
            np.array([p.level - 1, p.temperature - 1], np.int32),
            np.array([p.filling, p.warming], np.float64),
            np.array(p.rising, np.float64),
            p.moderate,
            p.hysteresis,
            p.memory,
            nanoseconds(p.at_least),
        )
