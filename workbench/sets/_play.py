"""A detector over one recording, row by row, through the calls that it gets live."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors import registry
from detectors.contract import MARK, Detector, GroupDetector, Lane, Reason
from domain.clock import DAY, SECOND
from domain.errors import SourceError
from domain.findings import Phase
from domain.records import Bools, Floats, Int64s
from workbench.result import RecordScore
from workbench.spans import runs

__all__ = ["Played", "files", "judged", "play", "rising", "write"]

_PHASES = tuple(Phase)


@dataclass(frozen=True, slots=True)
class Played:
    """What a detector made of a recording.

    Parameters
    ----------
    score
        What each row scored, in multiples of the detector's first threshold. Shape (rows,).
    alarm
        Whether the detector held something abnormal after each row. Shape (rows,).
    marks
        What it wrote, as JSON would have it.
    """

    score: Floats
    alarm: Bools
    marks: list[dict[str, Any]]


def play(
    name: str,
    params: Mapping[str, Any],
    sensors: Sequence[str],
    ts: Int64s,
    values: Floats,
    step: int,
    *,
    unit: str = "u",
    low: float = -np.inf,
    high: float = np.inf,
    after: Callable[[Detector, int], None] = lambda detector, row: None,
) -> Played:
    """Feed a table to a detector, a row at a time, and tell it the time after each; no row is seen before its turn.

    Parameters
    ----------
    name, params
        The detector and its parameters as a file gives them.
    sensors
        Names of the columns. A detector of whole assets sees them as one asset; any other watches each by itself, and
        what holds for one holds for the recording.
    ts
        Times, ns, rising. Shape (rows,).
    values
        Readings; NaN where there is none. Shape (rows, sensors).
    step
        Time from row to row, ns.
    unit
        Of the parameters' quantities.
    low, high
        Physical range of the sensors.
    after
        Is called after each row with the detector and the row's number, to look at its state.

    Raises
    ------
    ConfigError
        If there is no such detector, or a parameter is wrong.
    """
    n, p = values.shape
    wide = np.ones(p)
    detector = registry.build(name, params, low * wide, high * wide, wide * SECOND / step, unit)
    timed = detector.lane is Lane.PANE
    own = "score" in (detector.STATE.names or ())
    slot = np.arange(p, dtype=np.int32)
    out = np.zeros(4 * p + 4, MARK)
    score, alarm = np.zeros(n), np.zeros(n, np.bool_)
    held, marked = np.zeros(p, np.int64), np.zeros(p)
    marks: list[dict[str, Any]] = []
    for i in range(n):
        calls = [detector.rows(slot, slot, np.full(p, ts[i]), values[i], out)]
        for call in range(2 if timed else 1):
            if call:
                calls.append(detector.advance(int(ts[i]) + step, out))
            for k in range(calls[-1]):
                at, phase, grade, reason, when, onset, found, threshold, value, baseline = out[k].tolist()
                held[at], marked[at] = grade, found / threshold if threshold > 0 else 1.0
                mark = {"ts": when, "onset": onset, "phase": _PHASES[phase].value, "grade": grade}
                mark |= {"sensor": sensors[at], "reason": Reason(reason).text, "score": found, "threshold": threshold}
                mark |= {"value": value, "baseline": baseline}
                if isinstance(detector, GroupDetector):
                    mark["shares"] = dict(zip(sensors, detector.shares[k].tolist(), strict=False))
                marks.append(mark)
        alarm[i] = held.any()
        score[i] = detector.state["score"].max() if own else (marked * (held > 0)).max()
        after(detector, i)
    return Played(score, alarm, marks)


def files(folder: Path, *patterns: str) -> list[Path]:
    """Files of a folder and those below it, in the order of their names; raises SourceError if there are none."""
    found = {path for pattern in patterns for path in folder.rglob(pattern)}
    if not found:
        raise SourceError(f"{folder}: expected files {' or '.join(patterns)} of the set, found none")
    return sorted(found, key=lambda path: (path.parent, len(path.name), path.name))


def rising(ts: Int64s) -> Int64s:
    """Times that go back or stand still, each moved to just after the one before: rows are read in their order.

    >>> rising(np.array([5, 3, 9])).tolist()
    [5, 6, 9]
    """
    order = np.arange(len(ts))
    return np.maximum.accumulate(ts - order) + order


def judged(name: str, ts: Int64s, event: Bools, alarm: Bools) -> RecordScore:
    """What the alarms did on the rows of a recording that are scored, beside the rows that are labelled an event."""
    events = runs(event)
    delays = [
        float(ts[a + int(np.argmax(alarm[a : b + 1]))] - ts[a]) / SECOND for a, b in events if alarm[a : b + 1].any()
    ]
    touches = [(bool(event[a]), bool(event[a : b + 1].any())) for a, b in runs(alarm)]
    false = sum(not touched for _, touched in touches)
    early = sum(touched and not inside for inside, touched in touches)
    days = float(ts[-1] - ts[0]) / DAY if len(ts) else 0.0
    return RecordScore(name, len(events), tuple(delays), false, days, early)


def write(out: Path, timestamp: Sequence[str], played: Played) -> None:
    """Per-row scores as `out` (CSV: timestamp, score, alarm) and the marks beside it as JSON lines."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        f"{at},{score!r},{int(alarm)}\n"
        for at, score, alarm in zip(timestamp, played.score.tolist(), played.alarm.tolist(), strict=True)
    )
    out.write_text("timestamp,score,alarm\n" + "".join(lines))
    out.with_suffix(".jsonl").write_text("".join(json.dumps(mark) + "\n" for mark in played.marks))
