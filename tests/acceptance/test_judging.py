"""What a timetable wants is missed in words, and so is what it does not want."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from domain.city_files import load_city
from domain.clock import SECOND
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from tests.acceptance.acting import Town, town_of
from tests.acceptance.grammar import parse
from tests.acceptance.judging import judge, named

TEXT = """A well fills with gas.

+10 s..+20 s  desk    raised gas-leak at BZ-GM-0003, level II, for gas-company, not urgent, within 50 m, as leak
+30 s         li.na   acknowledges leak
+30 s         desk    acknowledged leak
never         desk    fire at BZ-GM-0003
"""
TABLE = parse("well", TEXT)
TOWN: Town = town_of(load_city("bozhou"), [TABLE])
ZERO = TOWN.zero(TABLE)
ASSET = TOWN.scenario.city.assets["BZ-GM-0003"]
LEAK = Alert(
    UUID(int=1), "gas-leak", 2, True, ZERO, ZERO, ZERO, 0, ASSET.zone, ASSET.id, "", ASSET.lon, ASSET.lat,
    "gas-company", False, 0.5, "Gas leak", ("BZ-G-0003",),
)  # fmt: skip


def event(at: float, type: AlertEventType, **more: object) -> AlertEvent:
    alert = replace(LEAK, **more)  # type: ignore[arg-type]
    return AlertEvent(identify("event", str(at), type, alert.kind), 0, type, ZERO + round(at * SECOND), alert)


RAISED = event(12, AlertEventType.RAISED)
TAKEN = event(30, AlertEventType.ACKNOWLEDGED)


def test_a_desk_that_says_what_is_wanted_is_right() -> None:
    """Updates may come besides; what belongs to another place is not its own."""
    elsewhere = event(5, AlertEventType.RAISED, id=UUID(int=2), asset="BZ-GM-1000", sensors=("BZ-G-1000",))
    assert judge(TOWN, TABLE, [RAISED, elsewhere, event(20, AlertEventType.UPDATED), TAKEN]) == []


def test_what_did_not_come_is_said() -> None:
    """And that nothing like it did."""
    found = judge(TOWN, TABLE, [RAISED])
    assert found == ["well, line 5: wanted at 30 to 30 s acknowledged leak; nothing came"]


def test_what_came_otherwise_is_said_with_the_difference() -> None:
    """Too late, graver, elsewhere: each by itself."""
    far = event(25, AlertEventType.RAISED, level=1, urgent=True, owner="", lon=ASSET.lon + 0.01)
    (found,) = judge(TOWN, TABLE, [far, TAKEN])
    assert found.startswith("well, line 3: wanted at 10 to 20 s raised gas-leak")
    assert "for  (at 25 s, I, , urgent, 92" in found


def test_what_nobody_wanted_is_said() -> None:
    """Once as an event too many, and once more where it must never come."""
    fire = event(40, AlertEventType.RAISED, id=UUID(int=3), kind="fire")
    assert judge(TOWN, TABLE, [RAISED, TAKEN, fire]) == [
        "well: nobody wanted +40 s raised fire II at BZ-GM-0003 for gas-company",
        "well, line 6: never wanted, but came: +40 s raised fire II at BZ-GM-0003 for gas-company",
    ]


def test_people_act_on_the_alert_that_was_raised() -> None:
    """Its id follows from the stream, so that it is known before they act."""
    (action,) = TOWN.actions(TABLE, named(TOWN, TABLE, [RAISED]))
    assert (action.alert, action.actor, action.ts) == (LEAK.id, "li.na", ZERO + 30 * SECOND)
