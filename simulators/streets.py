"""A street plan to put a city's things on: a grid of streets around a centre, cut into zones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

__all__ = ["Place", "Streets"]

#: Metres in one degree of latitude, and in one of longitude at the equator.
LATITUDE_M = 110_920.0
LONGITUDE_M = 111_320.0


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the plan: metres east and north of the south-west corner, and where that is on earth."""

    x: float
    y: float
    lon: float
    lat: float
    zone: str


@dataclass(frozen=True)
class Streets:
    """`columns` by `rows` crossings, `spacing` metres apart, around (lon, lat), with `across` by `up` zones."""

    lon: float
    lat: float
    columns: int
    rows: int
    spacing: float
    across: int
    up: int
    prefix: str

    @cached_property
    def width(self) -> float:
        """From west to east, m."""
        return self.columns * self.spacing

    @cached_property
    def height(self) -> float:
        """From south to north, m."""
        return self.rows * self.spacing

    @cached_property
    def zones(self) -> tuple[str, ...]:
        """Ids of all zones, row by row from the south-west."""
        return tuple(f"{self.prefix}-Z{i + 1:02d}" for i in range(self.across * self.up))

    def at(self, x: float, y: float) -> Place:
        """The place `x` metres east and `y` metres north of the south-west corner."""
        column = min(max(int(x / self.width * self.across), 0), self.across - 1)
        row = min(max(int(y / self.height * self.up), 0), self.up - 1)
        lon = self.lon + (x - self.width / 2) / (LONGITUDE_M * math.cos(math.radians(self.lat)))
        lat = self.lat + (y - self.height / 2) / LATITUDE_M
        return Place(x, y, round(lon, 6), round(lat, 6), self.zones[row * self.across + column])

    def crossing(self, column: float, row: float) -> Place:
        """The place of a crossing; fractions are between two."""
        return self.at((column + 0.5) * self.spacing, (row + 0.5) * self.spacing)
