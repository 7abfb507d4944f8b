"""Any sequence of findings, readings, answers and people against what must never be, and what must always follow."""

from __future__ import annotations

from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from domain.actions import Action, Verb
from domain.clock import SECOND
from domain.commands import ORDERS, Answer, CommandEvent, Gauge, Step
from domain.findings import Finding, Phase
from tests.operators.commands.field import POLICY, START, Field, action, answer, at, finding, gauge

OF_COMMANDS = [state for state in Answer if state not in (Answer.LOCKOUT, Answer.RELEASED)]
ENDS = {Step.OPERATE, Step.CANCEL, Step.ENDED}


class Fans(RuleBasedStateMachine):
    """The fan of one tank in the hands of a field that may answer anything."""

    def __init__(self) -> None:
        super().__init__()
        self.field, self.twin = Field(), Field()
        self.now = 0
        self.steps: list[CommandEvent] = []
        # The world, as somebody would know it who stood beside the tank.
        self.inside: set[str] = set()
        self.locked = False
        self.maintained_until = 0
        self.fault: float | None = None
        self.asked: float | None = None
        self.gas: float | None = None  # when it was read last
        self.fan = 0.0

    # What happens

    @rule(seconds=st.sampled_from([1, 5, 20, 31, 60, 121, 300, 620, 1300]))
    def passes(self, seconds: int) -> None:
        self.now += seconds
        self._take()

    @rule()
    def passes_for_long(self) -> None:
        """No run is that long."""
        self.passes(1300)

    @rule(value=st.sampled_from([2.0, 12.0, 18.0, 30.0]))
    def gas_is_read(self, value: float) -> None:
        self._come()
        self.gas = self.now
        self._take(gauge(self.now, "G1", value))

    @rule(value=st.sampled_from([0.0, 1.0]))
    def fan_is_read(self, value: float) -> None:
        self._come()
        self.fan = value
        self._take(gauge(self.now, "F1", value))

    @rule()
    def asks(self) -> None:
        self._come()
        if self.asked is None:
            self.asked = self.now
            self._take(finding(self.now))

    @rule()
    def asks_for_long(self) -> None:
        self.asks()
        self.now += 66
        self.gas_is_read(18.0)

    @rule()
    def calms_down(self) -> None:
        self._come()
        if self.asked is not None:
            began, self.asked = self.asked, None
            self._take(finding(self.now, phase=Phase.END, onset=began))

    @rule()
    def breaks(self) -> None:
        self._come()
        if self.fault is None:
            self.fault = self.now
            self._take(finding(self.now, monitor="stuck"))

    @rule()
    def is_mended(self) -> None:
        self._come()
        if self.fault is not None:
            began, self.fault = self.fault, None
            self._take(finding(self.now, phase=Phase.END, monitor="stuck", onset=began))

    @rule(who=st.sampled_from(["li.na", "wang"]))
    def enters(self, who: str) -> None:
        self._come()
        self.inside.add(who)
        self._take(action(self.now, Verb.ENTER, actor=who))

    @rule(who=st.sampled_from(["li.na", "wang"]))
    def leaves(self, who: str) -> None:
        self._come()
        self.inside.discard(who)
        self._take(action(self.now, Verb.LEAVE, actor=who))

    @rule(seconds=st.sampled_from([30, 600]))
    def is_maintained(self, seconds: int) -> None:
        self._come()
        self.maintained_until = self.now + seconds
        self._take(action(self.now, Verb.SUPPRESS, until=at(self.now + seconds), reason="works"))

    @rule(state=st.sampled_from([Answer.LOCKOUT, Answer.RELEASED]))
    def switch_is_turned(self, state: Answer) -> None:
        self._come()
        self.locked = state is Answer.LOCKOUT
        self._take(answer(self.now, state, None))

    @rule(
        state=st.sampled_from([one for one in Answer if one not in (Answer.LOCKOUT, Answer.RELEASED)]),
        old=st.booleans(),
    )
    def field_answers(self, state: Answer, old: bool) -> None:
        self._come()
        commands = list(dict.fromkeys(step.command for step in self.steps))
        if commands:
            self._take(answer(self.now, state, commands[0 if old else -1]))

    @rule(state=st.sampled_from([Answer.SELECTED, Answer.RUNNING]))
    def field_does_as_it_is_told(self, state: Answer) -> None:
        self.field_answers(state, False)

    @rule()
    def is_started(self) -> None:
        """The field does as it is told, if it is told anything."""
        self.asks_for_long()
        self.field_answers(Answer.SELECTED, False)

    @rule()
    def resumes(self) -> None:
        """One of two equal fields is killed and taken up again: they stay equal."""
        self.twin.resume()

    def _come(self) -> None:
        """All that time alone makes due happens before the world changes."""
        self._take(upto=self.now)

    def _take(self, *records: Finding | Gauge | Action, upto: int = 0) -> None:
        if not upto:
            self.now += 1
        for field in (self.field, self.twin):
            steps = field.take(*records, upto=upto or self.now)
        assert repr(self.field.steps) == repr(self.twin.steps)
        assert self.field.findings == self.twin.findings
        for step in steps:
            self._check(step)
            self.steps.append(step)
        self._check_orders()

    # What must hold

    def _check(self, step: CommandEvent) -> None:
        """Somebody beside the tank sees no order against an interlock."""
        before = [one for one in self.steps if one.command == step.command]
        assert step.seq == len(before)
        if step.step in ORDERS:
            assert step.expires > step.ts
            assert not self.locked
        ended = max(
            (one.ts for one in self.steps if one.step is Step.ENDED and one.reason != "not asked for any more"),
            default=0,
        )
        if step.step in (Step.SELECT, Step.OPERATE):
            seconds = (step.ts - START) / SECOND
            assert not self.inside
            assert seconds >= self.maintained_until
            assert self.fault is None
            assert self.asked is not None
            assert self.gas is not None
            assert self.gas > seconds - POLICY.stale / SECOND
            assert self.fan == 0.0
            assert step.ts >= ended + POLICY.between or ended == 0
            assert step.step not in {one.step for one in before}
        if step.step is Step.OPERATE:
            assert before[-1].step is Step.SELECT
            assert step.ts < before[-1].expires
        if before:
            assert before[-1].step is not Step.ENDED

    def _check_orders(self) -> None:
        by_command: dict[UUID, list[CommandEvent]] = {}
        for step in self.steps:
            by_command.setdefault(step.command, []).append(step)
        for steps in by_command.values():
            done = {step.step for step in steps}
            now = at(self.now) - 1
            for step in steps:
                if step.step is Step.SELECT and now >= step.expires:
                    assert done & ENDS, "every selection ends"
                if step.step is Step.OPERATE:
                    assert Step.ENDED in done or now < step.ts + POLICY.run + POLICY.selection, "so does every run"
                    over = done & {Step.STOP, Step.ENDED}
                    assert over or not (self.inside or self.locked), "nobody is inside while it is left to run"

    @invariant()
    def one_alert_at_a_time(self) -> None:
        """Findings begin and end by turns."""
        phases = [one.phase for one in self.field.findings]
        assert phases == [Phase.ONSET, Phase.END] * (len(phases) // 2) + [Phase.ONSET] * (len(phases) % 2)

    def teardown(self) -> None:
        """Once nothing asks for it, and the fan stands, everything comes to its end."""
        self.calms_down()
        self.fan_is_read(0.0)
        self.now += 4000
        self._take()
        assert [one.phase for one in self.field.findings[-1:]] in ([], [Phase.END])
        last = {step.command: step.step for step in self.steps}
        assert set(last.values()) <= {Step.ENDED}
        ids = [step.id for step in self.steps]
        assert len(set(ids)) == len(ids)


def test_any_sequence() -> None:
    """No sequence operates against an interlock, or leaves a selection or a run without an end."""
    run_state_machine_as_test(Fans, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
