"""The clock of a partition: verdicts follow from the recorded stream alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SECOND
from domain.settings import TimeRules
from operators.stamp import FUTURE, LATE, ON_TIME, PartitionClock
from tests.operators.streams import T0, Message, chop, decoded, judge, messages

NAMES = {ON_TIME: "on time", LATE: "late", FUTURE: "future"}
rules = st.sampled_from([TimeRules(), TimeRules(lateness=0, idle=None), TimeRules(idle=SECOND, max_ahead=0)])


@given(messages([0, 1]) | messages([0, 1], recorded=False), st.lists(st.integers(1, 9), min_size=1), rules)
def test_verdicts_equal_the_rules_whatever_the_batches(
    items: list[Message], sizes: list[int], rules: TimeRules
) -> None:
    """Row for row the verdict of the rules written out in plain Python, for every way to cut the stream."""
    clock = PartitionClock(rules)
    got = []
    for batch in chop(items, sizes):
        rows, recorded = decoded(batch)
        stamps = clock.stamp(rows, recorded)
        got += [NAMES[flag] for flag in stamps.flag.tolist()]
        clock = PartitionClock(rules, clock.snapshot())  # resuming changes nothing
    assert got == [verdict for verdict, *_ in judge(items, rules)]


@given(messages([0]), st.integers(1, 24), st.integers(0, 9 * SECOND))
def test_a_tick_changes_no_verdict(items: list[Message], at: int, before: int) -> None:
    """A tick at a recorded time that the next message does not undercut only reveals what that message says anyway."""
    plain, ticked = PartitionClock(TimeRules()), PartitionClock(TimeRules())
    clock = 0
    for i, message in enumerate(items):
        rows, recorded = decoded([message])
        clock = max(clock, message.recorded)
        if i == at:
            ticked.tick(max(clock - before, 0))
        assert plain.stamp(rows, recorded).flag.tolist() == ticked.stamp(rows, recorded).flag.tolist()


def test_rows_of_one_message_are_judged_together() -> None:
    """A packet of a minute is not late against its own end."""
    clock = PartitionClock(TimeRules())
    packet = Message(T0 + 60 * SECOND, ((0, T0 + 59 * SECOND, 1.0), (1, T0 + 55 * SECOND, 1.0)))
    rows, recorded = decoded([packet])
    assert clock.stamp(rows, recorded).late == 0
    rows, recorded = decoded([packet])
    assert clock.stamp(rows, recorded).late == 1
