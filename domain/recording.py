"""How a wide CSV recording is read: its columns, their sensors, and the clock of its time stamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import with_config

from domain.fields import Id, NotNegative, TimeZone

__all__ = ["RecordingFormat"]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class RecordingFormat:
    """The `[recording]` table of city.toml."""

    time: str  # name of the time column
    columns: Mapping[str, Id]  # column name to sensor id
    format: str = ""  # strptime format; empty: RFC 3339 or epoch milliseconds
    timezone: TimeZone = "UTC"  # of time stamps that name none
    delimiter: str = ","
    labels: tuple[str, ...] = ()  # columns that hold labels, never read as sensors
    events: Mapping[str, str] = field(default_factory=dict)  # pattern of a file's name to the event that it holds
    rate: NotNegative = (
        0.0  # readings per second, where the time stamps are too coarse to tell rows apart; 0: as they stand
    )
    options: Mapping[str, str] = field(default_factory=dict)
