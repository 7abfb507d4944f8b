"""Who is watched, and how: what tells whether kept state may be gone on with once a city's files have changed.

A detector's state has one record a sensor, or one an asset. It is gone on with where the detector, its parameters and
all that it is told of the sensors are the same; otherwise the record begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from detectors import registry
from detectors.contract import Detector
from domain.city import City, Sensor
from domain.errors import ConfigError
from domain.monitors import Monitor
from domain.selection import grouped, selected

__all__ = ["Keys", "Watched", "config", "keys"]

#: One a record of a detector's state; equal for what may go on from each other.
Keys = npt.NDArray[np.uint64]


def keys(detector: type[Detector], config: str, sensors: Sequence[Sensor]) -> Keys:
    """A key for each record of a detector's state over these sensors.

    Parameters
    ----------
    config
        The hash of the detector and its parameters.
    sensors
        Those that it watches, in the order of their slots.
    """
    told = [f"{s.id}\t{s.unit}\t{s.low!r}\t{s.high!r}\t{s.rate!r}" for s in sensors]
    if detector.scope == "asset":
        group = grouped(sensors).tolist() if sensors else []
        together: list[list[str]] = [[] for _ in range(max(group, default=-1) + 1)]
        for at, text in zip(group, told, strict=True):
            together[at].append(text)
        told = ["\n".join(texts) for texts in together]
    return np.array([_hash(f"{config}\n{text}") for text in told], np.uint64)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def config(monitor: Monitor, sensor: Sensor) -> str:
    """The hash of a monitor's detector and parameters, as findings bear it."""
    one = np.array([sensor.low]), np.array([sensor.high]), np.array([sensor.rate])
    detector = registry.build(monitor.detector, monitor.params, *one, sensor.unit)
    return type(detector).config_hash(detector.params)


class Watched:
    """Who watches what in a city, for those who know of findings only."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._monitors = {monitor.name: monitor for monitor in city.monitors}
        self._keys: dict[str, dict[str, int]] = {}

    def key(self, monitor: str, sensor: str) -> int:
        """Of the state in which a monitor keeps what it knows of a sensor; 0 where it does not watch it.

        >>> Watched(City("town", "UTC", ())).key("gas", "G1")
        0
        """
        found = self._keys.get(monitor)
        if found is None:
            found = self._keys[monitor] = self._of(self._monitors[monitor]) if monitor in self._monitors else {}
        return found.get(sensor, 0)

    def _of(self, monitor: Monitor) -> dict[str, int]:
        sensors = [self._city.sensors[i] for i in selected(self._city, monitor.select)]
        if not sensors:
            return {}
        try:
            kind, hashed = registry.get(monitor.detector), config(monitor, sensors[0])
        except ConfigError:  # nobody can watch like that; who checks a city's files says so
            return {}
        if kind.scope == "sensor":
            return dict(zip((s.id for s in sensors), keys(kind, hashed, sensors).tolist(), strict=True))
        assets: defaultdict[str, list[Sensor]] = defaultdict(list)
        for sensor in sensors:
            assets[sensor.asset or sensor.id].append(sensor)
        of_asset = {name: int(keys(kind, hashed, group)[0]) for name, group in assets.items()}
        return {sensor.id: of_asset[sensor.asset or sensor.id] for sensor in sensors}
