"""Natural frequencies that shift."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, RISE, bound_of, grade_of, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["Frequency", "FrequencyParams"]

_LEARN: Final = 15  # windows at most, whose median is the reference


@njit(nogil=True, cache=True)
def _window(cell: Any, cycles: int, frequency: float, coherence: float, least: int) -> float:
    """Frequency of the window in Hz; 0 if there are too few blocks, or nothing oscillates near the expected one."""
    if cell.pairs < least or cell.power <= 0.0:
        return 0.0
    if not math.hypot(cell.real, cell.imag) >= coherence * cell.power:
        return 0.0
    return frequency * (1.0 + math.atan2(cell.imag, cell.real) / (2.0 * math.pi * cycles))


@njit(nogil=True, cache=True)
def _close(cell: Any, block: int, needed: int) -> None:
    """Take the block that is full: its phase against that of the block before."""
    if cell.count >= needed and cell.centred:
        re, im = cell.sine[0] / cell.count, cell.sine[1] / cell.count
        if cell.had == cell.block - 1:
            a, b = cell.before
            cell.real += re * a + im * b
            cell.imag += im * a - re * b
            cell.power += 0.5 * (re * re + im * im + a * a + b * b)
            cell.pairs += 1
        cell.before[0], cell.before[1] = re, im
        cell.had = cell.block
    # The mean of a block is taken off the next one, so that gravity does not leak in.
    cell.mean = cell.mean + cell.off / cell.count if cell.centred else cell.off / cell.count
    cell.centred = 1
    cell.block = block
    cell.count = 0
    cell.off = cell.sine[0] = cell.sine[1] = 0.0


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    shift: Floats,
    length: int,
    cycles: int,
    blocks: int,
    coherence: float,
    learn: int,
    release: float,
) -> int:
    n = 0
    turn = -2.0 * math.pi * cycles / length
    frequency = 1e9 * cycles / length
    least = (blocks + 1) // 2
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        block = t // length
        if block != cell.block:
            if cell.count:
                _close(cell, block, 4 * cycles)
            cell.block = block
            if block // blocks != cell.window:
                found = _window(cell, cycles, frequency, coherence, least)
                cell.window = block // blocks
                cell.pairs = 0
                cell.real = cell.imag = cell.power = 0.0
                if found > 0.0 and cell.learned < learn:
                    cell.first[cell.learned] = found
                    cell.learned += 1
                    if cell.learned == learn:
                        cell.reference = np.median(cell.first[:learn])
                        cell.latest[:] = cell.reference
                elif found > 0.0:
                    cell.latest[0], cell.latest[1], cell.latest[2] = cell.latest[1], cell.latest[2], found
                    middle = np.median(cell.latest)
                    away = 100.0 * (middle / cell.reference - 1.0)
                    grade = grade_of(abs(away), shift, 0.0, True, cell.grade, release)
                    bound = bound_of(grade, shift, 0.0, release)
                    reason = RISE if away > 0.0 else FALL
                    cell.score = abs(away) / shift[0]
                    n = settle(out, n, cell, slot, grade, reason, t, t, abs(away), bound, middle, cell.reference)
        d = x - cell.mean
        angle = turn * (t - block * length)
        cell.off += d
        cell.sine[0] += d * math.cos(angle)
        cell.sine[1] += d * math.sin(angle)
        cell.count += 1
    return n


class FrequencyParams(Params):
    """The band that is watched is `expected` (1 +- 1 / (2 `cycles`))."""

    expected: float = Field(gt=0, le=1e6, description="Natural frequency to follow, in Hz: of the design or a survey.")
    shift: tuple[float, ...] = Field(
        min_length=1,
        max_length=4,
        description="Shifts of grade 1, 2, ..., in percent of the reference, ascending, above 0.",
    )
    cycles: int = Field(
        4, ge=1, le=100, description="Oscillations a block: the band is 1 / `cycles` of `expected` wide."
    )
    window: Seconds = Field(
        600.0, gt=0, description="Event time over which one frequency is estimated: best a hundred blocks or more."
    )
    coherence: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="Windows in which blocks agree less (0 to 1) say nothing: no excitation, only noise.",
    )
    learn: int = Field(9, ge=1, le=_LEARN, description="Windows whose median is the reference.")
    release: float = Field(0.8, gt=0, le=1, description="A grade is left below this part of its shift (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_grades("shift")
        if self.window < 2 * self.cycles / self.expected:
            raise ValueError("expected a `window` of two blocks, 2 x cycles / expected, or longer")
        return self


class Frequency(Detector):
    """Follows a natural frequency in acceleration and finds that it has shifted, as by damage, scour or added mass.

    Time is cut into blocks of `cycles` expected oscillations. Each gives one complex amplitude at the expected
    frequency; from block to block its phase turns by the difference between the true and the expected frequency. The
    mean turn over a window, weighted by power, is the window's frequency. White noise turns at random and does not bias
    it; where blocks do not agree, the window is left out. The reference is the median of the first windows, and is
    kept; the median of the latest three is judged against it.

    Misses shifts out of the band, which fold back into it, and what happens while nothing excites the structure.
    Another mode inside the band pulls the estimate. Temperature alone shifts bridges by a few percent in a year, frost
    by more: set thresholds beyond. Needs `learn` windows to start, two windows to find a shift, and four readings an
    oscillation.
    State: 288 bytes a sensor. Marks: score is the shift in percent, value the frequency in Hz, baseline the reference.

    Method: pulse-pair estimate (Miller and Rochwarger, A Covariance Approach to Spectral Moment Estimation, IEEE
    Transactions on Information Theory 18, 1972) of the single-bin Fourier transforms of consecutive blocks.
    """

    name = "frequency"
    lane = Lane.PANE
    Params = FrequencyParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("block", np.int64),
            ("window", np.int64),
            ("had", np.int64),  # the latest block with an amplitude
            ("count", np.int64),  # readings in the block
            ("mean", np.float64),
            ("off", np.float64),
            ("sine", np.float64, 2),
            ("before", np.float64, 2),
            ("real", np.float64),
            ("imag", np.float64),
            ("power", np.float64),
            ("reference", np.float64),
            ("score", np.float64),
            ("latest", np.float64, 3),
            ("first", np.float64, _LEARN),
            ("pairs", np.int32),
            ("learned", np.uint8),
            ("centred", np.uint8),  # whether `mean` is known
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: FrequencyParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._shift = np.array(params.shift, np.float64)
        self._length = nanoseconds(params.cycles / params.expected)
        self._blocks = max(nanoseconds(params.window) // self._length, 2)

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        p = self.params
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                self._shift,
                self._length,
                p.cycles,
                self._blocks,
                p.coherence,
                p.learn,
                p.release,
            )
        )
