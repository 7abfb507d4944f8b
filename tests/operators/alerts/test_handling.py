"""What people make of an alert, as timetables: seconds, what happened, and how the alert stands after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.actions import Action, Origin, Verb
from domain.clock import HOUR, MINUTE, SECOND
from domain.desk import DeskPolicy, LevelPolicy
from domain.findings import Alert, AlertEvent, Finding
from domain.records import DeadLetter, Verdicts
from operators.alerts.desk import Desk
from operators.alerts.handling import Refusal
from operators.alerts.pager import Page, PagedDesk
from tests.operators.alerts.town import CHANGE, END, START, TOWN, finding

POLICY = DeskPolicy(
    shelve_most=10 * MINUTE,
    remember=HOUR,
    level=(LevelPolicy(1, 2 * MINUTE, ("gas-company", "street-office"), 10 * MINUTE, latched=True),),
)
CITY = replace(TOWN, desk=POLICY)


class Shift:
    """One desk for one test."""

    def __init__(self, policy: DeskPolicy = POLICY) -> None:
        self.desk = PagedDesk(Desk(replace(TOWN, desk=policy), 1), None)
        self.events: list[AlertEvent] = []
        self.told: list[AlertEvent] = []
        self.letters: list[DeadLetter] = []
        self._acts = 0

    def until(self, seconds: float, *found: Finding, acts: Sequence[Action] = ()) -> list[str]:
        """What the desk says up to a time: a line an event."""
        lines = []
        verdicts = Verdicts(0, START + round(seconds * SECOND), found, actions=tuple(acts))
        for item in self.desk.take(verdicts, 0):
            if isinstance(item, Page):
                self.told.append(item.event)
            elif isinstance(item, AlertEvent):
                self.events.append(item)
                lines.append(f"{(item.ts - START) / SECOND:g} {item.type} {_words(item.alert)}".rstrip())
            elif isinstance(item, DeadLetter):
                self.letters.append(item)
        return lines

    @property
    def alert(self) -> UUID:
        """The latest."""
        return self.events[-1].alert.id

    def act(self, verb: Verb, at: float, alert: UUID | None = None, until: float = 0, **more: Any) -> Action:
        """An action of Li Na's, on the latest alert unless another is named."""
        self._acts += 1
        ts = START + round(at * SECOND)
        thing = alert or (None if more.get("asset") or more.get("sensor") else self.alert)
        end = START + round(until * SECOND) if until else 0
        origin = Origin("actions", self._acts, 0, ts)
        return Action(
            UUID(int=self._acts), verb, ts, "li.na", "operator", thing, until=end, known=ts, origin=origin, **more
        )


def _words(alert: Alert) -> str:
    states = {
        "active": alert.active,
        "acknowledged": alert.acknowledged,
        "shelved": alert.shelved_until,
        "suppressed": alert.suppressed,
        "latched": alert.latched,
        "closed": alert.closed,
    }
    return " ".join([f"level {alert.level}:", *(name for name, there in states.items() if there)])


def grave(at: float, sensor: str = "G1") -> Finding:
    return finding(at, sensor, grade=3)


def test_from_the_first_sample_to_the_closed_alert() -> None:
    """A grave alert stays after it has cleared, until it is closed, which takes an acknowledgement."""
    shift = Shift()
    assert shift.until(1, grave(0)) == ["0 raised level 1: active latched"]
    assert shift.until(31, acts=[shift.act(Verb.ACKNOWLEDGE, 30)]) == [
        "30 acknowledged level 1: active acknowledged latched"
    ]
    assert shift.events[-1].alert.acknowledged == START + 30 * SECOND
    assert shift.events[-1].alert.acknowledged_by == "li.na"
    assert shift.until(200, finding(40, "G1", END, onset=0)) == ["100 cleared level 1: acknowledged latched"]
    assert shift.until(301, acts=[shift.act(Verb.CLOSE, 300)]) == ["300 closed level 1: acknowledged closed"]
    judged = shift.act(Verb.JUDGE, 310, verdict="true")
    assert shift.until(311, acts=[judged]) == ["310 judged level 1: acknowledged closed"]
    assert shift.events[-1].alert.judged == "true"
    assert shift.until(320, acts=[replace(judged, known=START + 315 * SECOND)]) == []  # it came twice
    assert shift.letters == []


