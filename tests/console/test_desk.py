"""States, shelves, filters and order of the list."""

from __future__ import annotations

from typing import Any

import pytest

from console.desk import Filters, Shelf, State, arranged, shelf_of, state_of, tally
from domain.clock import SECOND
from domain.findings import AlertEventType
from tests.console.alerts import raised, then

T = 1_764_000_000 * SECOND
LATER = T + 3600 * SECOND


@pytest.mark.parametrize(
    ("type", "changed", "state", "shelf"),
    [
        (AlertEventType.UPDATED, {}, State.NEW, Shelf.NOW),
        (AlertEventType.ACKNOWLEDGED, {"acknowledged": T}, State.ACKNOWLEDGED, Shelf.NOW),
        (AlertEventType.SHELVED, {"shelved_until": LATER + 1}, State.SHELVED, Shelf.SHELVED),
        (AlertEventType.SHELVED, {"shelved_until": LATER}, State.NEW, Shelf.NOW),
        (AlertEventType.SUPPRESSED, {"suppressed": True}, State.SUPPRESSED, Shelf.SHELVED),
        (AlertEventType.CLEARED, {"active": False, "cleared": T}, State.CLEARED, Shelf.EARLIER),
        (AlertEventType.CLEARED, {"active": False, "cleared": T, "latched": True}, State.GONE, Shelf.NOW),
        (AlertEventType.CLOSED, {"active": False, "latched": True, "closed": T}, State.CLOSED, Shelf.EARLIER),
        (AlertEventType.WITHDRAWN, {"active": False}, State.WITHDRAWN, Shelf.EARLIER),
    ],
)
def test_where_an_alert_stands(type: AlertEventType, changed: dict[str, Any], state: State, shelf: Shelf) -> None:
    """What nobody has dealt with is among those of now; a shelving ends by the clock alone."""
    event = then(raised(T), type, **changed)
    assert state_of(event, LATER) is state
    assert shelf_of(state) is shelf


def test_the_gravest_and_unseen_come_first() -> None:
    """Level before all, then what nobody has taken note of, then the newest."""
    seen = then(raised(T, 1, level=1), AlertEventType.ACKNOWLEDGED, level=1, acknowledged=T)
    grave, old, new = raised(T - 9, 2, level=1), raised(T, 3), raised(T + 9, 4)
    rows = arranged([old, seen, new, grave], Filters(), LATER)
    assert [event for event, _ in rows] == [grave, seen, new, old]
    counted = tally([old, seen, new, grave], LATER)
    assert (counted.levels, counted.new) == ({1: 2, 2: 2}, {1: 1, 2: 2})


def test_filters_come_from_addresses_and_go_there() -> None:
    """What is no filter is none: an address is written by anybody."""
    filters = Filters.of({"shelf": "earlier", "level": "2", "kind": "gas-leak", "text": "WELL 1", "zone": ""})
    assert filters == Filters(Shelf.EARLIER, 2, "gas-leak", text="WELL 1")
    assert filters.address() == "shelf=earlier&level=2&kind=gas-leak&text=WELL+1"
    assert filters.address(shelf=Shelf.NOW, level=0, text="", kind="") == ""
    assert Filters.of({"shelf": "attic", "level": "-1"}) == Filters()
    fitting = arranged([raised(T, 1), raised(T, 2)], Filters(text="v-g2"), LATER)
    assert [event.alert.asset for event, _ in fitting] == ["M2"]
