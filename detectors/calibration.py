"""Sensors that have lost their calibration: offset, gain or clock are wrong against their neighbours."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field

from detectors.contract import Marks, Params, Reason
from detectors.kernels import nanoseconds, settle
from detectors.steps import SteppedDetector, step_fields
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["Calibration", "CalibrationParams"]

_WIDTH: Final = 48
_SWEEPS: Final = 4  # of Gauss and Seidel, for readings that are missing
_RENEWALS: Final = 8  # of the regression while `learn` goes by, and as often from then on
_LAGS: Final = 24  # steps by which a clock may be wrong to be told from a gain that is
_COMPARED: Final = 12  # steps at least that are compared at every lag
_GONE: Final = 0.2  # what may be left of the residual, in mean squares, once the sensor is moved in time
_MOVED: Final = 0.25  # of a sensor's usual variance: enough to tell a gain from an offset
_OFFSET: Final = int(Reason.OFFSET)
_GAIN: Final = int(Reason.GAIN)
_CLOCK: Final = int(Reason.CLOCK)


class _Settings(NamedTuple):
    times: float
    alone: float
    release: float
    unexplained: float
    peers: int
    floor: float
    gain: float
    weight: float  # of a step in the energies
    forget: float  # and in what is learned
    learn: int
    patience: int  # ns
    relearn: int  # ns


@njit(nogil=True, cache=True)
def _standard(cell: Any, p: int, x: Floats, z: Floats, u: Floats) -> int:
    """Deviations in standard deviations, those of silent sensors as the others have it; how many are not silent."""
    present = 0
    for k in range(p):
        z[k] = 0.0
        if not math.isnan(x[k]):
            present += 1
            if cell.moments[k, k] > 0.0:
                z[k] = (x[k] - cell.mean[k]) / math.sqrt(cell.moments[k, k])
    for _ in range(_SWEEPS if present < p else 0):
        for k in range(p):
            if math.isnan(x[k]):
                for i in range(p):
                    u[i] = cell.precision[k, i] * z[i]
                z[k] -= u[:p].sum() / cell.precision[k, k]
    for k in range(p):
        u[k] = 0.0
        for i in range(p):
            u[k] += cell.precision[k, i] * z[i]
    return present


@njit(nogil=True, cache=True)
def _learn(cell: Any, p: int, x: Floats, s: _Settings) -> None:
    """Let the moments take a step."""
    cell.learned += 1
    w = max(1.0 / cell.learned, s.forget)
    for k in range(p):
        if math.isnan(x[k]):  # as the others have it, see `_standard`
            x[k] = cell.mean[k] + cell.z[k] * math.sqrt(cell.moments[k, k])
    for i in range(p):
        for k in range(p):
            product = (x[i] - cell.mean[i]) * (x[k] - cell.mean[k])
            cell.moments[i, k] = (1.0 - w) * (cell.moments[i, k] + w * product)
    for k in range(p):
        cell.mean[k] += w * (x[k] - cell.mean[k])
    if cell.learned % max(s.learn // _RENEWALS, 1) == 0:
        related = np.zeros((p, p))
        for i in range(p):
            for k in range(p):
                size = math.sqrt(cell.moments[i, i]) * math.sqrt(cell.moments[k, k])
                related[i, k] = cell.moments[i, k] / size if size > 0.0 and i != k else 0.0
            related[i, i] = 1.0 + s.floor * s.floor
        cell.precision[:p, :p] = np.linalg.inv(related)


@njit(nogil=True, cache=True)
def _forget(cell: Any) -> None:
    cell.learned = cell.judged = 0
    cell.mean[:] = 0.0
    cell.moments[:] = 0.0
    cell.energy[:] = 0.0
    cell.usual[:] = 0.0
    cell.suspect = -1
    cell.upset = 0
    cell.score = 0.0


@njit(nogil=True, cache=True)
def _stands(cell: Any, p: int, c: int, s: _Settings) -> bool:
    """Whether a suspect is out whichever of the others is left out: of two alone, either may be wrong."""
    closest = 0.0
    own = cell.precision[c, c]
    for k in range(p if s.peers > 1 else 0):
        if k != c:
            closest = max(closest, cell.precision[c, k] * cell.precision[c, k] / (own * cell.precision[k, k]))
    out = cell.sums[3] / cell.sums[0] * own * (1.0 - closest)
    return out > s.times * s.times * max(cell.usual[c], 1.0)  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def _verdict(cell: Any, c: int, t: int, s: _Settings) -> int:
    """What a sensor's residuals since it fell under suspicion look like: a reason, or 0 where it is not (yet) known.

    They are regressed on what the others make of the sensor: proportional to it, they are an error of the gain. Where
    they go as soon as the sensor is moved in time, they are one of the clock.
    """
    n, r, x, rr, rx, xx = cell.sums
    moved = xx - x * x / n
    still = moved < n * _MOVED * (1.0 - 1.0 / cell.precision[c, c])
    if (still or cell.compared < _COMPARED) and t - cell.since < s.patience:
        return 0
    about = rr - r * r / n  # what a constant leaves
    gain = (rx - r * x / n) / moved if moved > 1e-9 * n else 0.0
    by_gain = gain * gain * moved if abs(gain) >= s.gain else 0.0
    if cell.compared >= _COMPARED and not still:
        best = min(cell.apart[0].min(), cell.apart[1].min()) / cell.compared
        if best <= _GONE * (about - by_gain) / n:
            return _CLOCK
    noise = n * max(cell.usual[c], 1.0) / cell.precision[c, c]
    if by_gain >= 0.5 * max(about, noise):
        return _GAIN
    return _OFFSET if about <= 0.5 * rr else 0


@njit(nogil=True, cache=True)
def _compare(cell: Any, z: float, x: float) -> None:
    """Hold what a suspect reads against what the others make of it earlier and later, by up to _LAGS steps."""
    if cell.kept == _LAGS:
        cell.compared += 1
        for k in range(_LAGS):
            cell.apart[0, k] += (z - cell.recent[1, k]) ** 2
            cell.apart[1, k] += (x - cell.recent[0, k]) ** 2
    for k in range(_LAGS - 1):
        for i in range(2):
            cell.recent[i, k] = cell.recent[i, k + 1]
    cell.recent[0, _LAGS - 1], cell.recent[1, _LAGS - 1] = z, x
    cell.kept = min(cell.kept + 1, _LAGS)


@njit(nogil=True, cache=True)
def _judge(
    state: Any,
    members: Any,
    groups: Int32s,
    ticks: Int64s,
    means: Any,
    step: int,
    out: Marks,
    shares: Floats,  # one sensor has all to do with its fault
    s: _Settings,
) -> int:
    n = 0
    u = np.zeros(means.shape[1])
    for i in range(len(groups)):
        cell = state[groups[i]]
        x, t = means[i], ticks[i]
        p = 0
        while p < means.shape[1] and members[groups[i], p] >= 0:
            p += 1
        present = _standard(cell, p, x, cell.z, u)
        if cell.learned < s.learn // 2:
            _learn(cell, p, x, s)
            continue
        calm = True
        ripe = cell.learned >= s.learn
        largest = 0.0
        for k in range(p):
            largest = max(largest, abs(u[k]) / math.sqrt(cell.precision[k, k]))
        # One wild step says no more than a bad one, and leaves the proportions as they are.
        scale = min(2.0 * s.times / largest, 1.0) if largest > 0.0 else 1.0
        top = 0
        for k in range(p):
            if math.isnan(x[k]):
                continue
            own = u[k] * scale / math.sqrt(cell.precision[k, k])
            cell.energy[k] += s.weight * (own * own - cell.energy[k])
            if cell.energy[k] > 0.25 * s.times * s.times * max(cell.usual[k], 1.0):
                calm = False
            if cell.energy[k] > cell.energy[top] * (1.0 + 1e-9):  # of equals the first, whatever the rounding
                top = k
        if not ripe:
            calm = True
        if cell.grade:
            top = cell.suspect
        usual = max(cell.usual[top], 1.0)
        score = math.sqrt(cell.energy[top] / usual)
        cell.score = score / s.times if ripe else 0.0
        grade = 0
        if ripe and (cell.grade or not calm):
            if cell.upset == 0:
                cell.upset = t
            if top != cell.suspect:
                cell.suspect = top
                cell.since = t
                cell.rest[:] = 0.0
                cell.sums[:] = 0.0
                cell.kept = cell.compared = 0
                cell.apart[:] = 0.0
            if not math.isnan(x[top]):
                # The sensor's own residual, and what is left of the others' without it.
                r = u[top] / cell.precision[top, top]
                w = max(1.0 / (cell.sums[0] + 1.0), s.weight)
                worst = 1.0
                for k in range(p):
                    if k != top:
                        left = (u[k] - cell.precision[k, top] * r) * scale / math.sqrt(cell.precision[k, k])
                        cell.rest[k] += w * (left * left - cell.rest[k])
                        worst = max(worst, cell.rest[k] / max(cell.usual[k], 1.0))
                e = cell.z[top] - r
                terms = (1.0, r, e, r * r, r * e, e * e)
                for k in range(len(terms)):
                    cell.sums[k] += terms[k]
                if cell.at + step != t:
                    cell.kept = 0
                cell.at = t
                _compare(cell, cell.z[top], e)
                if cell.grade:
                    grade = 1 if score > s.release * s.times else 0
                elif (
                    score > s.times
                    and score * score >= s.alone * s.alone * worst
                    and present > s.peers
                    and s.unexplained * cell.precision[top, top] >= 1.0
                    and _stands(cell, p, top, s)
                ):
                    found = _verdict(cell, top, t, s)
                    if found:
                        cell.reason = found
                        grade = 1
            else:
                grade = cell.grade
        else:
            cell.suspect = -1
            cell.upset = 0
        over = cell.upset > 0 and t - cell.upset >= s.relearn
        if over:
            grade = 0
        bound = s.times if grade else s.release * s.times
        value = cell.mean[top] + cell.z[top] * math.sqrt(cell.moments[top, top])
        expected = value - u[top] / cell.precision[top, top] * math.sqrt(cell.moments[top, top])
        slot = members[groups[i], top]
        n = settle(out, n, cell, slot, grade, cell.reason, t + step, cell.since, score, bound, value, expected)
        if over:
            _forget(cell)
        elif calm and not grade and (scale >= 1.0 or not ripe):
            cell.judged += 1
            w = max(1.0 / cell.judged, s.forget)
            for k in range(p):
                own = u[k] * scale / math.sqrt(cell.precision[k, k])
                if not math.isnan(x[k]):
                    cell.usual[k] += w * (own * own - cell.usual[k])
            _learn(cell, p, x, s)
    return n


class CalibrationParams(Params):
    """The defaults suit readings every few minutes with a rhythm of a day; all durations are event time."""

    step: Seconds = Field(300.0, gt=0, description="The asset is judged once in such a time; readings are averaged.")
    window: Seconds = Field(21_600.0, gt=0, description="Time constant of the mean square residual that is judged.")
    learn: Seconds = Field(604_800.0, gt=0, description="How long the relation of the sensors is learned at first.")
    memory: Seconds = Field(1_209_600.0, gt=0, description="Time constant at which what is learned follows.")
    patience: Seconds = Field(
        86_400.0, ge=0, description="Longest wait for the others to move, which tells a gain from an offset."
    )
    relearn: Seconds = Field(
        1_209_600.0, gt=0, description="Event time after which relations that have changed are learned anew."
    )
    times: float = Field(4.0, gt=1, description="Residual that counts, in multiples of its usual size (no unit).")
    alone: float = Field(
        2.5, ge=1, description="How many times farther out a sensor must be than any other without it (no unit)."
    )
    release: float = Field(0.5, gt=0, le=1, description="The fault is over below this part of `times` (no unit).")
    explained: float = Field(
        0.5, ge=0, lt=1, description="Part of its variance that the others must explain for a sensor to be judged."
    )
    peers: int = Field(
        2,
        ge=0,
        description="Other sensors at least. With one, nobody can tell which of two is wrong; with none, a sensor is "
        "held against its own mean.",
    )
    floor: float = Field(
        0.05, gt=0, le=1, description="A sensor's noise is taken to be at least this part of its standard deviation."
    )
    gain: float = Field(0.1, gt=0, description="Smallest error of the gain, as a part of it, that is called one.")


class Calibration(SteppedDetector):
    """Finds sensors that read too much by a constant or a factor, or at a wrong time, while their neighbours agree.

    The sensors of an asset are averaged over steps; their means and correlations are learned. What the others make of a
    sensor is its regression on them, and its residual is what it reads beyond. A fault of one sensor moves its own
    residual most, and once that sensor is left out the others fit together as always. An event in the city moves
    several of them out of their relation, so that nobody is alone: it is no fault. A suspect's residuals are regressed
    on what the others make of it: a slope is a gain error, a constant is an offset. Where they go once the sensor is
    moved by up to 24 steps in time, its clock is wrong. Anything else (noise, a spike) is left to its own detector. The
    verdict waits until the others have moved enough to tell these apart, at most `patience`. Nothing is learned while
    the relations are upset.

    Misses sensors that their neighbours do not explain, faults of two sensors of an asset at a time, and those that
    grow more slowly than `memory`. Takes an event that only one sensor can feel for its fault: a leak beside one gauge
    of a sparse network. Calls a clock that is wrong by more than 24 steps an offset or a gain. Needs `learn`, then
    about a third of `window` after a large jump, and 36 steps. At most 48 sensors an asset.
    State: 40856 bytes an asset. Marks: score is the root of the mean square residual in multiples of its usual size,
    value the step's mean, baseline what the others make of it. The onset is when the sensor fell under suspicion.

    Method: regression-adjusted variables, Hawkins, Multivariate Quality Control Based on Regression-Adjusted Variables,
    Technometrics 33 (1991); offset and gain faults as in Ni et al., Sensor Network Data Fault Types, ACM Transactions
    on Sensor Networks 5 (2009).
    """

    name = "calibration"
    WIDTH = _WIDTH
    verdict = Verdict.FAULT
    Params = CalibrationParams
    kernel = staticmethod(_judge)
    STATE = np.dtype(
        [
            *step_fields(_WIDTH),
            ("learned", np.int64),  # steps
            ("judged", np.int64),  # steps that `usual` has taken
            ("onset", np.int64),
            ("since", np.int64),  # ns, when the suspect fell under suspicion
            ("upset", np.int64),  # ns, when the relations were left; 0 when they hold
            ("suspect", np.int64),  # place, -1 for none
            ("score", np.float64),
            ("mean", np.float64, _WIDTH),
            ("z", np.float64, _WIDTH),  # the step's deviations, in standard deviations
            ("usual", np.float64, _WIDTH),  # mean square residual by what has been learned, in calm
            ("energy", np.float64, _WIDTH),  # and of late
            ("rest", np.float64, _WIDTH),  # of late without the suspect
            ("sums", np.float64, 6),  # of the suspect: 1, residual r, expectation x, rr, rx, xx
            ("at", np.int64),  # ns, its latest step
            ("kept", np.int64),  # latest steps in a row of
            ("recent", np.float64, (2, _LAGS)),  # what it reads and what the others make of it, oldest first;
            ("compared", np.int64),  # steps, and
            ("apart", np.float64, (2, _LAGS)),  # squared distances of the one from the other at each lag, both ways
            ("moments", np.float64, (_WIDTH, _WIDTH)),
            ("precision", np.float64, (_WIDTH, _WIDTH)),  # inverse of the correlations
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        return (
            _Settings(
                p.times,
                p.alone,
                p.release,
                (1.0 - p.explained) * (1.0 + p.floor**2),  # of a deviation with that noise
                p.peers,
                p.floor,
                p.gain,
                -math.expm1(-p.step / p.window),
                -math.expm1(-p.step / p.memory),
                max(round(min(p.learn / p.step, 1e9)), 2),
                nanoseconds(p.patience),
                nanoseconds(p.relearn),
            ),
        )

    def initial(self, slots: int) -> npt.NDArray[np.void]:  # noqa: D102
        state = super().initial(slots)
        state["precision"] = np.eye(_WIDTH)
        state["suspect"] = -1
        return state
