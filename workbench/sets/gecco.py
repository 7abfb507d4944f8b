"""GECCO 2018 Industrial Challenge: a drinking-water plant by the minute, and the minutes that experts call an event.

Rules: Rehbach, Moritz, Chandrasekaran, Rebolledo, Friese and Bartz-Beielstein, GECCO 2018 Industrial Challenge:
Monitoring of Drinking-Water Quality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.clock import MINUTE
from domain.errors import SourceError
from domain.records import Bools, Floats, Int64s
from sources.texts import texts_of
from workbench.result import SetResult, figure
from workbench.sets._play import files, judged, play, rising, write
from workbench.vus import period, vus_pr

__all__ = ["DEFAULT", "FOLDER", "OPERATION", "PARAMS", "TRAIN", "Recording", "evaluate", "load"]

DEFAULT: Final = "recursive_pca"
FOLDER: Final = "gecco2018"

#: Rows of the whole series that hold no event and may be learned from.
TRAIN: Final = 16_165
#: How the plant is run rather than what the water is like: the challenge does not count their changes as events.
OPERATION: Final = ("Tp", "Fm", "Fm_2")
#: A minute a step. Unsmoothed minutes of such sensors have heavy tails: hence the high index.
PARAMS: Final = {"step": "1 min", "index": [16.0]}
_BEGIN: Final = "2016-08-04"


@dataclass(frozen=True)
class Recording:
    """One file, without the rows in which a value is missing."""

    name: str
    sensors: list[str]
    timestamp: list[str]
    ts: Int64s  # ns, rising
    values: Floats  # (rows, sensors)
    event: Bools
    train: int  # rows that are not scored


def load(path: Path) -> Recording:
    """One file of the set; raises SourceError."""
    ((_, opened),) = texts_of(path)
    with opened() as stream:
        lines = stream.read().decode().splitlines()
    names = [name.strip('"') for name in lines[0].split(",")]
    if "Time" not in names or names[-1] != "EVENT":
        raise SourceError(f"{path}: expected the columns ,Time,...,EVENT, got {lines[0]!r}")
    at = names.index("Time")
    rows = [line.replace('"', "").split(",") for line in lines[1:] if line]
    rows = [row for row in rows if not any(x in ("", "NA", "NaN", "nan") for x in row[at + 1 : -1])]
    if not rows:
        raise SourceError(f"{path}: expected rows with a value in every column, found none")
    stamp = [row[at] for row in rows]
    ts = rising(np.array(stamp, "M8[ns]").astype(np.int64))
    values = np.array([[float(x) for x in row[at + 1 : -1]] for row in rows])
    event = np.array([row[-1].lower() in ("true", "1") for row in rows])
    train = TRAIN if stamp[0] <= _BEGIN else 0  # row numbers may be a file's own
    return Recording(path.name.split(".")[0], names[at + 1 : -1], stamp, ts, values, event, train)


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score a detector on GECCO 2018; see `workbench.sets`."""
    name = detector or DEFAULT
    chosen = {**(PARAMS if name == DEFAULT else {}), **(params or {})}
    total, events, minutes, surface, records = np.zeros(3, np.int64), 0, 0, [], []
    for path in files(folder, "*.csv.gz", "*.csv"):
        recording = load(path)
        columns = [c for c, sensor in enumerate(recording.sensors) if sensor not in OPERATION]
        sensors = [recording.sensors[c] for c in columns]
        played = play(name, chosen, sensors, recording.ts, recording.values[:, columns].copy(), MINUTE)
        first = recording.train
        y, p = recording.event[first:], played.alarm[first:]
        total += (int((y & p).sum()), int((~y & p).sum()), int((y & ~p).sum()))
        events += int(y.sum())
        minutes += len(y)
        random = np.random.default_rng(0).random(len(recording.event))
        if recording.event.any():
            window = period(recording.values[:, 0])
            surface.append([vus_pr(recording.event, score, window) for score in (played.score, random)])
        records.append(judged(recording.name, recording.ts[first:], y, p))
        if out is not None:
            write(out / "gecco" / name / f"{recording.name}.csv", recording.timestamp, played)
    tp, fp, fn = total.tolist()
    f1 = 2 * tp / (2 * tp + fp + fn) if tp else 0.0
    days = sum(record.sensor_days for record in records)
    false = sum(record.false for record in records) / days if days else 0.0
    delays = [delay for record in records for delay in record.delays]
    share = events / minutes if minutes else 0.0
    vus, blind = np.mean(surface, axis=0).tolist() if surface else (None, None)
    rows = [
        figure(
            "F1",
            f1,
            bar="0.60 at 2 false alarms a day or fewer",
            met=f1 >= 0.60 and false <= 2.0,
            trivial={"always flag": 2 * share / (1 + share), "never": 0.0},
            unit="ratio",
            note=f"minutes from row {TRAIN} on; without {', '.join(OPERATION)}, which tell how the plant is run",
        ),
        figure("false alarms", false, bar="2", met=false <= 2.0, trivial={"never": 0.0}, unit="1/day"),
        figure(
            "VUS-PR",
            vus,
            bar="0.25",
            met=vus is not None and vus >= 0.25,
            published="whole series: PCA .2015, LOF .130, KNN .110, isolation forest .037",
            trivial={"random": blind},
            unit="ratio",
        ),
        figure("events found", len(delays), unit="events", note=f"of {sum(r.events for r in records)}"),
        figure("median delay", float(np.median(delays)) if delays else None, unit="s"),
    ]
    return SetResult("gecco", rows, name, records)
