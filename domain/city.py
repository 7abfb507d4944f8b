"""The city registry: what is measured where, and who answers for it.

A `City` is plain data. `domain.city_files.load_city` reads and validates it from a folder; the fields' types say what
may stand there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import with_config

from domain.cases import CasePolicy
from domain.correlation import Correlation
from domain.desk import DeskPolicy
from domain.fields import ClockError, Count, Flag, Id, Latitude, Limit, Longitude, Positive, Reference, Text
from domain.monitors import Monitor, ReportRule, VideoRule
from domain.policy import Policy
from domain.recording import RecordingFormat
from domain.ventilation import Ventilation

__all__ = ["Asset", "Camera", "City", "Level", "Pipe", "Sensor", "Unit", "Zone"]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Sensor:
    """One measured quantity at one place."""

    id: Id
    kind: Id  # what it measures: "gas-lel", "pressure", "flow", "level", "rain", "strain", "temperature", ...
    unit: Id  # of its readings: "%LEL", "m", "m3/h", "um/m", "degC", ...
    zone: Id
    asset: Reference = ""  # what it is mounted on: a manhole, a main, a bridge
    lon: Longitude = 0.0
    lat: Latitude = 0.0
    rate: Positive = 1.0  # expected readings per second
    low: Limit = float("-inf")  # physical range in `unit`: readings outside are a sensor fault
    high: Limit = float("inf")


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Asset:
    """A thing that is watched: a manhole, a regulator cabinet, a main, a bridge, a septic tank, a flood-prone spot."""

    id: Id
    kind: Id
    zone: Id
    name: Text = ""
    lon: Longitude = 0.0
    lat: Latitude = 0.0
    unit: Reference = ""  # id of the responsible unit, when it is not the zone's


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the city inside which signs are taken to belong together."""

    id: Id
    name: Text = ""
    unit: Reference = ""  # id of the responsible unit


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Unit:
    """Who answers: a company, an office, a named person."""

    id: Id
    name: Text = ""
    contact: Text = ""


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that reports events."""

    id: Id
    zone: Id
    asset: Reference = ""
    lon: Longitude = 0.0
    lat: Latitude = 0.0
    name: Text = ""
    clock_offset: ClockError = 0.0  # s that its clock is ahead: taken from the times of its events


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Pipe:
    """One edge of a pipe graph, between two assets."""

    id: Id
    network: Id  # "gas", "water", "drain"
    start: Id  # asset id
    end: Id
    length: Positive  # m


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Level:
    """One step of the city's alert scale."""

    rank: Count  # 1 the gravest
    name: Id
    urgent: Flag = False  # pushed point to point at once


@dataclass(frozen=True)
class City:
    """Everything that is known of a city before the first reading."""

    name: str
    timezone: str
    sensors: tuple[Sensor, ...]
    zones: Mapping[str, Zone] = field(default_factory=dict)
    assets: Mapping[str, Asset] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    pipes: tuple[Pipe, ...] = ()
    levels: tuple[Level, ...] = ()
    monitors: tuple[Monitor, ...] = ()
    video_rules: tuple[VideoRule, ...] = ()
    recording: RecordingFormat | None = None  # how a wide CSV of this city is read
    desk: DeskPolicy = field(default_factory=DeskPolicy)
    report_rules: tuple[ReportRule, ...] = ()
    correlation: Correlation = field(default_factory=Correlation)
    policy: Policy = field(default_factory=Policy)
    cases: CasePolicy = field(default_factory=CasePolicy)
    ventilation: Ventilation | None = None  # what may be ventilated by order; nothing by default

    @cached_property
    def sensor_index(self) -> Mapping[str, int]:
        """Dense index of every sensor id."""
        return {sensor.id: i for i, sensor in enumerate(self.sensors)}
