"""The worked notebook works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workbench.notebooks import FOLDER, run

BOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_is_one() -> None:
    """A folder without notebooks would pass by having nothing to run."""
    assert BOOKS


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.name)
def test_every_cell_runs(path: Path, root: Path) -> None:
    """On the recordings that it speaks of, from top to bottom."""
    if not (root / "../shared/data/skab").is_dir():
        pytest.skip("the recordings are not there")
    cells = run(path)["cells"]
    assert sum(len(cell.get("outputs", ())) for cell in cells) >= 4
