"""What people make of alerts: the states of OPC UA Part 9 (Alarms and Conditions, release 1.05) as a state machine.

| here | there |
| --- | --- |
| active | ActiveState: the signs are there |
| acknowledged | AckedState |
| shelved_until | ShelvingState, TimedShelved only: nothing is shelved without an end (MaxTimeShelved: `shelve_most`) |
| suppressed | SuppressedState and OutOfServiceState, by `operators.alerts.maintenance` |
| latched, closed | LatchedState and Reset: only what is over and acknowledged can be closed |
| overdue, re-alarmed | escalation; ReAlarmTime |

All of it is a function of the steps, the actions and their times. Whatever people do, the signs are followed as before;
a graver level undoes what was said of a milder one; and every quiet that has an end ends by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.actions import Action, Verb
from domain.city import City
from domain.clock import HOUR, MILLISECOND, MINUTE, SECOND, floor_to, iso
from domain.desk import LevelPolicy
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from domain.records import DeadLetter
from operators.alerts.lifecycle import Step
from operators.alerts.maintenance import WINDOWS, Maintenance
from operators.alerts.timing import FOREVER, Timers

__all__ = ["Handling", "Refusal"]

#: An action waits so long for its alert: a console's clock may be ahead of the city's.
PATIENCE: Final = MINUTE

#: So many alerts that are over are remembered at most, and so many actions wait.
REMEMBERED: Final = 10_000

_OF_ALERTS: Final = frozenset({Verb.ACKNOWLEDGE, Verb.SHELVE, Verb.UNSHELVE, Verb.COMMENT, Verb.JUDGE, Verb.CLOSE})


class Refusal(StrEnum):
    """Why an action changes nothing, as metrics count it."""

    UNKNOWN_ALERT = "unknown-alert"
    WRONG_STATE = "wrong-state"


@dataclass(slots=True)
class Life:
    """An alert as the desk was told of it last, and what is due."""

    alert: Alert
    seq: int = 0
    since: int = 0  # since when it asks for acknowledgement, ns
    reminders: int = 0  # how often it has been overdue
    overdue: int = FOREVER
    realarm: int = FOREVER
    wake: int = FOREVER  # a timer is set for then
    said: dict[str, tuple[int, str]] = field(default_factory=dict)  # the last words on it, by what they are about

    @property
    def stands(self) -> bool:
        """Whether it is on the desk: its signs are there, or it waits for somebody to close it."""
        return self.alert.active or self.alert.latched


class Handling:
    """Numbers the steps of alerts, and adds those that people and the clock make.

    Parameters
    ----------
    city
        Its `desk` says what is expected of people.
    attended
        Whether anybody is there; otherwise nothing is latched or overdue, and what is over is forgotten at once.
    """

    def __init__(self, city: City, attended: bool = True) -> None:
        self._policy, self._attended = city.desk, attended
        self._gravest = min((level.rank for level in city.levels), default=1)
        self._maintenance = Maintenance(city, city.desk.suppress_most)
        self._events: list[AlertEvent] = []
        self._letters: list[DeadLetter] = []
        self.state = State()

    @property
    def next(self) -> int:
        """The next time at which something is due, ns; FOREVER when nothing is."""
        return min(self.state.timers.next, self._maintenance.next)

    def step(self, steps: Iterable[Step], actions: Iterable[Action], now: int) -> list[AlertEvent]:
        """What the desk hears at `now`, ns: of delays that have passed, of the signs' steps, and of what people did."""
        self._forget(now)
        self._due(now)
        for type, alert in steps:
            self._happens(type, alert, now)
        for action in actions:
            self._done(action, now)
        events, self._events = self._events, []
        return events

    def refused(self) -> list[DeadLetter]:
        """Actions since the last call that could change nothing."""
        letters, self._letters = self._letters, []
        return letters

    # What the signs do

    def _happens(self, type: AlertEventType, alert: Alert, now: int) -> None:
        life = self.state.lives.get(alert.id)
        if life is None:
            life = self.state.lives[alert.id] = Life(alert)
        made = alert.handled_as(life.alert)
        if type is AlertEventType.ESCALATED:  # acknowledged and shelved was another alert than this
            made = replace(made, acknowledged=0, acknowledged_by="", shelved_until=0, shelved_by="")
            life.said["shelf"] = life.said["receipt"] = _said(now)
        if self._attended:
            latched = made.latched or self._of(made.level).latched
            made = replace(made, latched=latched, suppressed=self._maintenance.covers(made))
        if not (made.active or made.latched):
            made = replace(made, shelved_until=0, shelved_by="", suppressed=False)
        again = type in (AlertEventType.RAISED, AlertEventType.ESCALATED)
        again |= life.alert.suppressed and not made.suppressed
        self._say(life, type, made, now)
        if again:
            self._ask(life, now)
        self._rest(life, now)
        self._try_again(alert.id, now)

    # What people do

    def _done(self, action: Action, now: int) -> None:
        if action.verb in WINDOWS:
            if self._attended and self._maintenance.take(action, now):
                self._cover(now, f"by {action.actor}{f': {action.reason}' if action.reason else ''}")
        elif action.verb in _OF_ALERTS and action.alert is not None:
            life = self.state.lives.get(action.alert)
            if life is None:
                self._wait(action, action.alert, now)
            else:
                self._handle(life, action, now)

    def _handle(self, life: Life, action: Action, now: int) -> None:
        alert = life.alert
        match action.verb:
            case Verb.ACKNOWLEDGE if self._is_later(life, "receipt", action) and not alert.acknowledged:
                acknowledged = replace(alert, acknowledged=action.ts, acknowledged_by=action.actor)
                self._say(life, AlertEventType.ACKNOWLEDGED, acknowledged, now, action.comment)
                after = self._of(alert.level).realarm_after
                life.overdue, life.realarm = FOREVER, now + after if after and alert.active else FOREVER
                self._set_timer(life)
            case Verb.SHELVE | Verb.UNSHELVE if self._is_later(life, "shelf", action) and life.stands:
                most = action.ts + self._policy.shelve_most
                until = min(action.until, most) if action.verb is Verb.SHELVE else 0
                if until > now:
                    shelved = replace(alert, shelved_until=until, shelved_by=action.actor)
                    self._say(life, AlertEventType.SHELVED, shelved, now, action.reason)
                    self._set_timer(life)
                elif alert.shelved_until:
                    self._unshelve(life, now, f"by {action.actor}")
            case Verb.JUDGE if self._is_later(life, "judgement", action) and alert.judged != action.verdict:
                self._say(life, AlertEventType.JUDGED, replace(alert, judged=action.verdict), now, action.comment)
            case Verb.CLOSE if self._is_later(life, "close", action) and not alert.closed:
                if alert.active or not alert.acknowledged:
                    state = "is still active" if alert.active else "has not been acknowledged"
                    self._refuse(action, Refusal.WRONG_STATE, f"close: alert {alert.id} {state}")
                    return
                closed = replace(
                    alert, closed=action.ts, latched=False, shelved_until=0, shelved_by="", suppressed=False
                )
                self._say(life, AlertEventType.CLOSED, closed, now, action.comment)
                self._rest(life, now)

    @staticmethod
    def _is_later(life: Life, what: str, action: Action) -> bool:
        """Whether this is the latest word on something; then it is remembered as such."""
        if action.said <= life.said.get(what, (0, "")):
            return False
        life.said[what] = action.said
        return True

    def _wait(self, action: Action, alert: UUID, now: int) -> None:
        state, until = self.state, max(action.known, action.ts) + PATIENCE
        if until <= now or state.waits >= REMEMBERED:
            self._unknown(action)
            return
        state.waiting.setdefault(alert, []).append(action)
        state.waits += 1
        state.timers.at(until, alert)

    def _try_again(self, alert: UUID, now: int) -> None:
        """What has waited for an alert."""
        waiting = self.state.waiting.pop(alert, [])
        self.state.waits -= len(waiting)
        for action in waiting:
            self._done(action, now)

    def finish(self) -> None:
        """The stream has ended: what waits for an alert waits for nothing."""
        waiting, self.state.waiting, self.state.waits = self.state.waiting, {}, 0
        for actions in waiting.values():
            for action in actions:
                self._unknown(action)

    def _unknown(self, action: Action) -> None:
        over = f"{self._policy.remember / HOUR:g} h"
        detail = f"{action.verb}: expected an alert that is open or was over less than {over} ago, got {action.alert}"
        self._refuse(action, Refusal.UNKNOWN_ALERT, detail)

    def _refuse(self, action: Action, reason: Refusal, detail: str) -> None:
        at = action.origin
        payload = action.to_json()
        self._letters.append(DeadLetter(at.partition, at.offset, at.row, at.recorded, reason.value, detail, payload))

    # What is due

    def _due(self, now: int) -> None:
        state = self.state
        if self._maintenance.due(now):
            self._cover(now, "its time is over")
        while state.timers.next <= now:
            id = state.timers.pop()
            self._try_again(id, now)
            if (life := state.lives.get(id)) is not None:
                life.wake = FOREVER
                self._remind(life, now)
                self._set_timer(life)

    def _remind(self, life: Life, now: int) -> None:
        alert = life.alert
        if 0 < alert.shelved_until <= now:
            self._unshelve(life, now, "its time is over")
        elif not alert.quiet and life.overdue <= now:
            self._remind_of(life, self._of(alert.level), now)
        elif not alert.quiet and life.realarm <= now:
            again = replace(alert, acknowledged=0, acknowledged_by="")
            by = f"acknowledged by {alert.acknowledged_by} at {iso(alert.acknowledged)}, and still active"
            life.said["receipt"] = _said(now)
            self._say(life, AlertEventType.REALARMED, again, now, by)
            self._ask(life, now)

    def _remind_of(self, life: Life, policy: LevelPolicy, now: int) -> None:
        units = policy.escalate_to
        to = units[life.reminders : life.reminders + 1]
        life.reminders += 1
        life.overdue = now + policy.acknowledge_within if life.reminders < len(units) else FOREVER
        waited = (now - life.since) // SECOND
        note = f"not acknowledged for {waited} s{''.join(f': to {unit}' for unit in to)}"
        self._say(life, AlertEventType.OVERDUE, life.alert, now, note, to)

    def _unshelve(self, life: Life, now: int, note: str) -> None:
        self._say(life, AlertEventType.UNSHELVED, replace(life.alert, shelved_until=0, shelved_by=""), now, note)
        self._ask(life, now)

    def _cover(self, now: int, note: str) -> None:
        """Windows have opened or closed."""
        for life in list(self.state.lives.values()):
            suppressed = life.stands and self._maintenance.covers(life.alert)
            if suppressed != life.alert.suppressed:
                type = AlertEventType.SUPPRESSED if suppressed else AlertEventType.RESUMED
                self._say(life, type, replace(life.alert, suppressed=suppressed), now, note)
                if not suppressed:
                    self._ask(life, now)

    # What is told and remembered

    def _say(
        self, life: Life, type: AlertEventType, alert: Alert, now: int, note: str = "", notify: tuple[str, ...] = ()
    ) -> None:
        life.alert = replace(alert, updated=now)
        id = identify("alert-event", alert.id, life.seq)
        event = AlertEvent(id, life.seq, type, now, life.alert, note=note, notify=notify)
        life.seq += 1
        self._events.append(event)

    def _ask(self, life: Life, now: int) -> None:
        """Wait for somebody to acknowledge, from now on, where nobody has."""
        if not self._attended:
            return
        if not life.alert.acknowledged:
            within = self._of(life.alert.level).acknowledge_within
            life.since, life.reminders, life.realarm = now, 0, FOREVER
            life.overdue = now + within if within else FOREVER
        self._set_timer(life)

    def _set_timer(self, life: Life) -> None:
        alert = life.alert
        asks = FOREVER if alert.quiet or not life.stands else min(life.overdue, life.realarm)
        wake = min(alert.shelved_until or FOREVER, asks)
        if wake < life.wake:
            life.wake = wake
            self.state.timers.at(wake, alert.id)

    def _rest(self, life: Life, now: int) -> None:
        """What is over is remembered for a while."""
        if not life.alert.active:
            life.realarm = FOREVER
        if not life.stands:
            life.overdue = FOREVER
            life.alert = replace(life.alert, traces=())  # many that are over are remembered
            self.state.over.append((now + self._policy.remember * self._attended, life.alert.id))

    def _forget(self, now: int) -> None:
        state = self.state
        while state.over and (state.over[0][0] <= now or len(state.over) > REMEMBERED):
            _, id = state.over.popleft()
            life = state.lives.get(id)
            if life is not None and not life.stands:
                del state.lives[id]

    def _of(self, level: int) -> LevelPolicy:
        return self._policy.of(level, self._gravest)

    def snapshot(self) -> Any:
        """All that is remembered, to be pickled at once."""
        return self.state, self._maintenance.state

    def restore(self, state: Any) -> None:
        """Take up what `snapshot` returned."""
        self.state, self._maintenance.state = state


def _said(now: int) -> tuple[int, str]:
    """As if said at `now`: before every action from then on, whose times are whole milliseconds."""
    return floor_to(now, MILLISECOND), ""


class State:
    """All that is remembered of alerts."""

    def __init__(self) -> None:
        self.lives: dict[UUID, Life] = {}
        self.over: deque[tuple[int, UUID]] = deque()  # until when those that are over are remembered
        self.waiting: dict[UUID, list[Action]] = {}  # actions that came before their alert
        self.waits = 0
        self.timers: Timers[UUID] = Timers()
