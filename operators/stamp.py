"""The clock of one source partition: its watermark, and which rows are late or from the future.

What a row is taken for depends on the recorded stream alone:

- the watermark W before message i is the largest of (largest event time of earlier messages - lateness) and (largest
  recorded time up to message i - idle);
- a row further ahead of the recorded time than `max_ahead` is refused as from the future;
- a row whose pane ends at or before W is late.

Video events, actions and reports move the clock as readings do, so that a partition of nothing else holds no pane open.

All rows of one message arrive together and are judged by the same watermark. The second term of W is why a tick of a
live source changes no result: it only reveals early what the next message's own recorded time will say anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import NEVER
from domain.records import Decoded, Int64s
from domain.settings import TimeRules

__all__ = ["FUTURE", "LATE", "ON_TIME", "PartitionClock", "Stamps"]

ON_TIME = 0
LATE = 1
FUTURE = 2

_NO_EVENTS = np.empty(0, np.int64)
_FAR = 2**62  # stands for "no limit" in comparisons that must not overflow


@dataclass(frozen=True, slots=True)
class Stamps:
    """Verdicts over the rows of one decoded batch."""

    flag: npt.NDArray[np.uint8]  # ON_TIME, LATE or FUTURE per row
    watermark: Int64s  # W before each message
    closed: Int64s  # ... down to the end of a pane: what was closed to this partition then
    recorded: Int64s  # recorded time per message, never falling; where unknown, the event time so far
    late: int
    future: int


class PartitionClock:
    """Keeps one partition's time; `stamp` must see its messages in offset order, in batches of any size."""

    def __init__(self, rules: TimeRules, state: tuple[int, int, int] | None = None) -> None:
        self._rules = rules
        self._state = np.array(state or (NEVER, NEVER, NEVER), np.int64)

    @property
    def watermark(self) -> int:
        """Event time before which panes are closed to this partition (NEVER before the first message)."""
        return int(self._state[2])

    @property
    def largest(self) -> int:
        """The largest accepted event time."""
        return int(self._state[0])

    def stamp(self, rows: Decoded, recorded: Int64s) -> Stamps:
        """Judge a batch's rows; `recorded` is per message, 0 where nobody recorded it."""
        rules = self._rules
        flag = np.empty(len(rows), np.uint8)
        watermark = np.empty(len(recorded), np.int64)
        closed = np.empty(len(recorded), np.int64)
        clock = np.empty(len(recorded), np.int64)
        events = _NO_EVENTS
        if rows.video or rows.actions or rows.reports:
            events = np.full(len(recorded), NEVER, np.int64)
            seen = ((message, event.ts) for message, event in rows.video)
            done = ((message, action.ts) for message, action in rows.actions)
            told = ((message, report.ts) for message, report in rows.reports)
            for message, ts in (*seen, *done, *told):
                events[message] = max(events[message], ts)
        late, future = _stamp(
            rows.ts,
            rows.message,
            events,
            recorded,
            self._state,
            rules.lateness,
            -1 if rules.idle is None else rules.idle,
            rules.max_ahead,
            rules.pane,
            flag,
            watermark,
            closed,
            clock,
        )
        return Stamps(flag, watermark, closed, clock, late, future)

    def tick(self, recorded: int) -> None:
        """A caught-up live partition will record nothing before `recorded` any more."""
        if self._rules.idle is not None:
            self._state[2] = max(self._state[2], recorded - self._rules.idle)

    def snapshot(self) -> tuple[int, int, int]:
        """State to go on from."""
        largest, recorded, watermark = self._state.tolist()
        return largest, recorded, watermark


@njit(nogil=True, cache=True)
def _stamp(
    ts: Int64s,
    message: npt.NDArray[np.int32],
    events: Int64s,
    recorded: Int64s,
    state: Int64s,
    lateness: int,
    idle: int,
    max_ahead: int,
    pane: int,
    flag: npt.NDArray[np.uint8],
    watermark: Int64s,
    closed: Int64s,
    clock: Int64s,
) -> tuple[int, int]:
    largest, now, mark = state[0], state[1], state[2]
    shut = mark - mark % pane if mark > NEVER + pane else NEVER  # panes that end at or before this are closed
    row, rows = 0, len(ts)
    n_late = n_future = 0
    for m in range(len(recorded)):
        known = recorded[m] != 0
        limit = _FAR
        if known:
            now = max(now, recorded[m])
            limit = now + max_ahead
            if idle >= 0 and now - idle > mark:
                mark = now - idle
        if mark >= shut + pane:
            shut = mark - mark % pane
        newest = largest
        while row < rows and message[row] == m:
            t = ts[row]
            if t > limit:
                flag[row] = FUTURE
                n_future += 1
            else:
                if t < shut:
                    flag[row] = LATE
                    n_late += 1
                else:
                    flag[row] = ON_TIME
                newest = max(newest, t)
            row += 1
        if len(events) and events[m] <= limit:
            newest = max(newest, events[m])
        watermark[m] = mark
        closed[m] = shut
        if newest > largest:
            largest = newest
            mark = max(mark, largest - lateness)
        if not known:
            now = max(now, largest)
        clock[m] = now
    state[0], state[1], state[2] = largest, now, mark
    return n_late, n_future
