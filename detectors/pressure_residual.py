"""Pressures that depart from what the flow and their neighbours explain: leaks of a district."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field

from detectors.contract import CHANGE, END, ONSET, Marks, Params
from detectors.kernels import FALL, RISE, nanoseconds, write
from detectors.steps import SteppedDetector, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["PressureResidual", "PressureResidualParams"]

#: Sensors of a district at most.
WIDTH: Final = 48
#: Head loss grows with this power of the flow (Hazen and Williams).
_LOSS: Final = 1.852
#: The gravest grade: steps beyond are not counted.
_MOST: Final = 9
#: Readings are kept below it, so that their products stay finite.
_CAP: Final = 1e30


class _Settings(NamedTuple):
    learn: int  # ns
    settling: int  # ns
    flows: int
    fast: float  # weights of a step
    short: float
    slow: float
    noise: float
    times: float
    resolution: float


@njit(nogil=True, cache=True)
def _distance(a: Floats, b: Floats, begin: int, end: int) -> float:
    total = 0.0
    for i in range(begin, end):
        total += (a[i] - b[i]) * (a[i] - b[i])
    return math.sqrt(total)


@njit(nogil=True, cache=True)
def _factor(cell: Any, size: int, flows: int, resolution: float) -> None:
    """Cholesky factor of the moments, in place: it regresses each sensor on all before it, and whitens."""
    m = cell.moments
    for a in range(size):
        row = a * (a + 1) // 2
        for b in range(a + 1):
            m[row + b] /= cell.count
        if a > flows:
            m[row + a] += resolution * resolution
        for b in range(a + 1):
            above = b * (b + 1) // 2
            s = m[row + b]
            for j in range(b):
                s -= m[row + j] * m[above + j]
            if a == b:
                m[row + a] = math.sqrt(max(s, 1e-12 * m[row + a] + 1e-300))
            else:
                m[row + b] = s / m[above + b]


@njit(nogil=True, cache=True)
def _residual(cell: Any, d: Floats, i: int, flows: int) -> float:
    """Residual of sensor `i` in its own unit, of the whitened residuals `d`."""
    total = 0.0
    row = i * (i + 1) // 2
    for j in range(flows + 1, i + 1):
        total += cell.moments[row + j] * d[j]
    return total


@njit(nogil=True, cache=True)
def _lead(cell: Any, d: Floats, flows: int, size: int, share: Floats) -> int:
    """Which sensor departs most, in its own standard deviations; `share` is what each has of the sum of squares."""
    best, most, total = flows + 1, 0.0, 0.0
    for i in range(flows + 1, size):
        variance = 0.0
        row = i * (i + 1) // 2
        for j in range(flows + 1, i + 1):
            variance += cell.moments[row + j] * cell.moments[row + j]
        r = _residual(cell, d, i, flows)
        square = r * r / variance
        share[i - 1] = square
        total += square
        if square > most * 1.000001:  # of equals the first, whatever the rounding
            best, most = i, square
    if total > 0.0:
        share /= total
    return best - 1


@njit(nogil=True, cache=True)
def _settled(cell: Any, flows: int, size: int) -> bool:
    """The step has been measured: stand on the new level. Whether the abnormality has gone with it."""
    cell.until = 0
    for i in range(flows + 1, size):
        x = cell.sums[i] / cell.steps
        cell.jump[i] = x - cell.base[i]
        cell.base[i] = cell.fast[i] = x
    left = _distance(cell.base, cell.ref, flows + 1, size)
    gone = cell.grade > 0 and left < 0.1 * cell.peak
    if cell.grade == 0 or gone:
        cell.ref[:] = cell.base
    cell.peak, cell.wander = left, cell.still
    return bool(gone)


@njit(nogil=True, cache=True)
def _grade(cell: Any, s: _Settings, t: int, size: int) -> tuple[int, float]:
    """Bring the grade up to date; the new grade and the distance that decides, in multiples of the usual."""
    flows, begin = s.flows, s.flows + 1
    least = 0.75 * math.sqrt((size - begin) * s.fast / (2.0 - s.fast))
    usual = max(cell.still, least)
    away = _distance(cell.fast, cell.ref, begin, size)
    score = away / usual
    cell.score = score / s.times
    grade = cell.grade
    if cell.until:
        cell.peak = max(cell.peak, away)
        cell.steps += 1
        for i in range(begin, size):
            cell.sums[i] += cell.now[i]
        if t >= cell.until and _settled(cell, flows, size):
            grade = 0
        return grade, score
    if grade == 0:
        if score > s.times:
            grade, cell.peak = 1, away
        else:
            for i in range(begin, size):
                cell.ref[i] += s.slow * (cell.now[i] - cell.ref[i])
                cell.base[i] = cell.ref[i]
            cell.still += s.noise * (away - cell.still)
            return 0, score
    else:
        cell.peak = max(cell.peak, away)
        step = _distance(cell.fast, cell.base, begin, size)
        level = _distance(cell.base, cell.ref, begin, size)
        usual = max(cell.wander, least)
        if score < 0.5 * s.times:
            grade = 0
        elif _distance(cell.short, cell.ref, begin, size) < 0.25 * cell.peak:
            grade -= 1
        elif step > max(s.times * usual, 0.3 * level):
            score = step / usual
            # Straight back is a repair; any other way may be one more leak, whose pattern may be opposed.
            back = (level * level + step * step - away * away) / (2.0 * level * step) if level > 0.0 else 0.0
            grade = max(grade - 1, 1) if back > 0.9 else min(grade + 1, _MOST)
        else:
            for i in range(begin, size):
                cell.base[i] += s.slow * (cell.now[i] - cell.base[i])
            cell.wander += s.noise * (step - cell.wander)
            return grade, score
    cell.until = t + s.settling
    cell.steps = 0
    cell.sums[:] = 0.0
    return grade, score


@njit(nogil=True, cache=True)
def _learn(cell: Any, t: int, u: Floats, s: _Settings, size: int) -> None:
    """Add a step, of which every sensor has readings, to the moments; factor them when there are enough."""
    if cell.first == 0:
        cell.first = t
    cell.count += 1
    m = cell.moments
    row = 0
    for a in range(size):
        for b in range(a + 1):
            m[row + b] += u[a] * u[b]
        row += a + 1
    if t - cell.first >= s.learn and cell.count > 2 * size:
        _factor(cell, size, s.flows, s.resolution)
        cell.ready = 1
        cell.still = math.sqrt((size - s.flows - 1) * s.fast / (2.0 - s.fast))


@njit(nogil=True, cache=True)
def _take(cell: Any, t: int, means: Floats, s: _Settings, size: int) -> bool:
    """Make the whitened residuals of a step's means in `cell.now`; whether there are any yet."""
    u = cell.now
    full = True
    for i in range(1, size):
        x = means[i - 1]
        if math.isnan(x):
            full = False
            continue
        if i <= s.flows:
            x = math.copysign(abs(x) ** _LOSS, x)
        cell.mean[i - 1] = x
        x = min(max(x, -_CAP), _CAP)
        if cell.first == 0:
            cell.origin[i] = x
        u[i] = x - cell.origin[i]
    u[0] = 1.0
    if not cell.ready:
        if full:
            _learn(cell, t, u, s, size)
        return False
    row = 0
    for a in range(size):
        if a and math.isnan(means[a - 1]):
            u[a] = cell.fast[a]  # says nothing
        else:
            x = u[a]
            for j in range(a):
                x -= cell.moments[row + j] * u[j]
            u[a] = min(max(x / cell.moments[row + a], -_CAP), _CAP)
        row += a + 1
    for a in range(s.flows + 1, size):
        cell.fast[a] += s.fast * (u[a] - cell.fast[a])
        cell.short[a] += s.short * (u[a] - cell.short[a])
    return True


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
    n = 0
    for i in range(len(groups)):
        cell, slots = state[groups[i]], members[groups[i]]
        t = ticks[i] + step
        size = 1
        while size <= WIDTH and slots[size - 1] >= 0:
            size += 1
        if size <= s.flows + 1 or not _take(cell, t, means[i], s, size):
            continue
        before, since = cell.grade, cell.since
        grade, score = _grade(cell, s, t, size)
        if grade == 0 and score < 1.0:
            cell.since = t
        if grade == before:
            continue
        d = cell.fast - cell.ref
        lead = _lead(cell, d, s.flows, size, shares[n])
        phase = CHANGE
        if before == 0:
            phase, cell.lead, cell.onset = ONSET, lead, since if since else t - step
        elif grade == 0:
            phase = END
        cell.grade = grade
        r = _residual(cell, d, cell.lead + 1, s.flows)
        cell.reason = (FALL if r < 0.0 else RISE) if phase == ONSET else cell.reason
        x = cell.mean[cell.lead]
        slot = slots[cell.lead]
        n = write(out, n, slot, phase, grade, cell.reason, t, cell.onset, score, s.times, x, x - r)
    return n


