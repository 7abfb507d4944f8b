"""A bank of detectors: all monitors of one shard, in one lane."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import orjson

from detectors import registry
from detectors.contract import MARK, Detector, GroupDetector, Lane, Marks, Reason
from domain.city import City, Sensor
from domain.findings import Finding, Phase, Samples, Verdict
from domain.identity import identify
from domain.monitors import Monitor
from domain.records import Floats, Frame, Int32s, Int64s, Panes, Verdicts
from domain.renumbering import Renumbering
from domain.selection import grouped, selected
from operators.history import History
from operators.layout import Layout
from operators.plausible import Plausible
from operators.watching import Keys, keys

__all__ = ["Bank"]

log = logging.getLogger(__name__)

_PHASES = tuple(Phase)


class Bank:
    """The detectors of one lane over the sensors of one shard.

    Feed it frames (fast lane) or panes (pane lane); it answers with what was found.
    """

    def __init__(self, layout: Layout, shard: int, lane: Lane, state: dict[str, Any] | None = None) -> None:
        self._shard, self._lane = shard, lane
        members = layout.members[shard]
        self._local_of = layout.local_of
        self._whole = layout.shards == 1  # the shard's own are all there are
        self._watches = [
            watch
            for monitor in layout.city.monitors
            if (watch := _Watch.of(monitor, layout.city, members, lane)) is not None
        ]
        sensors = [layout.city.sensors[sensor] for sensor in members.tolist()]
        self._ids = [sensor.id for sensor in sensors]
        self._plausible = Plausible(np.array([s.low for s in sensors]), np.array([s.high for s in sensors]))
        # One buffer for all detectors: it is read before the next one writes.
        self._marks = np.empty(0, MARK)
        watched = np.zeros(len(members), bool)
        for watch in self._watches:
            watched |= watch.slot_of >= 0
        slot_of = np.where(watched, np.cumsum(watched) - 1, -1).astype(np.int32)
        self._history = History(slot_of)
        self._watched = [layout.city.sensors[sensor].id for sensor in members[watched].tolist()]
        if state:
            self._restore(state["monitors"])
            before, now = state["watched"].split("\n"), self._watched
            self._history.restore(state["history"], None if before == now else _origin(before, now))
            refused = state.get("refused", {})  # earlier versions did not know
            self._plausible.restore({at: refused[id] for at, id in enumerate(self._ids) if id in refused})

    def __len__(self) -> int:
        return len(self._watches)

    def fast(self, frame: Frame) -> Verdicts | None:
        """Take a frame's rows in partition order (fast lane)."""
        if not self._watches:
            return None
        drafts: list[_Drafts] = []
        local = self._locals(frame.sensor)
        measured = self._plausible.of_first(local, frame.ts, frame.value)
        for watch in self._watches:
            marks = self._rows(watch, local, frame.ts, frame.value if watch.of_faults else measured)
            if len(marks):
                drafts.append(watch.drafts(marks, _known(frame, watch, local, marks)))
        findings = self._findings(drafts, local, frame.ts, frame.value)
        return Verdicts(self._shard, None, findings, recorded=frame.recorded) if findings else None

    def panes(self, panes: Panes) -> Verdicts:
        """Take closed panes, then let event time come to their end (pane lane)."""
        drafts: list[_Drafts] = []
        local = self._locals(panes.sensor) if self._watches else panes.sensor
        measured = self._plausible.of(local, panes.value) if self._watches else panes.value
        for watch in self._watches:
            marks = self._rows(watch, local, panes.ts, panes.value if watch.of_faults else measured)
            if len(marks):
                drafts.append(watch.drafts(marks, marks["ts"]))
            marks = self._buffer(2 * watch.slots)
            marks = marks[: watch.detector.advance(panes.upto, marks)]
            if len(marks):
                drafts.append(watch.drafts(marks, marks["ts"]))
        return Verdicts(
            self._shard,
            panes.upto,
            self._findings(drafts, local, panes.ts, panes.value) if self._watches else (),
            panes.video,
            panes.recorded,
            panes.ended,
            panes.early,
            actions=panes.actions,
            reports=panes.reports,
        )

    def _locals(self, sensor: Int32s) -> Int32s:
        return sensor if self._whole else self._local_of[sensor]

    def _findings(self, drafts: list[_Drafts], local: Int32s, ts: Int64s, value: Floats) -> tuple[Finding, ...]:
        """Let the history take rows, and say of everything that was found in them what had been read before it."""
        if not drafts:
            self._history.push(local, ts, value)
            return ()
        at, until = (np.concatenate(column) for column in zip(*((one.at, one.until) for one in drafts), strict=True))
        samples = self._history.push(local, ts, value, at, until)
        made = (make for one in drafts for make in one.made)
        return tuple([make(before) for make, before in zip(made, samples, strict=True)])

    def _rows(self, watch: _Watch, local: Int32s, ts: Int64s, value: np.ndarray[Any, Any]) -> Marks:
        if not len(ts):
            return self._marks[:0]
        marks = self._buffer(2 * len(ts))
        return marks[: watch.detector.rows(watch.slot_of, local, ts, value, marks)]

    def _buffer(self, size: int) -> Marks:
        if len(self._marks) < size:
            self._marks = np.empty(max(size, 2 * len(self._marks)), MARK)
        return self._marks

    def snapshot(self) -> dict[str, Any]:
        """State to go on from."""
        monitors = {watch.monitor.name: watch.snapshot() for watch in self._watches}
        refused = {self._ids[at]: ts for at, ts in self._plausible.snapshot().items()}
        watched = "\n".join(self._watched)
        return {"monitors": monitors, "history": self._history.snapshot(), "watched": watched, "refused": refused}

    @staticmethod
    def renumbered(state: dict[str, Any], moved: Renumbering) -> dict[str, Any]:
        """The state of a shard that has other sensors now: what monitors keep bears keys, and no numbers."""
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        """Go on where a monitor watches a sensor, or an asset, as it did; all else begins anew, which the log says."""
        anew = {watch.monitor.name: fresh for watch in self._watches if (fresh := watch.restore(state))}
        gone = sorted(state.keys() - {watch.monitor.name for watch in self._watches})
        if anew or gone:
            begun = ", ".join(f"{name} ({records})" for name, records in anew.items())
            log.warning(
                "shard %d: the city has changed. State that begins anew, by monitor: %s. State that was dropped: %s",
                self._shard,
                begun or "none",
                ", ".join(gone) or "none",
            )


