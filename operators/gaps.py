"""Offsets that are missing from a partition: compacted, aborted, or taken by retention before they were read.

A finding begins with the first message behind a gap and ends with the first that is recorded a minute after the last
gap, so that a topic full of holes is one finding. It is a function of the messages alone: a recording keeps offsets.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from domain.clock import MINUTE
from domain.findings import Finding, Phase
from domain.operations import OFFSET_GAP, operational
from domain.records import Int64s
from operators.stamp import Stamps

__all__ = ["GapWatch", "State"]

#: Without a further gap for so long, by recorded time, a finding ends.
QUIET: Final = MINUTE

#: The last offset; onset of the open finding (0: none), when its last gap was seen, and offsets missing so far.
State = tuple[int | None, int, int, int]


class GapWatch:
    """Watches one partition.

    Parameters
    ----------
    partition
        Its name.
    level
        City level that its findings ask for.
    """

    def __init__(self, partition: str, level: int, state: State | None = None) -> None:
        self._partition, self._level = partition, level
        self._last, self._onset, self._seen, self._missing = state or (None, 0, 0, 0)

    def take(self, offset: Int64s, stamps: Stamps) -> tuple[Finding, ...]:
        """What the offsets of a batch show."""
        before = int(offset[0]) - 1 if self._last is None else self._last
        step = np.diff(offset, prepend=before)
        self._last = int(offset[-1])
        found: list[Finding] = []
        for m in np.flatnonzero(step > 1).tolist():
            self._end(stamps, m + 1, found)
            at, missing, next = _time(stamps, m), int(step[m]) - 1, int(offset[m])
            self._seen, self._missing = at, self._missing + missing
            if not self._onset:
                self._onset = at
                found.append(self._record(Phase.ONSET, at, f"offsets {next - missing} to {next - 1} are missing"))
        self._end(stamps, len(offset), found)
        return tuple(found)

    def _end(self, stamps: Stamps, count: int, found: list[Finding]) -> None:
        """End the open finding where one of the first `count` messages is recorded long enough after the last gap."""
        m = int(np.searchsorted(stamps.recorded[:count], self._seen + QUIET))
        if self._onset and m < count:
            found.append(self._record(Phase.END, _time(stamps, m), f"{self._missing} offsets are missing"))
            self._onset = self._missing = 0

    def _record(self, phase: Phase, at: int, reason: str) -> Finding:
        return operational(
            OFFSET_GAP,
            phase,
            self._partition,
            self._onset,
            at,
            level=self._level,
            reason=reason,
            value=self._missing,
            threshold=0,
        )

    def snapshot(self) -> State:
        """State to go on from."""
        return self._last, self._onset, self._seen, self._missing


def _time(stamps: Stamps, m: int) -> int:
    """When a message was recorded, or the end of what was closed by then: no record may be older than that."""
    return int(max(stamps.recorded[m], stamps.closed[m]))
