"""What a record is a sign of, by the city's monitors, video rules and report rules."""

from __future__ import annotations

from dataclasses import dataclass

from domain.city import City
from domain.findings import Verdict, VideoEvent
from domain.monitors import Monitor, Select
from domain.operations import MONITORS as OPERATIONS
from domain.reports import Channel, Report
from operators.alerts.places import Places
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.signs import Sign
from operators.alerts.timing import Record

__all__ = ["Meaning", "Meant"]


@dataclass(frozen=True, slots=True)
class Meant:
    """What a camera or a person has seen: whose sign it is, and the level that it asks for."""

    source: str
    by: str
    level: int


class Meaning:
    """Knows a city's monitors and rules."""

    def __init__(self, city: City, places: Places, rules: Rules = DEFAULT) -> None:
        self._places, self._rules = places, rules
        self._monitors = {monitor.name: monitor for monitor in (*OPERATIONS, *city.monitors)}
        self._video = {rule.type: rule for rule in city.video_rules}
        self._reports = {rule.type: rule for rule in city.report_rules}

    def of(self, record: VideoEvent | Report) -> Meant | None:
        """None where no rule wants it, or it is not sure enough."""
        # The names are no monitor's, so that a camera and a sensor may share an id.
        if isinstance(record, VideoEvent):
            video = self._video.get(record.type)
            if video is None or not record.confidence >= video.confidence:
                return None
            return Meant(record.camera, f"video {record.type}", video.level)
        report = self._reports.get(record.type)
        if report is None or not record.confidence >= report.confidence:
            return None
        level = report.level if record.channel is Channel.INSPECTOR else report.citizen_level
        where = self._places.of_report(record).key
        # One who reports twice is one source; of those who give no name each is another.
        source = f"{record.channel} {record.reporter or record.id} at {where}"
        return Meant(source, f"report {record.type}", level)

    def sign(self, record: Record) -> Sign:
        """A new sign; of what a rule wants, where a camera or a person has seen it."""
        if isinstance(record, VideoEvent):
            video = self._video[record.type]
            kinds = tuple(dict.fromkeys((video.kind, *video.supports)))
            site, by = self._places.of_camera(record.camera), f"video {record.type}"
            return Sign(record.camera, by, site, kinds, video.unit, 0, self._rules.video_quiet, record)
        if isinstance(record, Report):
            report, meant = self._reports[record.type], self.of(record)
            assert meant is not None
            kinds = tuple(dict.fromkeys((report.kind, *report.supports)))
            site = self._places.of_report(record)
            weight = report.weight if record.channel is Channel.INSPECTOR else report.citizen_weight
            return Sign(meant.source, meant.by, site, kinds, report.unit, 0, report.quiet, record, weight)
        monitor = self._monitors.get(record.monitor) or Monitor(record.monitor, "", record.kind, Select())
        fault = record.verdict is Verdict.FAULT
        site = self._places.of_fault(record) if fault else self._places.of_sensor(record.sensor)
        delays = monitor.on_delay, monitor.off_delay
        return Sign(record.sensor, record.monitor, site, (record.kind,), monitor.unit, *delays, record)
