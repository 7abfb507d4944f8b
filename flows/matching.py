"""What happened against what was alerted: which incidents were found, and which alerts were false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.clock import MINUTE, SECOND
from domain.findings import Alert
from simulators.stage import Incident

__all__ = ["Match", "Matching", "match"]

#: An alert may still be raised so long after an incident's cause is gone: water stands, gas lingers, delays pass.
AFTER = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Match:
    """One incident with the alert that tells of it, if one does."""

    incident: Incident
    alert: Alert | None

    @property
    def delay(self) -> float | None:
        """Seconds of event time from the cause to the alert."""
        return None if self.alert is None else (self.alert.raised - self.incident.start) / SECOND


@dataclass(frozen=True, slots=True)
class Matching:
    """All incidents and alerts of a run, put side by side."""

    matches: tuple[Match, ...]
    false: tuple[Alert, ...]  # alerts that no incident explains

    @property
    def found(self) -> int:
        """Incidents that wanted an alert and have one."""
        return sum(1 for match in self.matches if match.incident.alert and match.alert is not None)

    @property
    def wanted(self) -> int:
        """Incidents that want an alert, less those that cannot always be told from normal, and were not."""
        wanting = (match for match in self.matches if match.incident.alert)
        return sum(1 for match in wanting if match.incident.detectable or match.alert is not None)


def match(incidents: Sequence[Incident], alerts: Sequence[Alert]) -> Matching:
    """Put incidents and alerts side by side: an alert tells of an incident when kind, place and time fit.

    The first fitting alert is the incident's; further ones of kinds that it explains are repeats, not false.
    """
    explained: set[int] = set()
    matches = []
    for incident in incidents:
        fitting = [i for i, alert in enumerate(alerts) if _fits(incident, alert)]
        explained.update(fitting)
        wanted = [i for i in fitting if alerts[i].kind == incident.alert]
        first = min(wanted, key=lambda i: alerts[i].raised, default=None)
        matches.append(Match(incident, None if first is None else alerts[first]))
    false = tuple(alert for i, alert in enumerate(alerts) if i not in explained)
    return Matching(tuple(matches), false)


def _fits(incident: Incident, alert: Alert) -> bool:
    if alert.kind != incident.alert and alert.kind not in incident.allowed:
        return False
    if not incident.start <= alert.raised <= incident.end + AFTER:
        return False
    shared = set(incident.sensors) & set(alert.sensors) or set(incident.cameras) & set(alert.cameras)
    # A fault is its sensor's alone.
    return bool(shared) or (bool(incident.asset) and not incident.reason and incident.asset == alert.asset)
