"""The bank: marks become findings of the right sensor, level, kind and time, in both lanes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.contract import Lane
from domain.city import City, Sensor, Zone
from domain.clock import SECOND
from domain.findings import Phase, Verdict
from domain.monitors import Monitor, Select
from domain.records import Frame, Panes
from operators.detect import Bank
from operators.layout import Layout
from tests.operators.streams import T0

GAS = Monitor(
    "gas",
    "threshold",
    "gas-leak",
    Select(kinds=("gas-lel",)),
    {"rising": ["20 %LEL", "40 %LEL"], "hysteresis": "2 %LEL"},
    levels=(3, 1),
)
SILENT = Monitor("silent", "drop_out", "sensor-fault", Select(), {}, levels=(3,))
CITY = City(
    "test",
    "UTC",
    (Sensor("P0", "pressure", "m", "Z"), Sensor("G0", "gas-lel", "%LEL", "Z"), Sensor("G1", "gas-lel", "%LEL", "Z")),
    zones={"Z": Zone("Z")},
    monitors=(GAS, SILENT),
)
LAYOUT = Layout(CITY, 1)


def _frame(rows: list[tuple[int, float, float]], known: list[float] | None = None) -> Frame:
    sensor, at, value = zip(*rows, strict=True)
    ts = np.array([T0 + round(s * SECOND) for s in at], np.int64)
    when = None if known is None else np.array([T0 + round(s * SECOND) for s in known], np.int64)
    return Frame(0, 0, T0, 0, np.array(sensor, np.int32), ts, np.array(value, np.float64), when)


def _panes(sensor: int, at: float, upto: float) -> Panes:
    ts = np.array([T0 + round(at * SECOND)], np.int64)
    one = np.array([sensor], np.int32)
    bound = np.array([0, 1], np.int64)
    return Panes(0, SECOND, T0 + round(upto * SECOND), 0, one, ts, np.ones(1), bound, one, ts)


def test_marks_become_findings_of_the_watched_sensor() -> None:
    """Level by grade, one id from onset to end, and nothing of sensors that nobody watches."""
    bank = Bank(LAYOUT, 0, Lane.FAST)
    verdicts = bank.fast(_frame([(0, 1, 99.0), (2, 1, 25.0), (2, 2, 45.0), (2, 3, 1.0)]))
    assert verdicts is not None
    assert verdicts.upto is None
    found = verdicts.findings
    assert [(f.sensor, f.phase, f.level, f.value) for f in found] == [
        ("G1", Phase.ONSET, 3, 25.0),
        ("G1", Phase.CHANGE, 1, 45.0),
        ("G1", Phase.END, 0, 1.0),
    ]
    assert len({f.id for f in found}) == 1
    assert {(f.monitor, f.kind, f.verdict, f.onset) for f in found} == {("gas", "gas-leak", Verdict.EVENT, T0 + SECOND)}


def test_what_cannot_be_is_no_measurement() -> None:
    """Ten times its range, an instrument speaks of itself alone; a little beyond it, still of gas."""
    city = replace(
        CITY,
        sensors=tuple(replace(sensor, low=0.0, high=100.0) for sensor in CITY.sensors),
        monitors=(GAS, Monitor("range", "out_of_range", "sensor-fault", Select(), {}, levels=(3,))),
    )
    verdicts = Bank(Layout(city, 1), 0, Lane.FAST).fast(_frame([(1, 1, 1000.0), (2, 1, 105.0), (1, 2, 50.0)]))
    assert verdicts is not None
    assert sorted((f.sensor, f.monitor, f.value) for f in verdicts.findings if f.phase is Phase.ONSET) == [
        ("G0", "gas", 50.0),
        ("G0", "range", 1000.0),
        ("G1", "gas", 105.0),
        ("G1", "range", 105.0),
    ]


def test_a_late_row_is_known_when_its_pane_had_closed() -> None:
    """The finding keeps its event time, and says since when it could be known."""
    verdicts = Bank(LAYOUT, 0, Lane.FAST).fast(_frame([(1, 1, 25.0), (1, 9, 25.0)], known=[5, 9]))
    assert verdicts is not None
    assert [(f.ts, f.known) for f in verdicts.findings] == [(T0 + SECOND, T0 + 5 * SECOND)]


def test_deadlines_pass_in_the_pane_lane() -> None:
    """Silence is found when event time has come past the deadline, though no row arrives; every closing is reported."""
    bank = Bank(LAYOUT, 0, Lane.PANE)
    assert bank.panes(_panes(1, 0.5, 1)).findings == ()
    quiet = replace(_panes(0, 599.5, 600), upto=T0 + 600 * SECOND)
    verdicts = bank.panes(quiet)
    assert verdicts.upto == T0 + 600 * SECOND
    assert [(f.sensor, f.reason, f.verdict) for f in verdicts.findings] == [("G0", "drop-out", Verdict.FAULT)]


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    """A resumed bank ends the finding that the first one began, under the same id."""
    first = Bank(LAYOUT, 0, Lane.FAST)
    begun = first.fast(_frame([(1, 1, 25.0)]))
    ended = Bank(LAYOUT, 0, Lane.FAST, first.snapshot()).fast(_frame([(1, 2, 1.0)]))
    assert begun is not None
    assert ended is not None
    assert [f.phase for f in ended.findings] == [Phase.END]
    assert ended.findings[0].id == begun.findings[0].id


@pytest.mark.parametrize(
    ("changed", "goes_on"),
    [
        (GAS, ["G0", "G1"]),
        (replace(GAS, params={"rising": ["21 %LEL"]}), []),
        (replace(GAS, select=Select(sensors=("G0",))), ["G0"]),
        (replace(GAS, name="other"), []),
    ],
)
def test_what_is_watched_as_before_goes_on(changed: Monitor, goes_on: list[str]) -> None:
    """A monitor of the same name, with the same parameters, ends what it had found; all others begin anew."""
    first = Bank(LAYOUT, 0, Lane.FAST)
    first.fast(_frame([(1, 1, 25.0), (2, 1, 25.0)]))
    city = replace(CITY, monitors=(changed, SILENT))
    second = Bank(Layout(city, 1), 0, Lane.FAST, first.snapshot())
    ended = second.fast(_frame([(1, 2, 1.0), (2, 2, 1.0)]))
    assert [f.sensor for f in (ended.findings if ended else ())] == goes_on