def test_what_may_not_be_closed() -> None:
    """What is still there, or nobody has seen: the dead letter says so."""
    shift = Shift()
    shift.until(1, grave(0))
    shift.until(3, acts=[shift.act(Verb.CLOSE, 2)])
    shift.until(200, finding(40, "G1", END, onset=0))
    shift.until(211, acts=[shift.act(Verb.CLOSE, 210)])
    assert [letter.reason for letter in shift.letters] == [Refusal.WRONG_STATE] * 2
    assert "is still active" in shift.letters[0].detail
    assert "has not been acknowledged" in shift.letters[1].detail
    assert (shift.letters[1].partition, shift.letters[1].offset) == ("actions", 2)


def test_milder_alerts_are_over_when_they_clear() -> None:
    """They need nobody, and can still be judged for a while."""
    shift = Shift()
    assert shift.until(200, finding(0, "G1"), finding(40, "G1", END, onset=0)) == [
        "0 raised level 3: active",
        "100 cleared level 3:",
    ]
    assert shift.until(3000, acts=[shift.act(Verb.JUDGE, 2990, verdict="false")]) == ["2990 judged level 3:"]
    assert shift.until(4000, acts=[shift.act(Verb.JUDGE, 3900, verdict="true")]) == []  # an hour after it cleared
    assert [letter.reason for letter in shift.letters] == [Refusal.UNKNOWN_ALERT]
    assert "1 h" in shift.letters[0].detail


def test_shelved() -> None:
    """For a while and no longer than the city allows; people hear when it begins and when it ends, nothing between."""
    shift = Shift()
    shift.until(1, finding(0, "G1"))
    assert shift.until(11, acts=[shift.act(Verb.SHELVE, 10, until=90_000, reason="valve works")]) == [
        "10 shelved level 3: active shelved"
    ]
    assert shift.events[-1].note == "valve works"
    assert shift.until(300, finding(200, "G1b")) == ["200 updated level 3: active shelved"]
    assert shift.until(700) == ["610 unshelved level 3: active"]
    assert [str(event.type) for event in shift.told] == ["raised", "shelved", "unshelved"]
    shift.until(711, acts=[shift.act(Verb.SHELVE, 705, until=800), shift.act(Verb.UNSHELVE, 710)])
    assert [str(event.type) for event in shift.events[-2:]] == ["shelved", "unshelved"]
    assert "by li.na" in shift.events[-1].note


def test_a_graver_level_undoes_what_was_said_of_a_milder_one() -> None:
    """It is told, and asks to be acknowledged anew; what was said before it came holds no more, late as it may come."""
    shift = Shift()
    shift.until(1, finding(0, "G1"))
    acts = [shift.act(Verb.ACKNOWLEDGE, 5), shift.act(Verb.SHELVE, 6, until=500)]
    shift.until(10, acts=acts)
    late = replace(shift.act(Verb.SHELVE, 19, until=500), known=START + 30 * SECOND)
    assert shift.until(40, finding(20, "G1", CHANGE, 3, onset=0), acts=[late]) == [
        "20 escalated level 1: active latched"
    ]
    assert str(shift.told[-1].type) == "escalated"


def test_nobody_acknowledges() -> None:
    """Two minutes, then one unit, then the next; an acknowledgement ends it."""
    shift = Shift()
    lines = shift.until(1000, grave(0))
    assert lines == ["0 raised level 1: active latched"] + [
        f"{at} overdue level 1: active latched" for at in (120, 240)
    ]
    assert [event.note for event in shift.events[1:]] == [
        "not acknowledged for 120 s: to gas-company",
        "not acknowledged for 240 s: to street-office",
    ]
    other = Shift()
    other.until(130, grave(0))
    assert other.until(600, acts=[other.act(Verb.ACKNOWLEDGE, 130)]) == [
        "130 acknowledged level 1: active acknowledged latched"
    ]


