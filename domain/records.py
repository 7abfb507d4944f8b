"""What travels between operators: columns of readings, never a single reading.

Times are int64 nanoseconds UTC, sensors are dense indexes into the city's registry (`City.sensors`), values are
float64. A record that is rare (a finding, a video event, an alert) is a plain object; one that is frequent is a set
of columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from domain.actions import Action
from domain.commands import Gauge
from domain.findings import Finding, VideoEvent
from domain.reports import Report

__all__ = [
    "Aggregates",
    "Bools",
    "Columns",
    "DeadLetter",
    "Decoded",
    "Floats",
    "Frame",
    "Int32s",
    "Int64s",
    "LateRows",
    "Panes",
    "RawBatch",
    "Verdicts",
]

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Messages of one partition as the broker or the recorder kept them, in the order of their offsets.

    The bytes of all messages lie in one buffer: message i is `data[start[i]:end[i]]`.
    """

    partition: str
    data: bytes | bytearray | memoryview
    start: Int64s
    end: Int64s
    offset: Int64s
    recorded: Int64s  # ns, when the broker or the recorder appended the message

    @classmethod
    def of(
        cls, partition: str, payloads: Sequence[bytes], offset: Sequence[int] | Int64s, recorded: Sequence[int] | Int64s
    ) -> RawBatch:
        """Join single payloads into a batch.

        >>> batch = RawBatch.of("p0", [b"ab", b"", b"c"], [7, 8, 9], [0, 0, 0])
        >>> [batch.payload(i) for i in range(len(batch))]
        [b'ab', b'', b'c']
        """
        length = np.fromiter(map(len, payloads), np.int64, len(payloads))
        end = np.cumsum(length)
        return cls(
            partition,
            b"".join(payloads),
            end - length,
            end,
            np.asarray(offset, np.int64),
            np.asarray(recorded, np.int64),
        )

    def __len__(self) -> int:
        return len(self.start)

    def payload(self, i: int) -> bytes:
        """The bytes of message `i`."""
        return bytes(self.data[self.start[i] : self.end[i]])


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings of one partition that a file holds as columns already; row i is of sensor `names[code[i]]`.

    Rows that share a `message` were recorded together (one line of a wide CSV, say); `offset` and `recorded` are a
    message's.
    """

    partition: str
    names: tuple[str, ...]
    code: Int32s
    ts: Int64s
    value: Floats
    message: Int32s  # never falling, from 0
    offset: Int64s
    recorded: Int64s

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record, or one row of it, that could not be used, with the reason and its bytes."""

    partition: str
    offset: int
    row: int  # row inside the message; -1 when the whole message is meant
    recorded: int
    reason: str  # a short code of a fixed set: counted in metrics
    detail: str  # what was wrong, where, what was expected
    payload: bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """A raw batch as columns: the rows of message i lie together, in the message's own order."""

    sensor: Int32s
    ts: Int64s
    value: Floats
    message: Int32s  # index of the row's message in the raw batch, never falling
    video: tuple[tuple[int, VideoEvent], ...] = ()  # (message, event)
    dead: tuple[DeadLetter, ...] = ()
    actions: tuple[tuple[int, Action], ...] = ()  # (message, action)
    reports: tuple[tuple[int, Report], ...] = ()  # (message, report)

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True)
class LateRows:
    """Rows that arrived after their partition's watermark had passed their pane."""

    partition: str
    sensor: Int32s
    ts: Int64s
    value: Floats
    offset: Int64s
    recorded: Int64s
    watermark: Int64s  # the partition's watermark when the row arrived

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True)
class Frame:
    """What one batch of one partition holds for one shard.

    `sensor`, `ts` and `value` are the accepted rows in partition order. `known` is set only where rows are late: the
    event time at which each row became known (its own, or for a late row the end of the last pane that was closed
    when it arrived: so it never falls from one row of a sensor to the next).
    """

    shard: int
    partition: int  # index among the source's partitions
    watermark: int  # of the partition, after this batch: its later rows that end before are late
    recorded: int  # recorded time of the batch's last message
    sensor: Int32s
    ts: Int64s
    value: Floats
    known: Int64s | None = None
    video: tuple[VideoEvent, ...] = ()
    late: LateRows | None = None
    ended: bool = False  # the partition's stream is over: it holds no pane open any more
    findings: tuple[Finding, ...] = ()  # about the partition itself (`domain.operations`)
    spoken: int = 0  # recorded time of the partition's first message, in the frame that comes with it
    actions: tuple[Action, ...] = ()
    reports: tuple[Report, ...] = ()

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True)
class Panes:
    """Closed panes of one shard: every accepted row of one or more event-time intervals that follow one another.

    Rows are sorted by pane, sensor and time; no (sensor, time) stands twice. A segment is what one sensor holds in
    one pane: rows `bound[k]:bound[k + 1]` belong to `segment_sensor[k]` in the pane that starts at `segment_pane[k]`.
    Nothing in a result may depend on how many panes travel together.
    """

    shard: int
    interval: int  # length of a pane, ns
    upto: int  # every pane that ends at or before this time is closed
    recorded: int  # the newest recorded time that this shard had heard of
    sensor: Int32s
    ts: Int64s
    value: Floats
    bound: Int64s
    segment_sensor: Int32s
    segment_pane: Int64s
    duplicates: int = 0
    video: tuple[VideoEvent, ...] = ()  # by (ts, id)
    late: tuple[LateRows, ...] = ()  # whose own panes have closed by now
    ended: bool = False  # the whole stream is over: nothing follows
    early: tuple[Finding, ...] = ()  # of the fast lane, since the last closing: told already, here in order
    actions: tuple[Action, ...] = ()  # in their order
    reports: tuple[Report, ...] = ()  # in their order

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Statistics per sensor and period; one row a sensor and period that holds at least one reading."""

    shard: int
    period: int  # ns: 1 s, 1 min or 1 h
    upto: int  # every period that ends at or before this time is complete
    sensor: Int32s
    start: Int64s
    count: Int64s
    min: Floats
    max: Floats
    mean: Floats
    last: Floats
    std: Floats  # population standard deviation

    def __len__(self) -> int:
        return len(self.sensor)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a shard's detectors found, and how far in event time the shard has come.

    `upto` is None for findings of the fast lane: they come before their pane closes.
    """

    shard: int
    upto: int | None
    findings: tuple[Finding, ...] = ()
    video: tuple[VideoEvent, ...] = ()
    recorded: int = field(default=0, compare=False)
    ended: bool = False  # nothing follows from this shard
    early: tuple[Finding, ...] = ()  # of the fast lane, told before: here for those who need all findings in order
    settled: bool = False  # of the second look: what should have been found
    late: tuple[LateRows, ...] = ()  # that the second look has put in their places
    actions: tuple[Action, ...] = ()
    reports: tuple[Report, ...] = ()
    gauges: tuple[Gauge, ...] = ()  # readings that commands depend on
