"""Any sequence of what sensors find and people do, late and repeated, against what must hold of alerts."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.actions import Action, Verb
from domain.city import City
from domain.clock import HOUR, MINUTE, SECOND
from domain.desk import DeskPolicy, LevelPolicy
from domain.findings import AlertEvent, AlertEventType, Finding
from domain.records import DeadLetter, Verdicts
from operators.alerts.desk import Desk
from operators.alerts.handling import PATIENCE, Refusal
from operators.alerts.pager import Page, PagedDesk
from tests.operators.alerts.town import CHANGE, END, ONSET, START, TOWN, finding

POLICY = DeskPolicy(
    shelve_most=30 * MINUTE,
    suppress_most=2 * HOUR,
    remember=HOUR,
    level=(
        LevelPolicy(1, 2 * MINUTE, ("gas-company", "street-office"), 10 * MINUTE, latched=True),
        LevelPolicy(2, 5 * MINUTE),
    ),
)
CITY: City = replace(TOWN, desk=POLICY)
HANGING = {"W1": {"W1", "W2", "W3"}, "W2": {"W2", "W3"}, "W3": {"W3"}}  # along the town's water main
ASSET = {sensor.id: sensor.asset for sensor in CITY.sensors}
SENSORS = ["G1", "G3", "P1", "P2"]
ON_ALERTS = [Verb.ACKNOWLEDGE, Verb.SHELVE, Verb.UNSHELVE, Verb.COMMENT, Verb.JUDGE, Verb.CLOSE]

seconds = st.sampled_from([1, 5, 30, 120, 600, 1800, 4000])
delays = st.sampled_from([0, 0, 0, 20, 200])
verdicts = st.sampled_from(["true", "false"])


class Desks(RuleBasedStateMachine):
    """A desk in the hands of many."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.desk = PagedDesk(Desk(CITY, 1), None)
        self.verdicts: list[Verdicts] = []
        self.events: list[AlertEvent] = []
        self.last: dict[UUID, AlertEvent] = {}
        self.paged: dict[UUID, AlertEvent] = {}
        self.letters: list[DeadLetter] = []
        self.actions: list[Action] = []
        self.onset: dict[str, int] = {}

    # What happens

    @rule(sensor=st.sampled_from(SENSORS), grade=st.integers(1, 3))
    def finds(self, sensor: str, grade: int) -> None:
        monitor = "burst" if sensor.startswith("P") else "gas"
        phase = CHANGE if sensor in self.onset else ONSET
        onset = self.onset.setdefault(sensor, self.now)
        self._take(found=finding(self.now, sensor, phase, 1 if monitor == "burst" else grade, monitor, onset))

    @rule()
    def gets_worse(self) -> None:
        for sensor in list(self.onset):
            self.finds(sensor, 3)

    @rule(sensor=st.sampled_from(SENSORS))
    def ends(self, sensor: str) -> None:
        if sensor in self.onset:
            monitor = "burst" if sensor.startswith("P") else "gas"
            self._take(found=finding(self.now, sensor, END, 1, monitor, self.onset.pop(sensor)))

    @rule()
    def calms_down(self) -> None:
        for sensor in list(self.onset):
            self.ends(sensor)
        self.waits(100)

    @rule(after=seconds)
    def waits(self, after: int) -> None:
        self.now += after
        self._take()

    @precondition(lambda self: self.last)
    @rule(verb=st.sampled_from(ON_ALERTS), which=st.integers(0, 9), late=delays, until=seconds, verdict=verdicts)
    def handles(self, verb: Verb, which: int, late: int, until: int, verdict: str) -> None:
        alert = sorted(self.last, key=str)[which % len(self.last)]
        self._handle(verb, alert, late, until, verdict)

    @precondition(lambda self: self._standing())
    @rule(verb=st.sampled_from(ON_ALERTS), which=st.integers(0, 9), until=seconds, verdict=verdicts)
    def handles_what_stands(self, verb: Verb, which: int, until: int, verdict: str) -> None:
        standing = self._standing()
        self._handle(verb, standing[which % len(standing)], 0, until, verdict)

    @precondition(lambda self: self._standing())
    @rule(which=st.integers(0, 9), after=seconds, over=st.booleans())
    def works_it_off(self, which: int, after: int, over: bool) -> None:
        alert = self.last[self._standing()[which % len(self._standing())]].alert
        self._handle(Verb.ACKNOWLEDGE, alert.id)
        for sensor in alert.sensors if over else ():
            self.ends(sensor)
        self.waits(after)
        self._handle(Verb.CLOSE, alert.id)

    @rule(verb=st.sampled_from(ON_ALERTS), which=st.integers(0, 2))
    def handles_what_is_not_there(self, verb: Verb, which: int) -> None:
        self._handle(verb, UUID(int=which))

    @precondition(lambda self: self._standing())
    @rule(which=st.integers(0, 9), until=seconds, after=seconds)
    def shelves_what_stands(self, which: int, until: int, after: int) -> None:
        self._handle(Verb.SHELVE, self._standing()[which % len(self._standing())], 0, until)
        self.waits(after)

    @precondition(lambda self: self._standing())
    @rule(which=st.integers(0, 9), asset=st.booleans(), after=seconds)
    def maintains_what_stands(self, which: int, asset: bool, after: int) -> None:
        sensors = self.last[self._standing()[which % len(self._standing())]].alert.sensors
        for sensor in sensors:
            self.maintains(ASSET[sensor] if asset else sensor, True, 0, 600)
        self.waits(after)

    @rule(
        thing=st.sampled_from(["W1", "W2", "M1", *SENSORS]),
        begins=st.booleans(),
        late=delays,
        until=st.sampled_from([0, 60, 600, 9000]),
    )
    def maintains(self, thing: str, begins: bool, late: int, until: int) -> None:
        end = self._ts(-until) if until else 0
        if thing in CITY.assets:
            verb = Verb.SUPPRESS if begins else Verb.RESUME
            self._do(Action(self._id(), verb, self._ts(late), "li.na", asset=thing, until=end))
        else:
            verb = Verb.OUT_OF_SERVICE if begins else Verb.IN_SERVICE
            self._do(Action(self._id(), verb, self._ts(late), "li.na", sensor=thing, until=end))

    @rule(which=st.integers(0, 20))
    def repeats(self, which: int) -> None:
        if self.actions:
            again = self.actions[which % len(self.actions)]
            before = len(self.events)
            self._take(done=replace(again, known=START + self.now * SECOND))
            assert {event.type for event in self.events[before:]} <= {
                AlertEventType.RAISED,  # of its own accord
                AlertEventType.UPDATED,
                AlertEventType.CLEARED,
                AlertEventType.OVERDUE,
                AlertEventType.REALARMED,
                AlertEventType.UNSHELVED,
                AlertEventType.RESUMED,
            }

    # What must hold

    @invariant()
    def every_state_is_legal(self) -> None:
        frontier = START + self.now * SECOND
        for event in self.last.values():
            alert = event.alert
            assert not alert.closed or (alert.acknowledged and not (alert.active or alert.latched or alert.quiet))
            assert (alert.acknowledged > 0) == (alert.acknowledged_by != "")
            assert (alert.shelved_until > 0) == (alert.shelved_by != "")
            assert not alert.shelved_until or frontier <= alert.shelved_until <= event.ts + POLICY.shelve_most
            assert (alert.cleared == 0) == alert.active
            assert alert.active or alert.latched or not alert.quiet

    @invariant()
    def no_grave_alert_is_lost(self) -> None:
        for id, event in self.last.items():
            alert = event.alert
            assert alert.level > 1 or alert.latched or alert.closed
            if (alert.active or alert.latched) and not alert.quiet:
                assert self.paged[id] == event  # people know how it stands
            elif id in self.paged and alert.quiet:
                assert self.paged[id].alert.quiet  # and that they are to hear no more for now

    @invariant()
    def what_is_in_maintenance_is_quiet(self) -> None:
        covered = self._covered()
        for event in self.last.values():
            alert = event.alert
            if alert.active or alert.latched:
                assert alert.suppressed == all(source in covered for source in alert.sensors)

    @invariant()
    def nothing_is_passed_over(self) -> None:
        now = START + self.now * SECOND
        strangers = [a for a in self.actions if a.alert and a.alert.int < 3 and a.known + PATIENCE < now]
        assert len(strangers) <= sum(letter.reason == Refusal.UNKNOWN_ALERT for letter in self.letters)

    @invariant()
    def events_are_numbered(self) -> None:
        lives: dict[UUID, list[AlertEvent]] = {}
        for event in self.events:
            lives.setdefault(event.alert.id, []).append(event)
        for life in lives.values():
            assert [event.seq for event in life] == list(range(len(life)))
            assert life[0].type is AlertEventType.RAISED

    def teardown(self) -> None:
        """However the same was brought: all at once, and from a snapshot in the middle."""
        whole = Desk(CITY, 1)
        found = tuple(finding for verdicts in self.verdicts for finding in verdicts.findings)
        done = tuple(action for verdicts in self.verdicts for action in verdicts.actions)
        upto = self.verdicts[-1].upto if self.verdicts else START
        assert whole.take(Verdicts(0, upto, found, actions=done)) == self.events
        assert sorted(map(repr, whole.refused())) == sorted(map(repr, self.letters))
        middle = len(self.verdicts) // 2
        first, second = Desk(CITY, 1), Desk(CITY, 1)
        events = [event for verdicts in self.verdicts[:middle] for event in first.take(verdicts)]
        second.restore(first.snapshot())
        assert events + [event for verdicts in self.verdicts[middle:] for event in second.take(verdicts)] == self.events

    # How

    def _standing(self) -> list[UUID]:
        found = (event.alert for event in self.last.values())
        return sorted((alert.id for alert in found if alert.active or alert.latched), key=str)

    def _handle(self, verb: Verb, alert: UUID, late: int = 0, until: int = 60, verdict: str = "true") -> None:
        action = Action(self._id(), verb, self._ts(late), "li.na", alert=alert, verdict=verdict)
        self._do(replace(action, until=self._ts(-until)))

    def _id(self) -> UUID:
        return UUID(int=len(self.actions) + 1)

    def _ts(self, ago: int) -> int:
        return START + (self.now - ago) * SECOND

    def _do(self, action: Action) -> None:
        action = replace(action, known=START + self.now * SECOND)
        self.actions.append(action)
        self._take(done=action)

    def _take(self, found: Finding | None = None, done: Action | None = None) -> None:
        self.now += 1
        verdicts = Verdicts(0, START + self.now * SECOND, (found,) if found else (), actions=(done,) if done else ())
        self.verdicts.append(verdicts)
        for item in self.desk.take(verdicts, 0):
            if isinstance(item, Page):
                self.paged[item.event.alert.id] = item.event
            elif isinstance(item, AlertEvent):
                self.events.append(item)
                self.last[item.alert.id] = item
            elif isinstance(item, DeadLetter):
                self.letters.append(item)

    def _covered(self) -> set[str]:
        """Sensors out of service or in maintenance just before now, from the latest word on each thing."""
        latest: dict[str, Action] = {}
        windows = (a for a in self.actions if a.verb not in ON_ALERTS)
        for action in sorted(windows, key=lambda action: action.said):
            latest[action.asset or action.sensor] = action
        covered: set[str] = set()
        for thing, action in latest.items():
            if action.verb not in (Verb.SUPPRESS, Verb.OUT_OF_SERVICE):
                continue
            most = action.ts + POLICY.suppress_most if action.asset else 2**62
            if min(action.until or 2**62, most) >= START + self.now * SECOND:
                assets = HANGING.get(thing, {thing})
                covered |= {thing} if action.sensor else {id for id in SENSORS if ASSET[id] in assets}
        return covered


Desks.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestDesks = Desks.TestCase
