"""How far a run that was killed may have come."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.clock import NEVER
from domain.errors import StateError
from operators.high_water import HighWater


def test_what_a_crash_leaves_behind(tmp_path: Path) -> None:
    """The largest mark of any process; a run that comes less far leaves it as it is, a clean end forgets it."""
    folder = tmp_path / "closed"
    first, second = HighWater(folder, 0), HighWater(folder, 1)
    assert first.before == NEVER
    for mark in (7_000_000_000, 5, 8_000_000_000):
        first.reach(mark)
    second.reach(-12)
    again = HighWater(folder, 1)
    assert again.before == 8_000_000_000
    again.reach(6_000_000_000)
    assert HighWater(folder).before == 8_000_000_000
    again.reach(9_000_000_000)
    assert HighWater(folder).before == 9_000_000_000
    again.forget()
    assert HighWater(folder).before == NEVER


def test_nothing_is_kept_where_no_state_is() -> None:
    """A run without recovery leaves no mark, and needs none."""
    mark = HighWater()
    mark.reach(5)
    mark.forget()
    assert mark.before == NEVER


def test_damaged(tmp_path: Path) -> None:
    """Refused with what to do; a file without a mark is that of a run that was killed before the first."""
    (tmp_path / "0.mark").write_bytes(b"")
    assert HighWater(tmp_path).before == NEVER
    (tmp_path / "1.mark").write_text("what?")
    with pytest.raises(StateError, match=r"1\.mark is damaged"):
        HighWater(tmp_path)
