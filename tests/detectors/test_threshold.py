"""Thresholds by hand."""

from __future__ import annotations

from typing import Any

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.streams import find

GAS: dict[str, Any] = {"rising": ["10 u", "20 u", "25 u"], "hysteresis": "2 u"}


def steps(marks):
    return [(mark.phase, mark.grade, mark.ts) for mark in marks]


def test_grades_rise_at_once_and_fall_behind_the_hysteresis() -> None:
    """20 is reached at 20 and left below 18; 9 and 8 are still above 10 - 2, so only 7 ends it."""
    marks = find("threshold", [3, 10, 20, 19, 18, 17, 26, 9, 8, 7], **GAS)
    assert steps(marks) == [(ONSET, 1, 2), (CHANGE, 2, 3), (CHANGE, 1, 6), (CHANGE, 3, 7), (CHANGE, 1, 8), (END, 0, 10)]
    assert {mark.onset for mark in marks} == {2}
    assert [mark.threshold for mark in marks] == [10, 20, 10, 25, 10, 8]
    assert {mark.baseline for mark in marks} == {3}


def test_a_jump_over_several_thresholds_is_one_mark() -> None:
    """From clean air to 30 %LEL is grade 3 at once."""
    assert steps(find("threshold", [0, 30, 0], **GAS)) == [(ONSET, 3, 2), (END, 0, 3)]


def test_values_that_flutter_about_a_threshold_do_not_flap() -> None:
    """Within the hysteresis nothing is said twice."""
    assert len(find("threshold", [0] + [10.5, 9.5] * 50, **GAS)) == 1


def test_hold_needs_the_value_to_stay() -> None:
    """Three seconds above: a short peak is nothing, a long one is known three seconds after its onset."""
    marks = find("threshold", [0, 12, 12, 0, 12, 12, 12, 12, 12, 0], hold="3 s", **GAS)
    assert steps(marks) == [(ONSET, 1, 8), (END, 0, 10)]
    assert marks[0].onset == 5


def test_each_grade_is_held_by_itself() -> None:
    """A minute at grade 1 does not make a moment at grade 2 count."""
    marks = find("threshold", [12, 12, 12, 12, 22, 12, 22, 22, 22, 22], hold="3 s", **GAS)
    assert steps(marks) == [(ONSET, 1, 4), (CHANGE, 2, 10)]


def test_from_one_side_straight_to_the_other() -> None:
    """Pressure that leaps from too high to too low ends one abnormality and begins another, in one reading."""
    marks = find("threshold", [5, 9, 1], rising=["8 u"], falling=["2 u"], hysteresis="0.5 u")
    assert [(mark.phase, mark.reason, mark.onset) for mark in marks] == [
        (ONSET, Reason.RISE, 2),
        (END, Reason.RISE, 2),
        (ONSET, Reason.FALL, 3),
    ]
