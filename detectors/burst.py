"""A water main that bursts: pressures that drop at once, and the flow that rises with them."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field

from detectors.contract import Marks, Params
from detectors.kernels import FALL, nanoseconds, settle
from detectors.steps import SteppedDetector, step_fields
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["Burst", "BurstParams"]

_WIDTH: Final = 16
_RING: Final = 15  # steps of which the median is the baseline
_MOST: Final = 1e100  # multiples of a bound are cut off here


class _Settings(NamedTuple):
    flows: int
    drop: float
    flow_step: float
    times: float
    alpha: float
    hold: int
    agree: int  # ns
    accept: int  # ns
    release: float


@njit(nogil=True, cache=True)
def _restart(cell: Any, c: int) -> None:
    cell.filled[c] = cell.run[c] = cell.held[c] = 0
    cell.depth[c] = 0.0


@njit(nogil=True, cache=True)
def _sensor(cell: Any, c: int, x: float, tick: int, step: int, s: _Settings) -> None:
    """Hold the sensor's mean of the step against the median of those before; learn it unless it is away."""
    if cell.filled[c] and tick - cell.seen[c] > _RING * step:
        _restart(cell, c)  # what was usual before a silence tells nothing
    cell.seen[c] = tick
    if cell.held[c] and tick - cell.since[c] >= s.accept:
        _restart(cell, c)
    cell.now[c] = x
    if cell.filled[c] < _RING:
        cell.ring[c, cell.filled[c]] = x
        cell.filled[c] += 1
        cell.base[c] = x
        return
    if cell.run[c] == 0 and not cell.held[c]:
        cell.base[c] = np.median(cell.ring[c])
    away = x - cell.base[c] if c < s.flows else cell.base[c] - x
    least = s.flow_step if c < s.flows else s.drop
    bound = max(least, s.times * cell.noise[c])
    cell.bound[c] = bound
    cell.depth[c] = min(max(away / bound, 0.0), _MOST)
    if cell.held[c]:
        if cell.depth[c] >= s.release:
            return
        _restart(cell, c)
        cell.ring[c, 0] = x
        cell.filled[c] = 1
        return
    if cell.depth[c] >= 1.0:
        if cell.noise_n[c] < _RING:  # nothing is known about its noise yet
            cell.depth[c] = 0.0
        else:
            if cell.run[c] == 0:
                cell.since[c] = tick
            cell.run[c] += 1
            if cell.run[c] >= s.hold:
                cell.held[c] = 1
            return
    cell.run[c] = 0
    cell.noise_n[c] += 1
    cell.noise[c] += max(s.alpha, 1.0 / cell.noise_n[c]) * (min(abs(away), bound) - cell.noise[c])
    for k in range(_RING - 1):
        cell.ring[c, k] = cell.ring[c, k + 1]
    cell.ring[c, _RING - 1] = x


@njit(nogil=True, cache=True)
def _agreement(cell: Any, p: int, s: _Settings) -> tuple[int, int]:
    """The grade, and the pressure with whose drop most others agree; of equals the first."""
    best, first = 0, -1
    for a in range(s.flows, p):
        if not cell.held[a]:
            continue
        pressures, flow = 0, 0
        for b in range(p):
            apart = cell.since[b] - cell.since[a]
            if cell.held[b] and b >= s.flows and 0 <= apart <= s.agree:
                pressures += 1
            elif cell.held[b] and b < s.flows and abs(apart) <= s.agree:
                flow = 1
        grade = min(pressures, 3) + flow
        if grade > best:
            best, first = grade, a
    return best, first


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
        cell, tick = state[groups[i]], ticks[i]
        slots = members[groups[i]]
        p = 0
        while p < _WIDTH and slots[p] >= 0:
            if not math.isnan(means[i, p]):
                _sensor(cell, p, means[i, p], tick, step, s)
            p += 1
        cell.score = 0.0
        for c in range(s.flows, p):
            cell.score = max(cell.score, cell.depth[c])
        grade, first = _agreement(cell, p, s)
        if grade == cell.grade:
            continue
        if cell.grade == 0:
            cell.lead = first
            for c in range(s.flows, p):
                if cell.held[c] and cell.depth[c] > cell.depth[cell.lead]:
                    cell.lead = c
            cell.of_lead = cell.base[cell.lead]
        total = 0.0
        for c in range(p):
            if cell.held[c]:
                total += cell.depth[c]
        for c in range(p):
            shares[n, c] = cell.depth[c] / total if total > 0.0 and cell.held[c] else 0.0
        c = cell.lead
        bound = cell.bound[c] * (1.0 if grade else s.release)
        onset = cell.since[first] if grade else tick
        score = cell.of_lead - cell.now[c]
        n = settle(out, n, cell, slots[c], grade, FALL, tick + step, onset, score, bound, cell.now[c], cell.of_lead)
    return n


