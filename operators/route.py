"""Split a stamped batch of one partition into one frame a shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import iso
from domain.findings import VideoEvent
from domain.records import DeadLetter, Decoded, Frame, Int32s, Int64s, LateRows, RawBatch
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
    """The accepted rows of a batch, late ones marked, as frames in the order of shards; shards without any are left out.

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
    bound, position = _scatter(rows.sensor, stamps.flag, layout.shard_of, layout.shards)
    sensor, ts, value = rows.sensor[position], rows.ts[position], rows.value[position]
    known = late = None
    if stamps.late:
        late = stamps.flag[position] == LATE
        message = rows.message[position]
        known = np.where(late, stamps.watermark[message], ts)
    video = _video_by_shard(layout, rows.video, stamps)
    recorded = int(stamps.recorded[-1]) if len(stamps.recorded) else 0
    for shard in range(layout.shards):
        a, b = int(bound[shard]), int(bound[shard + 1])
        events = video.get(shard, ())
        if a == b and not events:
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
            shard, index, watermark, recorded, sensor[a:b], ts[a:b], value[a:b], shard_known, tuple(events), late_rows
        )


def future_letters(
    rows: Decoded, stamps: Stamps, batch_offset: Int64s, partition: str, names: Sequence[str], raw: RawBatch | None, keep: int
) -> list[DeadLetter]:
    """Dead letters for the rows that claim to be from the future."""
    letters = []
    first = np.searchsorted(rows.message, np.arange(len(batch_offset)))
    for i in np.flatnonzero(stamps.flag == FUTURE):
        m = int(rows.message[i])
        ahead = (int(rows.ts[i]) - int(stamps.recorded[m])) / 1e9
        detail = (
            f"{names[rows.sensor[i]]} at {iso(int(rows.ts[i]))} is {ahead:.3f} s ahead of the recorded time "
            f"{iso(int(stamps.recorded[m]))}: check the clock of its gateway"
        )
        payload = raw.payload(m)[:keep] if raw is not None else repr(float(rows.value[i])).encode()
        letters.append(
            DeadLetter(
                partition,
                int(batch_offset[m]),
                int(i - first[m]),
                int(stamps.recorded[m]),
                "from-the-future",
                detail,
                payload,
            )
        )
    return letters


def _video_by_shard(
    layout: Layout, video: Sequence[tuple[int, VideoEvent]], stamps: Stamps
) -> dict[int, list[VideoEvent]]:
    by_shard: dict[int, list[VideoEvent]] = {}
    for message, event in video:
        known = max(event.ts, int(stamps.watermark[message]))
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

