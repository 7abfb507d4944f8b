"""The life of an alert as its signs make it: raised, updated, escalated, cleared.

What people make of it is in `operators.alerts.handling`. A case becomes an alert as it opens. Its level gets graver, by
its signs or by the city's policy (`operators.alerts.grade`), and never milder until the alert has cleared. An alert
clears once every sign that asked for a level has been over for its off-delay, and for longer when the alert keeps
coming back (`Rules.flap_hold`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from domain.city import City
from domain.clock import SECOND
from domain.findings import Alert, AlertEventType
from domain.traces import Trace
from operators.alerts.context import Weighed
from operators.alerts.describe import Describer
from operators.alerts.grade import Graded, Grading
from operators.alerts.owners import Owners
from operators.alerts.rules import DEFAULT, Rules
from operators.alerts.signs import Case
from operators.alerts.timing import FOREVER, Timers
from operators.alerts.traces import Traces

__all__ = ["Lifecycle", "Step"]

#: What happened to an alert, and the alert as its signs make it.
Step = tuple[AlertEventType, Alert]


@dataclass(slots=True)
class Life:
    """What the desk has been told of a case."""

    level: int
    raised: int
    rules: tuple[str, ...] = ()  # of the city's policy, that made it so grave
    traces: tuple[Trace, ...] = ()  # of its first signs
    update_from: int = 0  # no update before
    graded: int = 0  # nor a look at the policy
    wake: int = FOREVER  # a timer is set for then


class Lifecycle:
    """Tells the desk of open cases, not more often than it wants to hear.

    Drive it in event time: `step` with every case that has changed and every case that is `due`; `weigh` says how sure
    a case is at a time.
    """

    def __init__(self, city: City, weigh: Callable[[Case, int], Weighed], rules: Rules = DEFAULT) -> None:
        self._rules, self._weigh = rules, weigh
        self._describe = Describer(city, rules)
        self._grading = Grading(city, weigh)
        self._owners = Owners(city)
        self.traces = Traces()
        self.state = State()

    @property
    def next(self) -> int:
        """The next time at which a case is due, ns; FOREVER when none is."""
        return self.state.timers.next

    def due(self, now: int) -> list[Case]:
        """Open cases to look at now, because a delay has passed."""
        cases = []
        while self.state.timers.next <= now:
            case = self.state.timers.pop()
            life = self.state.lives.get(case.number)
            if life is not None:
                life.wake = FOREVER
                cases.append(case)
        return cases

    def step(self, case: Case, asked: int, now: int) -> list[Step]:
        """What the desk hears at `now` of a case that asks for a level; after a CLEARED the case is over.

        Its alert is no milder than those of its consequences: people hear of it alone.
        """
        lives = self.state.lives
        life = lives.get(case.number)
        asked = min((asked, *(lives[number].level for number in case.folded if number in lives)))
        if life is None:
            graded = self._grading.look(case, asked, asked, now, now)
        elif now < life.graded:  # one of many signs is not graded anew by each of them, but by the second
            graded = Graded(asked, (), life.graded)
        else:
            graded = self._grading.look(case, asked, life.level, life.raised, now)
        over = case.lasting == 0 and case.until <= now and not case.outlasted
        events = []
        if life is None:
            life = self.state.lives[case.number] = Life(graded.level, now, graded.rules)
            events.append(self._event(AlertEventType.RAISED, case, life, now))
        elif graded.level < life.level:
            life.level, life.rules = graded.level, graded.rules
            events.append(self._event(AlertEventType.ESCALATED, case, life, now))
        elif not over and (case.moved or (case.news and now >= life.update_from)):
            life.update_from = now + self._rules.update_every
            events.append(self._event(AlertEventType.UPDATED, case, life, now))
        if over:
            events.append(self._event(AlertEventType.CLEARED, case, life, now))
            del self.state.lives[case.number]
        else:
            if now >= life.graded and len(case.signs) > self._rules.listed:
                life.graded = now + SECOND
            self._set_timer(case, life, graded.due)
        return events

    def _set_timer(self, case: Case, life: Life, graver: int) -> None:
        over = FOREVER if case.lasting or case.outlasted else case.until
        wake = min(life.update_from if case.news else FOREVER, over, graver)
        if wake < life.wake:
            life.wake = wake
            self.state.timers.at(wake, case)

    def _event(self, type: AlertEventType, case: Case, life: Life, now: int) -> Step:
        case.news = case.moved = False
        cleared = now if type is AlertEventType.CLEARED else 0
        alert = self._describe.alert(case, self._weigh(case, now), life.level, life.raised, now, cleared)
        life.traces = self.traces.of(case, life.traces)
        return type, replace(alert, owner=self._owners.of(alert), rules=life.rules, traces=life.traces)


class State:
    """All that a lifecycle remembers."""

    def __init__(self) -> None:
        self.lives: dict[int, Life] = {}  # by the number of the case
        self.timers: Timers[Case] = Timers()
