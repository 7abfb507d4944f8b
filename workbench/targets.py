"""What a search is scored on: a set with rules of its own, or recordings with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detectors import registry
from domain.city import City
from domain.city_files import load_city, load_settings
from domain.clock import SECOND
from domain.errors import ConfigError, Problem
from domain.monitors import Monitor, Select
from domain.selection import grouped, selected
from workbench import sets
from workbench.labels import Event, events_of
from workbench.monitors import build_check, monitors_for, read_params
from workbench.recordings import is_database, opened, records_of
from workbench.result import RecordScore
from workbench.tape import Judged, Tape

__all__ = ["RecordingTarget", "SetTarget", "judged_score"]


class SetTarget:
    """A set, scored by its own rules; the search begins with the set's own parameters, and `params` on top of them."""

    def __init__(self, name: str, folder: Path, detector: str, params: Path | None) -> None:
        self._set = sets.get(name)
        self._folder = folder
        given = read_params(params, detector) if params is not None else {}
        start = {**sets.params_of(name, detector), **given}
        self.monitor = Monitor(detector, detector, detector, Select(), params=start)
        self.city: City | None = None

    def evaluate(self, params: Mapping[str, Any]) -> Sequence[RecordScore]:
        """Score the detector with these parameters, on top of those given."""
        return self._set.evaluate(self._folder, self.monitor.detector, {**self.monitor.params, **params}, None).records


@dataclass(frozen=True)
class _Labelled:
    name: str
    tape: Tape
    events: Sequence[Event]


class RecordingTarget:
    """Recordings with labels: a monitor is scored by the alerts that it alone raises.

    Parameters
    ----------
    recording
        A file, or a folder of files: each is a record.
    city
        Name or folder.
    monitor
        Which of the city's monitors of that detector; may be left out where there is one.

    Raises ConfigError where there are no labels or the monitor is not told.
    """

    def __init__(self, recording: str, city: str, detector: str, params: Path | None, monitor: str | None) -> None:
        self.city = load_city(city)
        settings = load_settings(city)
        found = [one for one in monitors_for(self.city, detector, params) if monitor in (None, one.name)]
        if len(found) != 1:
            names = ", ".join(one.name for one in found) or "none"
            message = f"expected one monitor with the detector {detector!r}, got {names}: choose with --monitor"
            raise ConfigError([Problem("", "", "monitor", message)])
        self.monitor = found[0]
        form = self.city.recording
        self._records: list[_Labelled] = []
        for record in records_of(recording):
            events = events_of(Path(record), form) if form is not None and not is_database(record) else None
            if events is None:
                message = f"{record} has no labels to tune against: the city's [recording] names none"
                raise ConfigError([Problem("", "", "recording", message)])
            with opened(record, self.city) as source:
                self._records.append(_Labelled(Path(record).name, Tape(self.city, settings, source), events))

    def evaluate(self, params: Mapping[str, Any]) -> Sequence[RecordScore]:
        """Score the monitor with these parameters, on top of its own."""
        monitor = replace(self.monitor, params={**self.monitor.params, **params})
        build_check(self.city, (monitor,))
        sensors = [self.city.sensors[i] for i in selected(self.city, monitor.select)]
        together = registry.get(monitor.detector).scope == "asset"
        count = int(grouped(sensors).max()) + 1 if together else len(sensors)
        return [judged_score(one.name, one.tape.judge([monitor]), one.events, count) for one in self._records]


def judged_score(name: str, judged: Judged, events: Sequence[Event], sensors: int) -> RecordScore:
    """Alerts beside labels: an event is found when an alert is raised in it, and an alert raised outside is false.

    To be active during an event is not enough: an alarm that is always on would find everything at once. A label that
    holds for the whole file begins with its first reading.
    """
    raised = [alert.raised for alert in judged.alerts]
    spans = [(max(event.start, judged.first), event.end) for event in events]
    hits = [[at - start for at in raised if start <= at <= end] for start, end in spans]
    false = sum(1 for at in raised if not any(start <= at <= end for start, end in spans))
    return RecordScore(name, len(events), tuple(min(hit) / SECOND for hit in hits if hit), false, judged.days * sensors)
