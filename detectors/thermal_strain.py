"""Shifts of strain that stay and that the structure's temperature does not explain."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Marks, Params
from detectors.kernels import FALL, RISE, gain, nanoseconds, settle
from detectors.steps import SteppedDetector, step_fields
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["ThermalStrain", "ThermalStrainParams"]

_WIDTH: Final = 16
_TERMS: Final = 4  # constant, temperature, and two that lag behind it
_SLOWER: Final = 4.0  # the second lags so many times as long
_RIDGE: Final = 1e-3  # K2 a step: without it, lags that say the same could not be told apart
_LIMIT: Final = 4.0  # mean residuals: what is further out is learned as if it were there


@njit(nogil=True, cache=True)
def _factor(moments: Any, low: Floats) -> None:
    """Cholesky factor of the moments learned, with the ridge on all but the constant."""
    for i in range(_TERMS):
        for j in range(i + 1):
            a = moments[i, j]
            if i == j and i > 0:
                a += _RIDGE * moments[0, 0]
            for k in range(j):
                a -= low[i, k] * low[j, k]
            if i == j:
                low[i, i] = math.sqrt(max(a, 1e-12 * (moments[i, i] + 1.0)))
            else:
                low[i, j] = a / low[j, j]


@njit(nogil=True, cache=True)
def _expected(low: Floats, right: Any, terms: Any, beta: Floats) -> float:
    """What a gauge would read, less its origin, by the coefficients that solve its equations."""
    for i in range(_TERMS):
        beta[i] = right[i]
        for k in range(i):
            beta[i] -= low[i, k] * beta[k]
        beta[i] /= low[i, i]
    for i in range(_TERMS - 1, -1, -1):
        for k in range(i + 1, _TERMS):
            beta[i] -= low[k, i] * beta[k]
        beta[i] /= low[i, i]
    y = 0.0
    for j in range(_TERMS):
        y += beta[j] * terms[j]
    return y


@njit(nogil=True, cache=True)
def _warm(cell: Any, x: float, t: int, lag: float, most: int, memos: Floats) -> bool:
    """Let the temperature and its lags come to the step; False where the latest reading is older than `most`, ns."""
    if math.isnan(x):
        return cell.at > 0 and t - cell.at < most  # type: ignore[no-any-return]
    if cell.at == 0:
        cell.origin = x
    cell.terms[1] = x - cell.origin
    for k in range(2):
        weight = gain(memos[k], t - cell.at, lag * (_SLOWER if k else 1.0)) if cell.at else 1.0
        cell.terms[2 + k] += weight * (cell.terms[1] - cell.terms[2 + k])
    cell.at = t
    return True


@njit(nogil=True, cache=True)
def _count(gauge: Any, e: float, t: int, scale: float, shift: Floats, stays: int, release: float) -> None:
    """Count a residual for or against each grade."""
    if gauge.held[0] == 0 and (gauge.run[0] == 0 or gauge.side * e <= 0.0):
        gauge.side = 1 if e > 0.0 else -1
        gauge.run[:] = 0
    away = gauge.side * e
    for k in range(len(shift)):
        contradicts = away >= scale * shift[k] if gauge.held[k] == 0 else away < release * scale * shift[k]
        if not contradicts:
            gauge.run[k] = 0
            continue
        if k == 0 and gauge.held[0] == 0 and gauge.run[0] == 0:
            gauge.since = t
        gauge.run[k] += 1
        if gauge.run[k] >= stays:
            gauge.held[k] = 1 - gauge.held[k]
            gauge.run[k] = 0


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
    thermometer: int,
    shift: Floats,
    stays: int,
    lag: float,
    learn: int,
    forget: float,
    times: float,
    release: float,
    relearn: int,
) -> int:
    n = 0
    low, beta, memos = np.zeros((_TERMS, _TERMS)), np.zeros(_TERMS), np.zeros((2, 2))
    expected = np.zeros(means.shape[1])
    for i in range(len(groups)):
        cell, t = state[groups[i]], ticks[i]
        member = members[groups[i]]
        has = thermometer >= 0 and member[thermometer] >= 0
        cell.terms[0] = 1.0
        if has and not _warm(cell, means[i, thermometer], t, lag, stays * step, memos):
            continue
        stale = cell.grade > 0 and t + step - cell.onset >= relearn
        cell.score = 0.0
        grade, top = 0, -1
        _factor(cell.moments, low)
        for k in range(means.shape[1]):
            if member[k] < 0 or (has and k == thermometer):
                continue
            gauge, x = cell.gauge[k], means[i, k]
            if gauge.seen == 0:
                if math.isnan(x):
                    continue
                gauge.origin = x
            y = _expected(low, gauge.right, cell.terms, beta)
            expected[k], e = gauge.origin + y, 0.0
            scale = max(1.0, times * gauge.noise / shift[0])
            if not math.isnan(x):
                gauge.seen += 1
                gauge.away = e = x - expected[k]
                limit = np.inf
                if gauge.seen > learn:
                    _count(gauge, e, t, scale, shift, stays, release)
                    limit = max(_LIMIT * gauge.noise, 0.25 * shift[0])
                    if gauge.held[0] or abs(e) >= scale * shift[0]:
                        limit = 0.0
                    size = abs(e) / (scale * shift[0])
                    cell.score = max(cell.score, min(size, 1e300))
                    e = min(max(e, -limit), limit)
                if 2 * gauge.seen > learn and limit > 0.0:
                    weight = max(forget, 1.0 / (gauge.seen - learn // 2))
                    gauge.noise += weight * (abs(e) - gauge.noise)
            if stale and gauge.held[0]:  # where it is by now is the new normal
                for j in range(_TERMS):
                    gauge.right[j] += cell.moments[j, 0] * gauge.away
                gauge.held[:] = 0
                gauge.run[:] = 0
            for j in range(_TERMS):
                gauge.right[j] = (1.0 - forget) * gauge.right[j] + cell.terms[j] * (y + e)
            held = 0
            for j in range(len(shift)):
                if gauge.held[j]:
                    held = j + 1
            if held > grade:
                grade, top = held, k
        for j in range(_TERMS):
            for k in range(_TERMS):
                cell.moments[j, k] = (1.0 - forget) * cell.moments[j, k] + cell.terms[j] * cell.terms[k]
        if grade and cell.grade == 0:
            cell.lead = top
        if grade or cell.grade:
            k = cell.lead
            gauge = cell.gauge[k]
            scale = max(1.0, times * gauge.noise / shift[0])
            bound = scale * (shift[grade - 1] if grade else release * shift[0])
            reason = RISE if gauge.side > 0 else FALL
            score = max(gauge.side * gauge.away, 0.0)
            value, slot = expected[k] + gauge.away, member[k]
            n = settle(out, n, cell, slot, grade, reason, t + step, gauge.since, score, bound, value, expected[k])
    return n


class ThermalStrainParams(Params):
    """Sensors are named by their place among those of the asset that the monitor selects, in the city file's order."""

    thermometer: int = Field(
        1,
        ge=0,
        le=_WIDTH,
        description="Which of an asset's sensors is the temperature, from 1; the others are gauges. An asset with "
        "fewer has none (nor with 0): its gauges are held against their slow means.",
    )
    shift: tuple[float, ...] = Field(
        (10.0, 20.0, 40.0),
        min_length=1,
        max_length=4,
        description="Shifts of grade 1, 2, ..., ascending, above 0, in the gauges' unit: the default suits um/m.",
    )
    step: Seconds = Field(15.0, gt=0, description="Readings are averaged over it.")
    stays: Seconds = Field(
        180.0, gt=0, description="Event time for which a shift must last without a break: longer than vehicles stand."
    )
    lag: Seconds = Field(
        3600.0, gt=0, description="How long the structure takes to warm through; four times as long is learned, too."
    )
    learn: Seconds = Field(
        86_400.0, gt=0, description="How long a gauge's response to the temperature is learned before it is judged."
    )
    memory: Seconds = Field(
        864_000.0, gt=0, description="Time constant at which what is learned is forgotten: slower shifts are normal."
    )
    times: float = Field(6.0, ge=0, description="The first shift is at least this many mean residuals.")
    release: float = Field(
        0.6, gt=0, le=1, description="A grade is left below this part of its shift, after `stays` (no unit)."
    )
    relearn: Seconds = Field(
        604_800.0, gt=0, description="Event time after which a shift that stays is taken for the new normal."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("shift")
        return self


class ThermalStrain(SteppedDetector):
    """Finds shifts of strain, tilt or deflection that stay and that the asset's own thermometer does not explain.

    The gauges of an asset are averaged over steps. Each gauge's response to the temperature, and to what of it comes
    late (two first-order lags), is learned by recursive least squares with exponential forgetting. A residual far out
    is learned only up to a limit, one beyond the first shift not at all: neither a vehicle nor a settlement becomes
    heat. A shift counts once the residual has been beyond it for `stays`, and ends once it has been back for as long.
    So a settlement may take days, and a hot day is no settlement. The finding names the gauge with the highest grade.
    While the thermometer has been silent for `stays`, nothing is judged.

    Misses shifts slower than about `shift` in a `memory`, and what the air's temperature does not say: sun on one
    flank. Needs `learn`, with as much of the daily range as there is, then `stays`. At most 16 sensors an asset, one of
    them a thermometer; `strain_shift` needs none. State: 2144 bytes an asset. Marks: score is the distance from what is
    expected, value the step's mean, baseline what is expected of it.

    Method: recursive least squares with exponential forgetting (Ljung, System Identification, 2nd ed. 1999, chapter
    11), residuals bounded as by Huber; temperature as the regressor: Peeters and De Roeck, One-year monitoring of the
    Z24-Bridge, Earthquake Engineering and Structural Dynamics 30 (2001).
    """

    name = "thermal_strain"
    WIDTH = _WIDTH
    verdict = Verdict.EVENT
    kernel = staticmethod(_judge)
    Params = ThermalStrainParams
    STATE = np.dtype(
        [
            *step_fields(_WIDTH),
            ("onset", np.int64),
            ("at", np.int64),  # ns, last step with a temperature
            ("origin", np.float64),  # the first temperature
            ("terms", np.float64, _TERMS),  # 1, temperature about its origin, and its lags
            ("moments", np.float64, (_TERMS, _TERMS)),
            (
                "gauge",
                np.dtype(
                    [
                        ("since", np.int64),  # ns, when it was away first
                        ("seen", np.int64),  # steps
                        ("origin", np.float64),  # its first mean
                        ("away", np.float64),  # latest residual
                        ("right", np.float64, _TERMS),  # moments with the terms
                        ("noise", np.float64),  # mean absolute residual
                        ("run", np.int32, 4),  # steps in a row that contradict each grade
                        ("held", np.uint8, 4),  # whether each grade counts
                        ("side", np.int8),
                    ],
                    align=True,
                ),
                _WIDTH,
            ),
            ("score", np.float64),
            ("lead", np.int64),  # place of the gauge that the finding names
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            p.thermometer - 1,
            np.array(p.shift, np.float64),
            max(math.ceil(min(p.stays / p.step, 1e9)), 1),
            p.lag,
            max(round(min(p.learn / p.step, 1e9)), 2),
            -math.expm1(-p.step / p.memory),
            p.times,
            p.release,
            nanoseconds(p.relearn),
        )
