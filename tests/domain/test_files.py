"""A file is there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.files import put


def test_replaced_as_a_whole(tmp_path: Path) -> None:
    """The last content stands, and nothing else is left."""
    path = tmp_path / "list.json"
    put(path, b"first and longer")
    put(path, memoryview(b"then"))
    assert path.read_bytes() == b"then"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file is untouched, and the unfinished one is gone."""
    path = tmp_path / "list.json"
    put(path, b"before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        put(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
