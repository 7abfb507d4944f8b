"""Silence: a partition from which nothing comes any more, and a feed of which no partition speaks.

A partition is silent once nothing has been recorded for `silence`, or for ten expected readings of its fastest sensor
where that is longer. Its finding begins at that deadline (the onset is the last message) and ends with the next
message. The next message shows the silence, and a live partition's tick shows it as it comes: so the findings follow
from the recorded times alone, whether there were ticks or not.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from domain.clock import END, NEVER, SECOND, iso
from domain.findings import Finding, Phase
from domain.operations import FEED_SILENCE, SILENCE, operational
from domain.records import Decoded, Floats, Frame, Int64s
from operators.stamp import Stamps

__all__ = ["FeedWatch", "SilenceWatch", "SilentState"]

#: So many expected readings of the fastest sensor that a partition has brought must be missing.
INTERVALS: Final = 10.0

#: Recorded time of the last message (0: none yet), rate of the fastest sensor up to it, onset of the open finding (0:
#: none), and rate of the fastest sensor up to now.
SilentState = tuple[int, float, int] | tuple[int, float, int, float]


class SilenceWatch:
    """Watches one partition. What nobody recorded (recorded time 0) says nothing about silence.

    Parameters
    ----------
    partition
        Its name.
    level
        City level that its findings ask for.
    silence
        The least silence that counts, ns.
    rate
        Expected readings per second of each sensor, by dense index.
    since
        What was closed to the partition when it was opened first, ns: no record may be older.
    """

    def __init__(
        self,
        partition: str,
        level: int,
        silence: int,
        rate: Floats,
        since: int = NEVER,
        state: SilentState | None = None,
    ) -> None:
        self._partition, self._level, self._silence, self._rate, self._since = partition, level, silence, rate, since
        self._highest = float(rate.max(initial=0.0))
        self._last, self._fastest, self._onset, *seen = state or (0, 0.0, 0)
        # What nobody recorded counts from the next message on: else a tick before it would tell another deadline.
        self._seen = seen[0] if seen else self._fastest
        self.spoken = 0  #: recorded time of the first message, in the call of `take` that brings it; else 0

    def take(self, rows: Decoded, recorded: Int64s, stamps: Stamps) -> list[Finding]:
        """What a batch shows: silences that its messages end.

        Parameters
        ----------
        rows, stamps
            The batch's rows as decoded, and its clock.
        recorded
            As the source gave it, per message.
        """
        found: list[Finding] = []
        which = np.flatnonzero(recorded)
        self.spoken = 0
        if len(which):
            found = self._heard(rows, which, stamps.recorded[which])
        self._seen = self._rate_of(rows, len(rows))
        return found

    def _heard(self, rows: Decoded, which: Int64s, at: Int64s) -> list[Finding]:
        """What messages of a batch show that were recorded `at`."""
        found: list[Finding] = []
        self.spoken = 0 if self._last else max(int(at[0]), self._since)
        quiet = np.diff(at, prepend=self._last or at[0]) > self._silence
        quiet[0] |= self._onset > 0
        for k in np.flatnonzero(quiet).tolist():
            begin = int(at[k - 1]) if k else self._last
            fastest = self._rate_with(rows, int(which[k - 1])) if k else self._fastest
            found += self._broken(begin, int(at[k]), self._deadline(begin, fastest))
        self._last, self._fastest = int(at[-1]), self._rate_with(rows, int(which[-1]))
        return found

    def tick(self, recorded: int) -> list[Finding]:
        """What it shows that nothing will be recorded before `recorded` any more."""
        deadline = self._deadline(self._last, self._fastest)
        if self._onset or not self._last or recorded <= deadline:
            return []
        return [self._begin(self._last, deadline)]

    def _broken(self, last: int, now: int, deadline: int) -> list[Finding]:
        """Findings of a silence that a message ends."""
        found: list[Finding] = []
        if not self._onset:
            if now <= max(deadline, self._since):
                return []
            found.append(self._begin(last, deadline))
        # Where the engine's clock is far ahead of the broker's, a tick has come too early.
        at, silent = max(now, deadline, self._since), now - last
        found.append(self._record(Phase.END, at, f"spoke again after {silent / SECOND:.0f} s", silent))
        self._onset = 0
        return found

    def _begin(self, last: int, deadline: int) -> Finding:
        self._onset = last
        return self._record(Phase.ONSET, max(deadline, self._since), f"nothing since {iso(last)}", deadline - last)

    def _record(self, phase: Phase, at: int, reason: str, silent: int) -> Finding:
        return operational(
            SILENCE,
            phase,
            self._partition,
            self._onset,
            at,
            level=self._level,
            reason=reason,
            value=silent / SECOND,
            threshold=self._silence / SECOND,
        )

    def _rate_with(self, rows: Decoded, message: int) -> float:
        """Rate of the fastest sensor up to a message of the batch, and with it."""
        return self._rate_of(rows, int(np.searchsorted(rows.message, message, side="right")))

    def _rate_of(self, rows: Decoded, count: int) -> float:
        """Rate of the fastest sensor up to one of the batch's rows."""
        if self._seen >= self._highest or not count:
            return self._seen
        return max(self._seen, float(self._rate[rows.sensor[:count]].max()))

    def _deadline(self, last: int, fastest: float) -> int:
        """When silence counts; never while no sensor says how often something should come."""
        return last + max(self._silence, round(INTERVALS / fastest * SECOND)) if fastest > 0 else END

    def snapshot(self) -> SilentState:
        """State to go on from."""
        return self._last, self._fastest, self._onset, self._seen


