"""Pressures that depart from what the flow and their neighbours explain: leaks of a district."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field

from detectors.contract import CHANGE, END, ONSET, GroupDetector, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, number, write
from detectors.steps import in_steps
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

_SPEC: Final = np.dtype(
    [
        ("interval", np.int64),
        ("learn", np.int64),
        ("settling", np.int64),
        ("flows", np.int64),
        ("fast", np.float64),  # weights of a bin
        ("short", np.float64),
        ("slow", np.float64),
        ("noise", np.float64),
        ("times", np.float64),
        ("resolution", np.float64),
    ],
    align=True,
)


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
        m[a, a] /= cell.count
        for b in range(a):
            m[a, b] /= cell.count
        if a > flows:
            m[a, a] += resolution * resolution
        for b in range(a + 1):
            s = m[a, b]
            for j in range(b):
                s -= m[a, j] * m[b, j]
            m[a, b] = math.sqrt(max(s, 1e-12 * m[a, a] + 1e-300)) if a == b else s / m[b, b]


@njit(nogil=True, cache=True)
def _residual(cell: Any, d: Floats, i: int, flows: int) -> float:
    """Residual of sensor `i` in its own unit, of the whitened residuals `d`."""
    total = 0.0
    for j in range(flows + 1, i + 1):
        total += cell.moments[i, j] * d[j]
    return total


@njit(nogil=True, cache=True)
def _lead(cell: Any, d: Floats, flows: int, size: int, share: Floats) -> int:
    """Which sensor departs most, in its own standard deviations; `share` is what each has of the sum of squares."""
    best, most, total = flows + 1, 0.0, 0.0
    for i in range(flows + 1, size):
        variance = 0.0
        for j in range(flows + 1, i + 1):
            variance += cell.moments[i, j] * cell.moments[i, j]
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
def _judge(cell: Any, spec: Any, t: int, flows: int, size: int) -> tuple[int, float]:
    """Bring the grade up to date; the new grade and the distance that decides, in multiples of the usual."""
    begin = flows + 1
    least = 0.75 * math.sqrt((size - begin) * spec.fast / (2.0 - spec.fast))
    usual = max(cell.still, least)
    away = _distance(cell.fast, cell.ref, begin, size)
    score = away / usual
    cell.score = score / spec.times
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
        if score > spec.times:
            grade, cell.peak = 1, away
        else:
            for i in range(begin, size):
                cell.ref[i] += spec.slow * (cell.now[i] - cell.ref[i])
                cell.base[i] = cell.ref[i]
            cell.still += spec.noise * (away - cell.still)
            return 0, score
    else:
        cell.peak = max(cell.peak, away)
        step = _distance(cell.fast, cell.base, begin, size)
        level = _distance(cell.base, cell.ref, begin, size)
        usual = max(cell.wander, least)
        if score < 0.5 * spec.times:
            grade = 0
        elif _distance(cell.short, cell.ref, begin, size) < 0.25 * cell.peak:
            grade -= 1
        elif step > max(spec.times * usual, 0.3 * level):
            score = step / usual
            # Straight back is a repair; any other way may be one more leak, whose pattern may be opposed.
            back = (level * level + step * step - away * away) / (2.0 * level * step) if level > 0.0 else 0.0
            grade = max(grade - 1, 1) if back > 0.9 else min(grade + 1, _MOST)
        else:
            for i in range(begin, size):
                cell.base[i] += spec.slow * (cell.now[i] - cell.base[i])
            cell.wander += spec.noise * (step - cell.wander)
            return grade, score
    cell.until = t + spec.settling
    cell.steps = 0
    cell.sums[:] = 0.0
    return grade, score


@njit(nogil=True, cache=True)
def _take(cell: Any, spec: Any, size: int) -> bool:
    """Make the whitened residuals of the bin's means in `cell.now`; whether there are any yet."""
    flows = spec.flows
    u = cell.now
    full = True
    for i in range(1, size):
        if cell.n[i - 1] == 0:
            full = False
            continue
        x = cell.total[i - 1] / cell.n[i - 1]
        if i <= flows:
            x = math.copysign(abs(x) ** _LOSS, x)
        cell.mean[i - 1] = x
        x = min(max(x, -_CAP), _CAP)
        if cell.first == 0:
            cell.origin[i] = x
        u[i] = x - cell.origin[i]
    u[0] = 1.0
    t = (cell.bin + 1) * spec.interval
    if not cell.ready:
        if not full:
            return False
        if cell.first == 0:
            cell.first = t
        cell.count += 1
        for a in range(size):
            for b in range(a + 1):
                cell.moments[a, b] += u[a] * u[b]
        if t - cell.first >= spec.learn and cell.count > 2 * size:
            _factor(cell, size, flows, spec.resolution)
            cell.ready = 1
            cell.still = math.sqrt((size - flows - 1) * spec.fast / (2.0 - spec.fast))
        return False
    for a in range(size):
        if a and cell.n[a - 1] == 0:
            u[a] = cell.fast[a]  # says nothing
            continue
        s = u[a]
        for j in range(a):
            s -= cell.moments[a, j] * u[j]
        u[a] = min(max(s / cell.moments[a, a], -_CAP), _CAP)
    for a in range(flows + 1, size):
        cell.fast[a] += spec.fast * (u[a] - cell.fast[a])
        cell.short[a] += spec.short * (u[a] - cell.short[a])
    return True


