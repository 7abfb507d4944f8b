"""Which alerts are the same in two runs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.findings import Alert
from workbench.differences import Change, differences

S = 1_000_000_000
_ZERO: dict[str, Any] = {"int": 0, "float": 0.0, "bool": False, "str": "", "UUID": UUID(int=0)}


def alert(raised: int, cleared: int, kind: str = "leak", asset: str = "A", level: int = 2) -> Alert:
    """An alert that begins when it is raised; 0 for one that stays open; times in seconds."""
    blank = Alert(**{field.name: _ZERO.get(str(field.type), ()) for field in fields(Alert)})
    number = UUID(int=raised + (cleared << 20))
    return replace(
        blank, id=number, kind=kind, asset=asset, level=level, onset=raised * S, raised=raised * S, cleared=cleared * S
    )


def test_each_change_has_its_name() -> None:
    """Same place and kind, overlapping: kept, or moved; without counterpart: vanished or appeared."""
    before = [alert(10, 20), alert(30, 40), alert(60, 70), alert(90, 0, asset="B")]
    after = [alert(10, 20), alert(35, 45), alert(80, 85), alert(90, 0, asset="C")]
    found = differences(before, after)
    assert [(one.change, one.alert.raised // S) for one in found] == [
        (Change.KEPT, 10),
        (Change.MOVED, 35),
        (Change.VANISHED, 60),
        (Change.APPEARED, 80),
        (Change.VANISHED, 90),
        (Change.APPEARED, 90),
    ]
    assert [one.shift for one in found] == [0, 5, 0, 0, 0, 0]


def test_another_level_is_a_move() -> None:
    """An alert that became graver at the same time is not the same to the desk."""
    (found,) = differences([alert(1, 5)], [alert(1, 5, level=1)])
    assert found.change is Change.MOVED


def test_an_open_alert_overlaps_with_all_that_follows() -> None:
    """It has no end, so a later one at its place is its counterpart."""
    (found,) = differences([alert(1, 0)], [alert(1000, 1001)])
    assert (found.change, found.shift) == (Change.MOVED, 999.0)


spans = st.lists(
    st.tuples(st.integers(1, 50), st.integers(0, 20), st.sampled_from("AB")).map(
        lambda t: alert(t[0], t[0] + t[1] if t[1] else 0, asset=t[2])
    ),
    max_size=8,
)


@given(spans, spans)
def test_every_alert_stands_in_exactly_one_difference(before: list[Alert], after: list[Alert]) -> None:
    """Nothing is lost and nothing counted twice; turning the question round turns the answer round."""
    found = differences(before, after)
    key = lambda one: (one.raised, one.cleared, one.asset)  # noqa: E731
    assert sorted((d.before for d in found if d.before), key=key) == sorted(before, key=key)
    assert sorted((d.after for d in found if d.after), key=key) == sorted(after, key=key)
    assert all(d.before.asset == d.after.asset for d in found if d.before and d.after)
    back = differences(after, before)
    assert sum(d.change is Change.APPEARED for d in found) == sum(d.change is Change.VANISHED for d in back)


def test_a_run_beside_itself_keeps_everything() -> None:
    """Ties of time and place must not cross over."""
    alerts = [alert(10, 0), alert(10, 20), alert(10, 0, asset="B"), alert(15, 30)]
    found = differences(alerts, alerts)
    assert [d.change for d in found] == [Change.KEPT] * 4
