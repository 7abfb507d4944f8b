"""What every detector must pass. A check takes a detector's name and one set of its parameters.

A detector of one's own passes them by having an oracle in `naive.py`; nothing has to be registered here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors import registry
from detectors.contract import CHANGE, END, MARK, ONSET, Detector, Lane, Marks
from domain.errors import StateError
from tests.detectors.naive import NS, ORACLES, Mark
from tests.detectors.streams import (
    HIGH,
    LOW,
    RATE,
    SHAPES,
    SLOT_OF,
    SLOTS,
    START,
    Row,
    advance,
    as_tuples,
    extremes,
    make,
    ordered_streams,
    plain,
    run,
    streams,
)

Params = Mapping[str, Any]
Check = Callable[[str, Params], None]

#: The oracle sees every example of the profile; the other checks need fewer, for they run on all detectors.
few = settings(max_examples=max(8, settings().max_examples // 6))

#: A stream in which every kind of thing happens, for checks that want to be sure that something is found.
EVENTFUL: list[Row] = [
    (sensor, START + k * NS, SHAPES[shape](k % 15, level))
    for k, (shape, level) in enumerate(
        [
            item
            for item in (
                ("noise", 0.0),
                ("ramp", 0.0),
                ("noise", 0.0),
                ("constant", 7.0),
                ("spikes", 0.0),
                ("fall", -4.0),
                ("noise", 0.0),
                ("noise", 50.0),
                ("noise", 0.0),
            )
            for _ in range(15)
        ]
    )
    for sensor in (2, 3, 0)
]


def check_equals_its_oracle(name: str, params: Params) -> None:
    """The kernel finds what the plain loop finds: the same marks in the same order, figures to 1e-9."""

    @given(streams)
    @example(EVENTFUL)
    def check(rows: list[Row]) -> None:
        detector = make(name, params)
        oracles = {
            slot: ORACLES[name](slot, detector.params, LOW[slot], HIGH[slot], RATE[slot]) for slot in range(SLOTS)
        }
        expected = [
            mark for sensor, ts, x in rows if (slot := int(SLOT_OF[sensor])) >= 0 for mark in oracles[slot].feed(ts, x)
        ]
        _same(as_tuples(run(detector, rows)), expected)

    check()


def check_finds_something(name: str, params: Params) -> None:
    """The parameters under test make marks, or the other checks would compare nothing with nothing."""
    phases = {mark.phase for mark in as_tuples(run(make(name, params), EVENTFUL + _after_silence()))}
    assert {ONSET, END} <= phases


def check_split_calls_change_nothing(name: str, params: Params) -> None:
    """However rows are cut into calls, the marks are the same, byte for byte."""

    @few
    @given(streams, st.lists(st.integers(0, 200), max_size=6))
    @example(EVENTFUL, list(range(0, 400, 7)))
    def check(rows: list[Row], cuts: list[int]) -> None:
        whole = run(make(name, params), rows)
        detector = make(name, params)
        pieces = np.concatenate([run(detector, piece) for piece in _cut(rows, cuts)])
        assert plain(pieces) == plain(whole)

    check()


def check_resumes_from_a_snapshot(name: str, params: Params) -> None:
    """A detector restored from a snapshot goes on as if nothing had happened, and its snapshot stays as it was."""

    @few
    @given(streams, st.integers(0, 200))
    @example(EVENTFUL, 200)
    def check(rows: list[Row], at: int) -> None:
        whole = make(name, params)
        expected = run(whole, rows)
        first = make(name, params)
        before = run(first, rows[:at])
        snapshot = first.snapshot()
        run(first, rows[at:])  # what the first does afterwards is not in the snapshot
        second = make(name, params)
        second.restore(snapshot)
        after = run(second, rows[at:])
        assert plain(np.concatenate([before, after])) == plain(expected)
        assert plain(second.state) == plain(whole.state)

    check()


def check_slots_are_independent(name: str, params: Params) -> None:
    """What one sensor reads makes no difference to another, and what nobody watches makes none at all."""

    @few
    @given(streams)
    @example(EVENTFUL)
    def check(rows: list[Row]) -> None:
        together = as_tuples(run(make(name, params), rows))
        for sensor, slot in enumerate(SLOT_OF.tolist()):
            alone = as_tuples(run(make(name, params), [row for row in rows if row[0] == sensor]))
            assert alone == [mark for mark in together if mark.slot == slot]

    check()


def check_marks_are_well_formed(name: str, params: Params) -> None:
    """Per slot ONSET, CHANGE..., END; one onset in all of them; times never run backwards; every figure is finite."""

    @few
    @given(streams)
    @example(EVENTFUL)
    def check(rows: list[Row]) -> None:
        _well_formed(as_tuples(run(make(name, params), rows)))

    check()


def check_extreme_values_break_nothing(name: str, params: Params) -> None:
    """NaN, infinities and values at the edge of float leave marks well formed, and split calls alike."""

    @few
    @given(extremes, st.lists(st.integers(0, 60), max_size=3))
    def check(rows: list[Row], cuts: list[int]) -> None:
        marks = run(make(name, params), rows)
        _well_formed(as_tuples(marks))
        detector = make(name, params)
        assert plain(np.concatenate([run(detector, piece) for piece in _cut(rows, cuts)])) == plain(marks)

    check()


def check_non_numbers_and_repeats_are_no_readings(name: str, params: Params) -> None:
    """With every NaN, infinity, repeat and step back taken out beforehand, the marks are the same."""

    @few
    @given(streams)
    @example(EVENTFUL)
    def check(rows: list[Row]) -> None:
        clean: list[Row] = []
        last: dict[int, int] = {}
        for sensor, ts, x in rows:
            if np.isfinite(x) and ts > last.get(sensor, 0):
                last[sensor] = ts
                clean.append((sensor, ts, x))
        assert plain(run(make(name, params), clean)) == plain(run(make(name, params), rows))

    check()


def check_advance_often_or_rarely(name: str, params: Params) -> None:
    """However often time is told, the marks in order of (ts, slot) are the same; and the oracle's."""

    @few
    @given(ordered_streams, st.integers(1, 20), st.integers(1, 40))
    @example(EVENTFUL + _after_silence(), 1, 10)
    def check(rows: list[Row], often: int, rarely: int) -> None:
        end = (rows[-1][1] if rows else START) + 100 * NS
        first, second = (_with_time(make(name, params), rows, every * NS, end) for every in (often, rarely))
        assert first == second
        _well_formed(first)
        oracles = [ORACLES[name](s, make(name, params).params, LOW[s], HIGH[s], RATE[s]) for s in range(SLOTS)]
        plain = [
            mark for sensor, ts, x in rows if SLOT_OF[sensor] >= 0 for mark in oracles[SLOT_OF[sensor]].feed(ts, x)
        ]
        if registry.get(name).lane is Lane.PANE:
            plain += [mark for oracle in oracles for mark in oracle.time(end)]
        _same(first, sorted(plain, key=lambda mark: (mark.ts, mark.slot)))

    check()


