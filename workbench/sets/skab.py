"""SKAB, the Skoltech Anomaly Benchmark: eight sensors of a water loop whose valves and pump are disturbed.

Rules: Katser and Kozitsin, Skoltech Anomaly Benchmark (2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.clock import SECOND
from domain.errors import SourceError
from domain.records import Bools, Floats, Int64s
from workbench.result import SetResult, figure
from workbench.sets._play import files, judged, play, rising, write

__all__ = ["DEFAULT", "FOLDER", "PARAMS", "TRAIN", "Recording", "counts", "evaluate", "load"]

DEFAULT: Final = "recursive_pca"
FOLDER: Final = "skab"

#: Rows of a file that may be learned from.
TRAIN: Final = 400
#: For the loop: ten seconds of smoothing against the pump's noise; even with gaps, training rows are enough to warm up.
PARAMS: Final = {"smoothing": 0.1, "index": [8.0], "warm_up": 300}
_NO_CHANNEL: Final = ("datetime", "anomaly", "changepoint")


@dataclass(frozen=True)
class Recording:
    """One file."""

    name: str
    sensors: list[str]
    timestamp: list[str]
    ts: Int64s  # ns, rising
    values: Floats  # (rows, sensors)
    anomaly: Bools


def load(path: Path) -> Recording:
    """One file of the set; raises SourceError."""
    lines = path.read_text().splitlines()
    names = lines[0].split(";")
    if names[0] != "datetime" or "anomaly" not in names:
        raise SourceError(f"{path}: expected the columns datetime;...;anomaly, got {lines[0]!r}")
    at = names.index("anomaly")
    channels = [i for i, name in enumerate(names) if name not in _NO_CHANNEL]
    rows = [line.split(";") for line in lines[1:] if line]
    stamp = [row[0] for row in rows]
    ts = rising(np.array(stamp, "M8[ns]").astype(np.int64))
    values = np.array([[float(row[i]) if row[i] else np.nan for i in channels] for row in rows])
    anomaly = np.array([float(row[at]) > 0 for row in rows])
    return Recording(f"{path.parent.name}/{path.name}", [names[i] for i in channels], stamp, ts, values, anomaly)


def counts(anomaly: Bools, alarm: Bools) -> tuple[int, int, int, int]:
    """True and false positives, false and true negatives of the rows that are scored."""
    y, p = anomaly[TRAIN:], alarm[TRAIN:]
    return int((y & p).sum()), int((~y & p).sum()), int((y & ~p).sum()), int((~y & ~p).sum())


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score a detector on SKAB; see `workbench.sets`."""
    name = detector or DEFAULT
    chosen = {**(PARAMS if name == DEFAULT else {}), **(params or {})}
    paths = [path for path in files(folder, "*.csv") if path.parent.name != "anomaly-free"]
    if not paths:
        raise SourceError(f"{folder}: expected files of SKAB beside anomaly-free, found none")
    total, all_rows, records = np.zeros(4, np.int64), np.zeros(4, np.int64), []
    for path in paths:
        recording = load(path)
        played = play(name, chosen, recording.sensors, recording.ts, recording.values, SECOND)
        total += counts(recording.anomaly, played.alarm)
        all_rows += counts(recording.anomaly, np.ones_like(played.alarm))
        records.append(judged(recording.name, recording.ts[TRAIN:], recording.anomaly[TRAIN:], played.alarm[TRAIN:]))
        if out is not None:
            write(out / "skab" / name / recording.name, recording.timestamp, played)
    f1, far, mar = _ratios(total)
    always = _ratios(all_rows)
    days = sum(record.sensor_days for record in records)
    false = sum(record.false for record in records)
    delays = [delay for record in records for delay in record.delays]
    rows = [
        figure(
            "F1",
            f1,
            bar="0.80 at FAR 15 % or less",
            met=f1 >= 0.80 and far <= 0.15,
            published="all 34 files: Conv-AE .78, MSET .78, T2+Q .76, LSTM-AE .74, isolation forest .29",
            trivial={"always flag": always[0], "never": 0.0},
            unit="ratio",
            note=f"{len(paths)} files, rows from {TRAIN} on",
        ),
        figure(
            "FAR",
            100 * far,
            bar="15",
            met=far <= 0.15,
            published="Conv-AE 13.6, MSET 39.7, T2+Q 26.6, LSTM-AE 30.0, isolation forest 2.6",
            trivial={"always flag": 100 * always[1], "never": 0.0},
            unit="percent",
        ),
        figure(
            "MAR",
            100 * mar,
            published="Conv-AE 28.0, MSET 14.1, T2+Q 24.9, LSTM-AE 25.9, isolation forest 82.9",
            trivial={"always flag": 100 * always[2], "never": 100.0},
            unit="percent",
        ),
        figure("events found", len(delays), unit="events", note=f"of {sum(r.events for r in records)}"),
        figure("median delay", float(np.median(delays)) if delays else None, unit="s"),
        figure(
            "false alarms", false / days if days else None, unit="1/day", note=f"{false} episodes in {days * 24:.1f} h"
        ),
    ]
    return SetResult("skab", rows, name, records)


def _ratios(total: Int64s) -> tuple[float, float, float]:
    tp, fp, fn, tn = total.tolist()
    f1 = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
    return f1, fp / (fp + tn) if fp + tn else 0.0, fn / (tp + fn) if tp + fn else 0.0
