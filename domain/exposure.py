"""What there is to lose at a place: which of a policy's exposures it has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from domain.city import Asset, City
from domain.policy import Exposure

__all__ = ["Exposures", "metres"]

#: Metres in a degree of latitude, on a sphere with the Earth's mean radius of 6,371,008.8 m.
_DEGREE: Final = math.pi * 6_371_008.8 / 180


class Exposures:
    """Knows the exposures of a city's places."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._sensors = {one.id: (one.zone, one.asset, one.lon, one.lat) for one in city.sensors}
        self._found: dict[tuple[str, str, float, float], tuple[str, ...]] = {}

    def around(self, sensors: Iterable[str], cameras: Iterable[str]) -> tuple[str, ...]:
        """The names of all exposures where some sensors and cameras are, in the policy's order."""
        found: set[str] = set()
        for id in sensors:
            found.update(self.of(*self._sensors[id]) if id in self._sensors else ())
        for id in cameras:
            if (camera := self._city.cameras.get(id)) is not None:
                found.update(self.of(camera.zone, camera.asset, camera.lon, camera.lat))
        return tuple(one.name for one in self._city.policy.exposures if one.name in found)

    def of(self, zone: str, asset: str, lon: float, lat: float) -> tuple[str, ...]:
        """The names of the exposures of a place, in the policy's order; 0, 0 stands for coordinates not known."""
        key = (zone, asset, lon, lat)
        if key not in self._found:
            exposures = self._city.policy.exposures
            self._found[key] = tuple(one.name for one in exposures if self._has(one, *key))
        return self._found[key]

    def _has(self, exposure: Exposure, zone: str, asset: str, lon: float, lat: float) -> bool:
        thing = self._city.assets.get(asset)
        if zone in exposure.zones or asset in exposure.assets or (thing and thing.kind in exposure.asset_kinds):
            return True
        if thing is not None and (lon, lat) == (0.0, 0.0):
            lon, lat = thing.lon, thing.lat
        if not exposure.radius or (lon, lat) == (0.0, 0.0):
            return False
        things = self._assets.get(exposure.name, ())
        return any(metres(lon, lat, one.lon, one.lat) <= exposure.radius for one in things)

    @cached_property
    def _assets(self) -> dict[str, tuple[Asset, ...]]:
        """The assets with coordinates that each exposure with a radius names."""

        def named(exposure: Exposure) -> Iterable[Asset]:
            for asset in self._city.assets.values():
                fits = asset.id in exposure.assets or asset.kind in exposure.asset_kinds
                if fits and (asset.lon, asset.lat) != (0.0, 0.0):
                    yield asset

        return {one.name: tuple(named(one)) for one in self._city.policy.exposures if one.radius}


def metres(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """The distance of two places that are near each other, m, on a plane that touches the Earth between them.

    >>> round(metres(115.78, 33.85, 115.78, 33.86))
    1112
    """
    east = (other_lon - lon) * math.cos(math.radians((lat + other_lat) / 2))
    return math.hypot(east, other_lat - lat) * _DEGREE
