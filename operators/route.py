"""Split a stamped batch of one partition into one frame a shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import iso
from domain.findings import VideoEvent
from domain.records import Columns, DeadLetter, Decoded, Frame, Int32s, Int64s, LateRows, RawBatch
from operators.layout import Layout
from operators.stamp import FUTURE, LATE, Stamps

__all__ = ["future_letters", "route"]


def route(
    layout: Layout,
    partition: tuple[int, str],
    rows: Decoded,
    stamps: Stamps,
    offset: Int64s,
    watermark: int,
) -> Iterator[Frame]:
    """The accepted rows of a batch, late ones marked, as frames in the order of shards; none for a shard without any.

    Parameters
    ----------
    partition
        Index and name of the partition that the batch came from.
    offset
        Of each message.
    watermark
        Of the partition after the batch, ns.
    """
    index, name = partition
    sensor, ts, value, message, flag = rows.sensor, rows.ts, rows.value, rows.message, stamps.flag
    bound = np.array([0, len(rows)])
    if layout.shards > 1 or stamps.future:  # otherwise the rows stand as they should
        bound, position = _scatter(sensor, flag, layout.shard_of, layout.shards)
        sensor, ts, value, flag = sensor[position], ts[position], value[position], flag[position]
        message = message[position] if stamps.late else message
    known = late = None
    if stamps.late:
        late = flag == LATE
        known = np.where(late, stamps.closed[message], ts)
    video = _video_by_shard(layout, rows.video, stamps)
    # What people do and report concerns the whole city: any one shard may bring it to the desk.
    done = [replace(action, known=max(action.ts, int(stamps.closed[m]))) for m, action in rows.actions]
    told = [replace(report, known=max(report.ts, int(stamps.closed[m]))) for m, report in rows.reports]
    recorded = int(stamps.recorded[-1]) if len(stamps.recorded) else 0
    for shard in range(layout.shards):
        a, b = int(bound[shard]), int(bound[shard + 1])
        events = video.get(shard, ())
        actions, reports = ((), ()) if shard else (tuple(done), tuple(told))
        if a == b and not (events or actions or reports):
            continue
        late_rows, shard_known = None, None
        if late is not None and known is not None and late[a:b].any():
            shard_known = known[a:b]
            which = a + np.flatnonzero(late[a:b])
            at = message[which]
            late_rows = LateRows(
                name, sensor[which], ts[which], value[which], offset[at], stamps.recorded[at], stamps.watermark[at]
            )
        yield Frame(
            shard,
            index,
            watermark,
            recorded,
            sensor[a:b],
            ts[a:b],
            value[a:b],
            shard_known,
            tuple(events),
            late_rows,
            actions=actions,
            reports=reports,
        )


def future_letters(
    rows: Decoded, stamps: Stamps, batch: RawBatch | Columns, max_ahead: int, names: Sequence[str], keep: int
) -> tuple[Decoded, list[DeadLetter]]:
    """Dead letters for what claims to be from the future, and the batch without those events, actions, reports.

    Parameters
    ----------
    max_ahead
        How far ahead of its recorded time an event may be, ns.
    names
        Id of each sensor.
    keep
        Bytes of a message that are kept.
    """

    def letter(message: int, row: int, ts: int, who: str, payload: bytes) -> DeadLetter:
        recorded = int(stamps.recorded[message])
        detail = (
            f"{who} at {iso(ts)} is {(ts - recorded) / 1e9:.3f} s ahead of the recorded time {iso(recorded)}: "
            "check the clock of its gateway"
        )
        return DeadLetter(
            batch.partition, int(batch.offset[message]), row, recorded, "from-the-future", detail, payload[:keep]
        )

    def bytes_of(message: int, value: float) -> bytes:
        return batch.payload(message) if isinstance(batch, RawBatch) else repr(value).encode()

    letters = []
    if stamps.future:
        first = np.searchsorted(rows.message, np.arange(len(batch)))
        for i in np.flatnonzero(stamps.flag == FUTURE):
            m = int(rows.message[i])
            payload = bytes_of(m, float(rows.value[i]))
            letters.append(letter(m, int(i - first[m]), int(rows.ts[i]), names[rows.sensor[i]], payload))

    def ahead(message: int, ts: int) -> bool:
        return bool(batch.recorded[message]) and ts > int(stamps.recorded[message]) + max_ahead

    letters += [
        letter(m, -1, event.ts, event.camera, bytes_of(m, event.confidence))
        for m, event in rows.video
        if ahead(m, event.ts)
    ]
    letters += [
        letter(m, action.origin.row, action.ts, action.actor, action.to_json())
        for m, action in rows.actions
        if ahead(m, action.ts)
    ]
    letters += [
        letter(m, report.origin.row, report.ts, f"{report.channel}'s report", report.to_json())
        for m, report in rows.reports
        if ahead(m, report.ts)
    ]
    if len(letters) > stamps.future:
        video = tuple((m, event) for m, event in rows.video if not ahead(m, event.ts))
        actions = tuple((m, action) for m, action in rows.actions if not ahead(m, action.ts))
        reports = tuple((m, report) for m, report in rows.reports if not ahead(m, report.ts))
        rows = replace(rows, video=video, actions=actions, reports=reports)
    return rows, letters


def _video_by_shard(
    layout: Layout, video: Sequence[tuple[int, VideoEvent]], stamps: Stamps
) -> dict[int, list[VideoEvent]]:
    by_shard: dict[int, list[VideoEvent]] = {}
    for message, event in video:
        known = max(event.ts, int(stamps.closed[message]))
        by_shard.setdefault(layout.camera_shard(event.camera), []).append(replace(event, known=known))
    return by_shard


@njit(nogil=True, cache=True)
def _scatter(
    sensor: Int32s, flag: npt.NDArray[np.uint8], shard_of: Int32s, shards: int
) -> tuple[Int64s, npt.NDArray[np.int64]]:
    """Stable counting sort of the accepted rows by shard: bounds per shard, and the rows in that order."""
    bound = np.zeros(shards + 1, np.int64)
    for i in range(len(sensor)):
        if flag[i] != FUTURE:
            bound[shard_of[sensor[i]] + 1] += 1
    for s in range(shards):
        bound[s + 1] += bound[s]
    position = np.empty(bound[shards], np.int64)
    free = bound[:shards].copy()
    for i in range(len(sensor)):
        if flag[i] != FUTURE:
            s = shard_of[sensor[i]]
            position[free[s]] = i
            free[s] += 1
    return bound, position
