"""What a recording's labels say happened, and how the alerts of a replay stand beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from domain.clock import END, SECOND, TS_MIN
from domain.findings import Alert
from domain.recording import RecordingFormat
from sources.texts import texts_of
from sources.timestamps import TimeReader
from workbench.spans import runs

__all__ = ["Event", "Score", "events_of", "score"]


@dataclass(frozen=True, slots=True)
class Event:
    """A labelled span of a recording, ns; `end` is the last labelled instant."""

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Score:
    """Alerts beside labels: an event is found when an alert was active during it."""

    events: int
    found: int
    delays: tuple[float, ...]  # s, from an event's start to the first alert raised or already active in it
    alerts: int
    outside: int  # alerts that touch no labelled span


def events_of(file: Path, form: RecordingFormat) -> list[Event] | None:
    """The events that a file's label columns, or its name, tell of; None where neither does."""
    if form.labels:
        return _from_columns(file, form)
    if form.events:
        names = [name for pattern, name in form.events.items() if fnmatch(file.name, pattern)]
        return [Event(TS_MIN, END, name) for name in names[:1]]
    return None


def score(events: Sequence[Event], alerts: Sequence[Alert]) -> Score:
    """Set alerts beside events."""
    spans = [(alert.raised, alert.cleared or END) for alert in alerts]
    found, delays = 0, []
    for event in events:
        hits = [max(raised - event.start, 0) for raised, over in spans if raised <= event.end and over >= event.start]
        found += bool(hits)
        if hits and event.start > TS_MIN:  # when it began is not known where a file's name tells of it
            delays.append(min(hits) / SECOND)
    outside = sum(1 for raised, over in spans if not any(raised <= e.end and over >= e.start for e in events))
    return Score(len(events), found, tuple(delays), len(alerts), outside)


def _from_columns(file: Path, form: RecordingFormat) -> list[Event]:
    return [event for _, opened in texts_of(file) for event in _from_text(opened, form)]


def _from_text(opened: Callable[[], BinaryIO], form: RecordingFormat) -> list[Event]:
    wanted = [form.time, form.labels[0]]
    with opened() as stream:
        table = csv.read_csv(
            stream,
            parse_options=csv.ParseOptions(delimiter=form.delimiter),
            convert_options=csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())),
        )
    ts = TimeReader(form.format, form.timezone, form.rate).read(table.column(0).combine_chunks())
    marked = pc.cast(table.column(1), pa.float64()).to_numpy() > 0
    return [Event(int(ts[first]), int(ts[last]), form.labels[0]) for first, last in runs(marked)]
