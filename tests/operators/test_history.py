"""What a sensor had said before a finding: the same however the rows came, and never more than is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import registry
from detectors.contract import Lane
from domain.city import City, Sensor
from domain.clock import SECOND
from domain.findings import Finding
from domain.monitors import Monitor, Select
from domain.records import Frame
from operators.detect import Bank
from operators.history import LENGTH
from operators.layout import Layout
from tests.detectors.naive import ORACLES
from tests.operators.streams import T0

CITY = City(
    "test",
    "UTC",
    tuple(Sensor(f"G{i}", "gas-lel", "%LEL", "Z", low=0.0, high=100.0) for i in range(3)),
    monitors=(
        Monitor("gas", "threshold", "gas-leak", Select(sensors=("G0", "G2")), {"rising": ["20 %LEL"]}, levels=(1,)),
        Monitor("mean", "ewma", "gas-drift", Select(sensors=("G0",)), {"warm_up": 5}, levels=(1,)),
        Monitor("range", "out_of_range", "sensor-fault", Select(), {}, levels=(1,)),
    ),
)
LAYOUT = Layout(CITY, 1)

Row = tuple[int, int, float]


def found(rows: list[Row], cuts: list[int], restore: bool = False) -> list[Finding]:
    """Findings of rows that arrive in pieces, each perhaps after a restart."""
    bank = Bank(LAYOUT, 0, Lane.FAST)
    out: list[Finding] = []
    for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        if first == last:
            continue
        sensor, at, value = zip(*rows[first:last], strict=True)
        ts = np.array([T0 + s * SECOND for s in at], np.int64)
        verdicts = bank.fast(Frame(0, 0, T0, 0, np.array(sensor, np.int32), ts, np.array(value, np.float64)))
        out += verdicts.findings if verdicts else ()
        if restore:
            bank = Bank(LAYOUT, 0, Lane.FAST, bank.snapshot())
    return sorted(out, key=lambda finding: finding.order)


rows_of = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 200), st.sampled_from([1.0, 2.0, 25.0, 150.0, 1e200])), max_size=150
)


@settings(max_examples=60, deadline=None)
@given(st.data(), rows_of)
def test_samples_do_not_depend_on_batches(data: st.DataObject, rows: list[Row]) -> None:
    """One row at a time, all at once, in any pieces, and with restarts: the same findings with the same samples."""
    straight = found(rows, [])
    assert found(rows, list(range(1, len(rows)))) == straight
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    assert found(rows, cuts, restore=True) == straight


@settings(max_examples=60, deadline=None)
@given(rows_of)
def test_samples_are_the_latest_before_the_finding(rows: list[Row]) -> None:
    """Those of its sensor that came before and stepped forward in time, at most 32, oldest first."""
    for finding in found(rows, []):
        forward: list[tuple[int, float]] = []
        for sensor, at, x in rows:
            t = T0 + at * SECOND
            if (f"G{sensor}", t) == (finding.sensor, finding.ts):
                break  # what it was found in
            if f"G{sensor}" == finding.sensor and x <= 1e150 and (not forward or t > forward[-1][0]):
                forward.append((t, x))
        ts, value = finding.samples.columns()
        expected = [pair for pair in forward if pair[0] < finding.ts][-LENGTH:]
        assert list(zip(ts.tolist(), value.tolist(), strict=True)) == expected


def test_it_forgets_what_is_older() -> None:
    """A thousand readings leave the last 32, and the snapshot of a sensor stays about half a kilobyte."""
    rows: list[Row] = [(0, i, 1.0) for i in range(1000)] + [(0, 1000, 90.0)]
    finding = next(one for one in found(rows, [500]) if one.monitor == "gas")
    assert (finding.samples.columns()[0] // SECOND).tolist() == [T0 // SECOND + i for i in range(968, 1000)]
    bank = Bank(LAYOUT, 0, Lane.FAST)
    assert len(bank.snapshot()["history"]) == 3 * (8 + 16 * LENGTH)


CASES = [(name, case) for name, oracle in sorted(ORACLES.items()) for case in oracle.cases]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_parameters_are_said_exactly(name: str, case: dict[str, Any]) -> None:
    """What a finding says of its parameters can be read like a file, and has the same hash."""
    kind = registry.get(name)
    params = kind.Params.model_validate(case)
    said = orjson.loads(orjson.dumps(params.written()))
    one = np.ones(3)
    group = np.zeros(3, np.int32)
    again = registry.build(name, said, -one, one, one, "u", group).params
    assert again == params
    assert kind.config_hash(again) == kind.config_hash(params)