class _Drafts(NamedTuple):
    """Findings that lack their samples, and sensor (among the shard's own) and time of each."""

    made: list[Callable[[Samples], Finding]]
    at: Int32s
    until: Int64s


class _Watch:
    """One monitor's detector over the sensors it selects in one shard."""

    def __init__(self, monitor: Monitor, sensors: list[Sensor], slot_of: Int32s, detector: Detector) -> None:
        self.monitor = monitor
        self.detector = detector
        self.slot_of = slot_of
        self.slots = len(sensors)
        self.of_faults = detector.verdict is Verdict.FAULT
        #: Of each slot, its sensor among the shard's own.
        self.members = np.flatnonzero(slot_of >= 0).astype(np.int32)
        self._ids = [sensor.id for sensor in sensors]
        self._config = type(detector).config_hash(detector.params)
        self._sensors = sensors
        self._params = orjson.dumps(detector.params.written()).decode()

    @classmethod
    def of(cls, monitor: Monitor, city: City, members: Int32s, lane: Lane) -> _Watch | None:
        """The monitor's part in a shard; None where it watches nothing or works in the other lane."""
        if registry.get(monitor.detector).lane is not lane:
            return None
        chosen = np.isin(members, selected(city, monitor.select))
        if not chosen.any():
            return None
        slot_of = np.where(chosen, np.cumsum(chosen) - 1, -1).astype(np.int32)
        sensors = [city.sensors[i] for i in members[chosen]]
        low, high, rate = (
            np.array([getattr(sensor, name) for sensor in sensors], np.float64) for name in ("low", "high", "rate")
        )
        unit, group = sensors[0].unit, grouped(sensors)
        detector = registry.build(monitor.detector, monitor.params, low, high, rate, unit, group)
        return cls(monitor, sensors, slot_of, detector)

    @cached_property
    def _keys(self) -> Keys:
        return keys(type(self.detector), self._config, self._sensors)  # nobody asks where no state is kept

    def drafts(self, marks: Marks, known: Int64s) -> _Drafts:
        """Marks of a kernel as findings, but for the readings before them."""
        monitor = self.monitor
        made: list[Callable[[Samples], Finding]] = []
        for i, (mark, at) in enumerate(zip(marks.tolist(), known.tolist(), strict=True)):
            slot, phase, grade, reason, ts, onset, score, threshold, value, baseline = mark
            sensor = self._ids[slot]
            made.append(
                partial(
                    Finding,
                    identify("finding", monitor.name, self._config, sensor, onset),
                    _PHASES[phase],
                    monitor.name,
                    monitor.detector,
                    self._config,
                    monitor.kind,
                    self.detector.verdict,
                    self._words(reason, slot, i),
                    sensor,
                    ts,
                    max(at, ts),
                    onset,
                    monitor.levels[min(grade, len(monitor.levels)) - 1] if grade and monitor.levels else 0,
                    score,
                    threshold,
                    value,
                    baseline,
                    self._params,
                )
            )
        return _Drafts(made, self.members[marks["slot"]], marks["ts"].copy())

    def _words(self, reason: int, slot: int, i: int) -> str:
        """The reason; of several sensors together, with how much each of them has to do with it."""
        text = Reason(reason).text
        detector = self.detector
        if not isinstance(detector, GroupDetector):
            return text
        parts = [
            (-round(100 * share), self._ids[other])
            for share, other in zip(detector.shares[i], detector.members[detector.group[slot]], strict=True)
            if other >= 0 and share >= 0.05
        ]
        return f"{text}: " + ", ".join(f"{sensor} {-percent} %" for percent, sensor in sorted(parts)) if parts else text

    def snapshot(self) -> dict[str, Any]:
        return {**self.detector.snapshot(), "keys": self._keys}

    def restore(self, states: dict[str, Any]) -> int:
        """Take up what there is of this monitor; how many records begin anew."""
        state = states.get(self.monitor.name)
        if state is None:
            return len(self._keys)
        if np.array_equal(state["keys"], self._keys):
            self.detector.restore(state)
            return 0
        origin = _origin(state["keys"].tolist(), self._keys.tolist())
        if (origin >= 0).any():
            self.detector.restore(state, origin)
        return int((origin < 0).sum())


def _origin(before: Sequence[Hashable], now: Sequence[Hashable]) -> Int64s:
    """Where each of these stood before; -1: nowhere."""
    place = {key: i for i, key in enumerate(before)}
    return np.array([place.get(key, -1) for key in now], np.int64)


def _known(frame: Frame, watch: _Watch, local: Int32s, marks: Marks) -> Int64s:
    """Event time at which each mark of a frame became known: its row's."""
    known: Int64s = marks["ts"].copy()
    if frame.known is None:
        return known
    slots = watch.slot_of[local]
    for i, mark in enumerate(marks):
        row = np.flatnonzero((frame.ts == mark["ts"]) & (slots == mark["slot"]))
        if len(row):
            known[i] = frame.known[row[0]]
    return known
