"""NAB, the Numenta Anomaly Benchmark: univariate series with windows in which a detection counts, the earlier the more.

Rules: Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark (2015).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.clock import DAY, SECOND
from domain.errors import SourceError
from domain.records import Floats, Int64s
from workbench.result import RecordScore, SetResult, figure
from workbench.sets._play import play, rising

__all__ = ["DEFAULT", "FOLDER", "PROFILES", "Outcome", "Series", "evaluate", "load", "probation", "score"]

DEFAULT: Final = "novelty"
FOLDER: Final = "nab"

#: Weights of a hit, a false alarm and a miss.
PROFILES: Final = {"standard": (1.0, 0.11, 1.0), "low FP": (1.0, 0.22, 1.0), "low FN": (1.0, 0.11, 2.0)}
_BARS: Final = {"standard": 60.0, "low FP": 50.0}
_PUBLISHED: Final = {
    "standard": "whole corpus: ARTime 74.9, Numenta HTM 70.5, CAD OSE 69.9, KNN CAD 58.0, Windowed Gaussian 39.6",
    "low FP": "whole corpus: CAD OSE 67.0, ARTime 65.1, Numenta HTM 62.6, KNN CAD 43.4, Windowed Gaussian 20.9",
    "low FN": "whole corpus: ARTime 80.4, Numenta HTM 75.2, CAD OSE 73.2, KNN CAD 64.8, Windowed Gaussian 47.4",
}


@dataclass(frozen=True)
class Series:
    """One file: `windows` are first and last row of each labelled window."""

    name: str
    timestamp: list[str]
    ts: Int64s  # ns, rising
    value: Floats
    windows: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A set's score under one profile, at the threshold where it is best (or at the one that was given)."""

    score: float
    threshold: float
    found: int  # windows
    false: int  # rows outside windows at or above the threshold


def load(folder: Path) -> list[Series]:
    """Every labelled file of a folder that is laid out as NAB's `data` and `labels` are; raises SourceError."""
    labels = folder / "combined_windows.json"
    if not labels.exists():
        raise SourceError(f"{labels}: expected NAB's labelled windows, found none")
    found = []
    for name, windows in json.loads(labels.read_text()).items():
        path = folder / "data" / name
        if not path.exists():
            continue
        rows = [line.split(",") for line in path.read_text().splitlines()[1:] if line]
        stamp = [row[0] for row in rows]
        times = np.array(stamp, "M8[s]").astype(np.int64)
        spans = np.array(windows, "M8[s]").astype(np.int64).reshape(-1, 2)
        # Clocks go back an hour in some files.
        ts = rising(times * SECOND)
        rows_of = [(int(np.argmax(times == a)), int(np.argmax(times == b))) for a, b in spans.tolist()]
        found.append(Series(name, stamp, ts, np.array([float(row[1]) for row in rows]), rows_of))
    if not found:
        raise SourceError(f"{folder}/data: expected files named in {labels.name}, found none")
    return found


def probation(rows: int) -> int:
    """Rows at the start of a file that are not scored.

    >>> probation(4032), probation(10_000)
    (604, 750)
    """
    return min(math.floor(0.15 * rows), 750)