@njit(nogil=True, cache=True)
def _close(cell: Any, spec: Any, members: Int32s, out: Marks, n: int, shares: Floats) -> int:
    """Take the bin that has just ended; returns how many marks `out` holds then."""
    size = 1
    while size <= WIDTH and members[size - 1] >= 0:
        size += 1
    t = (cell.bin + 1) * spec.interval
    if size > spec.flows + 1 and _take(cell, spec, size):
        before, since = cell.grade, cell.since
        grade, score = _judge(cell, spec, t, spec.flows, size)
        if grade == 0 and score < 1.0:
            cell.since = t
        if grade != before:
            share = shares[n]
            share[:] = 0.0
            d = cell.fast - cell.ref
            lead = _lead(cell, d, spec.flows, size, share)
            phase = CHANGE
            if before == 0:
                phase, cell.lead, cell.onset = ONSET, lead, since if since else t - spec.interval
            elif grade == 0:
                phase = END
            cell.grade = grade
            r = _residual(cell, d, cell.lead + 1, spec.flows)
            cell.reason = (FALL if r < 0.0 else RISE) if phase == ONSET else cell.reason
            x = cell.mean[cell.lead]
            slot = members[cell.lead]
            n = write(out, n, slot, phase, grade, cell.reason, t, cell.onset, score, spec.times, x, x - r)
    cell.n[:] = 0
    cell.total[:] = 0.0
    return n


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    spec: Any,
    group: Int32s,
    place: Int32s,
    members: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    order: Int32s,
    out: Marks,
    shares: Floats,
) -> int:
    n = 0
    for i in order:
        slot = slot_of[sensor[i]]
        at = group[slot]
        cell, k = state[at], place[slot]
        t, x = ts[i], value[i]
        if t <= cell.last[k] or not abs(x) <= LIMIT:
            continue
        now = number(t, spec.interval, cell.bin)
        if now < cell.bin:
            continue
        cell.last[k] = t
        if now != cell.bin:
            if cell.n.any():
                n = _close(cell, spec, members[at], out, n, shares)
            cell.bin = now
        cell.n[k] += 1
        cell.total[k] += x
    return n


@njit(nogil=True, cache=True)
def _advance(state: Any, spec: Any, members: Any, now: int, out: Marks, shares: Floats) -> int:
    n = 0
    for at in range(len(state)):
        cell = state[at]
        if (cell.bin + 1) * spec.interval <= now and cell.n.any():
            n = _close(cell, spec, members[at], out, n, shares)
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


class PressureResidual(GroupDetector):
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
    intervals, small ones a day. A sensor without readings counts as unremarkable. State: 23784 bytes an asset. Marks:
    score is the distance in multiples of its usual size, value and baseline are the named sensor's pressure and the
    pressure that would be expected.

    Method: regression-adjusted variables, Hawkins, Multivariate Quality Control Based on Regression-Adjusted
    Variables, Technometrics 33 (1991); MEWMA, Lowry et al., Technometrics 34 (1992).
    """

    name = "pressure_residual"
    WIDTH = WIDTH
    Params = PressureResidualParams
    STATE = np.dtype(
        [
            ("moments", np.float64, (WIDTH + 1, WIDTH + 1)),  # about `origin`; once `ready`, their Cholesky factor
            ("origin", np.float64, (WIDTH + 1,)),
            ("now", np.float64, (WIDTH + 1,)),  # whitened residuals: the bin's, ...
            ("fast", np.float64, (WIDTH + 1,)),  # ... their mean over `memory`, ...
            ("short", np.float64, (WIDTH + 1,)),  # ... over an eighth of it, ...
            ("ref", np.float64, (WIDTH + 1,)),  # ... without leak, ...
            ("base", np.float64, (WIDTH + 1,)),  # ... since the last step, ...
            ("jump", np.float64, (WIDTH + 1,)),  # ... and the last step itself
            ("sums", np.float64, (WIDTH + 1,)),
            ("mean", np.float64, (WIDTH,)),  # of the last bin, by place
            ("total", np.float64, (WIDTH,)),  # of the bin under way
            ("n", np.int32, (WIDTH,)),
            ("last", np.int64, (WIDTH,)),
            ("bin", np.int64),
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

    def __init__(self, params: PressureResidualParams, low: Floats, high: Floats, rate: Floats, group: Int32s) -> None:
        super().__init__(params, low, high, rate, group)
        p = params

        def weight(seconds: float) -> float:
            return -math.expm1(-p.interval / seconds)

        spec = np.zeros(1, _SPEC)
        spec[0] = (
            *(nanoseconds(seconds) for seconds in (p.interval, p.learn, p.settling)),
            p.flows,
            *(weight(seconds) for seconds in (p.memory, p.memory / 8, p.forget, 2 * p.forget)),
            p.times,
            p.resolution,
        )
        self._spec = spec[0]

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        order = in_steps(slot_of, sensor, ts, self._spec["interval"])
        shares = np.zeros((len(order) + 1, WIDTH))
        n = int(
            _rows(
                self.state,
                self._spec,
                self.group,
                self.place,
                self.members,
                slot_of,
                sensor,
                ts,
                value,
                order,
                out,
                shares,
            )
        )
        self.shares = shares[:n]
        return n

    def advance(self, now: int, out: Marks) -> int:  # noqa: D102
        shares = np.zeros((len(self.state), WIDTH))
        n = int(_advance(self.state, self._spec, self.members, now, out, shares))
        self.shares = shares[:n]
        return n

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
        step[flows:] = np.tril(cell["moments"][inner, inner]) @ jump
        return int(cell["steps"]), not cell["until"], step

    def noise(self, group: int) -> npt.NDArray[np.float64]:
        """Covariance of a group's pressures about what the flow explains. Shape (pressures, pressures)."""
        flows = self.params.flows
        size = int((self.members[group] >= 0).sum())
        lower = np.tril(self.state[group]["moments"][flows + 1 : size + 1, flows + 1 : size + 1])
        return np.asarray(lower @ lower.T)
