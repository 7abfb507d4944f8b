"""Every detector has a picture, and its page says what the picture was drawn from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from detectors import registry
from workbench.pictures import PICTURES
from workbench.pictures.costs import Cost, draw_costs, overview, read_costs
from workbench.pictures.drawing import draw
from workbench.pictures.pages import placed, section
from workbench.pictures.png import save_png


def test_every_detector_has_a_picture() -> None:
    """The table has one entry a detector, and none of detectors that are gone."""
    assert set(PICTURES) == set(registry.names())


@pytest.mark.parametrize("name", registry.names())
def test_each_page_shows_its_picture(name: str, root: Path) -> None:
    """The file is there, small, and the page says of it what the table does: caption and parameters."""
    file = root / f"docs/detectors/pictures/{name}.png"
    assert file.stat().st_size < 60_000
    assert section(name, PICTURES[name]) in (root / f"docs/detectors/{name}.md").read_text()
    registry.get(name).Params.model_validate(PICTURES[name].params)


def test_the_overview_is_true(root: Path) -> None:
    """It has a row for each detector, with its scope, lane and verdict."""
    text = (root / "docs/detectors/README.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| .+? \| (\w+) \| (\w+) \| (\w+) \|", text, re.MULTILINE)
    found = [(name, link, *rest) for name, link, *rest in rows]
    described = map(registry.describe, registry.names())
    assert sorted(found) == [(d.name, d.name, d.scope, d.lane.value, d.verdict.value) for d in described]
    assert (root / "docs/detectors/pictures/costs.png").exists() == ("pictures/costs.png" in text)


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    """A simulated gas leak: found once, and drawn at the size that the pages expect."""
    image = pytest.importorskip("matplotlib.image")
    out = tmp_path / "threshold.png"
    assert draw("threshold", PICTURES["threshold"], tmp_path, out).startswith("1 found")
    assert image.imread(out).shape[:2] == (460, 900)


def test_a_page_keeps_the_rest() -> None:
    """A picture is placed before what the detector misses; once there, it is replaced."""
    page = "# threshold\n\nFinds.\n\n## What it misses\n\nMuch.\n"
    picture = PICTURES["threshold"]
    once = placed(page, "threshold", picture)
    assert once == page.replace("## What", section("threshold", picture) + "\n## What")
    assert placed(once, "threshold", picture) == once


def test_few_colours_stay_themselves(tmp_path: Path) -> None:
    """What is drawn in one of our colours has that colour in the file."""
    image = pytest.importorskip("matplotlib.image")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1), dpi=20, facecolor="#D55E00")
    save_png(figure, tmp_path / "red.png")
    pixels = (image.imread(tmp_path / "red.png")[..., :3] * 255).round().astype(int)
    assert (pixels == np.array([0xD5, 0x5E, 0x00])).all()


def test_costs_come_from_a_benchmark(tmp_path: Path) -> None:
    """Figures of detectors are told from others; without a benchmark there are none."""
    bench = tmp_path / "bench.json"
    assert read_costs(bench) == []
    values = {"ewma: cost": 2.4, "ewma: floor": 2.0, "ewma / floor": 1.2, "scoring: cost": 9.0}
    figures = [{"name": name, "value": value, "unit": ""} for name, value in values.items()]
    bench.write_text(json.dumps({"figures": figures}))
    costs = read_costs(bench)
    assert costs == [Cost("ewma", 2.4, 2.0, 1.2)]
    draw_costs(costs, tmp_path / "costs.png")
    assert (tmp_path / "costs.png").stat().st_size > 1000
    assert overview("| [cusum](cusum.md) | x | sensor | pane | event | 3 ns |", costs).endswith("| 3 ns |")
