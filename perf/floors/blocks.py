"""Floors that gather readings first: means of blocks, of parts of a day, of nights, and what is made of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from river import anomaly, preprocessing

from domain.records import Floats, Int32s, Int64s

__all__ = [
    "block_climb",
    "block_line",
    "block_profile",
    "block_shift",
    "day_part_slopes",
    "demodulate",
    "half_space_trees",
    "hour_cusum",
    "night_least",
    "night_mean",
    "theil_sen",
]


@njit(nogil=True, cache=True)
def block_shift(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, alpha: float, bound: float) -> int:
    """Means of blocks; each against a level and a noise that are learned of them."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    level, noise, before = np.zeros(slots), np.zeros(slots), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                mean = total[s] / count[s]
                away = mean - level[s]
                if abs(away) >= bound:
                    n += 1
                else:
                    level[s] += alpha * away
                    noise[s] += alpha * (abs(mean - before[s]) - noise[s])
                before[s] = mean
            block_of[s], total[s], count[s] = block, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def block_line(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, amount: float) -> int:
    """Means of blocks; the least-squares line through eight of them, and the largest distance from it."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    means, filled = np.zeros((slots, 8)), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                means[s, filled[s] % 8] = total[s] / count[s]
                filled[s] += 1
                middle = 0.0
                for k in range(8):
                    middle += means[s, k] / 8.0
                slope = off = 0.0
                for k in range(8):
                    slope += (k - 3.5) * (means[s, (filled[s] + k) % 8] - middle) / 42.0
                for k in range(8):
                    off = max(off, abs(means[s, (filled[s] + k) % 8] - middle - slope * (k - 3.5)))
                n += 8.0 * abs(slope) >= amount and off <= 0.1 * amount
            block_of[s], total[s], count[s] = block, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def block_climb(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, rise: float, excess: float) -> int:
    """Means and mean excesses of blocks; the sum over twelve of them, and whether they climb without a dip."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    beyond, means, over = np.zeros(slots), np.zeros((slots, 12)), np.zeros((slots, 12))
    filled = np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                f = filled[s]
                means[s, f % 12], over[s, f % 12] = total[s] / count[s], beyond[s] / count[s]
                filled[s] = f = f + 1
                exposure = 0.0
                for k in range(12):
                    exposure += over[s, k]
                climbed = means[s, (f - 1) % 12] - means[s, f % 12]
                steady = True
                for k in range(1, 12):
                    if means[s, (f + k) % 12] - means[s, (f + k - 1) % 12] < -0.05 * climbed:
                        steady = False
                        break
                n += exposure >= 12.0 * excess or (steady and climbed >= rise)
            block_of[s], total[s], count[s], beyond[s] = block, 0.0, 0, 0.0
        total[s] += value[i]
        count[s] += 1
        beyond[s] += max(value[i], 0.0)
    return n


@njit(nogil=True, cache=True)
def block_profile(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, day: int, alpha: float) -> int:
    """Means of steps; mean and mean deviation of each of a day's 24 hours, and a comparison with them."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    mean, spread, before = np.zeros((slots, 24)), np.zeros((slots, 24)), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // step
        if block != block_of[s]:
            if count[s]:
                x = total[s] / count[s]
                h = block_of[s] * step % day // (day // 24) % 24
                e = x - mean[s, h]
                n += x - before[s] >= 5.0 or e > 4.0 * spread[s, h]
                before[s] = x
                mean[s, h] += alpha * e
                spread[s, h] += alpha * (abs(e) - spread[s, h])
            block_of[s], total[s], count[s] = block, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def theil_sen(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, crest: float) -> int:
    """Means of blocks and of their times; the median of all 28 slopes of eight blocks, and the median level."""
    block_of, count = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    total, into = np.zeros(slots), np.zeros(slots)
    means, at = np.zeros((slots, 8)), np.zeros((slots, 8))
    at[:] = np.arange(-8.0, 0.0)
    slopes, levels = np.empty(28), np.empty(8)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                for k in range(7):
                    means[s, k], at[s, k] = means[s, k + 1], at[s, k + 1] - 1.0
                means[s, 7], at[s, 7] = total[s] / count[s], into[s] / count[s] - 1.0
                m = 0
                for a in range(8):
                    for b in range(a):
                        slopes[m] = (means[s, a] - means[s, b]) / (at[s, a] - at[s, b])
                        m += 1
                slope = np.median(slopes)
                for k in range(8):
                    levels[k] = means[s, k] - slope * at[s, k]
                n += int(slope > 0.0 and (crest - np.median(levels)) / slope < 10.0)
            block_of[s], total[s], into[s], count[s] = block, 0.0, 0.0, 0
        total[s] += value[i]
        into[s] += (ts[i] - block * length) / length
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def day_part_slopes(slots: int, sensor: Int32s, ts: Int64s, value: Floats, day: int, wide: float, fast: float) -> int:
    """Means of a day's twelve parts, their median, and the median of all 91 slopes of fourteen days."""
    day_of, means, count = np.zeros(slots, np.int64), np.zeros((slots, 12)), np.zeros((slots, 12), np.int64)
    widths, slopes = np.zeros((slots, 14)), np.empty(91)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        today = ts[i] // day
        if today != day_of[s]:
            if day_of[s]:
                for k in range(13):
                    widths[s, k] = widths[s, k + 1]
                widths[s, 13] = np.median(means[s])
                m = 0
                for a in range(14):
                    for b in range(a):
                        slopes[m] = (widths[s, a] - widths[s, b]) / (a - b)
                        m += 1
                n += int(widths[s, 13] >= wide or np.median(slopes) >= fast)
            day_of[s] = today
            count[s] = 0
        k = (ts[i] - today * day) * 12 // day
        count[s, k] += 1
        means[s, k] += (value[i] - means[s, k]) / count[s, k]
    return n