def score(series: Sequence[Series], scores: Sequence[Floats], profile: str, threshold: float | None = None) -> Outcome:
    """The set's score, 100 for a perfect detector and 0 for none.

    Parameters
    ----------
    series, scores
        The files, and the anomaly score of every row of each.
    profile
        One of `PROFILES`.
    threshold
        Rows at or above it are detections, in all files; None: the one that is best for the set.
    """
    hit, wrong, miss = PROFILES[profile]
    value, worth, window = _pooled(series, scores)
    order = np.argsort(-value, kind="stable")
    value, worth, window = value[order], worth[order], window[order]
    gain = np.where(window < 0, wrong * worth, 0.0)
    best: dict[int, float] = {}
    for i in np.flatnonzero(window >= 0).tolist():
        k, more = int(window[i]), hit * worth[i]
        if more > best.get(k, -miss):
            gain[i] = more - best.get(k, -miss)
            best[k] = more
    windows = sum(len(one.windows) for one in series)
    null = -miss * windows
    # After the last row of each score, as a threshold takes all rows of one score or none.
    ends = np.flatnonzero(np.append(value[1:] != value[:-1], True))
    totals = null + np.cumsum(gain)[ends]
    if threshold is None:
        at = int(np.argmax(totals))
        chosen, total = (at, totals[at]) if totals[at] > null else (-1, null)
    else:
        chosen = int(np.searchsorted(-value[ends], -threshold, side="right")) - 1
        total = totals[chosen] if chosen >= 0 else null
    taken = int(ends[chosen]) + 1 if chosen >= 0 else 0
    found = len(set(window[:taken].tolist()) - {-1})
    share = 100.0 * (total - null) / (hit * windows - null)
    bound = float(value[taken - 1]) if taken else math.inf
    return Outcome(float(share), bound, found, int((window[:taken] < 0).sum()))


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score a detector on NAB; see `workbench.sets`."""
    name = detector or DEFAULT
    series = load(folder)
    scores, records = [], []
    for one in series:
        step = int(np.median(np.diff(one.ts)))
        played = play(name, params or {}, ["value"], one.ts, one.value[:, None], step)
        anomaly = played.score / (1.0 + played.score)
        scores.append(anomaly)
        records.append(_record(one, anomaly))
        if out is not None:
            _write(out / name, name, one, anomaly)
    random = np.random.default_rng(0)
    others = {
        "never": [np.zeros(len(one.value)) for one in series],
        "random": [random.random(len(one.value)) for one in series],
        "windowed Gaussian": [_windowed_gaussian(one.value) for one in series],
    }
    days = sum((one.ts[-1] - one.ts[probation(len(one.ts))]) / DAY for one in series)
    windows = sum(len(one.windows) for one in series)
    rows = []
    for profile in PROFILES:
        got = score(series, scores, profile)
        fixed = score(series, scores, profile, 0.5)
        note = (
            f"{got.found} of {windows} windows, {got.false} false rows ({got.false / days:.3f} a day) at the set's one "
            f"threshold {got.threshold:.3f}; {fixed.score:.1f} at the detector's own threshold"
        )
        rows.append(
            figure(
                f"NAB {profile}",
                got.score,
                bar=f"{_BARS[profile]:g}" if profile in _BARS else "",
                met=got.score >= _BARS[profile] if profile in _BARS else None,
                published=_PUBLISHED[profile],
                trivial={other: score(series, theirs, profile).score for other, theirs in others.items()},
                unit="points",
                note=note,
            )
        )
    rows.append(figure("false alarms", score(series, scores, "standard").false / days, unit="1/day"))
    return SetResult("nab", rows, name, records)


def _pooled(series: Sequence[Series], scores: Sequence[Floats]) -> tuple[Floats, Floats, Int64s]:
    """Scored rows of all files: their score, what a detection there is worth, and their window (-1 outside)."""
    value, worth, window = [], [], []
    seen = 0
    for one, theirs in zip(series, scores, strict=True):
        rows, first = len(one.value), probation(len(one.value))
        w, k = np.full(rows, -1.0), np.full(rows, -1, np.int64)
        for a, b in one.windows:
            past = np.arange(1, rows - b) / max(b - a, 1)
            w[b + 1 :] = np.where(past > 3.0, -1.0, _sigmoid(np.minimum(past, 3.0)))
        for a, b in one.windows:
            y = -(b - np.arange(a, b + 1) + 1) / (b - a + 1)
            w[a : b + 1] = _sigmoid(y) / _sigmoid(np.array(-1.0))
            k[a : b + 1] = seen
            seen += 1
        value.append(theirs[first:])
        worth.append(w[first:])
        window.append(k[first:])
    return np.concatenate(value), np.concatenate(worth), np.concatenate(window)


def _sigmoid(y: Floats) -> Floats:
    return 2.0 / (1.0 + np.exp(5.0 * y)) - 1.0


def _record(one: Series, anomaly: Floats) -> RecordScore:
    """What happened at the detector's own threshold."""
    first = probation(len(anomaly))
    over = np.flatnonzero(anomaly >= 0.5)
    over = over[over >= first]
    delays, inside = [], np.zeros(len(over), np.bool_)
    for a, b in one.windows:
        hits = (over >= a) & (over <= b)
        inside |= hits
        if hits.any():
            delays.append(float(one.ts[over[hits][0]] - one.ts[a]) / SECOND)
    days = float(one.ts[-1] - one.ts[first]) / DAY
    return RecordScore(one.name, len(one.windows), tuple(delays), int((~inside).sum()), days)


def _write(out: Path, name: str, one: Series, anomaly: Floats) -> None:
    category, _, file = one.name.partition("/")
    path = out / category / f"{name}_{file}"
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.zeros(len(anomaly), np.int64)
    for a, b in one.windows:
        label[a : b + 1] = 1
    rows = zip(one.timestamp, one.value.tolist(), anomaly.tolist(), label.tolist(), strict=True)
    path.write_text("timestamp,value,anomaly_score,label\n" + "".join(f"{t},{x!r},{s!r},{k}\n" for t, x, s, k in rows))


def _windowed_gaussian(value: Floats) -> Floats:
    """NAB's plain baseline: how improbable a value is among the thousand before it, were they normal."""
    out = np.zeros(len(value))
    for i in range(1, len(value)):
        window = value[max(0, i - 1000) : i]
        z = abs(value[i] - window.mean()) / (window.std() or 1e-6)
        out[i] = 1.0 - 0.5 * math.erfc(z / 1.4142)
    return out
