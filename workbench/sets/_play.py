"""A detector over one recording, row by row, through the calls that it gets live."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors import registry
from detectors.contract import MARK, Detector, GroupDetector, Lane, Reason
from domain.errors import SourceError
from domain.findings import Phase
from domain.records import Bools, Floats, Int64s

__all__ = ["Played", "files", "play", "runs", "write"]

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
    detector = registry.build(name, params, low * wide, high * wide, wide * 1e9 / step, unit)
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


def runs(flags: Bools) -> Iterator[tuple[int, int]]:
    """First and last row of each run of flags.

    >>> list(runs(np.array([True, False, True, True])))
    [(0, 0), (2, 3)]
    """
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    yield from ((int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True))


def write(out: Path, timestamp: Sequence[str], played: Played) -> None:
    """Per-row scores as `out` (CSV: timestamp, score, alarm) and the marks beside it as JSON lines."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        f"{at},{score!r},{int(alarm)}\n"
        for at, score, alarm in zip(timestamp, played.score.tolist(), played.alarm.tolist(), strict=True)
    )
    out.write_text("timestamp,score,alarm\n" + "".join(lines))
    out.with_suffix(".jsonl").write_text("".join(json.dumps(mark) + "\n" for mark in played.marks))