def test_it_rings_again() -> None:
    """Acknowledged and still there after ten minutes: it asks anew, and the old acknowledgement counts once."""
    shift = Shift()
    shift.until(1, grave(0))
    seen = shift.act(Verb.ACKNOWLEDGE, 50)
    again = replace(seen, known=START + 660 * SECOND)
    assert shift.until(700, acts=[seen, again]) == [
        "50 acknowledged level 1: active acknowledged latched",
        "650 re-alarmed level 1: active latched",
    ]
    assert shift.until(800) == ["770 overdue level 1: active latched"]


def test_maintenance() -> None:
    """What is found meanwhile is kept and told to nobody; what is still there at the end is told then."""
    shift = Shift()
    window = shift.act(Verb.SUPPRESS, 0, asset="M1", until=300, reason="works")
    lines = shift.until(400, grave(10), finding(20, "G1", END, onset=10), finding(200, "G1b"), acts=[window])
    assert lines == [
        "10 raised level 1: active suppressed latched",
        "80 cleared level 1: suppressed latched",
        "200 raised level 3: active suppressed",
        "300 resumed level 1: latched",
        "300 resumed level 3: active",
    ]
    assert [str(event.type) for event in shift.told] == ["resumed", "resumed"]


def test_a_sensor_out_of_service() -> None:
    """It keeps an alert quiet as long as nobody else has anything to say."""
    shift = Shift()
    shift.until(1, finding(0, "G1"))
    assert shift.until(11, acts=[shift.act(Verb.OUT_OF_SERVICE, 10, sensor="G1")]) == [
        "10 suppressed level 3: active suppressed"
    ]
    assert shift.until(21, finding(20, "G1b")) == ["20 updated level 3: active"]
    assert shift.until(31, acts=[shift.act(Verb.IN_SERVICE, 30, sensor="G1")]) == []


def test_a_sign_that_ends_a_suppression_starts_the_clock() -> None:
    """People hear of the alert for the first time then: the two minutes to acknowledge it run from there, and it does
    get overdue; who has acknowledged it before is not asked again."""
    shift = Shift()
    lines = shift.until(400, grave(10), finding(100, "G1b"), acts=[shift.act(Verb.OUT_OF_SERVICE, 0, sensor="G1")])
    assert lines == [
        "10 raised level 1: active suppressed latched",
        "100 updated level 1: active latched",
        "220 overdue level 1: active latched",
        "340 overdue level 1: active latched",
    ]
    assert [event.note for event in shift.events[2:]] == [
        "not acknowledged for 120 s: to gas-company", "not acknowledged for 240 s: to street-office"
    ]  # fmt: skip
    assert [event.notify for event in shift.events[1:]] == [(), ("gas-company",), ("street-office",)]
    known = Shift()
    known.until(20, grave(10), acts=[known.act(Verb.OUT_OF_SERVICE, 0, sensor="G1")])
    known.until(400, finding(100, "G1b"), acts=[known.act(Verb.ACKNOWLEDGE, 50)])
    assert [str(event.type) for event in known.events] == ["raised", "acknowledged", "updated"]


def test_an_action_before_its_alert() -> None:
    """A console's clock may be ahead of the city's: the action waits for its alert, for a minute."""
    known = Shift()
    known.until(1, grave(0))
    shift = Shift()
    early = replace(shift.act(Verb.ACKNOWLEDGE, -20, alert=known.alert), known=START - 20 * SECOND)
    stranger = shift.act(Verb.COMMENT, 1, alert=UUID(int=3), comment="?")
    assert shift.until(30, grave(0), acts=[early, stranger]) == [
        "0 raised level 1: active latched",
        "0 acknowledged level 1: active acknowledged latched",
    ]
    assert shift.letters == []
    shift.until(62)
    assert [letter.reason for letter in shift.letters] == [Refusal.UNKNOWN_ALERT]


def test_without_a_policy() -> None:
    """The gravest alerts are latched, and nothing rings by itself."""
    shift = Shift(DeskPolicy())
    lines = shift.until(100_000, grave(0), finding(100, "G3"), finding(5000, "G1", END, onset=0))
    assert lines == [
        "0 raised level 1: active latched",
        "100 raised level 3: active",
        "5060 cleared level 1: latched",
    ]
