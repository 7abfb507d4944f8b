"""Whose alarm is whose, and our figures on the flows of BattLeDIM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.clock import DAY
from domain.errors import ConfigError, SourceError
from workbench.sets import _water as water
from workbench.sets import battledim

DATA = Path(__file__).parents[3] / "shared/data" / battledim.FOLDER
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not there")
D = DAY


def test_an_alarm_goes_to_the_leak_that_began_last() -> None:
    """Of two that run the later; the next alarm to the earlier; a third finds nothing."""
    leaks = [water.Leak("a", 1 * D, 90 * D, True), water.Leak("b", 3 * D, 90 * D, True)]
    found = battledim.credit([4 * D, 5 * D, 6 * D], leaks)
    assert found.delays == {"b": 1 * D, "a": 4 * D}
    assert found.false == (6 * D,)


def test_an_alarm_too_late_too_early_or_after_the_repair_is_false() -> None:
    """14 days back at most, never before the start, never after the end."""
    leaks = [water.Leak("a", 10 * D, 30 * D, True), water.Leak("b", 40 * D, 42 * D, True)]
    assert battledim.credit([9 * D, 25 * D, 43 * D], leaks).delays == {}
    assert battledim.credit([24 * D], leaks).delays == {"a": 14 * D}


def test_the_tanks_balance_uses_no_later_row(tmp_path: Path) -> None:
    """Pump 40 m3/h, 1 m2, level up by 0.1 m in five minutes: 1.2 m3/h stay in the tank."""
    columns = {"p227": np.array([60.0, 61.0]), "p235": np.array([50.0, 50.0])}
    data = water.Table(
        np.array([0, 300 * 10**9]), columns | {"PUMP_1": np.array([40.0, 40.0]), "T1": np.array([3.0, 3.1])}
    )
    np.testing.assert_allclose(battledim.meters(data, 1.0), [[70.0, 40.0], [71.0, 38.8]])
    network = tmp_path / "net.inp"
    network.write_text("[TANKS]\n;ID x\n T1 98 3.5 0 4 16.0 0 ;\n[PIPES]\n")
    assert battledim.tank_area(network) == pytest.approx(201.06, abs=0.01)
    with pytest.raises(SourceError, match="T2"):
        battledim.tank_area(network, "T2")


def test_detectors_of_assets_are_refused() -> None:
    """They would have nothing to hold a flow against."""
    with pytest.raises(ConfigError, match="single sensors"):
        battledim.evaluate(DATA, "pressure_residual", None, None)


@needs_data
def test_the_bars_are_reached(tmp_path: Path) -> None:
    """All abrupt leaks within 72 h at no more than one false alarm a month; blind alarms pay with many false ones."""
    result = battledim.evaluate(DATA, None, None, tmp_path)
    assert result.passed
    false = next(row["trivial"] for row in result.rows if row["name"] == "false alarms")
    assert false["blind every 3 days"] > 5
    assert (tmp_path / "battledim/weekly_cusum/scada.jsonl").read_text().count('"onset"') >= 3


@needs_data
def test_it_matters_little_when_the_recording_begins() -> None:
    """A recording that begins days or weeks later, with leaks in the two weeks that are learned: what starts after
    these is still found within 72 h nearly always, and no false trend pages.
    """
    data = water.table(sorted(DATA.glob("scada_*")))
    values = battledim.meters(data, battledim.tank_area(DATA / "L-TOWN.inp"))
    leaks = water.network_leaks(DATA / "leaks.txt")
    wanted, soon, false, months = 0, 0, 0, 0.0
    for row in range(0, 46 * 288, 5 * 288):
        ts = data.ts[row:]
        watch = water.ready(battledim.DEFAULT, None, 2, 300.0)
        alarms = water.alarms(water.run(watch, ts, values[row:]))["ts"].tolist()
        found = battledim.credit(alarms, [leak for leak in leaks if leak.start > ts[0]])
        late = [leak.pipe for leak in leaks if leak.abrupt and ts[0] + 15 * D < leak.start <= ts[-1]]
        wanted += len(late)
        soon += sum(found.delays.get(pipe, 4 * D) <= 3 * D for pipe in late)
        false += len(found.false)
        months += (ts[-1] - ts[0]) / (30 * D)
    assert soon >= 0.85 * wanted
    assert false <= 0.2 * months
