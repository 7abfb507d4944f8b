"""Alerts of the village, as an engine would store them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain.clock import SECOND
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from tests.console.village import CITY

__all__ = ["raised", "then"]


def raised(at: int, well: int = 1, **changed: Any) -> AlertEvent:
    """A gas leak at one of the wells, raised at a time in ns."""
    asset = CITY.assets[f"M{well}"]
    alert = Alert(
        id=identify("village", well, at), kind="gas-leak", level=2, active=True, onset=at - SECOND, raised=at,
        updated=at, cleared=0, zone="Z1", asset=asset.id, place=f"{asset.name}, Mill Lane", lon=asset.lon,
        lat=asset.lat, owner="gas-company", urgent=False, corroboration=0.5, summary=f"Gas leak at Well {well}",
        sensors=(f"V-G{well}",), support=(f"threshold on V-G{well}",),
    )  # fmt: skip
    return AlertEvent(identify(alert.id, 0), 0, AlertEventType.RAISED, at, replace(alert, **changed))


def then(before: AlertEvent, type: AlertEventType, after: int = SECOND, **changed: Any) -> AlertEvent:
    """The next step of an alert, so many ns later."""
    at = before.ts + after
    alert = replace(before.alert, updated=at, **changed)
    return AlertEvent(identify(alert.id, before.seq + 1), before.seq + 1, type, at, alert)
