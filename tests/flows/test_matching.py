"""What counts as found, missed and false in the demo."""

from __future__ import annotations

from dataclasses import replace

from domain.clock import MINUTE, SECOND
from domain.findings import Alert
from domain.identity import identify
from flows.matching import match
from simulators.stage import Incident

T0 = 1_764_000_000 * SECOND
LEAK = Incident(
    "gas-leak-001", "gas-leak", T0, T0 + 5 * MINUTE, ("G1", "G2"), ("C1",), "A1", "Z1", "a manhole", "gas-leak", 1
)
ALERT = Alert(
    identify("a"), "gas-leak", 1, True, T0 + SECOND, T0 + 2 * SECOND, T0 + 2 * SECOND, 0, "Z1", "A9", "here", 0.0, 0.0,
    "gas-company", True, 0.5, "a leak", sensors=("G2",),
)  # fmt: skip


def test_an_alert_of_the_right_kind_place_and_time_is_the_incidents() -> None:
    """A shared sensor, camera or asset makes the place; the delay counts from the cause."""
    for there in (
        ALERT,
        replace(ALERT, sensors=(), cameras=("C1",)),
        replace(ALERT, sensors=(), asset="A1"),
        replace(ALERT, raised=LEAK.end + 4 * MINUTE),
    ):
        found = match([LEAK], [there])
        assert (found.found, found.false) == (1, ())
    assert match([LEAK], [ALERT]).matches[0].delay == 2.0


def test_other_alerts_are_false() -> None:
    """Elsewhere, before, long after, or of another kind: the incident is missed and the alert explains nothing."""
    for wrong in (
        replace(ALERT, sensors=("G7",)),
        replace(ALERT, raised=T0 - SECOND),
        replace(ALERT, raised=LEAK.end + 6 * MINUTE),
        replace(ALERT, kind="water-burst"),
    ):
        found = match([LEAK], [wrong])
        assert (found.found, found.wanted, found.false) == (0, 1, (wrong,))


def test_a_fault_is_its_sensors_alone() -> None:
    """Another sensor's fault on the same asset does not tell of it."""
    stuck = replace(LEAK, kind="fault-stuck", reason="stuck", alert="sensor-fault")
    there = replace(ALERT, kind="sensor-fault", asset="A1", sensors=("G7",))
    assert match([stuck], [there]).found == 0
    assert match([stuck], [replace(there, sensors=("G1",))]).found == 1


def test_what_is_allowed_is_neither_found_nor_false() -> None:
    """A second kind that the truth allows explains itself, but the wanted alert is still missing."""
    other = replace(ALERT, kind="regulator-pressure")
    found = match([replace(LEAK, allowed=("regulator-pressure",))], [other])
    assert (found.found, found.false) == (0, ())


def test_what_cannot_be_seen_is_not_wanted() -> None:
    """An incident that wants no alert, or cannot be told from normal, does not count as missed."""
    quiet, slow = replace(LEAK, alert=""), replace(LEAK, detectable=False)
    assert match([quiet, slow], []).wanted == 0
    found = match([slow], [ALERT])
    assert (found.found, found.wanted) == (1, 1), "what is found all the same counts on both sides"
