"""What the water sets share: reading their files, running a detector over meters, and its alarms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from detectors import registry
from detectors.contract import END, MARK, ONSET, Detector, Marks
from domain.errors import ConfigError, Problem, SourceError
from domain.records import Bools, Floats, Int64s

__all__ = [
    "Leak",
    "Table",
    "alarms",
    "flags",
    "nanos",
    "network_leaks",
    "ready",
    "run",
    "table",
    "write_alarms",
    "write_scores",
]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in step: `ts` in ns (local time taken as UTC), and a float64 array of each other column."""

    ts: Int64s
    columns: Mapping[str, Floats]

    def matrix(self, names: Iterable[str]) -> Floats:
        """Some columns side by side. Shape (rows, names)."""
        return np.column_stack([self.columns[name] for name in names])


def nanos(text: str) -> int:
    """Nanoseconds of local time taken as UTC.

    >>> nanos("1970-01-02 00:00")
    86400000000000
    """
    return int(np.datetime64(datetime.fromisoformat(text.strip()), "ns").astype(np.int64))


def table(paths: Sequence[Path], needs: Iterable[str] = ()) -> Table:
    """Files with the column Timestamp, one after another in time; raises SourceError."""
    try:
        parts = [pa_csv.read_csv(path) for path in paths]
        whole = pa.concat_tables(parts, promote_options="permissive").sort_by("Timestamp")
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise SourceError(f"{paths[0]}: {error}") from error
    missing = {"Timestamp", *needs} - set(whole.column_names)
    if missing:
        raise SourceError(f"{paths[0]}: expected the columns {', '.join(sorted(missing))}")
    ts = whole["Timestamp"].cast(pa.timestamp("ns")).to_numpy().astype("M8[ns]").astype(np.int64)
    fresh = np.concatenate([[True], np.diff(ts) > 0])
    names = [name for name in whole.column_names if name != "Timestamp"]
    return Table(ts[fresh], {name: np.asarray(whole[name].to_numpy(), np.float64)[fresh] for name in names})


def ready(
    name: str,
    params: Mapping[str, Any] | None,
    sensors: int,
    interval: float,
    defaults: Mapping[str, Any] | None = None,
) -> Detector:
    """A detector over `sensors` meters that are read every `interval` s; raises ConfigError."""
    one = np.ones(sensors)
    given = {**(defaults or {}), **(params or {})}
    return registry.build(name, given, -np.inf * one, np.inf * one, one / interval, "m")


def run(detector: Detector, ts: Int64s, values: Floats) -> Marks:
    """Marks of meters that are read in step, with the time told after each row. `values` has shape (rows, meters)."""
    rows, meters = values.shape
    slots = np.arange(meters, dtype=np.int32)
    out = np.zeros(2 * values.size, MARK)
    n = detector.rows(slots, np.tile(slots, rows), np.repeat(ts, meters), values.reshape(-1), out)
    late = np.zeros(2 * meters + 2, MARK)
    gap = int(np.median(np.diff(ts))) if rows > 1 else 1
    m = detector.advance(int(ts[-1]) + gap, late)
    return np.concatenate([out[:n], late[:m]])


def alarms(marks: Marks) -> Marks:
    """Marks that page somebody: an abnormality begins, or gets graver."""
    grade: dict[int, int] = {}
    keep = np.zeros(len(marks), bool)
    for i, mark in enumerate(marks):
        slot = int(mark["slot"])
        keep[i] = mark["phase"] == ONSET or int(mark["grade"]) > grade.get(slot, 0)
        grade[slot] = int(mark["grade"])
    return marks[keep]


def flags(marks: Marks, ts: Int64s) -> Bools:
    """Rows in which any slot is abnormal: from the row at which that was known, to the one before its end."""
    change = np.zeros(len(ts) + 1, np.int64)
    for mark in marks:
        at = int(np.searchsorted(ts, mark["ts"]))
        change[at] += int(mark["phase"] == ONSET) - int(mark["phase"] == END)
    return np.cumsum(change[:-1]) > 0


@dataclass(frozen=True, slots=True)
class Leak:
    """A leak in a network: its pipe, when it ran (ns), and whether it began all at once."""

    pipe: str
    start: int
    end: int
    abrupt: bool


def network_leaks(path: Path) -> list[Leak]:
    """The leaks of a `leaks.txt`, by start; raises SourceError."""
    try:
        rows = [line.split(",") for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        found = [Leak(row[0].strip(), nanos(row[1]), nanos(row[2]), row[4].strip() == "abrupt") for row in rows]
    except (OSError, IndexError, ValueError) as error:
        raise SourceError(f"{path}: expected linkID, start, end, diameter, kind, peak: {error}") from error
    return sorted(found, key=lambda leak: leak.start)


def refuse(detector: str, message: str) -> ConfigError:
    """An error for a detector that cannot run on a set."""
    return ConfigError([Problem("", "", "detector", f"{detector}: {message}")])


def write_scores(path: Path, ts: Int64s, score: Floats, alarm: Bools) -> None:
    """One recording's `timestamp,score,alarm`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "timestamp": pa.array(ts.astype("M8[ns]").astype("M8[s]")).cast(pa.string()),
        "score": pa.array(score),
        "alarm": pa.array(alarm.astype(np.int8)),
    }
    with pa_csv.CSVWriter(
        path, pa.table(columns).schema, write_options=pa_csv.WriteOptions(quoting_style="none")
    ) as out:
        out.write_table(pa.table(columns))


def write_alarms(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Alarms as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def described(marks: Marks, **more: Any) -> list[dict[str, Any]]:
    """Marks as plain records, with their times in words."""
    words = ("onset", "change", "end")
    return [
        {
            **more,
            "time": str(np.datetime64(int(mark["ts"]), "ns"))[:19],
            "onset": str(np.datetime64(int(mark["onset"]), "ns"))[:19],
            "phase": words[int(mark["phase"])],
            "slot": int(mark["slot"]),
            **{name: float(mark[name]) for name in ("score", "threshold", "value", "baseline")},
        }
        for mark in marks
    ]
