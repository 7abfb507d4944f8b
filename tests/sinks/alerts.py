"""Findings and alerts for the tests of sinks."""

from __future__ import annotations

from dataclasses import replace

from domain.city import City, Level
from domain.clock import SECOND
from domain.findings import Alert, AlertEvent, AlertEventType, Finding, Phase, Verdict, VideoEvent
from domain.identity import identify
from domain.traces import Trace

T0 = 1_764_000_000 * SECOND
CITY = City("Testburg", "UTC", (), levels=(Level(1, "I", urgent=True), Level(2, "II")))

FINDING = Finding(
    identify("finding"), Phase.ONSET, "gas", "threshold", "abc", "gas-leak", Verdict.EVENT, "rise", "G-1", T0, T0 + 1,
    T0 - SECOND, 2, 12.5, 10.0, 12.5, float("nan"),
)  # fmt: skip
VIDEO = VideoEvent(identify("video"), "C-1", T0, "fire", 0.9, "corner", "clip-1", T0)


def event(seq: int, kind: AlertEventType = AlertEventType.RAISED, name: str = "leak", at: int = T0) -> AlertEvent:
    """One step of an alert that was raised `at`, each step ten seconds after the other."""
    cleared = kind is AlertEventType.CLEARED
    now = at + seq * 10 * SECOND
    alert = Alert(
        id=identify(name), kind="gas-leak", level=2, active=not cleared, onset=at - SECOND, raised=at, updated=now,
        cleared=now if cleared else 0, zone="Z-1", asset="M-7", place="manhole 7", lon=115.8, lat=33.8, owner="gas",
        urgent=False, corroboration=0.875, summary="gas in manhole 7", sensors=("G-1", "G-2"),
        evidence=(FINDING.id,), support=("two sensors agree",),
    )  # fmt: skip
    return AlertEvent(identify(name, seq), seq, kind, now, alert)


TRACE = Trace(
    "G-1", "gas", "threshold", "abc", T0 - SECOND, T0 - 600 * SECOND, T0, 12.5, 10.0, 12.5, 1.0, "rise",
    (T0 - SECOND, T0), (9.5, 12.5),
)  # fmt: skip


def traced(step: AlertEvent) -> AlertEvent:
    """The same step with what its sensor saw."""
    return replace(step, alert=replace(step.alert, traces=(TRACE,)))


def escalated(step: AlertEvent) -> AlertEvent:
    """The same step to the gravest level."""
    return replace(step, type=AlertEventType.ESCALATED, alert=replace(step.alert, level=1, urgent=True))
