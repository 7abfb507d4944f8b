"""A case in words and as an `Alert`: what, where, since when, how sure, by what, and whose it is."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TypeVar
from zoneinfo import ZoneInfo

from domain.city import Asset, Camera, City, Sensor, Zone
from domain.clock import SECOND
from domain.findings import Alert, Finding, VideoEvent
from domain.reports import Report
from operators.alerts.context import Weighed
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.signs import Case, Sign, doubts
from operators.alerts.waves import Spot

__all__ = ["Describer"]

NOWHERE = Asset("", "", "")

T = TypeVar("T")


class Describer:
    """Knows the names of a city."""

    def __init__(self, city: City, rules: Rules = DEFAULT) -> None:
        self._city, self._rules = city, rules
        self._sensors = {sensor.id: sensor for sensor in city.sensors}
        self._levels = {level.rank: level for level in city.levels}
        self._clock = ZoneInfo(city.timezone or "UTC")

    def alert(self, case: Case, weighed: Weighed, level: int, raised: int, now: int, cleared: int) -> Alert:
        """The alert that a case is at `now`, ns; `cleared` is 0 while it is active."""
        thing = self._thing(case.first)
        zone = self._city.zones.get(thing.zone, Zone(thing.zone))
        asset = self._city.assets.get(thing.asset, NOWHERE)
        name = (asset.name or asset.id) if asset.id else self._name(case.first, thing)
        place = ", ".join(dict.fromkeys(part for part in (name, zone.name or zone.id) if part))
        spot = case.spot
        point = next((one for one in (spot, thing, asset) if one and (one.lon, one.lat) != (0.0, 0.0)), thing)
        signs = list(case.all_signs())
        sensors = dict.fromkeys(sign.source for sign in signs if not sign.momentary)
        cameras = dict.fromkeys(sign.source for sign in signs if sign.video)
        reports = [sign.latest.id for sign in signs if isinstance(sign.latest, Report)]
        evidence = dict.fromkeys(id for one in case.together() for id in one.evidence)
        clips = dict.fromkeys(clip for one in case.together() for clip in one.clips)
        grade = self._levels.get(level)
        by = " and ".join(
            f"{count} {what}{'s' if count > 1 else ''}"
            for count, what in ((len(sensors), "sensor"), (len(cameras), "camera"), (len(reports), "report"))
            if count
        )
        since = datetime.fromtimestamp(case.onset // SECOND, self._clock)
        return Alert(
            id=case.id,
            kind=case.kind,
            level=level,
            active=not cleared,
            onset=case.onset,
            raised=raised,
            updated=now,
            cleared=cleared,
            zone=thing.zone,
            asset=thing.asset,
            place=place,
            lon=point.lon,
            lat=point.lat,
            owner=case.first.owner or asset.unit or zone.unit,
            urgent=grade is not None and grade.urgent,
            corroboration=weighed.score,
            summary=f"{_plain(case.kind).capitalize()} at {place} since {since:%Y-%m-%d %H:%M:%S}: "
            f"level {grade.name if grade else level}, corroboration {weighed.score:.2f} by {by}"
            f"{', sensor and camera agree' if case.agreed else ''}{_spot(spot)}{_competing(case)}"
            f"{self._family(case)}"
            f"{', cleared' if cleared else ''}",
            sensors=self._first(sensors),
            cameras=self._first(cameras),
            clips=self._first(clips),
            evidence=self._first(evidence),
            support=(
                *map(self._support, islice(signs, self._rules.listed)),
                *weighed.support,
                *map(_held, islice(case.held.values(), self._rules.listed)),
            ),
            against=(*_doubted(case), *weighed.against)[: self._rules.listed],
            reports=tuple(reports[: self._rules.listed]),
            cause=case.cause.id if case.cause is not None else None,
            pipe=spot.pipe if spot else "",
            offset=spot.offset if spot else 0.0,
            radius=spot.radius if spot else 0.0,
        )

    def _first(self, names: dict[T, None]) -> tuple[T, ...]:
        return tuple(islice(names, self._rules.listed))

    def _family(self, case: Case) -> str:
        """Its cause, and its consequences."""
        others = dict.fromkeys(sign.kinds[0] for sign in case.all_signs() if not case.takes(sign))
        then = f", then {' and '.join(map(_plain, others))}" if others else ""
        cause = case.cause
        if cause is None:
            return then
        thing = self._thing(cause.first)
        place = self._city.assets.get(thing.asset, NOWHERE)
        return f"{then}, consequence of the {_plain(cause.kind)} at {place.name or place.id or thing.id or thing.zone}"

    def _thing(self, sign: Sign) -> Sensor | Camera:
        if isinstance(sign.latest, Report):
            told = sign.latest
            asset = self._city.assets.get(told.asset, NOWHERE)
            return Camera("", asset.zone or told.zone or sign.site.zone, asset.id, told.lon, told.lat)
        if sign.video:
            return self._city.cameras.get(sign.source) or Camera(sign.source, "")
        return self._sensors.get(sign.source) or Sensor(sign.source, "", "", "")

    @staticmethod
    def _name(sign: Sign, thing: Sensor | Camera) -> str:
        if isinstance(sign.latest, VideoEvent) and isinstance(thing, Camera):
            return sign.latest.place or thing.name or thing.id
        return thing.id

    def _support(self, sign: Sign) -> str:
        latest = sign.latest
        if isinstance(latest, VideoEvent):
            return f"camera {sign.source}: {latest.type}, confidence {latest.confidence:.2f}"
        if isinstance(latest, Report):  # what they write is for people to read, where it is kept
            return f"{latest.channel}'s report {latest.id}: {latest.type}, confidence {latest.confidence:.2f}"
        sensor = self._sensors.get(sign.source)
        value = f"{latest.value:.4g} {sensor.unit if sensor else ''}".rstrip()
        reason = f" {latest.reason}," if latest.reason else ""
        doubt = f" (the sensor is in doubt: {sign.doubt})" if sign.doubt else ""
        return (
            f"{latest.detector} on {sign.source}:{reason} {value}, "
            f"score {latest.score:.4g}, threshold {latest.threshold:.4g}{doubt}"
        )


def _spot(spot: Spot | None) -> str:
    if spot is None:
        return ""
    return f", on pipe {spot.pipe} {spot.offset:.0f} m from {spot.start}, within {spot.radius:.0f} m"


def _plain(kind: str) -> str:
    return kind.replace("-", " ")


def _doubted(case: Case) -> list[str]:
    return [f"{sensor} is in doubt: {reason}" for sensor, reason in doubts(case).items()]


def _competing(case: Case) -> str:
    """Which wins where detectors say both event and sensor fault, and why.

    A fault that came first holds back what its sensor finds. One that comes later wins over an event that nobody else
    has seen; where others agree, the event stands.
    """
    if case.held:
        kinds = " and ".join(dict.fromkeys(finding.kind.replace("-", " ") for finding in case.held.values()))
        return f", taken for a fault: it came before the {kinds} that the sensor then found"
    doubted = doubts(case)
    if not doubted:
        return ""
    why = ", ".join(f"{sensor} {reason}" for sensor, reason in doubted.items())
    others = len({sign.source for sign in case.all_signs()} - doubted.keys())
    if others:
        return f", taken for an event: {others} without fault agree{'s' if others == 1 else ''} ({why})"
    return f", probably a sensor fault: nothing else has seen it ({why})"


def _held(finding: Finding) -> str:
    reason = f" {finding.reason}," if finding.reason else ""
    return f"{finding.detector} on {finding.sensor}:{reason} {finding.kind} held back, for the fault came first"
