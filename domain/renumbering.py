"""State that was written with another list of sensors: which of its numbers stand for whom now.

Within a run a sensor is a dense index. What is kept between runs holds such numbers, so it says beside them whom they
stood for (`Roster`). When a city's files have changed in between, each step takes its state over by a `Renumbering`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from domain.records import Bools, Int32s, LateRows

__all__ = ["Renumbering", "Roster"]


@dataclass(frozen=True, slots=True)
class Roster:
    """The sensors of one shard, as its state is numbered by them."""

    ids: str  # joined by line ends, in the order of their numbers within the shard
    members: bytes  # dense index of each, int32

    @classmethod
    def of(cls, ids: Sequence[str], members: Int32s) -> Roster:
        """The roster of a shard that has these sensors."""
        return cls("\n".join(ids), members.tobytes())

    def to(self, now: Roster) -> Renumbering:
        """How this roster's numbers are to be read once `now` holds.

        >>> import numpy as np
        >>> before = Roster.of(["a", "b", "d"], np.array([0, 1, 3], np.int32))
        >>> moved = before.to(Roster.of(["b", "c", "d"], np.array([0, 1, 2], np.int32)))
        >>> moved.index.tolist(), moved.origin.tolist(), moved.gone
        ([-1, 0, -1, 2], [1, -1, 2], ('a',))
        """
        mine, theirs = self.ids.split("\n") if self.ids else [], now.ids.split("\n") if now.ids else []
        old, new = np.frombuffer(self.members, np.int32), np.frombuffer(now.members, np.int32)
        place = {id: i for i, id in enumerate(mine)}
        origin = np.array([place.get(id, -1) for id in theirs], np.int32)
        index = np.full(int(old.max(initial=-1)) + 1, -1, np.int32)
        stays = origin >= 0
        index[old[origin[stays]]] = new[stays]
        kept = set(theirs)
        return Renumbering(index, origin, new, tuple(id for id in mine if id not in kept))


@dataclass(frozen=True, slots=True)
class Renumbering:
    """From the numbers of a roster to those of another."""

    index: Int32s  # of each dense index, the new one; -1: its sensor is not on this shard any more
    origin: Int32s  # of each sensor of the shard now, its number within the shard before; -1: it is new
    members: Int32s  # of each sensor of the shard now, its dense index
    gone: tuple[str, ...]  # ids of the sensors that are not on this shard any more

    def rows(self, sensor: Int32s) -> tuple[Bools, Int32s]:
        """Which rows stay, and the sensors of those that do."""
        moved = self.index[sensor]
        stays = moved >= 0
        return stays, moved[stays]

    def late(self, rows: LateRows) -> LateRows:
        """Late rows of the sensors that stay."""
        stays, sensor = self.rows(rows.sensor)
        columns = {name: getattr(rows, name)[stays] for name in ("ts", "value", "offset", "recorded", "watermark")}
        return replace(rows, sensor=sensor, **columns)
