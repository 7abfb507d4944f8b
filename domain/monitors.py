"""Monitors: which detector with which parameters watches which sensors, what its findings mean, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import with_config

from domain.clock import MINUTE

__all__ = ["Monitor", "ReportRule", "Select", "VideoRule"]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Select:
    """The sensors a monitor watches: those that fit every field that is not empty."""

    kinds: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()  # ids; a trailing * stands for any ending
    assets: tuple[str, ...] = ()
    asset_kinds: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Monitor:
    """One entry of monitors.toml.

    `levels[grade - 1]` is the city level that a finding of that grade asks for; 0 asks for none: the finding is
    evidence for others, or a maintenance matter. Durations are in nanoseconds.
    """

    name: str
    detector: str
    kind: str  # what a finding is a sign of
    select: Select
    params: Mapping[str, Any] = field(default_factory=dict)  # checked by the detector's own Params
    levels: tuple[int, ...] = ()
    unit: str = ""  # id of the responsible unit, before the asset's and the zone's
    on_delay: int = 0  # a finding must last so long before it raises an alert
    off_delay: int = 0  # and must have ended for so long before the alert clears


@dataclass(frozen=True, slots=True)
class VideoRule:
    """What a camera event of one type means."""

    type: str
    kind: str
    level: int  # as an alert by itself; 0: only evidence for others
    confidence: float = 0.5  # below it an event is kept but counts for nothing
    unit: str = ""
    supports: tuple[str, ...] = ()  # kinds of findings it corroborates in the same zone


@dataclass(frozen=True, slots=True)
class ReportRule:
    """What a report of one type means. Weights are as sensors' in the desk's corroboration, times the confidence."""

    type: str
    kind: str
    level: int = 0  # as an alert by itself, where an inspector reports it; 0: only evidence for others
    citizen_level: int = 0  # ... where a citizen does
    weight: float = 0.6  # of an inspector's
    citizen_weight: float = 0.3  # of a citizen's
    confidence: float = 0.5  # below it a report is kept but counts for nothing
    quiet: int = 30 * MINUTE  # ns: reports of one reporter at one place are one until so long has passed without
    unit: str = ""
    supports: tuple[str, ...] = ()  # kinds of findings that it corroborates, besides `kind`
