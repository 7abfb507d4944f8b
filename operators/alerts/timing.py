"""Event time for the desk: what has arrived but may not be counted yet, and what is due later."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from domain.actions import Action
from domain.clock import NEVER
from domain.commands import Gauge
from domain.findings import Finding, VideoEvent
from domain.records import Verdicts
from domain.reports import Report

__all__ = ["FOREVER", "Arrivals", "Record", "Timers"]

#: After every time.
FOREVER: Final = 2**63 - 1

Record = Finding | VideoEvent | Report
What = TypeVar("What")


class Timers(Generic[What]):
    """Things to do at given times; those of one time in the order in which they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, What]] = []
        self._set = 0

    def at(self, deadline: int, what: What) -> None:
        """Have `what` done at `deadline`, ns."""
        heapq.heappush(self._heap, (deadline, self._set, what))
        self._set += 1

    @property
    def next(self) -> int:
        """The earliest deadline, ns; FOREVER when there is none."""
        return self._heap[0][0] if self._heap else FOREVER

    def pop(self) -> What:
        """Take out what is due first."""
        return heapq.heappop(self._heap)[2]


@dataclass
class Arrivals:
    """Findings, events, reports and actions of all shards, held until their time is complete, and given out in order.

    A shard that has said `upto = T` sends nothing with `known` before T; so what is known before the least `upto` of
    all shards is complete, in whatever way the shards' items were interleaved.
    """

    shards: int
    upto: list[int] = field(init=False)
    _heap: list[tuple[int, int, tuple[object, ...], int, Record | Action | Gauge]] = field(default_factory=list)
    _count: int = 0
    _last: int = NEVER  # the latest record's time
    _over: set[int] = field(default_factory=set)  # shards from which nothing follows

    def __post_init__(self) -> None:
        self.upto = [NEVER] * self.shards

    def add(self, verdicts: Verdicts) -> None:
        """Take what one shard sent."""
        for finding in (*verdicts.early, *verdicts.findings):
            self._push(finding, 0)
        for event in verdicts.video:
            self._push(event, 1)
        for report in verdicts.reports:
            self._push(report, 2)
        for action in verdicts.actions:
            self._push(action, 3)
        for gauge in verdicts.gauges:
            self._push(gauge, 4)
        if verdicts.upto is not None:
            self.upto[verdicts.shard] = max(self.upto[verdicts.shard], verdicts.upto)
        if verdicts.ended:
            self._over.add(verdicts.shard)

    def _push(self, record: Record | Action | Gauge, rank: int) -> None:
        known = max(record.known, record.ts)
        self._last = max(self._last, known)
        # The count keeps two equal records from being compared any further.
        heapq.heappush(self._heap, (known, rank, record.order, self._count, record))
        self._count += 1

    @property
    def frontier(self) -> int:
        """Everything known before this time, ns, has arrived."""
        return min(self.upto) + self.over  # at the end, that time itself is complete

    @property
    def over(self) -> bool:
        """Whether nothing follows from any shard."""
        return len(self._over) == self.shards

    @property
    def end(self) -> int:
        """After the last time that anybody spoke of, ns."""
        return max(*self.upto, self._last + 1)

    @property
    def next(self) -> int:
        """The time at which the next record became known, ns; FOREVER when there is none."""
        return self._heap[0][0] if self._heap else FOREVER

    def pop(self) -> Record | Action | Gauge:
        """Take out the next record, action or reading."""
        return heapq.heappop(self._heap)[4]
