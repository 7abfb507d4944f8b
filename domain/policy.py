"""Which alerts are how grave, whose they are, and at which desks people hear of them: the tables of policy.toml.

[[exposure]]
name = "crowd"
zones = ["market"]

[[grade]]
name = "gas beside a crowd"
kinds = ["gas-leak"]
exposure = ["crowd"]
level = "I"

[[route]]
kinds = ["gas-leak"]
zones = ["old-town"]
unit = "gas-company-east"

[[desk]]
name = "gas"
units = ["gas-company"]
digest = "30 min"
flood = 10
[[desk.shift]]
name = "gas-night"
from = "20:00"
to = "08:00"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, with_config

from domain.fields import Id, Nanoseconds, NotNegative, Reference, Share, Text

__all__ = ["DAYS", "Desk", "Exposure", "Grade", "Policy", "Route", "Shift"]

#: Days of the week as a file names them, Monday first.
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MINUTES_A_DAY: Final = 24 * 60


def _minute(text: Any) -> int:
    """A time of day such as "20:00" as minutes since midnight; "24:00" is the end of a day."""
    hour, _, minute = text.partition(":") if isinstance(text, str) else ("", "", "")
    digits = hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit()
    if not (digits and len(hour) == len(minute) == 2 and int(minute) < 60 and int(hour) * 60 + int(minute) <= 1440):
        raise ValueError(f"expected a time of day such as '08:00', got {str(text)[:80]!r}")
    return int(hour) * 60 + int(minute)


def _day(text: Any) -> int:
    if text not in DAYS:
        raise ValueError(f"expected a day of the week ({', '.join(DAYS)}), got {str(text)[:80]!r}")
    return DAYS.index(text)


_Minute = Annotated[int, BeforeValidator(_minute)]
_Day = Annotated[int, BeforeValidator(_day)]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Exposure:
    """What there is to lose at some places: an enclosed space, a crowd near by.

    A place is exposed when it is one of the assets, of one of the kinds of assets or in one of the zones, or no more
    than `radius` from such an asset.
    """

    name: Id
    asset_kinds: tuple[Id, ...] = ()
    assets: tuple[Id, ...] = ()
    zones: tuple[Id, ...] = ()
    radius: NotNegative = 0.0  # m
    words: Text = ""  # who or what it is, for people


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Grade:
    """Makes alerts graver that fit every field which is not empty. Durations in ns."""

    name: Id
    level: Reference = ""  # name of the level that such an alert has at least, or ...
    steps: Annotated[int, Field(strict=True, ge=0, le=8)] = 0  # ... by how many it is graver than its signs ask
    kinds: tuple[Id, ...] = ()
    levels: tuple[Id, ...] = ()  # names of levels that its signs ask for
    exposure: tuple[Id, ...] = ()  # names of exposures: all of them
    score: NotNegative = 0.0  # of one of its findings at least, in multiples of its threshold
    corroboration: Share = 0.0  # at least
    lasting: Nanoseconds = 0  # since it was raised, while one of its signs still lasts


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Route:
    """Whose alerts are that fit every field which is not empty; the first route that fits holds."""

    unit: Id
    kinds: tuple[Id, ...] = ()
    zones: tuple[Id, ...] = ()
    assets: tuple[Id, ...] = ()
    asset_kinds: tuple[Id, ...] = ()


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Shift:
    """Who is on duty at a desk at which hours of the week, by the clocks of the city."""

    name: Id
    start: Annotated[_Minute, Field(alias="from")] = 0  # minutes after midnight
    end: Annotated[_Minute, Field(alias="to")] = _MINUTES_A_DAY  # not after start: on the next day
    days: Annotated[tuple[_Day, ...], Field(min_length=1)] = tuple(range(7))  # on which it begins, 0 is Monday
    who: Text = ""
    contact: Text = ""

    def covers(self, weekday: int, minute: int) -> bool:
        """Whether it is on at a minute of a day.

        >>> night = Shift("night", start=20 * 60, end=8 * 60, days=(4,))
        >>> night.covers(4, 23 * 60), night.covers(5, 7 * 60), night.covers(5, 8 * 60)
        (True, True, False)
        """
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        before = (weekday - 1) % 7
        return (weekday in self.days and minute >= self.start) or (before in self.days and minute < self.end)


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Desk:
    """A place where people hear of alerts. Durations in ns."""

    name: Id
    units: tuple[Id, ...] = ()  # whose alerts it hears of; empty: everybody's
    digest: Nanoseconds = 0  # what is not urgent is told together, that often; 0: at once, too
    flood: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 0  # alarms in ten minutes, then a summary; 0: no end
    relief: Reference = ""  # the desk that hears, too, while nobody is on duty at this one
    shift: tuple[Shift, ...] = ()  # empty: somebody always is

    def serves(self, *units: str) -> bool:
        """Whether it hears of alerts of one of these units."""
        return not self.units or any(unit in self.units for unit in units)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a city has decided; where it decides nothing, signs alone say how grave an alert is."""

    exposures: tuple[Exposure, ...] = ()
    grades: tuple[Grade, ...] = ()
    routes: tuple[Route, ...] = ()
    desks: tuple[Desk, ...] = ()
