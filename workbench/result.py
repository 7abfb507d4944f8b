"""What scoring a set of recordings gives: figures beside what was asked for and what others published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RecordScore", "SetResult", "false_per_sensor_year", "figure"]

Value = float | int | None


def figure(
    name: str,
    ours: Value,
    *,
    bar: str = "",
    met: bool | None = None,
    published: str = "",
    trivial: Mapping[str, Value] | None = None,
    unit: str = "",
    note: str = "",
) -> dict[str, Any]:
    """One row of a set's table.

    Parameters
    ----------
    name
        What was measured: "F1", "false alarms", "NAB standard", ...
    ours
        Our value, in `unit`; None where there is nothing to measure.
    bar
        What was asked for, in words: "0.80 at FAR 15 % or less".
    met
        Whether `ours` reaches the bar; None where there is none.
    published
        Others' values with their names: "Conv-AE .78".
    trivial
        The same figure of detectors that know nothing: {"always flag": 0.70, "never": 0.0}.
    unit
        "ratio", "percent", "1/day", "s", "EUR", "events", ...

    >>> figure("F1", 0.81, bar="0.80", met=True, trivial={"always flag": 0.7})["trivial"]
    {'always flag': 0.7}
    """
    return {
        "name": name,
        "ours": ours,
        "unit": unit,
        "bar": bar,
        "met": met,
        "published": published,
        "trivial": dict(trivial or {}),
        "note": note,
    }


@dataclass(frozen=True, slots=True)
class RecordScore:
    """What the alarms did on one recording: what tuning needs, whatever the set's own rules are.

    Parameters
    ----------
    recording
        Its name; folds are made of whole recordings.
    events
        How many labelled events were to be found.
    delays
        One for each event that was found: from its start to the first alarm, s.
    false
        Alarm episodes that belong to no event.
    sensor_days
        Days that were scored, times the sensors (or groups of sensors that alarm as one).
    early
        Alarm episodes that begin outside every event and run on into one: not false where a set's rules ask only
        whether an alarm touches an event, but a page for nothing when it was sent. Without it an alarm that is
        always on would be perfect.
    """

    recording: str
    events: int
    delays: tuple[float, ...]
    false: int
    sensor_days: float
    early: int = 0

    @property
    def found(self) -> int:
        """How many events were found."""
        return len(self.delays)


@dataclass(frozen=True, slots=True)
class SetResult:
    """How a detector did on a set: `rows` are made by `figure`, `records` has one entry a recording."""

    set: str
    rows: list[dict[str, Any]]
    detector: str = ""
    records: list[RecordScore] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every bar that was set is met."""
        return all(row["met"] is not False for row in self.rows)

    def value(self, name: str) -> Value:
        """Our value of one figure; raises KeyError."""
        for row in self.rows:
            if row["name"] == name:
                value: Value = row["ours"]
                return value
        raise KeyError(name)


def false_per_sensor_year(records: Iterable[RecordScore]) -> float:
    """False alarm episodes per sensor and year; NaN over no time at all.

    >>> false_per_sensor_year([RecordScore("a", 0, (), 2, 365.25)])
    2.0
    """
    records = list(records)
    days = sum(record.sensor_days for record in records)
    return sum(record.false for record in records) / days * 365.25 if days else float("nan")
