"""Keeps partitions together in event time while they catch up.

A pane stays open until the last partition has passed it: one that runs ahead only fills memory. The partitions of one
process know of each other; the processes of a cluster on one machine tell each other by a folder that they share.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

from domain.clock import END, NEVER, SECOND

__all__ = ["AHEAD", "Pace"]

#: How far in event time one partition may run ahead of another, beyond the batch that it is at.
AHEAD: Final = 10 * SECOND

#: Seconds between two looks at how far the other processes have come.
LOOK: Final = 0.1


class Pace:
    """How far each partition has come, and which of them have to wait.

    Parameters
    ----------
    folder
        Where the processes of a cluster say how far they have come; None: there are no others.
    process, processes
        Which of how many this is.
    clock
        Seconds that only grow; replaced in tests.
    """

    def __init__(
        self,
        folder: Path | None = None,
        process: int = 0,
        processes: int = 1,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._reached: dict[int, int] = {}
        self._clock = clock
        self._mine: Path | None = None
        self._theirs: list[Path] = []
        self._others = END
        self._looked = float("-inf")
        if folder is not None and processes > 1:
            folder.mkdir(parents=True, exist_ok=True)
            self._mine = folder / f"{process}.pace"
            self._theirs = [folder / f"{other}.pace" for other in range(processes) if other != process]
            self._tell(END)  # not what a run before this one has left there

    def may_go(self, index: int) -> bool:
        """Whether a partition is not far ahead of the slowest that has something to read."""
        mine = self._reached.get(index, NEVER)
        slowest = min(self._reached.values(), default=NEVER)
        if self._mine is not None:
            slowest = min(slowest, self._elsewhere())
        return mine <= slowest + AHEAD

    def report(self, index: int, reached: int | None) -> None:
        """A partition has come to an event time; None when it has nothing to read, and so holds nobody back."""
        if reached is None:
            self._reached.pop(index, None)
        else:
            self._reached[index] = reached

    def _elsewhere(self) -> int:
        now = self._clock()
        if now - self._looked >= LOOK:
            self._looked = now
            self._tell(min(self._reached.values(), default=END))
            self._others = min(map(_heard, self._theirs))
        return self._others

    def _tell(self, reached: int) -> None:
        assert self._mine is not None
        unfinished = self._mine.with_suffix(f".{os.getpid()}")
        unfinished.write_text(str(reached))
        unfinished.replace(self._mine)


def _heard(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return END  # nobody there yet
