"""Order: from frames in order of arrival to panes in order of event time.

A pane closes when the watermarks of all partitions have passed its end. Its rows are then sorted by sensor and time and
freed of repeats (the one that stands first in its partition stays), so that whatever reads panes cannot tell how the
rows travelled.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numba import njit

from domain.actions import Action
from domain.clock import END, NEVER, floor_to
from domain.findings import VideoEvent
from domain.records import Floats, Frame, Int32s, Int64s, LateRows, Panes
from domain.renumbering import Renumbering
from domain.reports import Report

__all__ = ["PaneStore"]

log = logging.getLogger(__name__)

#: Segments longer than this are sorted by numpy's merge sort where they are out of order, shorter ones by insertion.
LONG_SEGMENT: Final = 64

#: What comes beside readings.
Known = TypeVar("Known", VideoEvent, Action, Report)

Rows = tuple[Int32s, Int64s, Floats]
Grouped = tuple[Int64s, Floats, Int64s, Int32s, Int64s]
Ordered = tuple[Int32s, Int64s, Floats, Int64s, Int32s, Int64s, int]


class _Piece(NamedTuple):
    """Rows that arrived together, and when the first and the last of them were."""

    rows: Rows
    first: int
    last: int

    @classmethod
    def of(cls, rows: Rows) -> _Piece:
        return cls(rows, int(rows[1].min()), int(rows[1].max()))

    def after(self, upto: int) -> _Piece:
        """What stays when all before `upto` is gone: the same, until no more than half of it does."""
        if self.first >= upto or 2 * _count(self.rows[1], upto, END) > len(self.rows[1]):
            return self
        return _Piece.of(_between([self], upto, END))


class PaneStore:
    """Open panes of one shard.

    Parameters
    ----------
    shard
        Index of the shard.
    partitions
        How many partitions feed it.
    interval
        Length of a pane, ns.
    local_of, members
        Index of each sensor among the shard's own, and the shard's own.
    """

    def __init__(
        self,
        shard: int,
        partitions: int,
        interval: int,
        local_of: Int32s,
        members: Int32s,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._shard, self._interval = shard, interval
        self._local_of, self._members = local_of, members
        self._closed = NEVER
        self._recorded = 0
        self._over = False  # the stream has ended, and those downstream were told
        self._watermark = np.full(partitions, NEVER, np.int64)
        self._ended = np.zeros(partitions, np.bool_)
        # Per partition, so that the order between partitions, which chance decides, is not the order in a pane.
        self._open: list[list[_Piece]] = [[] for _ in range(partitions)]
        self._video: list[VideoEvent] = []
        self._actions: list[Action] = []
        self._reports: list[Report] = []
        self._late: list[LateRows] = []
        if state:
            self._restore(state)

    def take(self, frames: Sequence[Frame]) -> Panes | None:
        """Add frames; return the panes that they close, if any."""
        for frame in frames:
            self._add(frame)
        upto = self._frontier()
        over = bool(self._ended.all()) and not self._over
        if upto <= self._closed and not over:
            return None
        self._over = over
        return self._close(max(upto, self._closed))

    def _add(self, frame: Frame) -> None:
        p = frame.partition
        self._watermark[p] = max(self._watermark[p], frame.watermark)
        self._ended[p] |= frame.ended
        self._recorded = max(self._recorded, frame.recorded)
        if len(frame):
            rows = (frame.sensor, frame.ts, frame.value)
            if frame.known is not None:  # late rows belong to the fast lane and the late table alone
                on_time = frame.known == frame.ts
                rows = (frame.sensor[on_time], frame.ts[on_time], frame.value[on_time])
            if len(rows[1]):
                self._open[p].append(_Piece.of(rows))
        self._video += frame.video
        self._actions += frame.actions
        self._reports += frame.reports
        if frame.late is not None:
            self._late.append(frame.late)

    def _frontier(self) -> int:
        """The end of the last pane that every partition has passed."""
        running = self._watermark[~self._ended]
        mark = int(running.min()) if len(running) else int(self._watermark.max(initial=NEVER))
        return floor_to(mark, self._interval) if mark != NEVER else NEVER

    def _close(self, upto: int) -> Panes:
        sensor, ts, value = self._take_rows(upto)
        rows = _order(sensor, ts, value, self._interval, self._local_of, self._members)
        known = None if self._over else upto
        video, self._video = _known(self._video, known)
        actions, self._actions = _known(self._actions, known)
        reports, self._reports = _known(self._reports, known)
        late = tuple(self._late)
        # A late row is held until its own pane has closed, which other partitions may still keep open.
        ready = [bool((rows.ts < upto).all()) for rows in late]
        self._late = [rows for rows, done in zip(late, ready, strict=True) if not done]
        self._closed = upto
        return Panes(
            self._shard,
            self._interval,
            upto,
            self._recorded,
            *rows,
            video,
            tuple(rows for rows, done in zip(late, ready, strict=True) if done),
            self._over,
            actions=actions,
            reports=reports,
        )

    def _take_rows(self, upto: int) -> Rows:
        """Rows of the closing panes; what belongs to later ones stays."""
        closing = [piece for pieces in self._open for piece in pieces if piece.first < upto]
        self._open = [[piece.after(upto) for piece in pieces if piece.last >= upto] for pieces in self._open]
        return _between(closing, self._closed, upto)

    def snapshot(self) -> dict[str, Any]:
        """State to go on from; arrays are never changed in place once they are here, so they need no copy."""
        return {
            "closed": self._closed,
            "over": self._over,
            "recorded": self._recorded,
            "watermark": self._watermark.copy(),
            "ended": self._ended.copy(),
            "open": [_between(pieces, self._closed, END) for pieces in self._open],
            "video": list(self._video),
            "actions": list(self._actions),
            "reports": list(self._reports),
            "late": list(self._late),
        }

    @staticmethod
    def renumbered(state: dict[str, Any], moved: Renumbering) -> dict[str, Any]:
        """The state of a shard that has other sensors now; what is open of those that are gone is dropped."""

        def rows(held: Rows) -> Rows:
            stays, sensor = moved.rows(held[0])
            return sensor, held[1][stays], held[2][stays]

        kept = [rows(held) for held in state["open"]]
        dropped = sum(len(held[0]) for held in state["open"]) - sum(len(held[0]) for held in kept)
        if moved.gone:
            names = ", ".join(moved.gone[:5]) + (", ..." if len(moved.gone) > 5 else "")
            log.warning("no longer there: %s (%d sensors); %d open readings dropped", names, len(moved.gone), dropped)
        return state | {"open": kept, "late": [moved.late(rows) for rows in state["late"]]}

    def _restore(self, state: dict[str, Any]) -> None:
        self._closed, self._recorded, self._over = state["closed"], state["recorded"], state["over"]
        known = len(state["watermark"])  # partitions that have joined since come behind
        self._watermark[:known], self._ended[:known] = state["watermark"], state["ended"]
        self._open[:known] = [[_Piece.of(rows)] if len(rows[1]) else [] for rows in state["open"]]
        self._video, self._late = list(state["video"]), list(state["late"])
        self._actions = list(state.get("actions", ()))  # earlier versions knew of none
        self._reports = list(state.get("reports", ()))


def _known(records: list[Known], upto: int | None) -> tuple[tuple[Known, ...], list[Known]]:
    """Records that were known before a time (None: all of them), in their order, and the rest."""
    early = [record for record in records if upto is None or record.known < upto]
    rest = [record for record in records if upto is not None and record.known >= upto]
    return tuple(sorted(early, key=lambda record: record.order)), rest


def _between(pieces: Sequence[_Piece], since: int, upto: int) -> Rows:
    """All rows from `since` to before `upto`, in order."""
    if all(since <= piece.first and piece.last < upto for piece in pieces):
        return _concatenate([piece.rows for piece in pieces])
    n, at = sum(_count(piece.rows[1], since, upto) for piece in pieces), 0
    sensor, ts, value = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.float64)
    for piece in pieces:
        at = _append(*piece.rows, since, upto, at, sensor, ts, value)
    return sensor, ts, value


@njit(nogil=True, cache=True)
def _count(ts: Int64s, since: int, upto: int) -> int:
    n = 0
    for i in range(len(ts)):
        n += (ts[i] >= since) & (ts[i] < upto)
    return n


@njit(nogil=True, cache=True)
def _append(
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    since: int,
    upto: int,
    at: int,
    to_sensor: Int32s,
    to_ts: Int64s,
    to_value: Floats,
) -> int:
    """Write rows from `since` to before `upto` to other columns, from row `at` on; return where they end."""
    for i in range(len(ts)):
        if since <= ts[i] < upto:
            to_sensor[at], to_ts[at], to_value[at] = sensor[i], ts[i], value[i]
            at += 1
    return at


def _concatenate(pieces: list[Rows]) -> Rows:
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64)
    sensor, ts, value = zip(*pieces, strict=True)
    return np.concatenate(sensor), np.concatenate(ts), np.concatenate(value)


def _order(sensor: Int32s, ts: Int64s, value: Floats, interval: int, local_of: Int32s, members: Int32s) -> Ordered:
    """Sort rows by (pane, sensor, time), dropping repeats; the order of arrival decides which of two repeats is first.

    Returns the columns; bounds, sensor and pane of the segments; and how many repeats were dropped.
    """
    n = len(ts)
    if n == 0:
        return sensor, ts, value, np.zeros(1, np.int64), sensor, ts, 0
    base = int(ts.min())
    base -= base % interval
    panes = (int(ts.max()) - base) // interval + 1
    if panes * len(members) <= 4 * n + 65_536:
        grouped = _bucket(sensor, ts, value, base, interval, panes, local_of, members)
    else:
        grouped = _group(sensor, ts, value, interval)
    return _segments(*grouped, n)


@njit(nogil=True, cache=True)
def _bucket(
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    base: int,
    interval: int,
    panes: int,
    local_of: Int32s,
    members: Int32s,
) -> Grouped:
    """Stable counting sort by (pane, sensor): columns, and bounds, sensor and pane of the segments."""
    n = len(ts)
    locals = len(members)
    key = np.empty(n, np.int32)
    count = np.zeros(panes * locals + 1, np.int32)
    start, before = base, np.int64(0)  # of the pane at hand: rows come more or less in order of time
    for i in range(n):
        since = ts[i] - start
        if since < 0 or since >= interval:
            pane = (ts[i] - base) // interval
            start, before = base + pane * interval, pane * locals
        k = before + local_of[sensor[i]]
        key[i] = k
        count[k + 1] += 1
    segments = 0
    for k in range(1, len(count)):
        segments += count[k] > 0
        count[k] += count[k - 1]
    bound, of_sensor, of_pane = (
        np.empty(segments + 1, np.int64),
        np.empty(segments, np.int32),
        np.empty(segments, np.int64),
    )
    bound[0] = 0
    at = 0
    for k in range(panes * locals):
        if count[k + 1] > count[k]:
            of_sensor[at], of_pane[at] = members[k % locals], base + k // locals * interval
            at += 1
            bound[at] = count[k + 1]
    out_ts, out_value = np.empty(n, np.int64), np.empty(n, np.float64)
    for i in range(n):
        to = count[key[i]]
        count[key[i]] = to + 1
        out_ts[to], out_value[to] = ts[i], value[i]
    return out_ts, out_value, bound, of_sensor, of_pane


def _group(sensor: Int32s, ts: Int64s, value: Floats, interval: int) -> Grouped:
    """The same for few rows in many panes, which a counting sort would have to count one by one."""
    pane = ts - ts % interval
    order = np.lexsort((sensor, pane))
    sensor, ts, value, pane = sensor[order], ts[order], value[order], pane[order]
    first = np.flatnonzero(np.concatenate(([True], (np.diff(sensor) != 0) | (np.diff(pane) != 0))))
    return ts, value, np.append(first, len(ts)), sensor[first], pane[first]


@njit(nogil=True, cache=True)
def _segments(ts: Int64s, value: Floats, bound: Int64s, of_sensor: Int32s, of_pane: Int64s, n: int) -> Ordered:
    """Put each group in order of time and drop repeats, in place."""
    sensor = np.empty(n, np.int32)
    out = 0
    for segment in range(len(of_sensor)):
        i, j = bound[segment], bound[segment + 1]
        rising = True
        for k in range(i + 1, j):
            rising &= ts[k] > ts[k - 1]
        if not rising:
            _sort_by_time(ts, value, i, j)
            j = _drop_repeats(ts, value, i, j)
        if out < i:
            for k in range(j - i):
                ts[out + k], value[out + k] = ts[i + k], value[i + k]
        sensor[out : out + j - i] = of_sensor[segment]
        bound[segment] = out
        out += j - i
    bound[-1] = out
    return sensor[:out], ts[:out], value[:out], bound, of_sensor, of_pane, n - out


@njit(nogil=True, cache=True)
def _sort_by_time(ts: Int64s, value: Floats, i: int, j: int) -> None:
    """Stable sort of rows `i` to `j` by time, in place."""
    if j - i > LONG_SEGMENT:
        order = np.argsort(ts[i:j], kind="mergesort")
        ts[i:j], value[i:j] = ts[i:j][order], value[i:j][order]
        return
    for k in range(i + 1, j):
        t, v = ts[k], value[k]
        m = k - 1
        while m >= i and ts[m] > t:
            ts[m + 1], value[m + 1] = ts[m], value[m]
            m -= 1
        ts[m + 1], value[m + 1] = t, v


@njit(nogil=True, cache=True)
def _drop_repeats(ts: Int64s, value: Floats, i: int, j: int) -> int:
    """Keep the first of rows with the same time, moved together; return the new end."""
    out = i + 1
    for k in range(i + 1, j):
        if ts[k] != ts[k - 1]:
            ts[out], value[out] = ts[k], value[k]
            out += 1
    return out
