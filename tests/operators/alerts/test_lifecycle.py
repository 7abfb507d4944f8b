"""How often the desk hears of an alert."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.clock import HOUR, MINUTE, SECOND
from domain.findings import AlertEventType
from domain.records import Verdicts
from operators.alerts.desk import Desk
from operators.alerts.rules import DEFAULT
from tests.operators.alerts.town import END, START, TOWN, finding, run, timetable, video


def test_updates_are_held_to_one_a_minute_and_nothing_is_left_out():
    """The first at once, the rest together when the minute has passed."""
    rules = replace(DEFAULT, radius=2000.0)
    records = [finding(t, s) for t, s in ((1, "G1"), (2, "G1b"), (3, "G2"), (4, "G3"))]
    assert timetable(records, until=100, rules=rules) == [
        "1 raised gas-leak 3 G1",
        "2 updated gas-leak 3 G1 G1b",
        "62 updated gas-leak 3 G1 G1b G2 G3",
    ]


def test_an_escalation_does_not_wait():
    """A graver level is told at once, with all that is new."""
    records = [finding(1, "G1"), finding(2, "G1b"), finding(3, "G2", grade=3)]
    assert timetable(records, until=100)[-1] == "3 escalated gas-leak 1 G1 G1b G2"


def test_what_comes_back_within_the_off_delay_is_the_same_alert():
    """On and off every half minute: one alert, and no more words about it."""
    records = []
    for t in range(0, 600, 60):
        records += [finding(t, "G1"), finding(t + 30, "G1", END, onset=t)]
    assert timetable(records, until=700) == ["0 raised gas-leak 3 G1", "630 cleared gas-leak 3 G1"]


def test_what_comes_back_soon_after_clearing_is_a_new_alert_that_stays_longer():
    """Flapping: with every return the new alert is held for twice as long after its last sign, from the second on."""
    records = []
    for t in range(0, 7200, 90):
        records += [finding(t, "G1"), finding(t + 10, "G1", END, onset=t)]
    events = run(records, until=7200)
    raised = [event.alert for event in events if event.type is AlertEventType.RAISED]
    assert len(raised) == 3
    assert len({alert.id for alert in raised}) == 3


@given(st.integers(1, 900), st.integers(1, 900))
def test_an_oscillating_finding_gives_few_events(on, off):
    """Whatever its period: in three hours no more than about an alert in ten minutes."""
    records, t = [], 0
    while t < 3 * HOUR // SECOND:
        records += [finding(t, "G1"), finding(t + on, "G1", END, onset=t)]
        t += on + off
    assert len(run(records, until=t)) <= 2 * (3 * HOUR // DEFAULT.flap_window + 6)


def test_closed_alerts_are_forgotten():
    """State is bounded: after a day nothing is left of an alert."""

    def size(hours: int) -> int:
        desk = Desk(TOWN, 1)
        for k in range(hours):
            t = k * 3600
            records = (finding(t, "G1"), finding(t + 5, "G1", END, onset=t))
            seen = (video(t, "C2"), video(t, "C1", "smoke"))
            desk.take(Verdicts(0, START + (t + 3500) * SECOND, records, seen))
        return len(desk.snapshot()["state"])

    assert size(49) <= size(25) + 64


def test_the_flap_memory_is_a_window():
    """After ten minutes of peace an alert begins afresh: its off-delay is the monitor's again."""
    assert DEFAULT.flap_window == 10 * MINUTE
    records = []
    for t in (0, 700, 1400):
        records += [finding(t, "G1"), finding(t + 1, "G1", END, onset=t)]
    cleared = [line.split()[0] for line in timetable(records, until=2000) if "cleared" in line]
    assert cleared == ["61", "761", "1461"]
