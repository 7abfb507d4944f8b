"""The euro rule by hand, and our figures on L-Town simulated again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.pipe_network import PipeNetwork
from domain.errors import ConfigError
from workbench.sets import _water as water
from workbench.sets import ltown

DATA = Path(__file__).parents[3] / "shared/data" / ltown.FOLDER
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings are not there")
STEP = 300 * 10**9

LINE = PipeNetwork.parse(
    "[JUNCTIONS]\na 0 1\nb 0 1\nc 0 1\nd 0 1\n[RESERVOIRS]\nr 50\n[PIPES]\n"
    "p1 r a 100 300 130\np2 a b 200 300 130\np3 b c 100 300 130\np4 c d 900 300 130\n"
)
LEAKS = [water.Leak("p2", 10 * STEP, 19 * STEP, True)]
FLOWS = water.Table(np.arange(40) * STEP, {"p2": np.where((np.arange(40) >= 10) & (np.arange(40) < 20), 12.0, 0.0)})


def euros(*found: tuple[str, int]) -> ltown.Euros:
    return ltown.euros([ltown.Detection(pipe, at * STEP) for pipe, at in found], LEAKS, FLOWS, LINE, LINE.between())


def test_the_first_right_detection_earns_the_water_that_is_left() -> None:
    """Named at its start: ten steps of 12 m3/h are 10 m3, 8 EUR. Half way: 5 m3, 4 EUR."""
    assert euros(("p2", 10)).total == pytest.approx(8.0)
    assert euros(("p2", 15)).total == pytest.approx(4.0)


def test_distance_costs() -> None:
    """The middles of p2 and p3 are 150 m apart: half of 500 EUR."""
    found = euros(("p3", 10))
    assert found.distances == {"p2": 150.0}
    assert found.total == pytest.approx(8.0 - 250.0)


def test_repeats_are_free_and_wrong_ones_are_not() -> None:
    """Before it runs, after its end, or 650 m off: 500 EUR each."""
    assert euros(("p2", 10), ("p3", 12)).total == pytest.approx(8.0)
    assert euros(("p2", 9), ("p2", 20), ("p4", 12)).total == pytest.approx(-1500.0)


def test_other_detectors_are_refused() -> None:
    """Only one says what a leak has done to each pressure."""
    with pytest.raises(ConfigError, match="pressure_residual"):
        ltown.evaluate(DATA, "ewma", None, None)


def test_two_leaks_of_one_pipe_are_no_trouble() -> None:
    """They run at the same time and are equally near: the one that began first is credited."""
    both = [*LEAKS, water.Leak("p2", 12 * STEP, 19 * STEP, True)]
    found = ltown.euros([ltown.Detection("p2", 14 * STEP)], both, FLOWS, LINE, LINE.between())
    assert found.delays == {"p2": 4 * STEP}


@needs_data
def test_the_meters_are_the_sets_own() -> None:
    """How many columns are flows is no matter of taste."""
    with pytest.raises(ConfigError, match="flows"):
        ltown.evaluate(DATA, None, {"flows": 1}, None)


@needs_data
def test_the_bars_are_reached(tmp_path: Path) -> None:
    """More than half of the leaks placed within 300 m, no more than two false."""
    result = ltown.evaluate(DATA, None, None, tmp_path)
    assert result.passed
    assert (result.value("euro score") or 0) > 20_000
    assert '"pipe"' in (tmp_path / "ltown/pressure_residual/pressures.jsonl").read_text()
