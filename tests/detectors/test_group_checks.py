"""What every detector of whole assets must pass; the counterpart of `checks.py`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors import registry
from detectors.contract import CHANGE, END, MARK, ONSET, GroupDetector, Lane
from domain.errors import ConfigError, StateError
from tests.detectors.checks import EVENTFUL, check_parameters_are_documented
from tests.detectors.naive import NS, Mark
from tests.detectors.naive_groups import GroupOracle
from tests.detectors.streams import HIGH, LOW, RATE, SLOT_OF, START, Row, advance, extremes, ordered_streams, plain, run

#: Slots 0 and 1 hang on one asset, slot 2 on another.
GROUP = np.array([0, 0, 1], np.int32)
#: They stand in files `naive_*.py`, all of which `naive.py` imports.
GROUP_ORACLES = {oracle.name: oracle for oracle in GroupOracle.__subclasses__()}
CASES = [
    pytest.param(name, params, id=f"{name}-{i}")
    for name, oracle in sorted(GROUP_ORACLES.items())
    for i, params in enumerate(oracle.cases)
]
each_case = pytest.mark.parametrize(("name", "params"), CASES)
few = settings(max_examples=max(8, settings().max_examples // 4))
Params = Mapping[str, Any]


def make(name: str, params: Params) -> GroupDetector:
    detector = registry.build(name, params, LOW, HIGH, RATE, "u", GROUP)
    assert isinstance(detector, GroupDetector)
    return detector


def play(detector: GroupDetector, rows: list[Row], cuts: list[int], end: int) -> list[Mark]:
    """Rows in panes that end at `cuts` and at `end`, each sorted as panes are, and the time told after each."""
    marks: list[Mark] = []
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < end), end]
    for first, last in pairwise(edges):
        pane = sorted((row for row in rows if first <= row[1] < last), key=lambda row: row[:2])
        for step in (lambda pane=pane: run(detector, pane), lambda last=last: advance(detector, last)):
            found, shares = step(), detector.shares
            assert shares.shape == (len(found), detector.WIDTH)
            assert (np.isclose(shares.sum(axis=1), 1) | (shares.sum(axis=1) == 0)).all()
            assert (shares >= 0).all()
            marks += [Mark(*mark) for mark in found.tolist()]
    return sorted(marks, key=lambda mark: (mark.ts, mark.slot))


def oracle_marks(name: str, params: Params, rows: list[Row], end: int) -> list[Mark]:
    detector = make(name, params)
    watched = [(int(SLOT_OF[sensor]), ts, x) for sensor, ts, x in rows if SLOT_OF[sensor] >= 0]
    marks: list[Mark] = []
    for group in range(2):
        slots = np.flatnonzero(group == GROUP).tolist()
        oracle: GroupOracle = GROUP_ORACLES[name](slots, detector.params)
        marks += oracle.find([row for row in watched if row[0] in slots], end)
    return sorted(marks, key=lambda mark: (mark.ts, mark.slot))


def finish(rows: list[Row]) -> int:
    return max((row[1] for row in rows), default=START) + 10 * NS


def well_formed(marks: list[Mark]) -> None:
    for group in range(2):
        grade, onset, slot, last = 0, 0, -1, 0
        for mark in (mark for mark in marks if GROUP[mark.slot] == group):
            assert np.isfinite(mark[6:]).all(), mark
            assert mark.reason, "an event or a fault, and why"
            if grade == 0:
                assert mark.phase == ONSET
                onset, slot = mark.onset, mark.slot
            assert (mark.onset, mark.slot) == (onset, slot)
            assert mark.ts > max(mark.onset, last)
            assert (mark.phase == END) == (mark.grade == 0)
            assert mark.phase in (ONSET, CHANGE, END)
            grade, last = mark.grade, mark.ts


def test_every_group_detector_has_an_oracle() -> None:
    """One without would pass by not being looked at."""
    assert set(GROUP_ORACLES) == {name for name in registry.names() if registry.get(name).scope == "asset"}


@each_case
def test_equals_its_oracle_however_panes_are_cut(name: str, params: Params) -> None:
    """The same marks as the plain loop's, whether one pane or many, inside a step or between steps."""

    @given(ordered_streams, st.lists(st.integers(0, 200 * NS), max_size=5))
    @example(GROUP_ORACLES[name].eventful(EVENTFUL), [20 * NS, 20 * NS + NS // 2, 57 * NS])
    def check(rows: list[Row], cuts: list[int]) -> None:
        end = finish(rows)
        whole = play(make(name, params), rows, [], end)
        assert play(make(name, params), rows, [START + cut for cut in cuts], end) == whole
        expected = oracle_marks(name, params, rows, end)
        assert [mark[:6] for mark in whole] == [mark[:6] for mark in expected]
        np.testing.assert_allclose(
            [mark[6:] for mark in whole], [mark[6:] for mark in expected], rtol=1e-7, atol=1e-7, err_msg=str(expected)
        )

    check()


@each_case
def test_finds_something(name: str, params: Params) -> None:
    """The parameters under test make marks in both groups, or the other checks would compare nothing with nothing."""
    marks = play(make(name, params), GROUP_ORACLES[name].eventful(EVENTFUL), [], finish(EVENTFUL))
    assert {(GROUP[mark.slot], mark.phase) for mark in marks} >= {(0, ONSET), (0, END), (1, ONSET)}
    well_formed(marks)


@each_case
def test_resumes_from_a_snapshot(name: str, params: Params) -> None:
    """Restored in the middle of a step, it goes on as if nothing had happened."""

    @few
    @given(ordered_streams, st.integers(0, 200 * NS))
    @example(EVENTFUL, 61 * NS + 5)
    def check(rows: list[Row], at: int) -> None:
        cut, end = START + at, finish(rows)
        if cut >= end:
            return
        whole = make(name, params)
        expected = play(whole, rows, [], end)
        first, second = make(name, params), make(name, params)
        before = play(first, [row for row in rows if row[1] < cut], [], cut)
        second.restore(first.snapshot())
        play(first, rows, [], end)
        after = play(second, [row for row in rows if row[1] >= cut], [], end)
        assert before + after == expected
        assert plain(second.state) == plain(whole.state)

    check()


@each_case
def test_groups_are_independent(name: str, params: Params) -> None:
    """What one asset's sensors read makes no difference to another's."""

    @few
    @given(ordered_streams)
    @example(EVENTFUL)
    def check(rows: list[Row]) -> None:
        end = finish(rows)
        together = play(make(name, params), rows, [], end)
        for group in range(2):
            own = [row for row in rows if SLOT_OF[row[0]] >= 0 and GROUP[SLOT_OF[row[0]]] == group]
            assert play(make(name, params), own, [], end) == [mark for mark in together if GROUP[mark.slot] == group]

    check()


@each_case
def test_extreme_values_break_nothing(name: str, params: Params) -> None:
    """NaN, infinities and values at the edge of float leave marks well formed."""

    @few
    @given(extremes)
    def check(rows: list[Row]) -> None:
        well_formed(play(make(name, params), rows, [], 2**62 + 100 * NS))

    check()


@each_case
def test_non_numbers_and_repeats_are_no_readings(name: str, params: Params) -> None:
    """With NaN and repeats put in, the marks are the same."""
    bad = [(sensor, ts, x) for sensor, ts, _ in EVENTFUL[::7] for x in (math.nan, math.inf)]
    late = [(sensor, ts, 77.0) for sensor, ts, _ in EVENTFUL[::5]]
    rows = sorted(bad, key=lambda row: row[1]) + EVENTFUL + late
    end = finish(EVENTFUL)
    assert play(make(name, params), rows, [], end) == play(make(name, params), EVENTFUL, [], end)


@each_case
def test_snapshots_and_memory(name: str, params: Params) -> None:
    """Foreign snapshots are refused; the docstring states the bytes; the lane is that of panes."""
    kind, detector = registry.get(name), make(name, params)
    play(detector, EVENTFUL, [], finish(EVENTFUL))
    before = detector.snapshot()
    for change in ({"detector": "other"}, {"version": -1}, {"state": before["state"][:-1]}):
        with pytest.raises(StateError, match="expected"):
            detector.restore(before | change)
    stated = re.search(r"State: (\d+) bytes an asset", kind.__doc__ or "")
    assert stated
    assert int(stated[1]) == kind.STATE.itemsize == len(before["state"]) // 2
    assert kind.lane is Lane.PANE
    check_parameters_are_documented(name, params)


@pytest.mark.parametrize("name", sorted(GROUP_ORACLES))
def test_too_many_sensors_are_refused(name: str) -> None:
    """A group beyond the detector's width is a mistake in the monitor, and is told as one."""
    kind = registry.get(name)
    assert issubclass(kind, GroupDetector)
    many = np.ones(kind.WIDTH + 1)
    with pytest.raises(ConfigError, match=f"at most {kind.WIDTH} sensors an asset"):
        registry.build(name, {}, -many, many, many, "u")


def test_no_rows_are_no_trouble() -> None:
    """An empty call is fine."""
    detector = make("recursive_pca", {})
    sensor, ts, value = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0)
    assert detector.rows(SLOT_OF, sensor, ts, value, np.zeros(0, MARK)) == 0
