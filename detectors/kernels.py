"""What the kernels share.

A change here does not reach kernels that Numba has already cached for other files: clear the cache (`make clean`) after
one.
"""

from __future__ import annotations

import math
from typing import Any, Final

from numba import njit

from detectors.contract import CHANGE, END, ONSET, Reason
from domain.records import Floats

__all__ = ["FALL", "LIMIT", "RISE", "SKIPPED", "nanoseconds", "number", "settle", "write"]

RISE: Final = int(Reason.RISE)
FALL: Final = int(Reason.FALL)

#: Kernels that square or add up readings skip those beyond it, as they skip NaN: no unit has such values, and their
#: square would still be a number. `not abs(x) <= LIMIT` catches NaN and infinities too. (`out_of_range` reports them.)
LIMIT: Final = 1e150

#: The largest finite float: `not abs(x) <= SKIPPED` is true of NaN and infinities only.
SKIPPED: Final = 1.7976931348623157e308

#: Ten thousand days in ns: durations beyond are taken as this long, so that sums of times stay in int64.
_LONGEST: Final = 10_000 * 86_400_000_000_000


def nanoseconds(seconds: float) -> int:
    """A duration in s as whole ns, at most ten thousand days.

    >>> nanoseconds(1.5)
    1500000000
    """
    return min(round(min(seconds, 1e12) * 1e9), _LONGEST)


@njit(nogil=True, cache=True)
def number(t: int, length: int, near: int) -> int:
    """Number of the stretch of `length` ns that t lies in; without a division if that is `near` or the one after."""
    into = t - near * length
    if 0 <= into < length:
        return near
    return near + 1 if 0 <= into - length < length else t // length


@njit(nogil=True, cache=True)
def gain(memo: Any, after: int, time: float) -> float:
    """Weight of a value in an exponential mean with time constant `time`, s, that comes `after` ns after the last one.

    Mostly that of the call before, which `memo` keeps: one for each time constant, `np.zeros(2)` at first.
    """
    if memo[0] != after:
        memo[0], memo[1] = after, -math.expm1(-after / 1e9 / time)
    return memo[1]  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def grade_of(x: float, bounds: Floats, least: float, begins: bool, now: int, release: float) -> int:
    """The grade, as many bounds as `x` has reached; those of the grade `now` are kept down to `release` of them.

    A bound is at least `least`; without `begins` none is newly reached.
    """
    grade = 0
    for k in range(len(bounds)):
        bound = max(bounds[k], least)
        if (begins and x >= bound) or (k < now and x >= release * bound):
            grade = k + 1
    return grade


@njit(nogil=True, cache=True)
def bound_of(grade: int, bounds: Floats, least: float, release: float) -> float:
    """The bound that a grade has reached; of no grade, the one below which it was left."""
    return max(bounds[grade - 1], least) if grade else release * max(bounds[0], least)  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def begin_block(cell: Any, block: int) -> bool:
    """Begin a block of readings that are averaged; whether it follows the one that was filled before.

    `cell` has the fields `block`, `sum` and `count`.
    """
    follows = block == cell.block + 1
    cell.block, cell.sum, cell.count = block, 0.0, 0
    return bool(follows)


@njit(nogil=True, cache=True)
def write(
    out: Any,
    n: int,
    slot: int,
    phase: int,
    grade: int,
    reason: int,
    ts: int,
    onset: int,
    score: float,
    threshold: float,
    value: float,
    baseline: float,
) -> int:
    """Write mark `n`; returns how many marks `out` holds then."""
    mark = out[n]
    mark.slot = slot
    mark.phase = phase
    mark.grade = grade
    mark.reason = reason
    mark.ts = ts
    mark.onset = onset
    mark.score = score
    mark.threshold = threshold
    mark.value = value
    mark.baseline = baseline
    return n + 1


@njit(nogil=True, cache=True)
def settle(
    out: Any,
    n: int,
    cell: Any,
    slot: int,
    grade: int,
    reason: int,
    ts: int,
    onset: int,
    score: float,
    threshold: float,
    value: float,
    baseline: float,
) -> int:
    """Bring a slot to `grade` and write the mark that goes with it; without a change of grade, write nothing.

    `cell` is the slot's record, with fields `grade` and `onset`. The argument `onset` counts only where an abnormality
    begins. Returns how many marks `out` holds after it held `n`.
    """
    if grade == cell.grade:
        return n
    phase = CHANGE
    if cell.grade == 0:
        phase = ONSET
        cell.onset = onset
    elif grade == 0:
        phase = END
    cell.grade = grade
    return write(out, n, slot, phase, grade, reason, ts, cell.onset, score, threshold, value, baseline)