class _Turn(NamedTuple):
    """A partition falls silent, or speaks."""

    at: int
    partition: int
    last: int  # its last message, where it falls silent; 0 where it speaks


#: Ends of the partitions, which of them speak, the last messages of the silent ones, turns to come, and the onset.
FeedState = tuple[tuple[int, ...], frozenset[int], tuple[tuple[int, int], ...], tuple[_Turn, ...], int]


class FeedWatch:
    """Finds that no partition speaks any more, from what each of them has found about itself.

    It counts in event time: what was to be found before T it says once everything from before T has come.

    Parameters
    ----------
    partitions
        How many the feed has. One that has never had a message does not speak.
    level
        City level that its findings ask for.
    silence
        The least silence that counts, ns.
    """

    SUBJECT: Final = "feed"

    def __init__(self, partitions: int, level: int, silence: int, state: FeedState | None = None) -> None:
        self._level, self._silence = level, silence
        over, speaking, silent, turns, self._onset = state or ((), frozenset(), (), (), 0)
        self._over = [*over, *[END] * (partitions - len(over))]
        self._speaking, self._silent, self._turns = set(speaking), dict(silent), list(turns)

    def hear(self, frame: Frame) -> None:
        """Take what a frame says of its partition."""
        if frame.spoken:
            self._turns.append(_Turn(frame.spoken, frame.partition, 0))
        for finding in frame.findings:
            if finding.monitor == SILENCE.name:
                last = finding.onset if finding.phase is Phase.ONSET else 0
                self._turns.append(_Turn(finding.ts, frame.partition, last))
        if frame.ended:
            self._over[frame.partition] = frame.watermark

    def close(self, upto: int) -> list[Finding]:
        """What was to be found before `upto`, ns: nothing from before it will come any more."""
        due = sorted((turn for turn in self._turns if turn.at < upto), key=attrgetter("at", "partition"))
        if not due:
            return []
        self._turns = [turn for turn in self._turns if turn.at >= upto]
        found = []
        for now, turns in groupby(due, attrgetter("at")):
            for turn in turns:
                self._count(turn)
            quiet = bool(self._silent) and not any(self._over[partition] > now for partition in self._speaking)
            if quiet != bool(self._onset):
                found.append(self._change(now))
        return found

    def _count(self, turn: _Turn) -> None:
        if turn.last:
            self._silent[turn.partition] = turn.last
            self._speaking.discard(turn.partition)
        else:
            self._silent.pop(turn.partition, None)
            self._speaking.add(turn.partition)

    def _change(self, now: int) -> Finding:
        ends = self._onset > 0
        onset = self._onset or max(self._silent.values())
        self._onset = 0 if ends else onset
        silent = (now - onset) / SECOND
        return operational(
            FEED_SILENCE,
            Phase.END if ends else Phase.ONSET,
            self.SUBJECT,
            onset,
            now,
            level=self._level,
            reason=f"spoke again after {silent:.0f} s" if ends else f"nothing since {iso(onset)} from any partition",
            value=silent,
            threshold=self._silence / SECOND,
        )

    def snapshot(self) -> FeedState:
        """State to go on from."""
        silent = tuple(self._silent.items())
        return tuple(self._over), frozenset(self._speaking), silent, tuple(self._turns), self._onset
