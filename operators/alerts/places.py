"""What lies near what: on one asset, within a distance, or joined by pipes."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from domain.city import City, Sensor
from domain.findings import Finding
from domain.reports import Report
from operators.alerts.rules import DEFAULT, Rules

__all__ = ["Index", "Places", "Site"]

#: Metres in a degree of latitude, on a sphere with the Earth's mean radius of 6,371,008.8 m.
DEGREE = math.pi * 6_371_008.8 / 180
#: Sites whose neighbours are remembered; each entry holds what lies within the radius.
REMEMBERED = 16_384


@dataclass(frozen=True, slots=True)
class Site:
    """Where a sign is: an asset, or a sensor or camera that stands by itself."""

    key: str  # "asset:...", "sensor:...", "camera:...", "report:...", "zone:...", "fault:...", "silent ..."
    zone: str = ""
    lon: float = 0.0
    lat: float = 0.0

    @property
    def located(self) -> bool:
        """Whether its coordinates are known."""
        return (self.lon, self.lat) != (0.0, 0.0)


class Places:
    """The sites of a city and who their neighbours are.

    Two sites are near each other when they are the same, when they lie in one zone within `rules.radius` metres, or
    when they are assets that a path inside one pipe network joins within the network's `pipe_length` metres. Where the
    coordinates of one of two sites are unknown, their zone decides (see `Index`).
    """

    def __init__(self, city: City, rules: Rules = DEFAULT) -> None:
        self.rules = rules
        self._sensors: dict[str, Sensor] = {sensor.id: sensor for sensor in city.sensors}
        self._cameras = city.cameras
        self._lengths = {rule.network: rule.reach for rule in city.correlation.network}
        self._sites = self._find_sites(city)
        latitudes = [site.lat for site in self._sites.values() if site.located]
        # A city is small enough for a plane that touches the Earth at its middle latitude.
        self._lon_metres = DEGREE * math.cos(math.radians(sum(latitudes) / len(latitudes) if latitudes else 0.0))
        self._cell = max(rules.radius, 1.0)
        self._grid: defaultdict[tuple[int, int], list[Site]] = defaultdict(list)
        for site in self._sites.values():
            if site.located:
                self._grid[self._cell_of(site)].append(site)
        self._pipes: defaultdict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
        self._networks: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for pipe in city.pipes:
            for a, b in ((pipe.start, pipe.end), (pipe.end, pipe.start)):
                self._pipes[pipe.network, a].append((b, pipe.length))
                self._networks[a][pipe.network] = None
        self._near: dict[str, dict[str, float]] = {}
        self._reach: dict[tuple[str, float, str], dict[str, float]] = {}

    @staticmethod
    def _find_sites(city: City) -> dict[str, Site]:
        sites = {
            key: Site(key, asset.zone, asset.lon, asset.lat)
            for asset in city.assets.values()
            for key in (f"asset:{asset.id}",)
        }
        for kind, things in (("sensor", city.sensors), ("camera", city.cameras.values())):
            for thing in things:
                key = f"asset:{thing.asset}" if thing.asset else f"{kind}:{thing.id}"
                if key not in sites or not sites[key].located:  # an asset lies where the first of its sensors does
                    zone = sites[key].zone if key in sites else thing.zone
                    sites[key] = Site(key, zone, thing.lon, thing.lat)
        return sites

    def of_sensor(self, sensor: str) -> Site:
        """The site of a sensor; one by itself when the city does not know the sensor."""
        known = self._sensors.get(sensor)
        key = f"asset:{known.asset}" if known and known.asset else f"sensor:{sensor}"
        return self._sites.get(key) or Site(key)

    def of_fault(self, finding: Finding) -> Site:
        """The site of a fault: the sensor's own, which nothing joins; of silence: that of all that has one gateway.

        A gateway serves a part of a zone. What the city does not know is a partition of the feed.
        """
        if finding.detector not in self.rules.silent:
            return Site(f"fault:{finding.sensor}")
        known = self._sensors.get(finding.sensor)
        if known is None:
            return Site(f"silent:{finding.monitor}")
        return Site(f"silent zone:{known.zone}" if known.zone else f"fault:{finding.sensor}")

    def of_camera(self, camera: str) -> Site:
        """The site of a camera; one by itself when the city does not know the camera."""
        known = self._cameras.get(camera)
        key = f"asset:{known.asset}" if known and known.asset else f"camera:{camera}"
        return self._sites.get(key) or Site(key)

    def of_report(self, report: Report) -> Site:
        """The site of a report: its asset's, that of what is nearest to its coordinates, or its zone as a whole."""
        if report.asset:
            key = f"asset:{report.asset}"
            return self._sites.get(key) or Site(key, report.zone, report.lon, report.lat)
        here = Site(f"report:{report.id}", report.zone, report.lon, report.lat)
        if not here.located:
            return Site(f"zone:{report.zone}", report.zone)
        about = ((distance, key) for key, distance in self._over_ground(here, self.rules.radius) if key != here.key)
        nearest = min(about, default=None)
        return self._sites[nearest[1]] if nearest is not None else here

    def reach(self, site: Site, metres: float, network: str = "") -> Mapping[str, float]:
        """Keys of all sites within a distance of `site` over ground, in whatever zone, or along one network's pipes."""
        found = self._reach.get((site.key, metres, network))
        if found is None:
            found = dict(self._along(network, site, metres) if network else self._over_ground(site, metres))
            if len(self._reach) >= REMEMBERED:
                self._reach.clear()
            self._reach[site.key, metres, network] = found
        return found

    def pipe_length(self, network: str) -> float:
        """How far apart signs of one cause may lie along the pipes of a network, m."""
        return self._lengths.get(network) or self.rules.pipe_length

    def near(self, site: Site) -> Mapping[str, float]:
        """Keys of all sites near `site`, itself among them, with their distances in metres."""
        found = self._near.get(site.key)
        if found is None:
            ground = self._over_ground(site, self.rules.radius)
            found = {key: far for key, far in ground if key == site.key or self._sites[key].zone == site.zone}
            for network in self._networks.get(site.key.partition(":")[2], ()):
                for key, length in self._along(network, site, self.pipe_length(network)):
                    found[key] = min(length, found.get(key, math.inf))
            if len(self._near) >= REMEMBERED:
                self._near.clear()
            self._near[site.key] = found
        return found

    def _position(self, site: Site) -> tuple[float, float]:
        return site.lon * self._lon_metres, site.lat * DEGREE

    def _cell_of(self, site: Site) -> tuple[int, int]:
        x, y = self._position(site)
        return math.floor(x / self._cell), math.floor(y / self._cell)

    def _over_ground(self, site: Site, metres: float) -> Iterator[tuple[str, float]]:
        yield site.key, 0.0
        if not site.located:
            return
        column, row = self._cell_of(site)
        here, cells = self._position(site), math.ceil(metres / self._cell)
        for i in range(column - cells, column + cells + 1):
            for j in range(row - cells, row + cells + 1):
                for other in self._grid.get((i, j), ()):
                    distance = math.dist(here, self._position(other))
                    if distance <= metres and other.key != site.key:
                        yield other.key, distance

    def _along(self, network: str, site: Site, metres: float) -> Iterator[tuple[str, float]]:
        """Dijkstra's shortest paths inside a network that the site's asset belongs to."""
        kind, _, start = site.key.partition(":")
        if kind != "asset" or network not in self._networks.get(start, ()):
            return
        done: set[str] = set()
        heap = [(0.0, start)]
        while heap:
            length, asset = heapq.heappop(heap)
            if asset in done:
                continue
            done.add(asset)
            yield f"asset:{asset}", length
            for other, further in self._pipes[network, asset]:
                if other not in done and length + further <= metres:
                    heapq.heappush(heap, (length + further, other))