def check_two_runs_are_equal(name: str, params: Params) -> None:
    """The same input gives the same bytes, state included."""
    first, second = make(name, params), make(name, params)
    assert plain(run(first, EVENTFUL)) == plain(run(second, EVENTFUL))
    assert plain(first.state) == plain(second.state)


def check_foreign_snapshots_are_refused(name: str, params: Params) -> None:
    """A snapshot of another detector, version or number of sensors raises StateError and leaves the state as it was."""
    detector = make(name, params)
    run(detector, EVENTFUL)
    before, snapshot = plain(detector.state), detector.snapshot()
    for change in ({"detector": "other"}, {"version": -1}, {"state": snapshot["state"][:-1]}):
        with pytest.raises(StateError, match="expected"):
            detector.restore(snapshot | change)
    assert plain(detector.state) == before


def check_records_move(name: str, params: Params) -> None:
    """Some records of a snapshot are taken over to other slots, bit by bit; the other slots begin anew."""
    first, second, fresh = make(name, params), make(name, params), make(name, params)
    run(first, EVENTFUL)
    origin = np.arange(SLOTS, dtype=np.int64)[::-1].copy()
    origin[0] = -1
    second.restore(first.snapshot(), origin)
    for slot, at in enumerate(origin.tolist()):
        expected = fresh.state[slot] if at < 0 else first.state[at]
        assert second.state[slot].tobytes() == expected.tobytes()


