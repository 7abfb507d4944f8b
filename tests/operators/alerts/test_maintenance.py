"""When alerts are quiet."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from domain.actions import Action, Verb
from domain.clock import HOUR, SECOND
from domain.findings import Alert
from operators.alerts.maintenance import Maintenance
from operators.alerts.timing import FOREVER
from tests.operators.alerts.town import START, TOWN


def alert(*sensors: str, cameras: tuple[str, ...] = ()) -> Alert:
    return Alert(
        UUID(int=1), "gas-leak", 1, True, 0, 0, 0, 0, "north", "M1", "", 0, 0, "", True, 1.0, "", sensors, cameras
    )


def act(verb: Verb, at: int, thing: str, until: int = 0, id: int = 1) -> Action:
    action = Action(UUID(int=id), verb, START + at * SECOND, "li.na", until=START + until * SECOND if until else 0)
    return replace(action, asset=thing) if verb in (Verb.SUPPRESS, Verb.RESUME) else replace(action, sensor=thing)


def test_windows() -> None:
    """On an asset and what hangs on it, and of single sensors; all that speaks for an alert must be covered."""
    windows = Maintenance(TOWN, most=HOUR)
    assert not windows.covers(alert("P1"))
    assert windows.take(act(Verb.SUPPRESS, 0, "W2", until=60), START)
    assert windows.covers(alert("P2"))
    assert windows.covers(alert("P3", "P2"))  # W3 hangs on W2
    assert not windows.covers(alert("P1", "P2"))
    assert not windows.covers(alert())
    assert windows.take(act(Verb.OUT_OF_SERVICE, 1, "P1"), START + SECOND)
    assert windows.covers(alert("P1", "P2"))
    assert not windows.covers(alert("P1", cameras=("C1",)))
    assert windows.take(act(Verb.OUT_OF_SERVICE, 1, "C1"), START + SECOND)
    assert windows.covers(alert("P1", cameras=("C1",)))
    assert windows.next == START + 60 * SECOND
    assert windows.due(START + 60 * SECOND)
    assert not windows.covers(alert("P1", "P2"))
    assert windows.covers(alert("P1"))  # a sensor is out of service until somebody says otherwise
    assert windows.next == FOREVER or windows.next > START + 60 * SECOND
    assert windows.take(act(Verb.IN_SERVICE, 70, "P1"), START + 70 * SECOND)
    assert not windows.covers(alert("P1"))


def test_the_later_word_holds() -> None:
    """In whatever order two come, and however often; and no window is longer than the city allows."""
    windows = Maintenance(TOWN, most=HOUR)
    assert not windows.take(act(Verb.RESUME, 20, "M1", id=2), START + 20 * SECOND)
    assert not windows.take(act(Verb.SUPPRESS, 10, "M1", until=3000), START + 21 * SECOND)
    assert not windows.covers(alert("G1"))
    assert windows.take(act(Verb.SUPPRESS, 30, "M1", until=90_000, id=3), START + 30 * SECOND)
    assert not windows.take(act(Verb.SUPPRESS, 30, "M1", until=90_000, id=3), START + 31 * SECOND)
    assert windows.next == START + 30 * SECOND + HOUR
    assert windows.take(act(Verb.SUPPRESS, 40, "M1", until=41, id=4), START + 50 * SECOND)  # over before it came
    assert not windows.covers(alert("G1"))
