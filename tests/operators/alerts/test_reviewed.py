"""A desk with a second look: bounded, and silent where both looks agree."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np

from domain.clock import SECOND
from domain.findings import AlertEvent, Finding
from domain.records import LateRows, Verdicts
from operators.alerts.reviewed import ReviewedDesk
from tests.operators.alerts.town import CHANGE, END, START, TOWN, finding

BEHIND = 30


def say(
    desk: ReviewedDesk, until: int, told: Sequence[Finding] = (), settled: Sequence[Finding] = (), *late: LateRows
) -> list[AlertEvent]:
    """Both looks up to a second; the second one has come `BEHIND` seconds less far."""
    upto = START + until * SECOND
    events = desk.take(Verdicts(0, upto, tuple(told)))
    return events + desk.take(Verdicts(0, upto - BEHIND * SECOND, tuple(settled), settled=True, late=late))


def types(events: Sequence[AlertEvent]) -> list[str]:
    return [f"{event.type} {event.seq}.{event.revision}" for event in events]


def test_nothing_to_say_and_nothing_kept() -> None:
    """Two hundred alerts on which both looks agree: no revision, and the state does not grow."""
    desk = ReviewedDesk(TOWN, 1, BEHIND * SECOND)
    sizes = []
    for i in range(200):
        at = 3600 * i
        both = [finding(at, "G1"), finding(at + 60, "G1", END, onset=at)]
        events = say(desk, at + 600, both, both)
        assert types(events) == ["raised 0.0", "cleared 1.0"]
        say(desk, at + 3000)
        sizes.append(len(pickle.dumps(desk.snapshot())))
    assert max(sizes[100:]) < 1.1 * max(sizes[:30])


def test_withdrawn_with_its_trace() -> None:
    """What the second look does not find is withdrawn, once the alert has been at rest; clearing it changes nothing."""
    desk = ReviewedDesk(TOWN, 1, BEHIND * SECOND)
    one = np.ones(1, np.int64)
    late = LateRows("gas/0", 0 * one.astype(np.int32), START + 9 * SECOND * one, np.ones(1), 7 * one, one, one)
    assert types(say(desk, 20, [finding(10, "G1")])) == ["raised 0.0"]
    assert types(say(desk, 40)) == []
    (event,) = say(desk, 41, (), (), late)
    assert types([event]) == ["withdrawn 0.1"]
    assert event.note == "withdrawn: late readings: 1 of G1, 2025-11-24T16:00:09.000Z (gas/0 at 7)"
    assert event.ts == START + (10 + BEHIND) * SECOND
    assert types(say(desk, 300, [finding(100, "G1", END, onset=10)])) == ["cleared 1.0"]


def test_a_graver_level_after_a_withdrawal_is_told() -> None:
    """The engine's later words pass: a wrong all-clear costs more than a wrong page. The second look has the last."""
    desk = ReviewedDesk(TOWN, 1, BEHIND * SECOND)
    say(desk, 20, [finding(10, "G1")])
    assert types(say(desk, 60)) == ["withdrawn 0.1"]
    graver = finding(70, "G1", CHANGE, 3, onset=10)
    assert types(say(desk, 80, [graver])) == ["escalated 1.0"]
    assert types(say(desk, 120)) == ["withdrawn 1.1"]


def test_many_at_once() -> None:
    """A storm that only the first look has seen is withdrawn in one go."""
    desk = ReviewedDesk(TOWN, 1, BEHIND * SECOND)
    sensors = ["G1", "G3", "G4", "P1", "P3", "L1"]
    monitors = ["gas", "gas", "gas", "burst", "burst", "flood"]
    told = [finding(10, sensor, monitor=monitor) for sensor, monitor in zip(sensors, monitors, strict=True)]
    assert len(say(desk, 20, told)) == 6
    assert types(say(desk, 60)) == ["withdrawn 0.1"] * 6
