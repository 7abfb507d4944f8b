"""Munich: strain of a test bridge whose support is lowered, and which vehicles cross.

100 Hz, University of the Bundeswehr Munich, 11 April 2022 (Jaelani et al., Steel Construction 16 (2023) 215). A record
says by its name what happened: `*lowering*` holds a permanent change, but for `*lowering_02*`, which is the quiet
record after the move. In these at least one alarm is wanted; in every other record each alarm is false. Alarms up to
60 s apart are one. There are no labels within a record and no published figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from detectors import registry
from detectors.contract import MARK, Detector, Marks
from domain.clock import DAY, SECOND
from domain.errors import ConfigError, Problem, SourceError
from domain.records import Floats, Int64s
from sources.texts import UNREADABLE, texts_of
from workbench.result import RecordScore, SetResult, figure

__all__ = ["DEFAULT", "FOLDER", "PARAMS", "Record", "episodes", "evaluate", "read", "records", "times"]

DEFAULT: Final = "strain_shift"
FOLDER: Final = "munich_bridge"
#: Of the default detector: half of the smallest change that the set's description names (13 um/m), and multiples.
PARAMS: Final[Mapping[str, Any]] = {"shift": ["6 um/m", "12 um/m", "24 um/m"]}

_JOINED: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Record:
    """One strain gauge in one record: event times in ns (the recorder's local time), values in um/m."""

    name: str
    changes: bool
    ts: Int64s
    value: Floats


def records(folder: Path) -> Iterator[Record]:
    """The set's records, by name, a strain gauge at a time; raises SourceError where there are none."""
    files = sorted(file for ending in ("*.csv", "*.csv.zip") for file in folder.glob(ending))
    files = [file for file in files if "temperature" not in file.name.lower()]
    if not files:
        raise SourceError(f"{folder} holds no records: expected files such as *_lowering_01DMS_CNAt100Hz.csv.zip")
    for file in files:
        name = file.name.removesuffix(".zip").removesuffix(".csv")
        changes = "lowering" in name and "lowering_02" not in name
        table = read(file)
        gauges = [column for column in table.column_names if column.startswith("DMS")]
        ts = times(table.column(0))
        for column in gauges:
            own = name if len(gauges) == 1 else f"{name}_{column.split()[0]}"
            yield Record(own, changes, ts, table[column].cast(pa.float64()).to_numpy())


def read(file: Path) -> pa.Table:
    """The columns of a record, its times as text; raises SourceError."""
    try:
        (_, opened), *_ = texts_of(file)
        with opened() as stream:
            data = stream.read()
        time = data.split(b",", 1)[0].decode()
        if not time.startswith("Time"):
            raise ValueError("expected the column Time first")
        text = csv.ConvertOptions(column_types={time: pa.string()})
        return csv.read_csv(BytesIO(data), convert_options=text)
    except (*UNREADABLE, ValueError) as error:
        raise SourceError(f"{file} cannot be read as a record of the Munich bridge: {error}") from error


def times(text: pa.ChunkedArray) -> Int64s:
    """Times of a record in ns."""
    # "2022-11-04 08:36:24.897" is 11 April: the recorder swapped day and month where a month can have such a number.
    whole = pc.utf8_slice_codeunits(text, 0, 19)
    try:
        seconds = pc.strptime(whole, format="%Y-%d-%m %H:%M:%S", unit="ns")
    except pa.ArrowInvalid:
        seconds = pc.strptime(whole, format="%Y-%m-%d %H:%M:%S", unit="ns")
    part = pc.utf8_slice_codeunits(pc.utf8_rpad(text, 29, "0"), 20, 29)
    ts: Int64s = (seconds.cast(pa.int64()).to_numpy() + part.cast(pa.int64()).to_numpy()).astype(np.int64)
    return ts


def _run(detector: Detector, record: Record, each: bool) -> tuple[Marks, Floats]:
    """Marks and, if `each`, what every row scored, known when that row was."""
    rows = len(record.ts)
    out = np.zeros(2 * rows, MARK)
    slot_of, sensor = np.zeros(1, np.int32), np.zeros(rows, np.int32)
    if not each:
        return out[: detector.rows(slot_of, sensor, record.ts, record.value, out)], np.zeros(0)
    scored = "score" in (detector.state.dtype.names or ())
    score = np.zeros(rows)
    n = 0
    for i in range(rows):
        row = slice(i, i + 1)
        n += detector.rows(slot_of, sensor[row], record.ts[row], record.value[row], out[n:])
        score[i] = detector.state["score"][0] if scored else float(n > 0 and out["grade"][n - 1] > 0)
    return out[:n], score


def episodes(marks: Marks, end: int) -> list[tuple[int, int]]:
    """Alarms as (beginning, end) in ns: those up to 60 s apart are one, one that is open ends at `end`."""
    found: list[tuple[int, int]] = []
    open_since: int | None = None
    for grade, ts in zip(marks["grade"].tolist(), marks["ts"].tolist(), strict=True):
        if grade and open_since is None:
            open_since = ts
        elif not grade and open_since is not None:
            found.append((open_since, ts))
            open_since = None
    if open_since is not None:
        found.append((open_since, end))
    joined: list[tuple[int, int]] = []
    for a, b in found:
        if joined and a - joined[-1][1] <= _JOINED:
            a = joined.pop()[0]
        joined.append((a, b))
    return joined


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score a detector of single sensors on the strain gauges of `folder`; see `workbench.sets`."""
    name = detector or DEFAULT
    given = {**(PARAMS if name == DEFAULT else {}), **(params or {})}
    if registry.get(name).scope != "sensor":
        raise ConfigError([Problem("", "", "detector", f"expected a detector of single sensors, got {name!r}")])
    one = np.ones(1)
    scores: list[RecordScore] = []
    changes: list[bool] = []
    for record in records(folder):
        judge = registry.build(name, given, -np.inf * one, np.inf * one, 100.0 * one, "um/m")
        marks, score = _run(judge, record, out is not None)
        begin, end = int(record.ts[0]), int(record.ts[-1])
        alarms = episodes(marks, end)
        delays = tuple((alarm - begin) / SECOND for alarm, _ in alarms[:1]) if record.changes else ()
        false = 0 if record.changes else len(alarms)
        scores.append(RecordScore(record.name, int(record.changes), delays, false, (end - begin) / DAY))
        changes.append(record.changes)
        if out is not None:
            _write(out / "munich" / name, record, score, marks, alarms)
    return SetResult("munich", _figures(scores), name, scores)


def _figures(scores: list[RecordScore]) -> list[dict[str, Any]]:
    wanted, found = sum(s.events for s in scores), sum(s.found for s in scores)
    false, quiet = sum(s.false for s in scores), sum(not s.events for s in scores)
    days = sum(s.sensor_days for s in scores if not s.events)
    slowest = max((delay for s in scores for delay in s.delays), default=None)
    return [
        figure(
            "permanent changes found",
            found,
            bar=f"all {wanted}",
            met=found == wanted,
            trivial={"always flag": wanted, "never": 0},
            unit="records",
        ),
        figure(
            "false alarms",
            false,
            bar="none",
            met=false == 0,
            trivial={"always flag": quiet, "never": 0},
            unit="episodes",
            note=f"{quiet} records without a permanent change",
        ),
        figure("false alarms per day", false / days if days else None, unit="1/day", note=f"in {24 * days:.2f} h"),
        figure(
            "slowest alarm",
            slowest,
            unit="s",
            note="from the beginning of its record: when the support was lowered is not labelled",
        ),
    ]


def _write(folder: Path, record: Record, score: Floats, marks: Marks, alarms: list[tuple[int, int]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    alarm = np.zeros(len(record.ts), np.int8)
    for grade, ts in zip(marks["grade"].tolist(), marks["ts"].tolist(), strict=True):
        alarm[np.searchsorted(record.ts, ts) :] = grade > 0
    table = pa.table({"timestamp": pa.array(record.ts, pa.timestamp("ns")), "score": score, "alarm": alarm})
    csv.write_csv(table, folder / f"{record.name}.csv")
    lines = [
        {"start": str(np.datetime64(a, "ns")), "end": str(np.datetime64(b, "ns")), "record": record.name}
        for a, b in alarms
    ]
    (folder / f"{record.name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
