"""No look-ahead: cut a recording short, and the scores of the rows that are left stay as they were."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from workbench import sets

#: Which files of each set are enough, as patterns inside its folder.
FILES = {
    "nab": ("data/realTraffic/*.csv",),
    "skab": ("valve1/[0-3].csv",),
    "gecco": ("*.csv.gz",),
    "leakdb": ("*-1.csv.gz",),
    "ltown": ("press*.csv.gz",),
}


def _cut(path: Path, share: float) -> None:
    """Keep the first rows of a file."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        lines = file.read().splitlines(True)
    with opened(path, "wb") as file:
        file.write(b"".join(lines[: int(len(lines) * share)]))


def _scores(path: Path) -> list[str]:
    """Lines without labels: NAB's windows move where a file is cut inside one."""
    lines = path.read_text().splitlines()
    return [line.rpartition(",")[0] for line in lines] if lines[0].endswith(",label") else lines


@pytest.mark.parametrize("name", sorted(FILES))
def test_later_rows_change_no_earlier_score(name: str, root: Path, tmp_path: Path) -> None:
    """Files of every row's score agree line by line up to where the shorter recording ends."""
    module = sets.get(name)
    source = root / "../shared/data" / module.FOLDER
    if not source.is_dir():
        pytest.skip("the recordings are not there")
    scores = []
    most = 0.35 if name == "gecco" else 1.0  # its rule takes ten seconds on all of it
    for part, share in (("whole", most), ("cut", 0.7 * most)):
        folder = tmp_path / part / module.FOLDER
        data = {file for pattern in FILES[name] for file in source.glob(pattern)}
        others = {file for file in source.rglob("*") if file.suffix in {".json", ".txt", ".inp"}}
        for file in [*data, *others]:
            target = folder / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
            if file in data and share < 1:
                _cut(target, share)
        if name == "ltown":  # whose network and true flows lie with the other L-Town
            shutil.copytree(root / "../shared/data/battledim", folder.parent / "battledim")
        module.evaluate(folder, None, None, tmp_path / part / "out")
        found = (tmp_path / part / "out").rglob("*.csv")
        scores.append({path.relative_to(tmp_path / part): _scores(path) for path in found})
    whole, cut = scores
    assert cut
    assert whole.keys() == cut.keys()
    for path, text in cut.items():
        assert 100 < len(text) < len(whole[path]), path
        assert whole[path][: len(text)] == text, path
