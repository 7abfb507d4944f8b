"""Which shard works on which sensors.

The number of shards is fixed for a deployment: it decides keys, state and blocks, whatever the number of workers.
What hangs on one asset stays on one shard, so that a detector over several sensors of a bridge finds them all in its
panes.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from domain.city import City
from domain.records import Int32s
from domain.renumbering import Roster

__all__ = ["Layout"]


class Layout:
    """Sensors and cameras of a city, spread over `shards` shards by a hash of the asset (or of the id, without one).

    Attributes
    ----------
    shard_of
        Shard of each sensor, shape (sensors,).
    local_of
        Index of each sensor among those of its shard, shape (sensors,).
    members
        Per shard, the dense indexes of its sensors in rising order.
    """

    def __init__(self, city: City, shards: int) -> None:
        self.city = city
        self.shards = shards
        self.shard_of: Int32s = np.fromiter(
            (_shard(sensor.asset or sensor.id, shards) for sensor in city.sensors), np.int32, len(city.sensors)
        )
        self.members: list[Int32s] = [np.flatnonzero(self.shard_of == s).astype(np.int32) for s in range(shards)]
        self.local_of: Int32s = np.zeros(len(city.sensors), np.int32)
        for members in self.members:
            self.local_of[members] = np.arange(len(members), dtype=np.int32)
        self._camera_shard = {id: _shard(camera.zone or id, shards) for id, camera in city.cameras.items()}

    def roster(self, shard: int) -> Roster:
        """Whom the numbers in a shard's state stand for."""
        members = self.members[shard]
        return Roster.of([self.city.sensors[i].id for i in members], members)

    def camera_shard(self, camera: str) -> int:
        """The shard that carries a camera's events."""
        return self._camera_shard.get(camera, 0)


def _shard(name: str, shards: int) -> int:
    return crc32(name.encode()) % shards
