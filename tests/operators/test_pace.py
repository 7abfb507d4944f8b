"""Who waits for whom while partitions catch up."""

from __future__ import annotations

from pathlib import Path

from domain.clock import SECOND
from operators.pace import AHEAD, LOOK, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 2 * LOOK
        return self.now


def test_partitions_of_a_process() -> None:
    """One that is far ahead waits, until the other has come near, or has nothing more to read."""
    pace = Pace()
    pace.report(0, 100 * SECOND)
    pace.report(1, 50 * SECOND)
    assert (pace.may_go(0), pace.may_go(1)) == (False, True)
    pace.report(1, 100 * SECOND - AHEAD)
    assert pace.may_go(0)
    pace.report(0, 200 * SECOND)
    assert not pace.may_go(0)
    pace.report(1, None)
    assert pace.may_go(0)


def test_processes_of_a_cluster(tmp_path: Path) -> None:
    """The same between processes: memory is bounded however their backlogs differ."""
    one, two = Pace(tmp_path, 0, 2, Clock()), Pace(tmp_path, 1, 2, Clock())
    one.report(0, 100 * SECOND)
    assert one.may_go(0), "nothing was heard of the other yet"
    two.report(1, 50 * SECOND)
    assert two.may_go(1)
    assert not one.may_go(0)
    two.report(1, None)
    two.may_go(1)
    assert one.may_go(0)


def test_what_a_run_before_has_left_holds_nobody_back(tmp_path: Path) -> None:
    """Of a process that was killed, and of a cluster that was larger."""
    old = Pace(tmp_path, 1, 2, Clock())
    old.report(1, SECOND)
    old.may_go(1)
    (tmp_path / "2.pace").write_text(str(SECOND))
    one, two = Pace(tmp_path, 0, 2, Clock()), Pace(tmp_path, 1, 2, Clock())
    one.report(0, 100 * SECOND)
    assert one.may_go(0)
    assert two.may_go(1)