class Member(Protocol):
    """What an index holds."""

    @property
    def site(self) -> Site:
        """Where it is."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it may belong together with."""


M = TypeVar("M", bound=Member)


class Index(Generic[M]):
    """Members by kind and site, found from any site near theirs.

    A site without coordinates counts as near every site of its zone that has the kind, at the distance of the radius: a
    zone is a part of the city inside which signs are taken to belong together.
    """

    def __init__(self) -> None:
        self._at: dict[str, dict[str, dict[M, None]]] = {}
        self._zone: dict[tuple[str, str, bool], dict[str, None]] = {}

    def add(self, member: M) -> None:
        """Hold a member; adding it again does nothing."""
        site = member.site
        for kind in member.kinds:
            self._at.setdefault(kind, {}).setdefault(site.key, {})[member] = None
            self._zone.setdefault((kind, site.zone, site.located), {})[site.key] = None

    def remove(self, member: M) -> None:
        """Let a member go; does nothing when it is not held."""
        site = member.site
        for kind in member.kinds:
            at = self._at.get(kind, {})
            members = at.get(site.key, {})
            if member not in members:
                continue
            del members[member]
            if members:
                continue
            del at[site.key]
            zone = self._zone[kind, site.zone, site.located]
            del zone[site.key]
            if not at:
                del self._at[kind]
            if not zone:
                del self._zone[kind, site.zone, site.located]

    def near(self, kinds: tuple[str, ...], site: Site, places: Places) -> Iterator[tuple[float, M]]:
        """Every member of one of `kinds` near `site` with its distance in metres, in no order worth relying on."""
        yield from self.among(kinds, site, places.near(site), places.rules.radius)

    def among(
        self, kinds: tuple[str, ...], site: Site, reach: Mapping[str, float], unlocated: float | None
    ) -> Iterator[tuple[float, M]]:
        """Every member of one of `kinds` in `reach`; where coordinates are missing, the zone's, `unlocated` m off."""
        for kind in kinds:
            at = self._at.get(kind)
            if not at:
                continue
            distances = {key: reach[key] for key in reach.keys() & at.keys()}
            if site.zone and unlocated is not None:
                for located in (False,) if site.located else (False, True):
                    for key in self._zone.get((kind, site.zone, located), ()):
                        distances.setdefault(key, unlocated)
            for key, distance in distances.items():
                for member in at[key]:
                    yield distance, member