class BurstParams(Params):
    """The defaults suit pressures in m read each second or so; figures of a sensor are in its own unit."""

    flows: int = Field(
        0,
        ge=0,
        le=8,
        description="How many of an asset's sensors, from its first, are flow meters; others are pressures.",
    )
    drop: float = Field(2.0, gt=0, description="Smallest drop of pressure that counts, in the pressures' unit.")
    flow_step: float = Field(10.0, gt=0, description="Smallest rise of flow that supports it, in the flows' unit.")
    times: float = Field(
        8.0, ge=0, description="A drop or rise is at least so many mean deviations from the median of the steps before."
    )
    hold: int = Field(3, ge=1, description="Steps in a row for which it must last.")
    agree: Seconds = Field(
        30.0, ge=0, description="Sensors agree when they begin within this time: travel of the wave, and clock errors."
    )
    step: Seconds = Field(
        1.0,
        gt=0,
        description="Readings are averaged over it; the usual is the median of 15 steps. An interval or more.",
    )
    memory: int = Field(1000, ge=15, description="Steps over which a sensor's mean deviation is learned.")
    release: float = Field(
        0.5, gt=0, le=1, description="A sensor is back when less than this part of its bound is left (no unit)."
    )
    accept: Seconds = Field(3600.0, gt=0, description="Event time after which a sensor's new value is its usual one.")


class Burst(SteppedDetector):
    """Finds bursts of a water main: pressures that drop at once and stay down, the more sensors agree the graver.

    Readings of each sensor are averaged over `step` and held against the median of its 15 steps before, which stands
    still while the sensor is away. A pressure has dropped once it is below the median by its bound for `hold` steps in
    a row; a flow has risen likewise. The bound is `drop` (`flow_step`) or `times` the sensor's mean deviation. One
    pressure is of grade 1; two or three that begin within `agree` are of grade 2 and 3; a flow that rises within
    `agree` of them adds one. A flow alone is no burst: it may be a hydrant or a pump. A sensor is back when less than
    `release` of its bound is left, or after `accept`; the burst is over when all pressures are.

    Misses bursts whose drop takes longer than about seven steps, since the median follows, and those further from all
    sensors than the drop carries. Takes a pump that trips or a valve that opens for a burst. Needs 30 steps of each
    sensor, again 15 after a silence of 15, then `hold`. At most 16 sensors an asset. State: 3656 bytes an asset.
    Marks: score is the drop of the named sensor, the one that dropped most in multiples of its bound; threshold that
    bound, value its pressure, baseline the median.

    Method: drop against a running median with a run rule (Western Electric, Statistical Quality Control Handbook,
    1956); pressures and flows judged together as in Romano, Kapelan and Savic, Evolutionary Algorithm and Expectation
    Maximization Strategies for Improved Detection of Pipe Bursts and Other Events in Water Distribution Systems,
    Journal of Water Resources Planning and Management 140 (2014), with agreement counted in place of their networks.
    """

    name = "burst"
    version = 2
    WIDTH = _WIDTH
    kernel = staticmethod(_judge)
    Params = BurstParams
    STATE = np.dtype(
        [
            *step_fields(_WIDTH),
            ("onset", np.int64),
            ("score", np.float64),
            ("now", np.float64, _WIDTH),  # mean of its latest step
            ("seen", np.int64, _WIDTH),  # ns, that step
            ("ring", np.float64, (_WIDTH, _RING)),  # the steps before, oldest first
            ("filled", np.int64, _WIDTH),
            ("base", np.float64, _WIDTH),  # their median
            ("noise", np.float64, _WIDTH),  # mean absolute deviation from it
            ("noise_n", np.int64, _WIDTH),
            ("bound", np.float64, _WIDTH),
            ("depth", np.float64, _WIDTH),  # how far it is away, in multiples of the bound
            ("since", np.int64, _WIDTH),  # ns, first step of the run
            ("run", np.int64, _WIDTH),  # steps in a row beyond the bound
            ("held", np.uint8, _WIDTH),
            ("of_lead", np.float64),  # median of the named sensor
            ("lead", np.int64),  # its place
            ("grade", np.uint8),
        ],
        align=True,
    )

    def settings(self) -> tuple[Any, ...]:  # noqa: D102
        p = self.params
        times = (nanoseconds(p.agree), nanoseconds(p.accept))
        return (_Settings(p.flows, p.drop, p.flow_step, p.times, 1.0 / p.memory, p.hold, *times, p.release),)