def check_memory_is_stated(name: str, params: Params) -> None:
    """The docstring states the bytes a sensor costs, and the snapshot holds no more than these."""
    kind = registry.get(name)
    stated = re.search(r"State: (\d+) bytes a sensor", kind.__doc__ or "")
    assert stated
    assert int(stated[1]) == kind.STATE.itemsize
    assert len(make(name, params).snapshot()["state"]) == SLOTS * kind.STATE.itemsize


def check_parameters_are_documented(name: str, params: Params) -> None:
    """Every parameter has a description, and its method a source."""
    description = registry.describe(name)
    assert all(parameter.text for parameter in description.parameters)
    assert "Method:" in description.text
    assert "Misses" in description.text


def check_configurations_are_told_apart(name: str, params: Params) -> None:
    """A configuration's hash is stable, and different for other parameters."""
    kind = registry.get(name)
    hashes = [kind.config_hash(make(name, case).params) for case in ORACLES[name].cases]
    assert kind.config_hash(make(name, params).params) in hashes
    assert len(set(hashes)) == len(hashes)


CHECKS: tuple[Check, ...] = tuple(item for key, item in list(globals().items()) if key.startswith("check_"))


def _after_silence() -> list[Row]:
    return [(sensor, START + 200 * NS, 0.0) for sensor in (2, 3, 0)]


def _cut(rows: list[Row], cuts: list[int]) -> list[list[Row]]:
    at = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    return [rows[a:b] for a, b in pairwise(at)]


def _with_time(detector: Detector, rows: list[Row], every: int, end: int) -> list[Mark]:
    """Feed rows in panes of `every`, and tell the time after each, as the engine does."""
    marks: list[Marks] = [np.zeros(0, MARK)]
    now = min((row[1] for row in rows), default=START)
    while now < end:
        now = min(now + every, end)
        marks.append(run(detector, [row for row in rows if now - every <= row[1] < now]))
        marks.append(advance(detector, now))
    return sorted(as_tuples(np.concatenate(marks)), key=lambda mark: (mark.ts, mark.slot))


def _same(found: list[Mark], expected: list[Mark]) -> None:
    assert [mark[:6] for mark in found] == [mark[:6] for mark in expected]
    np.testing.assert_allclose(
        [mark[6:] for mark in found], [mark[6:] for mark in expected], rtol=1e-9, atol=1e-9, err_msg=str(expected)
    )


def _well_formed(marks: list[Mark]) -> None:
    for slot in range(SLOTS):
        grade, onset, last = 0, 0, 0
        for mark in (mark for mark in marks if mark.slot == slot):
            assert np.isfinite(mark[6:]).all(), mark
            assert mark.reason, "an event or a fault, and why"
            assert mark.ts >= max(mark.onset, last), mark
            if grade == 0:
                assert mark.phase == ONSET, mark
                onset = mark.onset
            assert mark.onset == onset, mark
            assert (mark.phase == END) == (mark.grade == 0), mark
            assert mark.phase in (ONSET, CHANGE, END)
            grade, last = mark.grade, mark.ts
    assert all(0 <= mark.slot < SLOTS for mark in marks)
