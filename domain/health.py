"""Whether this process is alive and ready, as the parts that know it say. `/healthz` and `/readyz` answer with it.

Alive means that epochs make progress: a process that does not come forward, and does not say what it waits for, is
best restarted. Ready means that all is well: the source connected, the database reachable, and the stream caught up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domain import metrics
from domain.clock import SECOND
from domain.secrets import redact

__all__ = ["HEALTH", "Health", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """An answer: yes or no, and why."""

    good: bool
    reasons: tuple[str, ...] = ()


@dataclass
class Health:
    """What is known of this process. Every method may be called from any thread.

    Parameters
    ----------
    clock, now
        Seconds that only grow, and the time of day in ns; replaced in tests.

    Attributes
    ----------
    patience
        Seconds that an epoch may take; longer ones mean that the process hangs.
    behind
        Seconds that what is read may be older than the present, where the stream is live.
    live
        Whether the stream is live: a recording is never behind.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], int] = time.time_ns
    patience: float = 60.0
    behind: float = 60.0
    live: bool = False
    _troubles: dict[str, str] = field(default_factory=dict)
    _heard: dict[str, int] = field(default_factory=dict)
    _epoch: float | None = None

    def trouble(self, part: str, words: str) -> None:
        """A part cannot do its work now and keeps trying: not ready, but no reason to be restarted."""
        self._troubles[part] = words

    def well(self, part: str) -> None:
        """A part does its work (again)."""
        self._troubles.pop(part, None)

    def opened(self, partition: str) -> None:
        """A partition of the stream is read from now on."""
        self._heard[partition] = 0
        self._epoch = self.clock()

    def heard(self, partition: str, upto: int) -> None:
        """All that was recorded in a partition up to a time (ns; 0: nothing yet) has been read."""
        self._heard[partition] = upto

    def ended(self, partition: str) -> None:
        """A partition will bring nothing more."""
        self._heard.pop(partition, None)

    def epoch(self, partition: str) -> None:
        """An epoch has ended for a partition, and the one before it is written."""
        if partition != min(self._heard, default=partition):
            return  # one of them speaks for all: they end it together
        at = self.clock()
        if self._epoch is not None:
            metrics.EPOCH_SECONDS.observe(at - self._epoch)
        self._epoch = at
        metrics.SNAPSHOT.set(self.now() / SECOND)

    def alive(self) -> State:
        """Whether epochs make progress, or something is waited for that a restart would not bring."""
        if self._epoch is None:
            return State(True, ("starting",))
        if not self._heard:
            return State(True, ("every partition has ended",))
        since = self.clock() - self._epoch
        if since <= self.patience:
            return State(True)
        return State(bool(self._troubles), (f"no epoch has ended for {since:.0f} s", *self._words()))

    def ready(self) -> State:
        """Whether all parts do their work and the stream is caught up."""
        reasons = list(self._words())
        if self._epoch is None:
            reasons.append("starting")
        if self.live:
            for partition, upto in sorted(self._heard.items()):
                late = (self.now() - upto) / SECOND
                if late > self.behind:
                    reasons.append(f"{partition}: {late:,.0f} s behind" if upto else f"{partition}: not read yet")
        return State(not reasons, tuple(reasons))

    def _words(self) -> list[str]:
        return [f"{part}: {redact(words)}" for part, words in sorted(self._troubles.items())]


#: Of this process.
HEALTH = Health()
