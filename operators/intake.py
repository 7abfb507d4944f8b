"""Where records enter: a source's partition is read, decoded, stamped with its clock, and split into frames.

All of it happens on the worker that reads the partition, because a partition's clock needs all of its messages in order
and nobody else's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from domain import metrics
from domain.clock import MILLISECOND, NEVER, floor_to
from domain.findings import Finding
from domain.operations import level as operations_level
from domain.records import Columns, DeadLetter, Decoded, Frame, RawBatch
from domain.settings import EngineSettings
from domain.streams import Partition
from operators.decode import Decoder
from operators.gaps import GapWatch
from operators.high_water import HighWater
from operators.layout import Layout
from operators.route import future_letters, route
from operators.silence import SilenceWatch
from operators.stamp import PartitionClock, Stamps

__all__ = ["AT_ONCE", "PartitionIntake"]

#: An engine's clock may lag the broker's by this much before a tick could close a pane too early.
TICK_MARGIN: Final = 2000 * MILLISECOND

#: ... or, where it is this machine's clock that tells both, only so long as it takes to write a line.
PROMPT_MARGIN: Final = 200 * MILLISECOND

#: Readings that are best worked on at once: fewer cost more each, and many more do not stay in a processor's caches.
AT_ONCE: Final = 131_072

_NO_INTS: Final = np.empty(0, np.int64)
_NO_SENSORS: Final = np.empty(0, np.int32)
_NO_VALUES: Final = np.empty(0, np.float64)


class PartitionIntake:
    """One partition: from what it polls to frames and dead letters. Plain, so that a test can drive it."""

    def __init__(
        self,
        index: int,
        name: str,
        partition: Partition,
        decoder: Decoder,
        layout: Layout,
        settings: EngineSettings,
        now: Callable[[], int] | None = None,
        resume: dict[str, Any] | None = None,
        *,
        gapless: bool = False,
        since: int = NEVER,
        high: HighWater | None = None,
    ) -> None:
        self.index, self.name = index, name
        self._high = high or HighWater()
        self.recorded = 0  #: recorded time of the last message, ns
        self._partition = partition
        self._decoder = decoder
        self._layout = layout
        # What is told as it happens waits for nobody, and holds nobody up.
        prompt = {"lateness": 0, "idle": 0} if partition.prompt else {}
        self._rules = settings.time.model_copy(update=prompt)
        self._keep = settings.keep_dead
        self._names = [sensor.id for sensor in layout.city.sensors]
        self._now = partition.clock or now
        self._margin = PROMPT_MARGIN if partition.prompt else TICK_MARGIN
        self._clock = PartitionClock(self._rules, resume["clock"] if resume else (NEVER, NEVER, since))
        level = operations_level(layout.city.levels)
        self._gaps = GapWatch(name, level, resume.get("gaps") if resume else None) if gapless else None
        self._silence: SilenceWatch | None = None
        if settings.silence is not None and not partition.prompt:
            # Nothing recorded may be further ahead in event time than this: a silence is then found in time.
            silence = max(settings.silence, settings.time.max_ahead)
            rate = np.array([sensor.rate for sensor in layout.city.sensors], np.float64)
            silent = resume.get("silence") if resume else None
            self._silence = SilenceWatch(name, level, silence, rate, since, silent)
        self.ended = bool(resume and resume["ended"])
        self._told = resume["told"] if resume else NEVER  # the pane-aligned watermark that all shards know of
        self._messages = metrics.MESSAGES.labels(name)
        self._readings = metrics.READINGS.labels(name)
        self._late = metrics.LATE_ROWS.labels(name)
        self._watermark = metrics.WATERMARK.labels(name)
        self._lag = metrics.WATERMARK_LAG.labels(name)

    @property
    def heard(self) -> int:
        """Up to when all that was recorded has been read, by this machine's clock, ns; 0: nothing has."""
        return time.time_ns() - self._partition.unheard if self._partition.caught_up else self.recorded

    @property
    def backlog(self) -> int | None:
        """Messages that wait to be read, where that is known."""
        return self._partition.backlog

    @property
    def reached(self) -> int:
        """The largest event time that was accepted (NEVER before the first)."""
        return self._clock.largest

    @property
    def watermark(self) -> int:
        """Event time before which panes are closed to the partition."""
        return self._clock.watermark

    def next(self) -> list[Frame | DeadLetter] | None:
        """What the next poll brings; None when it brings nothing. At the end of the stream it closes the last pane."""
        try:
            batch = self._partition.poll()
        except StopIteration:
            self.ended = True
            return list(self._close())
        if batch is None or not len(batch):
            return self._tick()
        return self._take(batch)

    def _take(self, batch: RawBatch | Columns) -> list[Frame | DeadLetter]:
        rows = self._decoder.decode(batch)
        self._partition.most = max(1, AT_ONCE * len(batch) // max(1, len(rows)))
        stamps = self._clock.stamp(rows, batch.recorded)
        self.recorded = int(stamps.recorded[-1])
        out: list[Frame | DeadLetter] = list(rows.dead)
        rows, ahead = future_letters(rows, stamps, batch, self._rules.max_ahead, self._names, self._keep)
        out += ahead
        where = (self.index, self.name)
        frames = list(route(self._layout, where, rows, stamps, batch.offset, self._clock.watermark))
        self._count(batch, rows, stamps.late, out)
        told = list(self._tell(frames, int(stamps.recorded[-1])))
        # Findings come before the frames, as one of these may close the pane that a finding belongs to.
        return [*out, *self._watched(batch, rows, stamps), *told]

    def _watched(self, batch: RawBatch | Columns, rows: Decoded, stamps: Stamps) -> Iterable[Frame]:
        """What a batch shows about the partition itself."""
        found: list[Finding] = []
        spoken = 0
        if self._gaps is not None:
            found += self._gaps.take(batch.offset, stamps)
        if self._silence is not None:
            found += self._silence.take(rows, batch.recorded, stamps)
            spoken = self._silence.spoken
        return self._about(found, self.recorded, spoken)

    def _about(self, found: Sequence[Finding], recorded: int, spoken: int = 0) -> Iterable[Frame]:
        if found or spoken:
            yield replace(self._mark(0, recorded, NEVER), findings=tuple(found), spoken=spoken)

    def _tell(self, frames: list[Frame], recorded: int) -> Iterable[Frame]:
        """Frames, and an empty one for every other shard when the watermark has passed the end of a pane."""
        mark = floor_to(self._clock.watermark, self._rules.pane) if self._clock.watermark != NEVER else NEVER
        if mark <= self._told:
            return frames
        self._told = mark
        self._high.reach(mark)
        self._watermark.set(self._clock.watermark / 1e9)
        self._lag.set((recorded - self._clock.watermark) / 1e9)
        told = {frame.shard for frame in frames}
        quiet = (self._mark(s, recorded) for s in range(self._layout.shards) if s not in told)
        return [*frames, *quiet]

    def _tick(self) -> list[Frame | DeadLetter] | None:
        if self._now is None or not self._partition.caught_up:
            return None
        recorded = self._now() - self._partition.unheard - self._margin
        silent = list(self._about(self._silence.tick(recorded), recorded)) if self._silence is not None else []
        self._clock.tick(recorded)
        return [*silent, *self._tell([], recorded)] or None

    def _close(self) -> Iterable[Frame]:
        """The stream has ended: its last pane closes, and it holds nobody back any more."""
        pane = self._rules.pane
        largest, end = self._clock.largest, self._clock.watermark
        if largest != NEVER:
            end = max(floor_to(largest, pane) + pane, end)
        self._high.reach(end)
        for shard in range(self._layout.shards):
            yield self._mark(shard, 0, end, ended=True)

    def _mark(self, shard: int, recorded: int, watermark: int | None = None, *, ended: bool = False) -> Frame:
        mark = self._clock.watermark if watermark is None else watermark
        return Frame(shard, self.index, mark, recorded, _NO_SENSORS, _NO_INTS, _NO_VALUES, ended=ended)

    def _count(self, batch: RawBatch | Columns, rows: Decoded, late: int, out: list[Frame | DeadLetter]) -> None:
        self._messages.inc(len(batch))
        self._readings.inc(len(rows))
        if late:
            self._late.inc(late)
        for letter in out:
            if isinstance(letter, DeadLetter):
                metrics.DEAD_LETTERS.labels(self.name, letter.reason).inc()

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        return {
            "source": self._partition.snapshot(),
            "clock": self._clock.snapshot(),
            "ended": self.ended,
            "told": self._told,
            "gaps": self._gaps.snapshot() if self._gaps else None,
            "silence": self._silence.snapshot() if self._silence else None,
        }

    def close(self) -> None:
        """Close the partition."""
        self._partition.close()
