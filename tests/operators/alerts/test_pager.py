"""Who is told what after a weekend of downtime."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from domain.clock import HOUR, MINUTE, SECOND
from domain.findings import Alert, AlertEvent, AlertEventType
from operators.alerts.pager import PATIENCE, Pager

NOW = 1_764_000_000 * SECOND


def event(number: int, ts: int, type: AlertEventType = AlertEventType.RAISED, seq: int = 0) -> AlertEvent:
    over = type is AlertEventType.CLEARED
    alert = Alert(
        UUID(int=number), "gas-leak", 1, not over, ts, ts, ts, ts if over else 0, "Z", "", "", 0, 0, "", True, 1.0, ""
    )
    return AlertEvent(UUID(int=1000 * number + seq), seq, type, ts, alert)


def cleared(number: int, ts: int) -> AlertEvent:
    return event(number, ts, AlertEventType.CLEARED, 1)


def test_fresh_steps_are_told_at_once() -> None:
    """In their order, whatever there is of older ones."""
    steps = [event(1, NOW - MINUTE), event(2, NOW - SECOND)]
    assert Pager(HOUR).take(steps, NOW - 3 * SECOND, NOW) == steps


def test_a_weekend(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is paged for what came and went; for what lasts, once, as it stands; what was told before is ended."""
    pager, friday = Pager(HOUR), NOW - 60 * HOUR
    assert len(pager.take([event(1, friday)], friday, friday + SECOND)) == 1
    # Back again on Monday:
    saturday = friday + 20 * HOUR
    waits = [event(2, saturday), cleared(1, saturday), event(3, saturday), cleared(2, saturday + HOUR)]
    assert pager.take(waits, saturday + HOUR, NOW) == []
    update = event(3, saturday + 2 * HOUR, AlertEventType.ESCALATED, 1)
    assert pager.take([update], saturday + 3 * HOUR, NOW + SECOND) == []
    resumed = Pager(HOUR, pager.snapshot())
    new = event(4, NOW - MINUTE)
    assert resumed.take([new], NOW - SECOND, NOW + 2 * SECOND) == [cleared(1, saturday), update, new]
    assert "1 alerts from" in caplog.text
    assert resumed.take([], NOW, NOW + 3 * SECOND) == []


def test_an_engine_that_never_catches_up_does_not_fall_silent() -> None:
    """After some minutes people hear of what is active, old as it is."""
    pager, ago = Pager(HOUR), NOW - 5 * HOUR
    steps = [event(1, ago), event(2, ago), cleared(2, ago + SECOND)]
    assert pager.take(steps, ago + SECOND, NOW) == []
    assert pager.take([], ago + MINUTE, NOW + PATIENCE - 1) == []
    assert pager.take([], ago + MINUTE, NOW + PATIENCE) == [steps[0]]
    later = replace(event(3, ago + MINUTE))
    assert pager.take([later], ago + MINUTE, NOW + PATIENCE + SECOND) == []
    assert pager.take([], ago + MINUTE, NOW + 2 * PATIENCE + SECOND) == [later]
