"""What people ask first about an alert: what, where, since when, how sure, who is affected, who answers, what to do.

All of it follows from the alert and the city's files, so nothing of it is kept anywhere: whoever passes an alert on
asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from domain.city import City, Unit
from domain.exposure import Exposures, metres
from domain.findings import Alert
from domain.networks import Networks
from domain.policy import Shift
from domain.rota import Rota
from domain.runbooks import LANGUAGES, runbook

__all__ = ["Affected", "Answering", "Answers", "Neighbour", "Responsible"]

#: Assets and neighbours that are named at most.
LISTED: Final = 10

#: Sensors within this distance are neighbours, m; the radius in which signs of one zone belong together is 300 m.
NEAR: Final = 500.0

#: A degree of latitude is longer than so many metres, and one of longitude at most as long.
_DEGREE: Final = 110_000.0


@dataclass(frozen=True, slots=True)
class Affected:
    """Who and what has to fear something from it."""

    zone: str  # name
    exposed: tuple[str, ...] = ()  # words of the city's policy
    hanging: tuple[str, ...] = ()  # names of assets that hang on its own, along the pipes; the first of them
    assets: int = 0  # how many they are


@dataclass(frozen=True, slots=True)
class Responsible:
    """Who answers."""

    unit: str
    name: str = ""
    contact: str = ""
    on_duty: tuple[str, ...] = ()  # at the desks that serve the unit alone


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A sensor near by that has said nothing."""

    sensor: str
    distance: float  # m


@dataclass(frozen=True, slots=True)
class Answers:
    """Of one alert at one time."""

    what: str
    where: str
    map: str  # a geo: URI (RFC 5870), with the radius of the place where it is known; empty: it has no coordinates
    since: int  # ns
    sure: str
    affected: Affected
    responsible: Responsible
    first: Mapping[str, tuple[str, ...]]  # what to do first, by language
    neighbours: tuple[Neighbour, ...] = ()


class Answering:
    """Knows a city."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._levels = {level.rank: level.name for level in city.levels}
        self._exposures, self._networks, self._rota = Exposures(city), Networks(city), Rota(city)
        self._words = {one.name: one.words or one.name for one in city.policy.exposures}

    def of(self, alert: Alert, at: int) -> Answers:
        """The answers about an alert as it stands at a time, ns."""
        asset, zone = self._city.assets.get(alert.asset), self._city.zones.get(alert.zone)
        where = [part for part in (alert.place or (asset.name if asset else ""), alert.asset, alert.zone) if part]
        pipe = f"pipe {alert.pipe}, {alert.offset:.0f} m from its start, within {alert.radius:.0f} m"
        level = self._levels.get(alert.level, str(alert.level))
        return Answers(
            what=f"{alert.kind.replace('-', ' ').capitalize()}, level {level}"
            + ", urgent" * alert.urgent
            + ("" if alert.active else ", over")
            + (f", by the rule{'s' * (len(alert.rules) > 1)} {', '.join(alert.rules)}" if alert.rules else ""),
            where=", ".join((*where, *([pipe] if alert.pipe else []))),
            map=_geo(alert),
            since=alert.onset,
            sure=f"{alert.corroboration:.2f} by {_count(len(alert.sensors), 'sensor')} and "
            f"{_count(len(alert.cameras), 'camera')}",
            affected=self._affected(alert, zone.name or zone.id if zone else alert.zone),
            responsible=self._responsible(alert.owner, at),
            first={language: runbook(alert.kind, language) for language in LANGUAGES},
            neighbours=self._neighbours(alert),
        )

    def _affected(self, alert: Alert, zone: str) -> Affected:
        exposed = dict.fromkeys(self._exposures.of(alert.zone, alert.asset, alert.lon, alert.lat))
        exposed |= dict.fromkeys(self._exposures.around(alert.sensors, alert.cameras))
        assets, below = self._city.assets, sorted(self._networks.below(alert.asset)) if alert.asset else []
        names = (assets[id].name or id if id in assets else id for id in below[:LISTED])
        return Affected(zone, tuple(self._words[name] for name in exposed), tuple(names), len(below))

    def _responsible(self, owner: str, at: int) -> Responsible:
        unit = self._city.units.get(owner, Unit(owner))
        desks = [desk.name for desk in self._city.policy.desks if owner and owner in desk.units]
        shifts = (shift for desk in desks for shift in self._rota.on_duty(desk, at))
        return Responsible(unit.id, unit.name, unit.contact, tuple(map(_on_duty, shifts)))

    def _neighbours(self, alert: Alert) -> tuple[Neighbour, ...]:
        """The nearest other sensors that measure what the alert's do; of a camera's alert, any."""
        if (alert.lon, alert.lat) == (0.0, 0.0):
            return ()
        sensors = self._city.sensors
        index = self._city.sensor_index
        own = {index[id] for id in alert.sensors if id in index}
        kinds = {sensors[i].kind for i in own}
        lon, lat = self._places
        close = (np.abs(lat - alert.lat) < NEAR / _DEGREE) & (np.abs(lon - alert.lon) < 2 * NEAR / _DEGREE)
        found = sorted(
            (metres(alert.lon, alert.lat, sensors[i].lon, sensors[i].lat), sensors[i].id)
            for i in np.flatnonzero(close).tolist()
            if i not in own and (not kinds or sensors[i].kind in kinds)
        )
        return tuple(Neighbour(id, round(distance, 1)) for distance, id in found[:LISTED] if distance <= NEAR)

    @cached_property
    def _places(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Coordinates of all sensors; far from everything where they are not known."""
        known = [(s.lon, s.lat) if (s.lon, s.lat) != (0.0, 0.0) else (1e3, 1e3) for s in self._city.sensors]
        lon, lat = np.array(known, np.float64).reshape(-1, 2).T.copy()
        return lon, lat


def _geo(alert: Alert) -> str:
    if (alert.lon, alert.lat) == (0.0, 0.0):
        return ""
    return f"geo:{alert.lat:.6f},{alert.lon:.6f}" + (f";u={alert.radius:.0f}" if alert.radius else "")


def _on_duty(shift: Shift) -> str:
    return ", ".join(filter(None, (shift.who or shift.name, shift.contact)))


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' if number != 1 else ''}"
