"""Floors of a level that each reading moves: means, cumulative sums, and the noise about them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from domain.records import Floats, Int32s, Int64s

__all__ = [
    "cusum",
    "ewma",
    "hour_ewma",
    "jump",
    "level_noise",
    "page_hinkley",
    "passage",
    "short_long",
    "swing",
    "wave",
]


@njit(nogil=True, cache=True)
def ewma(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, z: float) -> int:
    """Weighted mean and variance, at first of equal weights; the squared distance compared with the variance."""
    mean, var, count = np.zeros(slots), np.ones(slots), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        d = value[i] - mean[s]
        n += d * d > z * z * var[s]
        count[s] += 1
        a = max(alpha, 1.0 / count[s])
        mean[s] += a * d
        var[s] = (1.0 - a) * (var[s] + a * d * d)
    return n


@njit(nogil=True, cache=True)
def hour_ewma(slots: int, sensor: Int32s, ts: Int64s, value: Floats, season: int, alpha: float, z: float) -> int:
    """Exponentially weighted mean and variance of each of 168 parts of a season; the distance in deviations."""
    mean, var, count = np.zeros((slots, 168)), np.ones((slots, 168)), np.zeros((slots, 168), np.int64)
    part = season // 168
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        h = min(ts[i] % season // part, 167)
        d = value[i] - mean[s, h]
        n += abs(d) / math.sqrt(max(var[s, h], 1e-9)) > z
        count[s, h] += 1
        a = max(alpha, 1.0 / count[s, h])
        mean[s, h] += a * d
        var[s, h] = (1.0 - a) * (var[s, h] + a * d * d)
    return n


@njit(nogil=True, cache=True)
def cusum(slots: int, sensor: Int32s, ts: Int64s, value: Floats, drift: float, clip: float, limit: float) -> int:
    """Two clipped cumulative sums of standardised distances, with the times since which they are above zero."""
    mean, sigma, up, down = np.zeros(slots), np.ones(slots), np.zeros(slots), np.zeros(slots)
    up_since, down_since = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        z = min(max((value[i] - mean[s]) / sigma[s], -clip), clip)
        up_since[s] += (up[s] == 0.0) * (ts[i] - up_since[s])
        down_since[s] += (down[s] == 0.0) * (ts[i] - down_since[s])
        up[s] = min(max(up[s] + z - drift, 0.0), limit + clip)
        down[s] = min(max(down[s] - z - drift, 0.0), limit + clip)
        n += up[s] > limit or down[s] > limit
    return n


@njit(nogil=True, cache=True)
def page_hinkley(slots: int, sensor: Int32s, ts: Int64s, value: Floats, delta: float, threshold: float) -> int:
    """Running mean, two faded sums of distances, and the lowest and highest of them with their times."""
    count, mean, up, down = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots), np.zeros(slots)
    lowest, highest = np.zeros(slots), np.zeros(slots)
    low_ts, high_ts = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        count[s] += 1
        mean[s] += (1.0 / count[s]) * (value[i] - mean[s])
        up[s] = 0.9999 * up[s] + (value[i] - mean[s]) - delta
        down[s] = 0.9999 * down[s] + (value[i] - mean[s]) + delta
        if up[s] < lowest[s]:
            lowest[s], low_ts[s] = up[s], ts[i]
        if down[s] > highest[s]:
            highest[s], high_ts[s] = down[s], ts[i]
        n += up[s] - lowest[s] > threshold or highest[s] - down[s] > threshold
    return n


@njit(nogil=True, cache=True)
def wave(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, drift: float, limit: float) -> int:
    """Exponentially weighted mean and variance, and one clipped cumulative sum of falls in standard deviations."""
    mean, var, total = np.zeros(slots), np.ones(slots), np.zeros(slots)
    since, fallen = np.zeros(slots, np.int64), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        d = value[i] - mean[s]
        if total[s] == 0.0:
            since[s], fallen[s] = ts[i], 0.0
        fallen[s] -= d
        total[s] = max(total[s] - min(max(d / math.sqrt(var[s]), -8.0), 8.0) - drift, 0.0)
        n += total[s] > limit
        mean[s] += alpha * d
        var[s] = (1.0 - alpha) * (var[s] + alpha * d * d)
    return n


@njit(nogil=True, cache=True)
def level_noise(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, size: float, times: float) -> int:
    """Distance from a level against a bound made of its mean; level and mean distance learned with a cut."""
    level, noise = np.zeros(slots), np.ones(slots)
    since = np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        away = value[i] - level[s]
        bound = max(size, times * noise[s])
        if abs(away) > bound:
            n += 1
            since[s] = ts[i]
        step = min(abs(away), bound)
        level[s] += alpha * (step if away > 0.0 else -step)
        noise[s] += alpha * (step - noise[s])
    return n


@njit(nogil=True, cache=True)
def jump(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, size: float, times: float) -> int:
    """Step from the last reading against a bound made of the mean step; a step beyond it is not learned."""
    level, noise = np.zeros(slots), np.ones(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        step = abs(value[i] - level[s])
        if step > max(size, times * noise[s]):
            n += 1
        else:
            noise[s] += alpha * (step - noise[s])
            level[s] = value[i]
    return n


@njit(nogil=True, cache=True)
def swing(slots: int, sensor: Int32s, ts: Int64s, value: Floats, quick: float, slow: float, times: float) -> int:
    """Swing of two steps that turn, its quick mean against a bound made of its slow mean."""
    before, last = np.zeros(slots), np.zeros(slots)
    recent, usual = np.zeros(slots), np.ones(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        step = value[i] - before[s]
        size = min(abs(step), abs(last[s])) if (step > 0.0) != (last[s] > 0.0) else 0.0
        before[s], last[s] = value[i], step
        bound = times * usual[s]
        recent[s] += quick * (min(size, 3.0 * bound) - recent[s])
        if recent[s] > bound:
            n += 1
        else:
            usual[s] += slow * (min(size, bound) - usual[s])
    return n


@njit(nogil=True, cache=True)
def passage(slots: int, sensor: Int32s, ts: Int64s, value: Floats, start: float, tau: float, peak: float) -> int:
    """Distance from a baseline that follows by the time passed; the largest one while it is away."""
    base, most, last = np.zeros(slots), np.zeros(slots), np.full(slots, ts[0])
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        step = ts[i] - last[s]
        last[s] = ts[i]
        away = value[i] - base[s]
        if abs(away) < start:
            n += abs(most[s]) >= peak
            most[s] = 0.0
            base[s] += step / (tau + step) * away
        elif abs(away) > abs(most[s]):
            most[s] = away
    return n


@njit(nogil=True, cache=True)
def short_long(slots: int, sensor: Int32s, ts: Int64s, value: Floats, short: float, long: float, band: float) -> int:
    """A band, and two exponential means by the time passed, with their distance."""
    quick, slow, last = np.zeros(slots), np.zeros(slots), np.full(slots, ts[0])
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        dt = ts[i] - last[s]
        last[s] = ts[i]
        if abs(x) > band:
            n += 1
            continue
        quick[s] -= math.expm1(-dt / short) * (x - quick[s])
        slow[s] -= math.expm1(-dt / long) * (x - slow[s])
        n += abs(quick[s] - slow[s]) > band
    return n