class PressureResidualParams(Params):
    """The defaults suit a district metered area with readings every few minutes."""

    flows: int = Field(
        1,
        ge=0,
        le=8,
        description="How many of an asset's sensors, from its first, are flow meters; the others are pressures. With "
        "0, pressures are held against each other alone.",
        json_schema_extra={"given": True},  # by the asset: nothing to search
    )
    interval: Seconds = Field(1800.0, ge=1e-3, description="Readings are averaged over it: they need not be in step.")
    learn: Seconds = Field(864_000.0, gt=0, description="How long the relation of the sensors is learned.")
    memory: Seconds = Field(86_400.0, gt=0, description="Time constant of the mean that is judged.")
    forget: Seconds = Field(
        2_592_000.0, gt=0, description="Time constant at which the reference follows, unless something is abnormal."
    )
    settling: Seconds = Field(172_800.0, gt=0, description="How long a step is measured before the next one is sought.")
    times: float = Field(3.5, gt=1, description="Distance that counts, in multiples of its usual size (no unit).")
    resolution: float = Field(
        0.005, ge=0, description="A pressure's noise is taken to be at least this, in the pressures' unit."
    )

    @property
    def step(self) -> float:
        """What a `SteppedDetector` calls the interval."""
        return self.interval


class PressureResidual(SteppedDetector):
    """Finds leaks by pressures that depart from what the flow into the district and the other pressures explain.

    The head lost on the way to a place is proportional to the flow to the power of 1.852, as long as the demand has
    the same pattern; a leak changes the pattern. Means over `interval` of all sensors of an asset, flows raised to
    that power, are learned for `learn`: their second moments, whose Cholesky factor regresses each sensor on those
    before it and makes the residuals white. From then on an exponential mean of the residuals over `memory` is held
    against a reference that follows slowly. A leak begins when their distance is more than `times` its usual size.
    Then the mean over `settling` is the new level, and each further step up or down from it changes the grade. It ends
    when the distance is at half of the bound or less than a tenth to a quarter of its highest (a repair). The finding
    names the sensor which departs most in its own standard deviations; shares are of the squares of those. The step
    itself, `step`, tells `detectors.locate` where the leak is.

    Misses leaks that were there while it learned, those that grow slower than the reference follows, and those at the
    inlet. Takes a closed valve or another pump regime for a leak. Needs `learn`; then large leaks take one or two
    intervals, small ones a day. A sensor without readings counts as unremarkable. State: 14576 bytes an asset. Marks:
    score is the distance in multiples of its usual size, value and baseline are the named sensor's pressure and the
    pressure that would be expected.

    Method: regression-adjusted variables, Hawkins, Multivariate Quality Control Based on Regression-Adjusted
    Variables, Technometrics 33 (1991); MEWMA, Lowry et al., Technometrics 34 (1992).
    """

    name = "pressure_residual"
    version = 2
    WIDTH = WIDTH
    Params = PressureResidualParams
    kernel = staticmethod(_judge)
    STATE = np.dtype(
        [
            *step_fields(WIDTH),
            # About `origin`, the lower triangle row by row; once `ready`, their Cholesky factor.
            ("moments", np.float64, ((WIDTH + 1) * (WIDTH + 2) // 2,)),
            ("origin", np.float64, (WIDTH + 1,)),
            ("now", np.float64, (WIDTH + 1,)),  # whitened residuals: the step's, ...
            ("fast", np.float64, (WIDTH + 1,)),  # ... their mean over `memory`, ...
            ("short", np.float64, (WIDTH + 1,)),  # ... over an eighth of it, ...
            ("ref", np.float64, (WIDTH + 1,)),  # ... without leak, ...
            ("base", np.float64, (WIDTH + 1,)),  # ... since the last step, ...
            ("jump", np.float64, (WIDTH + 1,)),  # ... and the last step itself
            ("sums", np.float64, (WIDTH + 1,)),
            ("mean", np.float64, (WIDTH,)),  # of the last step, by place
            ("first", np.int64),
            ("until", np.int64),  # 0 unless a step is being measured
            ("since", np.int64),  # when the distance was last usual
            ("onset", np.int64),
            ("count", np.int64),
            ("steps", np.int64),
            ("still", np.float64),  # usual distance from the reference, and from the base
            ("wander", np.float64),
            ("peak", np.float64),
            ("score", np.float64),
            ("lead", np.int32),
            ("ready", np.uint8),
            ("grade", np.uint8),
            ("reason", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        fast, short, slow, noise = (
            -math.expm1(-p.interval / seconds) for seconds in (p.memory, p.memory / 8, p.forget, 2 * p.forget)
        )
        learn, settling = nanoseconds(p.learn), nanoseconds(p.settling)
        return (_Settings(learn, settling, p.flows, fast, short, slow, noise, p.times, p.resolution),)

    def step(self, group: int) -> tuple[int, bool, npt.NDArray[np.float64]]:
        """The last step of a group's pressures, or what is known of it while it is being measured.

        How many intervals it was measured, whether that is done, and the step by place, in the pressures' unit; flow
        meters have 0. Shape (size of the group,).
        """
        cell, flows = self.state[group], self.params.flows
        size = int((self.members[group] >= 0).sum())
        inner = slice(flows + 1, size + 1)
        under_way = bool(cell["until"]) and int(cell["steps"]) > 0
        jump = cell["sums"][inner] / cell["steps"] - cell["base"][inner] if under_way else cell["jump"][inner]
        step = np.zeros(size)
        step[flows:] = self._factor(group) @ jump
        return int(cell["steps"]), not cell["until"], step

    def noise(self, group: int) -> npt.NDArray[np.float64]:
        """Covariance of a group's pressures about what the flow explains. Shape (pressures, pressures)."""
        factor = self._factor(group)
        return np.asarray(factor @ factor.T)

    def _factor(self, group: int) -> npt.NDArray[np.float64]:
        """The Cholesky factor of a group's pressures. Shape (pressures, pressures)."""
        flows = self.params.flows
        size = int((self.members[group] >= 0).sum()) + 1
        lower = np.zeros((size, size))
        lower[np.tril_indices(size)] = self.state[group]["moments"][: size * (size + 1) // 2]
        return lower[flows + 1 :, flows + 1 :]
