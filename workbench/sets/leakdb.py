"""LeakDB (Hanoi): leaks of a year, from the inflow and the pressures of a district.

Vrachimis et al., LeakDB: A Benchmark Dataset for Leakage Diagnosis in Water Distribution Networks, CCWI-WDSA 2018.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors import registry
from domain.errors import SourceError
from domain.records import Bools, Floats
from workbench.result import RecordScore, SetResult, figure
from workbench.sets import _water as water
from workbench.spans import runs

__all__ = ["DEFAULT", "FOLDER", "Scored", "early", "evaluate", "minimum_night_flow", "score"]

DEFAULT: Final = "pressure_residual"
FOLDER: Final = "leakdb_hanoi_regen"

_INTERVAL: Final = 1800.0
_DAY: Final = 48
#: Samples after a leak that still belong to its window.
_EXTRA: Final = 10


@dataclass(frozen=True, slots=True)
class Scored:
    """The set's figures, in percent, and false episodes a year."""

    tpr: float
    tnr: float
    f1: float
    early: float
    false_a_year: float


def early(label: Bools, flag: Bools) -> list[float]:
    """What each leak of a scenario earns for early detection, 0 to 1."""
    earned = []
    for begin, end in runs(label):
        window = end - begin + min(_EXTRA, len(label) - 1 - end)
        seen = flag[begin : begin + window + 1]
        k = int(np.argmax(seen))
        held = bool(seen.any()) and float(seen[k:].mean()) > 0.75
        earned.append(2.0 / (1.0 + float(np.exp(5.0 * k / max(window, 1)))) if held else 0.0)
    return earned


def score(labels: list[Bools], flags: list[Bools]) -> Scored:
    """The figures over all half-hours of all scenarios."""
    label, flag = np.concatenate(labels), np.concatenate(flags)
    tp, fp = int((label & flag).sum()), int((~label & flag).sum())
    fn, tn = int((label & ~flag).sum()), int((~label & ~flag).sum())
    earned = [value for pair in zip(labels, flags, strict=True) for value in early(*pair)]
    false = sum(len(_false(*pair)) for pair in zip(labels, flags, strict=True))
    return Scored(
        100.0 * tp / (tp + fn) if tp + fn else 0.0,
        100.0 * tn / (tn + fp) if tn + fp else 0.0,
        200.0 * tp / (2 * tp + fp + fn) if tp + fp + fn else 0.0,
        100.0 * float(np.mean(earned)) if earned else 0.0,
        false / (len(label) / _DAY / 365.0),
    )


def _false(label: Bools, flag: Bools) -> list[tuple[int, int]]:
    """Episodes that touch no leak."""
    return [(a, b) for a, b in runs(flag) if not label[a : b + 1].any()]


def minimum_night_flow(flow: Floats, part: float, window: int = 10, acts: int = 0) -> Bools:
    """The set's own baseline: days whose least flow is above that of the last days by more than a part.

    Parameters
    ----------
    flow
        Half-hourly, whole days.
    part
        Rise that counts, as a part of the least of the last `window` days without alarm.
    acts
        Half-hour of the day from which an alarm stands: 0 as published, 12 for one that is honest about the time.
    """
    least = flow[: len(flow) // _DAY * _DAY].reshape(-1, _DAY).min(axis=1)
    kept = least[:window].tolist()
    flags = np.zeros(len(flow), bool)
    for day in range(window, len(least)):
        base = min(kept[-window:])
        if least[day] - base > part * base:
            flags[day * _DAY + acts : (day + 1) * _DAY + acts] = True
        else:
            kept.append(float(least[day]))
            flags[day * _DAY + acts : (day + 1) * _DAY + acts] = False
    return flags


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score a detector: one of assets sees the inflow and all pressures, one of sensors the inflow alone."""
    name = detector or DEFAULT
    paths = sorted(folder.glob("*Scenario-*.csv*"), key=lambda path: int(re.sub(r"\D", "", path.name) or 0))
    if not paths:
        raise SourceError(f"{folder}: expected files such as Hanoi_Scenario-1.csv.gz")
    together = registry.get(name).scope == "asset"
    labels, flags, flows, records = [], [], [], []
    for path in paths:
        data = water.table([path], ["inflow", "Label"])
        meters = [key for key in data.columns if key not in ("Label", "inflow")]
        values = data.matrix(["inflow", *meters] if together else ["inflow"])
        watch = water.ready(name, params, values.shape[1], _INTERVAL)
        marks = water.run(watch, data.ts, values)
        label, flag = data.columns["Label"] > 0, water.flags(marks, data.ts)
        labels.append(label)
        flags.append(flag)
        flows.append(data.columns["inflow"])
        known = [(a, np.flatnonzero(flag[a : b + 1])) for a, b in runs(label)]
        records.append(
            RecordScore(
                path.name.partition(".")[0],
                len(known),
                tuple(float(rows[0]) * _INTERVAL for _, rows in known if len(rows)),
                len(_false(label, flag)),
                len(label) / _DAY,
                sum(bool(not label[a] and label[a : b + 1].any()) for a, b in runs(flag)),
            )
        )
        if out:
            target = out / "leakdb" / name
            water.write_scores(target / f"{path.name.partition('.')[0]}.csv", data.ts, flag.astype(np.float64), flag)
            water.write_alarms(target / f"{path.name.partition('.')[0]}.jsonl", water.described(marks))
    ours = score(labels, flags)
    always = score(labels, [np.ones_like(label) for label in labels])
    night = {part: score(labels, [minimum_night_flow(flow, part / 100) for flow in flows]) for part in (10, 20, 30)}
    rows = [
        figure(
            title,
            round(getattr(ours, key), 3),
            unit=unit,
            bar=f"{bar:g}" if bar else "",
            met=None if not bar else getattr(ours, key) >= bar,
            published=published,
            trivial={
                "always flag": round(getattr(always, key), 2),
                **{f"MNF {part} % here": round(getattr(value, key), 2) for part, value in night.items()},
            },
        )
        for title, key, unit, bar, published in (
            ("F1", "f1", "percent", 60.0, "MNF 20 % 56.5"),
            ("TPR", "tpr", "percent", 0.0, "MNF 20 % 39.9"),
            ("TNR", "tnr", "percent", 99.0, "MNF 20 % 99.6"),
            ("early detection", "early", "percent", 40.0, "MNF 20 % 32.4"),
            ("false alarms", "false_a_year", "1/year", 0.0, ""),
        )
    ]
    days = sum(record.sensor_days for record in records)
    rows.append(figure("false alarms a day", sum(r.false for r in records) / days, unit="1/day"))
    return SetResult("leakdb", rows, name, records)
