"""VUS-PR: the volume under the surface of precision over recall, as the labels' edges are blurred more and more.

Definition: Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, Volume Under the Surface, PVLDB 15 (2022); in the
form of TSB-AD (Liu and Paparrizos, The Elephant in the Room, NeurIPS 2024): windows of 0, 1, ..., L rows, steps of
recall times the precision at their end, and of the blurred edges only what was flagged counts towards recall.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from domain.records import Bools, Floats
from workbench.spans import runs

__all__ = ["period", "vus_pr"]


def period(x: Floats) -> int:
    """The lag, in rows, of the highest local maximum of a series' autocorrelation; 125 where there is none in range.

    Of the first 20,000 rows; lags from 3 to 400, and a maximum at fewer than 6 or more than 303 counts as none.

    >>> period(np.sin(np.arange(1000) * 2 * np.pi / 50))
    50
    """
    x = x[:20_000] - x[:20_000].mean()
    spectrum = np.fft.rfft(x, 2 * len(x))
    related = np.fft.irfft(spectrum * np.conj(spectrum))[3 : min(401, len(x))]
    peaks = 1 + np.flatnonzero((related[1:-1] > related[:-2]) & (related[1:-1] > related[2:]))
    if not len(peaks):
        return 125
    best = int(peaks[np.argmax(related[peaks])])
    return best + 3 if 3 <= best <= 300 else 125


def vus_pr(labels: Bools, score: Floats, window: int, thresholds: int = 250) -> float:
    """VUS-PR of a score.

    Parameters
    ----------
    labels
        Whether each row is anomalous; some row has to be. Shape (rows,).
    score
        The higher, the more anomalous. Shape (rows,).
    window
        Largest blur: half of it on either side of a run of labels. Rows.
    thresholds
        How many of the sorted scores, evenly spaced, are taken as thresholds.
    """
    n = len(score)
    falling = np.sort(score)[::-1]
    bounds = falling[np.linspace(0, n - 1, thresholds).astype(np.int64)]
    flagged = np.searchsorted(-falling, -bounds, side="right")  # rows at or above each threshold
    since = np.searchsorted(-bounds, -score, side="left")  # the first threshold at which a row is flagged
    spans = runs(labels)
    positives = int(labels.sum())
    total = 0.0
    for w in range(window + 1):
        half = w // 2
        weight = labels.astype(np.float64)
        for first, last in spans:
            if half:
                fade = np.sqrt(1.0 - np.arange(1, half + 1) / w)
                after = min(half, n - 1 - last)
                before = min(half, first)
                weight[last + 1 : last + 1 + after] += fade[:after]
                weight[first - before : first] += fade[:before][::-1]
        weight = np.minimum(weight, 1.0)
        rows = np.flatnonzero(weight)
        hits = _up_to(since[rows], weight[rows], thresholds)
        blurred = rows[~labels[rows]]
        outside = _up_to(since[blurred], weight[blurred], thresholds)
        seen = [int(since[a : b + 1].min()) for a, b in _merged(spans, half, n)]
        exist = _up_to(np.array(seen), np.ones(len(seen)), thresholds) / len(seen)
        recall = np.minimum(hits / (positives + outside / 2.0), 1.0) * exist
        total += float(np.dot(np.diff(recall, prepend=0.0), hits / flagged))
    return total / (window + 1)


def _up_to(since: npt.NDArray[np.int64], weight: Floats, thresholds: int) -> Floats:
    """Sum of the weights that are in by each threshold."""
    return np.cumsum(np.bincount(since, weight, thresholds + 1)[:thresholds])


def _merged(spans: list[tuple[int, int]], half: int, n: int) -> list[tuple[int, int]]:
    """Spans with `half` rows on either side; those that then touch are one."""
    out: list[tuple[int, int]] = []
    for first, last in spans:
        a, b = max(first - half, 0), min(last + half, n - 1)
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], b)
        else:
            out.append((a, b))
    return out
