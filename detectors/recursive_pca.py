"""The sensors of one asset together: recursive principal components with T2 and Q, and each sensor's contribution."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Marks, Params, Reason
from detectors.kernels import nanoseconds, settle
from detectors.steps import SteppedDetector, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["RecursivePca", "RecursivePcaParams"]

_WIDTH: Final = 16
_RATES: Final = 7
_MOST: Final = 50.0  # a single sensor's deviation counts as at most this many standard deviations
_MAGNITUDE: Final = int(Reason.MAGNITUDE)
_RELATION: Final = int(Reason.RELATION)


class _Settings(NamedTuple):
    bounds: Floats
    release: float
    horizon: int
    rates: Floats
    smoothing: float
    spread: float
    guard: float
    relearn: int  # ns
    warm_up: int
    share: float
    floor: float


@njit(nogil=True, cache=True)
def _best(v: Any, c: int) -> int:
    """The rate whose forecasts of sensor c have erred least; the slower one where they are alike."""
    best = 0
    for g in range(1, _RATES):
        if v[c, g] < v[c, best] * (1.0 - 1e-6):
            best = g
    return best


@njit(nogil=True, cache=True)
def _learn(cell: Any, c: int, x: float, s: _Settings) -> None:
    """Let sensor c's baselines, their errors and, at a horizon's end, what is forecast from, take a reading."""
    cell.learned[c] += 1
    n = cell.learned[c]
    for g in range(_RATES):
        if n > 2 * s.horizon:
            e = cell.smooth[c] - cell.base[c, g]
            a = max(s.spread, 1.0 / (n - 2 * s.horizon))
            cell.error[c, g] += a * (e * e - cell.error[c, g])
        cell.level[c, g] += max(s.rates[g], 1.0 / n) * (x - cell.level[c, g])
    if n % s.horizon == 0:
        for g in range(_RATES):
            cell.base[c, g] = cell.before[c, g]
            cell.before[c, g] = cell.level[c, g]


@njit(nogil=True, cache=True)
def _restart(cell: Any, c: int, x: float) -> None:
    for g in range(_RATES):
        cell.level[c, g] = cell.before[c, g] = cell.base[c, g] = x


@njit(nogil=True, cache=True)
def _decompose(cell: Any, p: int, share: float, floor: float) -> None:
    """Principal components of the correlations learned so far, largest first, and how many of them make up `share`."""
    values, vectors = np.linalg.eigh(cell.related[:p, :p].copy())
    total = 0.0
    for j in range(p):
        cell.weight[j] = max(values[p - 1 - j], floor)
        total += cell.weight[j]
        for c in range(p):
            cell.axes[j, c] = vectors[c, p - 1 - j]
    k = 0
    reached = 0.0
    while k < p and reached < share * total:
        reached += cell.weight[k]
        k += 1
    cell.kept = k


@njit(nogil=True, cache=True)
def _forecast(cell: Any, p: int, mean: Any, tick: int, s: _Settings, u: Floats, at: Floats, base: Floats) -> int:
    """Set each sensor's step beside its forecast, then learn it; the deviations in `u`.

    Returns 0 as long as none is known well enough, 2 if one is beyond the guard, otherwise 1.
    """
    known = 0
    for c in range(p):
        g = _best(cell.error, c)
        u[c] = 0.0
        base[c] = cell.base[c, g]
        at[c] = cell.smooth[c]
        x = mean[c]
        if math.isnan(x):
            continue
        at[c] = x
        cell.seen[c] += 1
        if cell.seen[c] == 1:
            cell.smooth[c] = x
            _restart(cell, c, x)
        cell.smooth[c] += max(s.smoothing, 1.0 / cell.seen[c]) * (x - cell.smooth[c])
        base[c] = cell.base[c, g]
        d = cell.smooth[c] - base[c]
        if cell.error[c, g] > 0.0:
            u[c] = min(max(d / math.sqrt(cell.error[c, g]), -_MOST), _MOST)
        if cell.learned[c] >= s.warm_up:
            known = max(known, 1)
            if abs(u[c]) > s.guard:
                known = 2
                if cell.frozen[c] == 0:
                    cell.since[c] = tick
                cell.frozen[c] = 1
                if tick - cell.since[c] < s.relearn:
                    continue
                _restart(cell, c, cell.smooth[c])
        cell.frozen[c] = 0
        _learn(cell, c, x, s)
    return known


@njit(nogil=True, cache=True)
def _index(cell: Any, p: int, u: Floats, floor: float, part: Floats) -> tuple[float, float]:
    """T2 and Q, each component in its own standard deviations; what one sensor adds to both sums up to the whole."""
    axes = cell.axes
    rest = 0.0
    for j in range(cell.kept, p):
        rest += cell.weight[j]
    rest = max(rest / max(1, p - cell.kept), floor)
    inside, outside = 0.0, 0.0
    for c in range(p):
        part[c] = 0.0
    for j in range(p):
        y = 0.0
        for c in range(p):
            y += axes[j, c] * u[c]
        kept = j < cell.kept
        scaled = y / (cell.weight[j] if kept else rest)
        for c in range(p):
            part[c] += u[c] * axes[j, c] * scaled
        if kept:
            inside += y * scaled
        else:
            outside += y * scaled
    return inside, outside


@njit(nogil=True, cache=True)
def _relate(cell: Any, p: int, u: Floats, spread: float) -> None:
    """Learn the correlations of the deviations."""
    cell.related_count += 1
    a = max(spread, 1.0 / (cell.related_count + 50.0))
    related = cell.related
    for r in range(p):
        for c in range(p):
            related[r, c] += a * (u[r] * u[c] - related[r, c])


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
    s: _Settings,
) -> int:
    """Judge steps, then learn them."""
    u, at, base, part = np.empty(_WIDTH), np.empty(_WIDTH), np.empty(_WIDTH), np.empty(_WIDTH)
    n = 0
    for i in range(len(groups)):
        cell, tick = state[groups[i]], ticks[i]
        slots = members[groups[i]]
        p = 0
        while p < _WIDTH and slots[p] >= 0:
            p += 1
        known = _forecast(cell, p, means[i], tick, s, u, at, base)
        inside, outside = _index(cell, p, u, s.floor, part)
        index = math.sqrt(inside + outside) if known else 0.0
        cell.score = index / s.bounds[0]
        if known < 2:
            _relate(cell, p, u, s.spread)
        cell.ticks += 1
        if cell.ticks % s.horizon == 0:
            _decompose(cell, p, s.share, s.floor)

        grade = 0
        for k in range(len(s.bounds)):
            if index > s.bounds[k] or (k < cell.grade and index > s.release * s.bounds[k]):
                grade = k + 1
        if grade == cell.grade:
            continue
        top = 0
        for c in range(1, p):
            if part[c] > part[top] + 1e-9 * abs(part[top]):  # of equals the first, whatever the rounding
                top = c
        if cell.grade == 0:
            cell.place = top
            cell.reason = _RELATION if outside > inside else _MAGNITUDE
        total = 0.0
        for c in range(p):
            total += max(part[c], 0.0)
        for c in range(p):
            shares[n, c] = max(part[c], 0.0) / total if total > 0.0 else 0.0
        c = cell.place
        bound = s.bounds[grade - 1] if grade else s.release * s.bounds[0]
        n = settle(out, n, cell, slots[c], grade, cell.reason, tick + step, tick, index, bound, at[c], base[c])
    return n


class RecursivePcaParams(Params):
    """Durations are event time; a step is what the asset is judged in."""

    index: tuple[float, ...] = Field(
        (10.0,),
        min_length=1,
        max_length=3,
        description="Values of the combined index of grade 1, 2, 3 (standard deviations), ascending, above 0.",
    )
    step: Seconds = Field(
        1.0, gt=0, description="The asset is judged once in such a time; readings in it are averaged."
    )
    smoothing: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Weight of the newest step in what is judged: less finds less, and later (no unit).",
    )
    horizon: int = Field(
        60, ge=2, description="Steps that a forecast looks ahead: what is judged is at least as new, at most twice."
    )
    memory: int = Field(
        2000, ge=10, description="Steps in which the weight of a forecast error in the learned spread falls to 1/e."
    )
    warm_up: int = Field(400, ge=5, description="Steps that are learned of a sensor before it is judged.")
    guard: float = Field(
        4.0, gt=0, description="A sensor further than this from its forecast is not learned (standard deviations)."
    )
    relearn: Seconds = Field(
        14400.0, gt=0, description="Event time after which what a sensor then reads is taken as its new normal."
    )
    share: float = Field(
        0.95, gt=0, le=1, description="Part of the variance that the principal components make up (no unit)."
    )
    floor: float = Field(
        0.2, gt=0, le=1, description="A component's variance is taken to be at least this (1 is a sensor's own)."
    )
    release: float = Field(0.7, gt=0, le=1, description="A grade is left at or below this part of its index (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("index")
        if self.warm_up <= 2 * self.horizon:
            raise ValueError(f"expected a `warm_up` above two horizons ({2 * self.horizon}), got {self.warm_up}")
        return self


class RecursivePca(SteppedDetector):
    """Finds steps in which the sensors of one asset, taken together, are far from what they forecast.

    Each sensor is forecast by an exponentially weighted mean as it stood one to two horizons ago. Of seven rates, from
    a half to a thousandth, it goes by the one whose forecasts have erred least: a sensor that wanders (a temperature)
    is followed fast and its drift is no finding, one that holds still (a flow in a loop) is followed slowly and an
    anomaly of an hour does not become normal. The deviations, in standard deviations of the forecast error, have
    correlations; their principal components are learned step by step and renewed every horizon. T2 is the squared
    deviation inside the leading components (more than usual: reason "magnitude"), Q that outside them (the sensors left
    their relation: reason "relation"), each in proportion to its variance; the combined index is the root of the sum.
    Every sensor's part in the index is its contribution: the finding names the sensor with the largest, and lists them.

    What lies beyond the guard is not learned, sensor by sensor, until `relearn` after it began. A sensor that is silent
    in a step takes no part in it.

    Misses drift as slow as the sensor's own wandering, and abnormalities that last longer than `relearn`. Needs
    `warm_up` steps, then the end of one. At most 16 sensors an asset.
    State: 8904 bytes an asset. Marks: score is the index, threshold its bound; value and baseline are the named
    sensor's.

    Method: Li, Yue, Valle-Cervantes and Qin, Recursive PCA for Adaptive Process Monitoring, Journal of Process Control
    10 (2000); combined index: Yue and Qin (2001); contributions: Alcala and Qin, Automatica 45 (2009).
    """

    name = "recursive_pca"
    version = 2
    WIDTH = _WIDTH
    kernel = staticmethod(_judge)
    Params = RecursivePcaParams
    STATE = np.dtype(
        [
            *step_fields(_WIDTH),
            ("onset", np.int64),
            ("ticks", np.int64),  # steps judged
            ("related_count", np.int64),
            ("score", np.float64),
            ("seen", np.int64, _WIDTH),  # steps with readings
            ("learned", np.int64, _WIDTH),
            ("frozen", np.int64, _WIDTH),
            ("since", np.int64, _WIDTH),  # ns, when it was frozen
            ("smooth", np.float64, _WIDTH),
            ("level", np.float64, (_WIDTH, _RATES)),  # weighted mean by now,
            ("before", np.float64, (_WIDTH, _RATES)),  # at the last horizon's end,
            ("base", np.float64, (_WIDTH, _RATES)),  # and at the one before: the forecast
            ("error", np.float64, (_WIDTH, _RATES)),  # mean square
            ("related", np.float64, (_WIDTH, _WIDTH)),  # correlation of deviations
            ("axes", np.float64, (_WIDTH, _WIDTH)),  # principal components in rows
            ("weight", np.float64, _WIDTH),  # their variances
            ("kept", np.int64),  # leading ones
            ("place", np.int64),  # of the sensor that the finding names
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            _Settings(
                np.array(p.index, np.float64),
                p.release,
                p.horizon,
                np.array([0.5, 0.2, 0.08, 0.03, 0.01, 0.003, 0.001]),
                p.smoothing,
                1.0 / p.memory,
                p.guard,
                nanoseconds(p.relearn),
                p.warm_up,
                p.share,
                p.floor,
            ),
        )

    def initial(self, slots: int) -> npt.NDArray[np.void]:  # noqa: D102
        state = super().initial(slots)
        state["related"] = state["axes"] = np.eye(_WIDTH)
        state["weight"] = 1.0
        state["kept"] = np.count_nonzero(self.members >= 0, axis=1)
        return state
