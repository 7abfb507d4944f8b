"""Which sensors a monitor watches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from domain.city import City, Sensor
from domain.monitors import Select
from domain.records import Int32s

__all__ = ["grouped", "selected"]


def grouped(sensors: Sequence[Sensor]) -> Int32s:
    """Which sensors are judged together: those of one asset; one that is mounted on none is alone.

    Returns the group of each sensor, 0, 1, 2, ... in the order of the assets' names.

    >>> tank = [Sensor(id, "level", "m", "zone", "tank") for id in "ab"]
    >>> grouped([tank[0], Sensor("c", "level", "m", "zone"), tank[1]])
    array([1, 0, 1], dtype=int32)
    """
    names = [sensor.asset or sensor.id for sensor in sensors]
    return np.unique(names, return_inverse=True)[1].astype(np.int32)


def selected(city: City, select: Select) -> list[int]:
    """Dense indexes, rising, of the sensors that fit every field of `select` that is not empty."""
    found: Iterable[tuple[int, Sensor]] = enumerate(city.sensors)
    if select.kinds:
        kinds = set(select.kinds)
        found = [(i, sensor) for i, sensor in found if sensor.kind in kinds]
    if select.zones:
        zones = set(select.zones)
        found = [(i, sensor) for i, sensor in found if sensor.zone in zones]
    if select.assets:
        assets = set(select.assets)
        found = [(i, sensor) for i, sensor in found if sensor.asset in assets]
    if select.asset_kinds:
        of_kind = {asset.id for asset in city.assets.values() if asset.kind in set(select.asset_kinds)}
        found = [(i, sensor) for i, sensor in found if sensor.asset in of_kind]
    if select.sensors:
        exact = {name for name in select.sensors if not name.endswith("*")}
        starts = tuple(name[:-1] for name in select.sensors if name.endswith("*"))
        found = [(i, sensor) for i, sensor in found if sensor.id in exact or sensor.id.startswith(starts)]
    return [i for i, _ in found]