@njit(nogil=True, cache=True)
def demodulate(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, cycles: int) -> int:
    """A sine and a cosine a reading, summed over blocks; the phase from block to block."""
    block_of, count, mean, off = np.zeros(slots, np.int64), np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots)
    re, im = np.zeros(slots), np.zeros(slots)
    before_re, before_im, real, imag = np.zeros(slots), np.zeros(slots), np.zeros(slots), np.zeros(slots)
    turn = -2.0 * math.pi * cycles / length
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                real[s] += re[s] * before_re[s] + im[s] * before_im[s]
                imag[s] += im[s] * before_re[s] - re[s] * before_im[s]
                before_re[s], before_im[s] = re[s], im[s]
                mean[s] += off[s] / count[s]
                n += real[s] > imag[s]
            block_of[s], count[s], off[s], re[s], im[s] = block, 0, 0.0, 0.0, 0.0
        d = value[i] - mean[s]
        angle = turn * (ts[i] - block * length)
        off[s] += d
        re[s] += d * math.cos(angle)
        im[s] += d * math.sin(angle)
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def night_least(slots: int, sensor: Int32s, ts: Int64s, value: Floats, day: int, begin: int, end: int) -> int:
    """The least reading of each night, against the median and the median deviation of 28 nights."""
    least, nights, filled = np.full(slots, np.inf), np.zeros((slots, 28)), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        at = ts[i] % day
        if begin <= at < end:
            least[s] = min(least[s], value[i])
        elif least[s] < np.inf:
            k = min(filled[s], 28)
            if k:
                base = np.median(nights[s, :k])
                n += least[s] - base > 4.0 * np.median(np.abs(nights[s, :k] - base))
            nights[s, filled[s] % 28] = least[s]
            filled[s] += 1
            least[s] = np.inf
    return n


@njit(nogil=True, cache=True)
def night_mean(slots: int, sensor: Int32s, ts: Int64s, value: Floats, day: int, begin: int, end: int) -> int:
    """The mean of each night, against the median of the same weekdays and of the gaps between weeks."""
    total, count = np.zeros(slots), np.zeros(slots, np.int64)
    nights, filled, gaps = np.zeros((slots, 28)), np.zeros(slots, np.int64), np.empty(21)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        at = ts[i] % day
        if begin <= at < end:
            total[s] += value[i]
            count[s] += 1
        elif count[s]:
            x = total[s] / count[s]
            for k in range(21):
                gaps[k] = abs(nights[s, k] - nights[s, k + 7])
            k = filled[s] % 28
            n += x - np.median(nights[s, k % 7 :: 7]) > 4.0 * np.median(gaps)
            nights[s, k] = x
            filled[s] += 1
            total[s], count[s] = 0.0, 0
    return n


@njit(nogil=True, cache=True)
def hour_cusum(slots: int, sensor: Int32s, ts: Int64s, value: Floats, width: int, drift: float, limit: float) -> int:
    """Means of bins less a profile of 168, a level and a trend; two cumulative sums; all of them learned."""
    bin_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    season, level, trend, var = np.zeros((slots, 168)), np.zeros(slots), np.zeros(slots), np.ones(slots)
    up, down = np.zeros(slots), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        b = ts[i] // width
        if b != bin_of[s]:
            if count[s]:
                j = bin_of[s] % 168
                level[s] += trend[s]
                e = total[s] / count[s] - season[s, j] - level[s]
                z = min(max(e / math.sqrt(var[s]), -4.0), 4.0)
                up[s] = max(up[s] + z - drift, 0.0)
                down[s] = max(down[s] - z - drift, 0.0)
                n += up[s] > limit or down[s] > limit
                level[s] += e / 168.0
                trend[s] += 0.25 * e / 28224.0
                season[s, j] += 0.2 * e
                var[s] += (e * e - var[s]) / 336.0
            bin_of[s], total[s], count[s] = b, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


def half_space_trees(slots: int, sensor: Int32s, ts: Int64s, value: Floats, period: int) -> int:
    """River's model itself in a plain Python loop over the periods, which a numba loop has averaged."""
    models: list[Any] = [preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1) for _ in range(slots)]
    n = 0
    for s, mean, low, high in _periods(slots, sensor, ts, value, period).tolist():
        features = {"mean": mean, "low": low, "high": high}
        n += models[int(s)].score_one(features) > 0.95
        models[int(s)].learn_one(features)
    return n


@njit(nogil=True, cache=True)
def _periods(slots: int, sensor: Int32s, ts: Int64s, value: Floats, period: int) -> Any:
    total, count, start = np.zeros(slots), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    low, high = np.zeros(slots), np.zeros(slots)
    out = np.empty((len(value), 4))
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        now = ts[i] // period
        if now != start[s]:
            if count[s]:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = s, total[s] / count[s], low[s], high[s]
                n += 1
            start[s], total[s], count[s], low[s], high[s] = now, 0.0, 0, x, x
        total[s] += x
        count[s] += 1
        low[s], high[s] = min(low[s], x), max(high[s], x)
    return out[:n]
