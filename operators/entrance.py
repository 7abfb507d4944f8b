"""What a shard does with frames as they arrive: the fast lane's detectors, and the store of open panes.

Both see each frame in one place and at one time, so that what the fast lane has found in a frame is never overtaken by
the panes that the same frame closes: these carry the findings along for whoever needs them in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from detectors.contract import Lane
from domain.clock import END
from domain.findings import Finding
from domain.operations import gravest
from domain.records import Frame, Panes, Verdicts
from domain.renumbering import Renumbering
from domain.settings import EngineSettings
from operators.detect import Bank
from operators.layout import Layout
from operators.panes import PaneStore
from operators.silence import FeedWatch

__all__ = ["Entrance"]


class Entrance:
    """One shard's fast lane and open panes.

    Parameters
    ----------
    shard
        Index of the shard.
    partitions
        How many partitions feed it.
    """

    def __init__(
        self, layout: Layout, settings: EngineSettings, shard: int, partitions: int, state: dict[str, Any] | None = None
    ) -> None:
        held = state or {"fast": None, "panes": None, "early": ()}
        self._fast = Bank(layout, shard, Lane.FAST, held["fast"])
        mine = layout.members[shard]
        self._store = PaneStore(shard, partitions, settings.time.pane, layout.local_of, mine, held["panes"])
        self._early: list[Finding] = list(held["early"])
        # All that is found about partitions comes to the first shard.
        level, silence = gravest(layout.city.levels), settings.silence or 0
        self._feed = FeedWatch(partitions, level, silence, held.get("feed")) if shard == 0 else None

    def take(self, frames: Sequence[Frame]) -> Iterator[Verdicts | Panes]:
        """Yield what the fast lane finds, at once, and then the panes that the frames close."""
        for frame in frames:
            if self._feed is not None:
                self._feed.hear(frame)
            if frame.findings:
                self._early += frame.findings
                yield Verdicts(frame.shard, None, frame.findings, recorded=frame.recorded)
            verdicts = self._fast.fast(frame) if len(frame) else None
            if verdicts is not None:
                self._early += verdicts.findings
                yield verdicts
        panes = self._store.take(frames)
        if panes is not None:
            found = self._feed.close(END if panes.ended else panes.upto) if self._feed is not None else ()
            if found:
                self._early += found
                yield Verdicts(panes.shard, None, tuple(found), recorded=panes.recorded)
            early, self._early = tuple(self._early), []
            yield replace(panes, early=early)

    @staticmethod
    def renumbered(state: dict[str, Any], moved: Renumbering) -> dict[str, Any]:
        """The state of a shard that has other sensors now."""
        return state | {
            "fast": Bank.renumbered(state["fast"], moved),
            "panes": PaneStore.renumbered(state["panes"], moved),
        }

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        return {
            "fast": self._fast.snapshot(),
            "panes": self._store.snapshot(),
            "early": tuple(self._early),
            "feed": self._feed.snapshot() if self._feed is not None else None,
        }
