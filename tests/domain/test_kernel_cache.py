"""The kernels' cache: one folder a version of their sources, and never against the user's own choice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.kernel_cache import FOLDERS, use_kernel_cache


def test_the_folder_is_named_after_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same sources give the same folder below the parent, and numba is told of it."""
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    folder = use_kernel_cache(tmp_path)
    assert folder.parent == tmp_path
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)


def test_the_users_choice_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """NUMBA_CACHE_DIR is not overridden."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert use_kernel_cache() == tmp_path / "mine"


def test_every_folder_with_kernels_counts(root: Path) -> None:
    """A kernel in a folder that is not listed would run old code after a change elsewhere."""
    with_kernels = {
        path.relative_to(root).parts[0]
        for path in root.glob("*/**/*.py")
        if "build" not in path.parts and ".venv" not in path.parts and "@njit" in path.read_text()
    }
    assert with_kernels - {"tests", "perf", "domain"} == set(FOLDERS)
