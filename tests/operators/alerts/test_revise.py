"""What was told against what should have been."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SECOND
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from operators.alerts.revise import changes, paired, revise
from tests.operators.alerts.town import START

NOW = START + 1000 * SECOND


def alert(onset: int, cleared: int = 0, sensors: str = "G1", kind: str = "gas-leak", level: int = 2) -> Alert:
    """An alert from second to second; cleared 0: it is open."""
    return Alert(
        id=identify("alert", kind, sensors, onset),
        kind=kind,
        level=level,
        active=not cleared,
        onset=START + onset * SECOND,
        raised=START + onset * SECOND,
        updated=START + (cleared or onset) * SECOND,
        cleared=START + cleared * SECOND if cleared else 0,
        zone="north",
        asset="",
        place="",
        lon=0.0,
        lat=0.0,
        owner="",
        urgent=False,
        corroboration=0.5,
        summary="Gas leak",
        sensors=tuple(sensors.split()),
    )


def told(alert: Alert, type: AlertEventType = AlertEventType.CLEARED, seq: int = 1, revision: int = 0) -> AlertEvent:
    """The last event of an alert."""
    return AlertEvent(alert.id, seq, type, alert.updated, alert, revision)


def said(events: list[AlertEvent]) -> list[str]:
    return [f"{event.type} {event.seq}.{event.revision}: {event.note}" for event in events]


def test_nothing_to_say() -> None:
    """Where both agree there is no revision."""
    assert revise([told(alert(0, 60))], [alert(0, 60)], NOW) == []


def test_raised_late() -> None:
    """An alert that was missed is told as it is by now, as revision 1 of its first event."""
    (event,) = revise([], [alert(0, 60)], NOW)
    assert (event.type, event.seq, event.revision, event.alert) == ("raised", 0, 1, alert(0, 60))
    assert event.note == "raised late: late readings"


def test_withdrawn() -> None:
    """It is over, says so, and keeps what it was; once is enough."""
    (event,) = revise([told(alert(0), AlertEventType.RAISED, 0)], [], NOW)
    assert (event.type, event.seq, event.revision) == ("withdrawn", 0, 1)
    assert not event.alert.active
    assert event.alert.cleared == NOW
    assert event.alert.summary == "Gas leak, withdrawn"
    assert revise([event], [], NOW + SECOND) == []


def test_amended() -> None:
    """An onset that moved moves the id: the alert keeps the one it was told by, and the note says what changed."""
    before, after = alert(10, 60), alert(5, 70, level=1)
    (event,) = revise([told(before)], [after], NOW, lambda sensors: f"because of {' '.join(sensors)}")
    assert event.alert == replace(after, id=before.id)
    assert said([event]) == [
        "amended 1.1: because of G1: level 2 -> 1, onset 2025-11-24T16:00:10.000Z -> 2025-11-24T16:00:05.000Z, "
        "raised 2025-11-24T16:00:10.000Z -> 2025-11-24T16:00:05.000Z, "
        "cleared 2025-11-24T16:01:00.000Z -> 2025-11-24T16:01:10.000Z"
    ]


def test_withdrawn_and_back() -> None:
    """What was withdrawn stands again when it should have been after all."""
    (gone,) = revise([told(alert(0, 60))], [], NOW)
    (back,) = revise([gone], [alert(0, 60)], NOW)
    assert (back.type, back.seq, back.revision, back.alert) == ("amended", 1, 2, alert(0, 60))


def test_not_the_same() -> None:
    """Another kind, another sensor, another place or another time: one is withdrawn, the other raised late."""
    moved = replace(alert(10, 60), place="elsewhere")
    for other in (alert(10, 60, kind="fire"), alert(10, 60, sensors="G2"), moved, alert(100, 160)):
        found = revise([told(alert(5, 50))], [other], NOW)
        assert sorted(str(event.type) for event in found) == ["raised", "withdrawn"]


def test_one_for_each() -> None:
    """Two alerts that were one: the nearer one is amended, the other withdrawn. And the other way round."""
    long, first, second = alert(0, 100), alert(1, 20), alert(50, 90)
    assert [(e and e.alert.id, a and a.id) for e, a in paired([told(first), told(second)], [long])] == [
        (first.id, long.id),
        (second.id, None),
    ]
    assert [(e and e.alert.id, a and a.id) for e, a in paired([told(long)], [first, second])] == [
        (long.id, first.id),
        (None, second.id),
    ]


def test_left_alone_while_it_moves() -> None:
    """What was told of after `now` is not judged by what was known until then."""
    assert revise([told(alert(0, 2000))], [], NOW) == []
    assert revise([told(alert(0, 2000))], [alert(0)], NOW) == []


@pytest.mark.parametrize("name", ["summary", "evidence", "support"])
def test_what_follows_is_not_worth_a_word(name: str) -> None:
    """Texts and lists that follow from the rest are corrected, not listed."""
    after = replace(alert(0, 60), **{name: "x" if name == "summary" else ("x",)})  # type: ignore[arg-type]
    assert changes(alert(0, 60), after) == ""
    assert len(revise([told(alert(0, 60))], [after], NOW)) == 1


_alerts = st.lists(
    st.builds(
        lambda onset, length, sensors, kind: alert(onset, length and onset + length, sensors, kind),
        st.integers(0, 300),
        st.integers(0, 100),
        st.sampled_from(["G1", "G2", "G1 G2", "G2 G3"]),
        st.sampled_from(["gas-leak", "fire"]),
    ),
    max_size=6,
    unique_by=lambda alert: alert.id,
)


@given(_alerts, _alerts, st.randoms())
def test_revised_once(before: list[Alert], truth: list[Alert], chance: object) -> None:
    """Afterwards what stands is what should have been; a second time nothing is left to say, in whatever order."""
    standing = {event.alert.id: event for event in map(told, before)}
    events = revise(list(standing.values()), truth, NOW)
    shuffled = list(truth)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {repr(event) for event in revise([*standing.values()][::-1], shuffled, NOW)} == set(map(repr, events))
    standing |= {event.alert.id: event for event in events}
    left = [event.alert for event in standing.values() if event.type is not AlertEventType.WITHDRAWN]
    nobody = identify("nobody")
    assert sorted(repr(replace(a, id=nobody)) for a in left) == sorted(repr(replace(a, id=nobody)) for a in truth)
    assert revise(list(standing.values()), truth, NOW) == []
