"""A second look at the stream, some time later: by then most of what comes late is there, and is put in its place.

What is found now is what would have been found had the readings come in time. The live findings are not held up by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.contract import Lane
from domain.clock import NEVER, floor_to
from domain.records import Bools, Frame, LateRows, Verdicts
from domain.renumbering import Renumbering
from domain.settings import EngineSettings
from operators.detect import Bank
from operators.layout import Layout
from operators.panes import PaneStore

__all__ = ["SecondLook"]


class SecondLook:
    """One shard's panes once more, closed `second_look` later, and its detectors of both lanes over them.

    It holds the rows of that time, 20 bytes each, and a second state of the detectors. A row that is later still is
    left out: `lifeline review` finds it in the database.

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
        self._shard, self._pane, self._behind = shard, settings.time.pane, settings.second_look
        held = state or {"panes": None, "banks": (None, None), "late": ()}
        members = layout.members[shard]
        self._store = PaneStore(shard, partitions, self._pane, layout.local_of, members, held["panes"])
        self._banks = [Bank(layout, shard, lane, bank) for lane, bank in zip(Lane, held["banks"], strict=True)]
        self._late: list[LateRows] = list(held["late"])

    def take(self, frames: Sequence[Frame]) -> Verdicts | None:
        """Add frames; return what should have been found in the panes that they close, if any."""
        panes = self._store.take([self._put_off(frame) for frame in frames])
        if panes is None:
            return None
        findings = tuple(finding for bank in self._banks for finding in bank.panes(panes).findings)
        here = [rows.ts < panes.upto for rows in self._late]
        late = tuple(_some(rows, which) for rows, which in zip(self._late, here, strict=True) if which.any())
        self._late = [_some(rows, ~which) for rows, which in zip(self._late, here, strict=True) if not which.all()]
        return Verdicts(
            self._shard,
            panes.upto,
            findings,
            panes.video,
            panes.recorded,
            panes.ended,
            settled=True,
            late=late,
            reports=panes.reports,
        )

    def _put_off(self, frame: Frame) -> Frame:
        """The frame as it is to the later panes: what they still take counts as having come in time."""
        video = tuple(replace(event, known=max(event.ts, event.known - self._behind)) for event in frame.video)
        # The end of a partition closes its last pane; what lies before waits for nobody.
        mark = frame.watermark if frame.ended or frame.watermark == NEVER else frame.watermark - self._behind
        reports = tuple(replace(one, known=max(one.ts, one.known - self._behind)) for one in frame.reports)
        # What people do changes nothing in what should have been found.
        frame = replace(frame, watermark=mark, video=video, actions=(), reports=reports)
        if frame.known is None:
            return frame
        if frame.late is not None:
            closed = np.array([floor_to(mark, self._pane) for mark in frame.late.watermark.tolist()], np.int64)
            taken = frame.late.ts >= closed - self._behind
            if taken.any():
                self._late.append(_some(frame.late, taken))
        kept = frame.ts >= frame.known - self._behind
        rows = frame.sensor[kept], frame.ts[kept], frame.value[kept]
        return replace(frame, sensor=rows[0], ts=rows[1], value=rows[2], known=None, late=None)

    @staticmethod
    def renumbered(state: dict[str, Any], moved: Renumbering) -> dict[str, Any]:
        """The state of a shard that has other sensors now."""
        return {
            "panes": PaneStore.renumbered(state["panes"], moved),
            "banks": tuple(Bank.renumbered(bank, moved) for bank in state["banks"]),
            "late": tuple(moved.late(rows) for rows in state["late"]),
        }

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        banks = tuple(bank.snapshot() for bank in self._banks)
        return {"panes": self._store.snapshot(), "banks": banks, "late": tuple(self._late)}


def _some(rows: LateRows, which: Bools) -> LateRows:
    return LateRows(
        rows.partition,
        rows.sensor[which],
        rows.ts[which],
        rows.value[which],
        rows.offset[which],
        rows.recorded[which],
        rows.watermark[which],
    )
