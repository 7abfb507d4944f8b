"""Alerts to Alertmanager (API v2), which groups, silences and notifies.

Labels are an alert's identity there, so they hold only what never changes in its life: kind, city, zone, asset, place,
owner and id. What changes (level, summary, corroboration, sensors) is in annotations. Times are event times: the
replay of an old recording shows alerts that ended long ago and notifies nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar
from uuid import UUID

import orjson

from domain import metrics
from domain.city import City
from domain.clock import DAY
from domain.findings import Alert, AlertEvent
from sinks.channel import Channel, Note
from sinks.http import Poster
from sinks.messages import timestamp

__all__ = ["AlertmanagerWriter"]


class AlertmanagerWriter(Channel):
    """Posts the newest state of each alert.

    Parameters
    ----------
    url
        Of Alertmanager, such as "http://127.0.0.1:9093".
    city
        Names the levels and the city.
    label
        Of this Alertmanager, in metrics.
    variables
        User and password, where it asks for them, come from the variables that begin with this.
    hold
        Nanoseconds of event time that an alert stays active after its last event. Alertmanager would end an alert by
        itself after minutes without a word; ours are active until they are cleared, also while the engine is down.
    timeout, attempts
        As for `Poster`.
    """

    #: Alertmanager keeps alerts in memory: one that was started anew knows none.
    stands: ClassVar[float | None] = 60.0

    def __init__(
        self,
        url: str,
        city: City,
        *,
        label: str = "alertmanager",
        variables: str = "LIFELINE_ALERTMANAGER",
        hold: int = 7 * DAY,
        timeout: float = 5.0,
        attempts: int = 4,
    ) -> None:
        self._poster = Poster(
            f"{url.rstrip('/')}/api/v2/alerts", "Alertmanager", label, variables, timeout=timeout, attempts=attempts
        )
        self._city, self._label = city, label
        self._levels = {level.rank: level for level in city.levels}
        self._hold = hold

    def send(self, notes: Sequence[Note]) -> int:
        """All of them in one post."""
        self.write(note.event for note in notes)
        return len(notes)

    def close(self) -> None:
        """Close the connections."""
        self._poster.close()

    def write(self, events: Iterable[AlertEvent]) -> None:
        """Post the newest state of every alert in `events`.

        Raises SinkError when Alertmanager cannot be reached or is in trouble, SinkRefused when it does not take what
        it got.
        """
        newest: dict[UUID, AlertEvent] = {}
        for event in events:
            known = newest.get(event.alert.id)
            if known is None or (known.seq, known.revision) < (event.seq, event.revision):
                newest[event.alert.id] = event
        if not newest:
            return
        body = orjson.dumps([self.render(event.alert, event.ts) for event in newest.values()])
        self._poster.post(body, {"Content-Type": "application/json"})
        metrics.SINK_ROWS.labels(self._label, "alerts").inc(len(newest))

    def render(self, alert: Alert, ts: int = 0) -> dict[str, Any]:
        """An alert as the API takes it, after its step at `ts`, ns. One that people want to hear nothing of is over."""
        level = self._levels.get(alert.level)
        labels = {
            "alertname": alert.kind,
            "city": self._city.name,
            "zone": alert.zone,
            "asset": alert.asset,
            "place": alert.place,
            "owner": alert.owner,
            "alert": str(alert.id),
        }
        annotations = {
            "summary": alert.summary,
            "level": level.name if level else str(alert.level),
            "urgent": "yes" if alert.urgent else "no",
            "corroboration": f"{alert.corroboration:.2f}",
            "support": "; ".join(alert.support),
            "against": "; ".join(alert.against),
            "cause": str(alert.cause or ""),
            "sensors": ", ".join(alert.sensors),
            "cameras": ", ".join(alert.cameras),
            "clips": " ".join(alert.clips),
            "onset": timestamp(alert.onset) or "",
            "position": f"{alert.lat:.6f},{alert.lon:.6f}" if alert.lat or alert.lon else "",
            "acknowledged": f"by {alert.acknowledged_by}" if alert.acknowledged else "",
            "shelved": f"by {alert.shelved_by} until {timestamp(alert.shelved_until)}" if alert.shelved_until else "",
            "suppressed": "in maintenance or out of service" if alert.suppressed else "",
            "pipe": f"{alert.pipe}: {alert.offset:.0f} m from its start, within {alert.radius:.0f} m"
            * bool(alert.pipe),
        }
        begun = alert.raised or alert.onset
        over = alert.cleared or (ts if alert.quiet else 0)
        ended = max(over, begun) if over else alert.updated + self._hold
        return {
            "labels": {name: text for name, text in labels.items() if text},
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": timestamp(begun),
            "endsAt": timestamp(ended),
        }
