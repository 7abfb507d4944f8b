"""One fan: select before operate, as a state machine in event time.

    idle -> selecting -> operating -> running -> stopping -> idle

Facts come first (what asks for it, what was read, who is inside, what the field answers), then `consider` says what
follows from them. It starts nothing while an interlock holds, selects and operates at most once a command, and gives
every selection an end. The names are those of the control model "SBO with enhanced security" of IEC 61850-7-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.actions import Action, Verb
from domain.clock import NEVER, SECOND
from domain.commands import UNCONFIRMED, Answer, CommandEvent, Gauge, Interlock, Step
from domain.findings import Finding, Phase, Verdict
from domain.identity import identify
from domain.ventilation import Fan, Ventilation
from operators.alerts.timing import FOREVER

__all__ = ["FanControl", "Mode"]

_BY: Final = "lifeline"


class Mode(StrEnum):
    """How far a command has come."""

    IDLE = "idle"
    SELECTING = "selecting"
    OPERATING = "operating"  # told to run
    RUNNING = "running"  # seen to run
    STOPPING = "stopping"


@dataclass(slots=True)
class State:
    """All that is remembered of one fan. Times in ns."""

    mode: Mode = Mode.IDLE
    asked: dict[UUID, Finding] = field(default_factory=dict)  # what asks for it, as it was first found
    faults: dict[UUID, Finding] = field(default_factory=dict)  # what speaks against its sensors
    gas: Gauge | None = None
    fan: Gauge | None = None
    inside: dict[str, None] = field(default_factory=dict)  # who
    heard: dict[str, tuple[int, str]] = field(default_factory=dict)  # the last word on each of them, and on the lockout
    locked: str = ""  # by whom
    elsewhere: int = NEVER  # it may run until then, and not by our order
    answers: list[Action] = field(default_factory=list)  # that have not been considered yet
    command: UUID | None = None
    seq: int = 0
    finding: UUID | None = None
    blocked: str = ""
    heard_running: bool = False  # the field has said so of this command
    deadline: int = FOREVER  # of the selection, the confirmation, the stop
    operated: int = NEVER
    before: float = 0.0  # the gas when it was started
    ended: int = NEVER  # the last command
    alarm: Finding | None = None
    alarm_until: int = FOREVER


class FanControl:
    """The control of one fan.

    Parameters
    ----------
    fan, policy
        As the city's file has them.
    delays
        How long each monitor's findings must have lasted to count, ns.
    ranks
        The city's levels, the gravest first.
    """

    def __init__(self, fan: Fan, policy: Ventilation, delays: dict[str, int], ranks: Sequence[int]) -> None:
        self.fan, self._policy, self._delays, self._ranks = fan, policy, delays, ranks
        self.state = State()
        self.steps: list[CommandEvent] = []  #: since the caller last took them
        self.findings: list[Finding] = []  #: the same

    # Facts

    def find(self, finding: Finding) -> None:
        """What asks for it, and what speaks against its sensors."""
        fault = finding.verdict is Verdict.FAULT
        if fault and finding.sensor not in (self.fan.gas, self.fan.sensor):
            return
        known = self.state.faults if fault else self.state.asked
        if finding.phase is Phase.END:
            known.pop(finding.id, None)
        elif fault or finding.monitor in self._delays:
            known.setdefault(finding.id, finding.without_samples())

    def read(self, gauge: Gauge) -> None:
        """A reading of its gas or of the fan itself."""
        if gauge.sensor == self.fan.gas:
            self.state.gas = gauge
        if gauge.sensor == self.fan.sensor:
            self.state.fan = gauge

    def hear(self, action: Action) -> None:
        """Who goes in and out, and what its controller says. Of two words on one thing the later one holds."""
        state = self.state
        if action.verb in (Verb.ENTER, Verb.LEAVE):
            if self._is_later(f"person {action.actor}", action):
                state.inside.pop(action.actor, None)
                if action.verb is Verb.ENTER:
                    state.inside[action.actor] = None
        elif action.state in (Answer.LOCKOUT, Answer.RELEASED):
            if self._is_later("lockout", action):
                state.locked = action.actor if action.state == Answer.LOCKOUT else ""
        elif state.mode is not Mode.IDLE and action.command in (None, state.command):
            state.answers.append(action)
        elif action.state == Answer.RUNNING:
            state.elsewhere = action.ts + self._policy.run
        elif action.state in (Answer.STOPPED, Answer.FAILED):
            state.elsewhere = NEVER
            self._stands(action.ts)

    def _is_later(self, what: str, action: Action) -> bool:
        if action.said <= self.state.heard.get(what, (NEVER, "")):
            return False
        self.state.heard[what] = action.said
        return True

    # What follows

    def consider(self, now: int, maintained: bool) -> None:
        """Come to `now`, ns. `maintained`: its sensors are in maintenance or out of service."""
        state = self.state
        answers, state.answers = state.answers, []
        for answer in (*answers, None):
            before = None
            while before != (state.mode, state.command):  # one step may make the next one due
                before = (state.mode, state.command)
                self._step(now, maintained, answer)
                answer = None
        if state.alarm is not None and self._is_over(now):
            self._all_clear(now)

    def _step(self, now: int, maintained: bool, answer: Action | None) -> None:
        match self.state.mode:
            case Mode.IDLE:
                self._idle(now, maintained)
            case Mode.SELECTING:
                self._selecting(now, maintained, answer)
            case Mode.OPERATING | Mode.RUNNING:
                self._running(now, maintained, answer)
            case Mode.STOPPING:
                self._stopping(now, answer)

    def _idle(self, now: int, maintained: bool) -> None:
        state = self.state
        if not self.wanted(now):
            if state.command is not None:  # it was blocked all the time
                self._end(now, "not asked for any more", rest=False)
            return
        why = self.interlock(now, maintained)
        if state.command is None:
            state.command, state.seq, state.blocked = identify("command", self.fan.asset, now), 0, ""
        state.finding = next(iter(state.asked))
        if why is None:
            state.mode, state.deadline = Mode.SELECTING, now + self._policy.selection
            self._say(Step.SELECT, now, self._asked_by(), expires=state.deadline)
        elif why != state.blocked:
            state.blocked = why
            self._say(Step.BLOCKED, now, why)

    def _selecting(self, now: int, maintained: bool, answer: Action | None) -> None:
        state, policy = self.state, self._policy
        said = answer.state if answer is not None else ""
        if answer is not None and said in (Answer.REFUSED, Answer.FAILED):
            self._alarm(now, f"the selection was refused: {answer.reason}" if answer.reason else "selection refused")
            self._end(now, answer.reason or said, answer.actor)
        elif state.locked:  # nothing more is ordered; the selection expires by itself
            self._end(now, Interlock.LOCKOUT, state.locked)
        elif why := self.interlock(now, maintained):
            self._cancel(now, why)
        elif not self.wanted(now):
            self._cancel(now, "not asked for any more")
        elif now >= state.deadline:
            self._alarm(now, "the field did not answer the selection")
            self._cancel(now, "no answer in time")
        elif answer is not None and said == Answer.SELECTED and answer.command == state.command:
            assert state.gas is not None  # or else its reading would be stale
            self._say(Step.OPERATE, now, self._asked_by(), expires=state.deadline, run=policy.run)
            state.mode, state.operated, state.before, state.heard_running = Mode.OPERATING, now, state.gas.value, False
            state.deadline = now + policy.confirm

    def _running(self, now: int, maintained: bool, answer: Action | None) -> None:
        state, policy = self.state, self._policy
        said = answer.state if answer is not None else ""
        if state.locked:
            state.elsewhere = state.operated + policy.run  # it is in others' hands now
            self._end(now, Interlock.LOCKOUT, state.locked)
        elif answer is not None and said in (Answer.REFUSED, Answer.FAILED, Answer.STOPPED):
            if self.wanted(now):
                self._alarm(now, f"the field says {said}{f': {answer.reason}' if answer.reason else ''}")
            self._end(now, answer.reason or said, answer.actor)
        elif answer is not None and said == Answer.RUNNING and not state.heard_running:
            state.heard_running = True
            self._say(Step.RUNNING, now, answer.reason, answer.actor)
        elif state.inside:
            self._stop(now, Interlock.PEOPLE_INSIDE, next(iter(state.inside)))
        elif maintained:
            self._stop(now, Interlock.MAINTENANCE)
        elif now >= state.operated + policy.run:
            self._stop(now, "it has run for as long as it may")
        elif not self.wanted(now) and now >= state.operated + policy.least:
            self._stop(now, "not asked for any more")
        elif state.mode is Mode.RUNNING and self._turns() is False:
            if self.wanted(now):
                self._alarm(now, f"{self.fan.sensor} shows that it stands")
            self._end(now, f"{self.fan.sensor} shows that it stands")
        elif state.mode is Mode.OPERATING and self._has_worked():
            self._say(Step.CONFIRMED, now, f"by {self.fan.sensor or self.fan.gas}")
            state.mode, state.deadline = Mode.RUNNING, FOREVER
        elif now >= state.deadline:
            state.deadline = FOREVER
            waited = f"{policy.confirm // SECOND} s after the order {self.fan.sensor or self.fan.gas} shows no effect"
            self._say(Step.UNCONFIRMED, now, waited)
            self._alarm(now, waited)

    def _stopping(self, now: int, answer: Action | None) -> None:
        state = self.state
        if answer is not None and answer.state in (Answer.STOPPED, Answer.FAILED):
            self._end(now, answer.reason or answer.state, answer.actor)
            self._stands(now)
        elif state.locked:
            self._end(now, Interlock.LOCKOUT, state.locked)
        elif self._turns() is False:
            self._end(now, f"{self.fan.sensor} shows that it stands")
            self._stands(now)
        elif now >= state.deadline:
            # By then the field has ended it by itself, where it does as it should.
            state.elsewhere = max(state.operated + self._policy.run, now + self._policy.confirm)
            self._alarm(now, "the field did not confirm the stop", state.elsewhere)
            self._end(now, "no answer in time")

    def wanted(self, now: int) -> bool:
        """Whether something has asked for it for long enough."""
        return any(one.ts + self._delays[one.monitor] <= now for one in self.state.asked.values())

    def interlock(self, now: int, maintained: bool) -> Interlock | None:
        """What forbids to start it now, the gravest first."""
        state, policy = self.state, self._policy
        selecting = state.mode is Mode.SELECTING  # then it has rested long enough
        if state.locked:
            return Interlock.LOCKOUT
        if state.inside:
            return Interlock.PEOPLE_INSIDE
        if maintained:
            return Interlock.MAINTENANCE
        if state.faults:
            return Interlock.FAULTY_SENSOR
        if state.gas is None or state.gas.ts <= now - policy.stale:
            return Interlock.STALE_SENSOR
        if now < state.elsewhere or (state.fan is not None and state.fan.value > self.fan.running):
            return Interlock.RUNS_ALREADY
        return Interlock.TOO_SOON if now < state.ended + policy.between and not selecting else None

    def next(self, now: int) -> int:
        """When time alone makes something due after `now`, ns; FOREVER where it does not."""
        state, policy = self.state, self._policy
        due = [state.deadline, state.alarm_until]
        due += [one.ts + self._delays[one.monitor] for one in state.asked.values()]
        if state.mode is Mode.IDLE and state.asked:
            due += [state.ended + policy.between, state.elsewhere]
        if state.mode in (Mode.OPERATING, Mode.RUNNING):
            due += [state.operated + policy.least, state.operated + policy.run]
        return min((one for one in due if one > now), default=FOREVER)

    def _turns(self) -> bool | None:
        """Whether the fan's own sensor has shown it to run since it was told to; None where it has not read yet."""
        fan = self.state.fan
        if fan is None or fan.ts <= self.state.operated:
            return None
        return fan.value > self.fan.running

    def _has_worked(self) -> bool:
        state = self.state
        if self.fan.sensor:
            return self._turns() is True
        assert state.gas is not None
        return state.gas.ts > state.operated and state.gas.value <= state.before - self.fan.falls

    # What is said

    def _asked_by(self) -> str:
        return "asked for by " + ", ".join(sorted({one.monitor for one in self.state.asked.values()}))

    def _cancel(self, now: int, why: str) -> None:
        self._say(Step.CANCEL, now, why, expires=self.state.deadline + self._policy.selection)
        self._end(now, why)

    def _stop(self, now: int, why: str, by: str = _BY) -> None:
        state = self.state
        state.mode, state.deadline = Mode.STOPPING, now + self._policy.selection
        # Once the field has ended it by itself, there is nothing left to stop.
        self._say(Step.STOP, now, why, by, expires=max(state.operated + self._policy.run, state.deadline))

    def _end(self, now: int, why: str, by: str = _BY, *, rest: bool = True) -> None:
        state = self.state
        self._say(Step.ENDED, now, why, by)
        state.mode, state.command, state.finding, state.deadline = Mode.IDLE, None, None, FOREVER
        if rest:
            state.ended = now

    def _say(self, step: Step, now: int, why: str, by: str = _BY, *, expires: int = 0, run: int = 0) -> None:
        state, fan = self.state, self.fan
        assert state.command is not None
        id, read = identify("command-step", state.command, state.seq), fan.sensor or fan.gas
        value = state.gas.value if state.gas is not None else float("nan")
        told = state.command, state.seq, step, now, fan.asset, by, str(why), state.finding
        self.steps.append(CommandEvent(id, *told, read, value, expires, run))
        state.seq += 1

    def _alarm(self, now: int, why: str, until: int = FOREVER) -> None:
        """Tell the desk, once, that the fan does not do what it was told; a grade graver than what asks for it."""
        state = self.state
        state.alarm_until = until
        if state.alarm is not None:
            return
        asked = min((one.level for one in state.asked.values() if one.level), default=max(self._ranks, default=1))
        level = max((rank for rank in self._ranks if rank < asked), default=asked)
        value, wait = (state.gas.value if state.gas is not None else 0.0), self._policy.confirm / SECOND
        state.alarm = Finding(
            identify("finding", UNCONFIRMED, self.fan.asset, now), Phase.ONSET, UNCONFIRMED, "ventilation", "",
            UNCONFIRMED, Verdict.EVENT, why, self.fan.gas, now, now, now, level, wait, wait, value, state.before,
        )  # fmt: skip
        self.findings.append(state.alarm)

    def _is_over(self, now: int) -> bool:
        state = self.state
        if state.alarm_until < FOREVER:  # a stop was not confirmed
            turns = self._turns()
            return now >= state.alarm_until if turns is None else not turns
        return state.mode is Mode.RUNNING or (state.mode is Mode.IDLE and not self.wanted(now))

    def _stands(self, now: int) -> None:
        """It is known to stand: whoever waits for that waits no more."""
        if self.state.alarm_until < FOREVER:
            self.state.alarm_until = now

    def _all_clear(self, now: int) -> None:
        state = self.state
        assert state.alarm is not None
        self.findings.append(replace(state.alarm, phase=Phase.END, ts=now, known=now, level=0))
        state.alarm, state.alarm_until = None, FOREVER
