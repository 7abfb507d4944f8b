"""A detector of whole assets in the bank that runs live: panes in, findings with each sensor's part out."""

from __future__ import annotations

import re

import numpy as np

from detectors.contract import Lane
from domain.city import City, Sensor
from domain.findings import Finding, Phase
from domain.monitors import Monitor, Select
from domain.records import Panes
from operators.detect import Bank
from operators.layout import Layout

NS = 1_000_000_000
START = 1_764_000_000 * NS
SENSORS = tuple(
    Sensor(f"{asset}-{kind}", kind, unit, "z", asset)
    for asset in ("pump", "tank")
    for kind, unit in (("pressure", "bar"), ("flow", "m3/h"), ("level", "m"))
)
PARAMS = {"warm_up": 50, "horizon": 20, "index": [8.0]}
CITY = City(
    "made-up",
    "UTC",
    SENSORS,
    monitors=(Monitor("state", "recursive_pca", "abnormal", Select(), PARAMS, (2,)),),
)


def readings(seconds: int) -> np.ndarray:
    """Two assets of three sensors that follow a load of their own; the pump's flow leaves it for a while."""
    random = np.random.default_rng(5)
    load = random.normal(0, 1, (seconds, 2)).repeat(3, axis=1)
    values = 10 + load + random.normal(0, 0.2, (seconds, 6))
    values[300:330, 1] += 12
    return values


def found(bank: Bank, values: np.ndarray, first: int, last: int, length: int) -> list[Finding]:
    """Seconds `first` to `last` in panes of `length` seconds, rows sorted by sensor, then time, as panes are."""
    out: list[Finding] = []
    for start in range(first, last, length):
        rows = np.arange(start, min(start + length, last))
        ts = START + np.tile(rows, 6) * NS
        sensor = np.arange(6, dtype=np.int32).repeat(len(rows))
        upto = START + int(rows[-1] + 1) * NS
        bound, at = np.arange(7) * len(rows), np.full(6, upto - length * NS)
        value = values[rows].T.ravel().copy()
        panes = Panes(0, length * NS, upto, upto, sensor, ts, value, bound, np.arange(6, dtype=np.int32), at)
        out += bank.panes(panes).findings
    return out


def test_the_asset_is_judged_as_one_and_says_which_sensor_it_was() -> None:
    """One finding with an onset and an end, at the pump; the other asset is quiet; the reason names the flow first."""
    onset, end = found(Bank(Layout(CITY, 1), 0, Lane.PANE), readings(500), 0, 500, 1)
    assert (onset.phase, end.phase) == (Phase.ONSET, Phase.END)
    assert onset.sensor == end.sensor == "pump-flow"
    assert onset.id == end.id
    assert onset.onset == START + 300 * NS
    assert onset.level == 2
    assert re.fullmatch(r"(relation|magnitude): pump-flow \d+ %(, pump-\w+ \d+ %)*", onset.reason)


def test_panes_and_a_restart_change_nothing() -> None:
    """The same findings, byte for byte, in panes of one second, of seven, and across a restart."""
    values = readings(500)
    layout = Layout(CITY, 1)
    expected = found(Bank(layout, 0, Lane.PANE), values, 0, 500, 1)
    assert found(Bank(layout, 0, Lane.PANE), values, 0, 500, 7) == expected
    first = Bank(layout, 0, Lane.PANE)
    before = found(first, values, 0, 310, 1)
    after = found(Bank(layout, 0, Lane.PANE, first.snapshot()), values, 310, 500, 1)
    assert before + after == expected
