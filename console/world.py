"""The city as the console draws and names it: its pipes, its places, and what is measured near what."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from html import escape
from math import cos, hypot, radians
from typing import Final

from domain.answers import Answering
from domain.city import Asset, Camera, City, Sensor

__all__ = ["World"]

#: Metres of one degree of latitude.
_DEGREE: Final = 111_320.0

#: Neighbours are looked for within so many metres, along the pipes where there are some.
REACH: Final = 2_000.0

_MARKED: Final = {"bridge": "bridge", "flood-spot": "flood", "regulator-cabinet": "cabinet"}


class World:
    """A city on a plane: metres to the east and to the south of its north-western corner.

    Parameters
    ----------
    city
        Assets without coordinates, which are (0, 0), are not drawn.
    """

    def __init__(self, city: City) -> None:
        self.city = city
        things: list[Asset | Sensor | Camera] = [*city.assets.values(), *city.sensors, *city.cameras.values()]
        places = [(thing.lon, thing.lat) for thing in things if (thing.lon, thing.lat) != (0.0, 0.0)]
        self.drawn = bool(places)
        west, east = _ends(lon for lon, _ in places)
        south, north = _ends(lat for _, lat in places)
        self._west, self._north = west, north
        self._stretch = _DEGREE * cos(radians((south + north) / 2))
        self.width, self.height = (east - west) * self._stretch, (north - south) * _DEGREE
        self._by_kind: dict[str, list[Sensor]] = defaultdict(list)
        for sensor in city.sensors:
            self._by_kind[sensor.kind].append(sensor)

    def at(self, lon: float, lat: float) -> tuple[float, float] | None:
        """Metres from the corner, to decimetres; None for what has no coordinates."""
        if (lon, lat) == (0.0, 0.0) or not self.drawn:
            return None
        return round((lon - self._west) * self._stretch, 1), round((self._north - lat) * _DEGREE, 1)

    def frame(self, lon: float = 0.0, lat: float = 0.0, around: float = 0.0) -> str:
        """The `viewBox` of the whole city with a margin, or of so many metres around a place."""
        point = self.at(lon, lat)
        if point is None or not around:
            margin = 0.04 * max(self.width, self.height, 100.0)
            values = (-margin, -margin, self.width + 2 * margin, self.height + 2 * margin)
        else:
            values = (point[0] - around, point[1] - around, 2 * around, 2 * around)
        return " ".join(f"{value:.0f}" for value in values)

    def sensor(self, id: str) -> Sensor | None:
        """The sensor of an id."""
        index = self.city.sensor_index.get(id)
        return None if index is None else self.city.sensors[index]

    def owner(self, id: str) -> tuple[str, str]:
        """Name and contact of a unit; the id where nothing more is known."""
        unit = self.city.units.get(id)
        return (unit.name or id, unit.contact) if unit else (id, "")

    def level(self, rank: int) -> str:
        """The name of a level."""
        return next((level.name for level in self.city.levels if level.rank == rank), str(rank or "-"))

    def neighbours(self, id: str, count: int) -> list[tuple[Sensor, float]]:
        """The nearest sensors of the same kind, with metres: those that pipes lead to first, then as the crow flies."""
        centre = self.sensor(id)
        if centre is None:
            return []
        ways = self._ways(centre.asset)
        found = []
        for sensor in self._by_kind[centre.kind]:
            far = ways.get(sensor.asset, self._straight(centre, sensor))
            if sensor.id != id and far <= REACH:
                found.append((sensor.asset not in ways, far, sensor.id, sensor))
        return [(sensor, far) for _, far, _, sensor in heapq.nsmallest(count, found)]

    def cameras_near(self, lon: float, lat: float, reach: float) -> list[str]:
        """Cameras within so many metres of a place."""
        point = self.at(lon, lat)
        if point is None:
            return []
        return [
            camera.id
            for camera in self.city.cameras.values()
            if (other := self.at(camera.lon, camera.lat)) and hypot(point[0] - other[0], point[1] - other[1]) <= reach
        ]

    def _straight(self, one: Sensor, other: Sensor) -> float:
        if one.asset and one.asset == other.asset:
            return 0.0
        here, there = self.at(one.lon, one.lat), self.at(other.lon, other.lat)
        if here is None or there is None:
            return float("inf")
        return hypot(here[0] - there[0], here[1] - there[1])

    def _ways(self, asset: str) -> dict[str, float]:
        """Metres along the pipes to every asset within reach (Dijkstra)."""
        ways = {asset: 0.0} if asset else {}
        waiting = [(0.0, asset)]
        while waiting:
            far, here = heapq.heappop(waiting)
            for there, length in self._pipes_of.get(here, ()):
                way = far + length
                if way <= REACH and way < ways.get(there, float("inf")):
                    ways[there] = way
                    heapq.heappush(waiting, (way, there))
        return ways

    @cached_property
    def answering(self) -> Answering:
        """What people ask first about an alert of this city."""
        return Answering(self.city)

    @cached_property
    def _pipes_of(self) -> dict[str, list[tuple[str, float]]]:
        found: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for pipe in self.city.pipes:
            found[pipe.start].append((pipe.end, pipe.length))
            found[pipe.end].append((pipe.start, pipe.length))
        return found

    @cached_property
    def svg(self) -> str:
        """The city as an SVG symbol `city`, drawn once and used by every map; its colours are the page's."""
        return (
            '<svg xmlns="http://www.w3.org/2000/svg">'
            '<symbol id="city" overflow="visible" fill="none" stroke-linecap="round">'
            f"{''.join(self._drawing())}</symbol></svg>"
        )

    def _drawing(self) -> Iterator[str]:
        for network in dict.fromkeys(pipe.network for pipe in self.city.pipes):
            lines = []
            for pipe in self.city.pipes:
                if pipe.network != network:
                    continue
                ends = [self.city.assets.get(end) for end in (pipe.start, pipe.end)]
                points = [self.at(end.lon, end.lat) for end in ends if end]
                if len(points) == 2 and points[0] and points[1]:
                    (x, y), (to_x, to_y) = points[0], points[1]
                    lines.append(f"M{x:.0f} {y:.0f}L{to_x:.0f} {to_y:.0f}")
            yield (
                f'<path stroke="var(--pipe-{escape(network)}, var(--pipe))" stroke-width="1.2" '
                f'vector-effect="non-scaling-stroke" d="{"".join(lines)}"/>'
            )
        for kind, name in _MARKED.items():
            dots = [
                f"M{point[0]:.0f} {point[1]:.0f}h.1"
                for asset in self.city.assets.values()
                if asset.kind == kind and (point := self.at(asset.lon, asset.lat))
            ]
            yield (
                f'<path stroke="var(--mark-{name})" stroke-width="4" vector-effect="non-scaling-stroke" '
                f'd="{"".join(dots)}"/>'
            )

    @cached_property
    def zones(self) -> list[tuple[str, float, float]]:
        """Name and middle of every zone that has assets with coordinates."""
        points: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for asset in self.city.assets.values():
            if point := self.at(asset.lon, asset.lat):
                points[asset.zone].append(point)
        return [
            (
                zone.name or zone.id,
                round(sum(x for x, _ in points[zone.id]) / len(points[zone.id]), 1),
                round(sum(y for _, y in points[zone.id]) / len(points[zone.id]), 1),
            )
            for zone in self.city.zones.values()
            if points[zone.id]
        ]


def _ends(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return (min(known), max(known)) if known else (0.0, 0.0)
