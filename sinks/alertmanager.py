"""Alerts to Alertmanager (API v2), which groups, silences and notifies.

Labels are an alert's identity there, so they hold only what never changes in its life: kind, city, zone, asset, place,
owner and id. What changes (level, summary, corroboration, sensors) is in annotations. Times are event times: the
replay of an old recording shows alerts that ended long ago and notifies nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import orjson
import urllib3
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain import metrics
from domain.city import City
from domain.clock import DAY
from domain.errors import SinkError, SinkRefused
from domain.findings import Alert, AlertEvent
from sinks.messages import timestamp

__all__ = ["AlertmanagerSink", "AlertmanagerWriter"]


class AlertmanagerWriter:
    """Posts the newest state of each alert.

    urllib3 does the talking: it is there already for ClickHouse's client, and its `Retry` has what is needed (backoff,
    status codes, Retry-After).

    Parameters
    ----------
    url
        Of Alertmanager, such as "http://127.0.0.1:9093". User and password, where it asks for them, come from
        LIFELINE_ALERTMANAGER_USER and LIFELINE_ALERTMANAGER_PASSWORD.
    city
        Names the levels and the city.
    hold
        Nanoseconds of event time that an alert stays active after its last event. Alertmanager would end an alert by
        itself after minutes without a word; ours are active until they are cleared, also while the engine is down.
    timeout
        Seconds for one attempt.
    attempts
        Attempts altogether; the pause doubles from a quarter of a second.
    """

    def __init__(self, url: str, city: City, *, hold: int = 7 * DAY, timeout: float = 5.0, attempts: int = 4) -> None:
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._city = city
        self._levels = {level.rank: level for level in city.levels}
        self._hold = hold
        self._headers = {"Content-Type": "application/json"}
        user = os.environ.get("LIFELINE_ALERTMANAGER_USER")
        if user:
            password = os.environ.get("LIFELINE_ALERTMANAGER_PASSWORD", "")
            self._headers |= urllib3.make_headers(basic_auth=f"{user}:{password}")
        retry = urllib3.Retry(
            attempts - 1,
            redirect=False,
            backoff_factor=0.25,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,  # a repeated alert is the same alert
            raise_on_status=False,
        )
        self._http = urllib3.PoolManager(retries=retry, timeout=timeout)

    def write(self, events: Iterable[AlertEvent]) -> None:
        """Post the newest state of every alert in `events`.

        Raises SinkError when Alertmanager cannot be reached or is in trouble, SinkRefused when it does not take what
        it got.
        """
        newest: dict[Any, AlertEvent] = {}
        for event in events:
            if event.alert.id not in newest or newest[event.alert.id].seq < event.seq:
                newest[event.alert.id] = event
        if not newest:
            return
        body = orjson.dumps([self.render(event.alert) for event in newest.values()])
        try:
            answer = self._http.request("POST", self._url, body=body, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise SinkError(f"Alertmanager at {self._url} cannot be reached: {error}") from error
        metrics.SINK_RETRIES.labels("alertmanager").inc(len(answer.retries.history) if answer.retries else 0)
        if answer.status // 100 != 2:
            kind = SinkRefused if answer.status // 100 in (3, 4) and answer.status != 429 else SinkError
            words = answer.data[:500].decode(errors="replace")
            raise kind(f"Alertmanager at {self._url} answered {answer.status} {answer.reason}: {words}")
        metrics.SINK_ROWS.labels("alertmanager", "alerts").inc(len(newest))

    def render(self, alert: Alert) -> dict[str, Any]:
        """An alert as the API takes it."""
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
            "sensors": ", ".join(alert.sensors),
            "cameras": ", ".join(alert.cameras),
            "clips": " ".join(alert.clips),
            "onset": timestamp(alert.onset) or "",
            "position": f"{alert.lat:.6f},{alert.lon:.6f}" if alert.lat or alert.lon else "",
            "pipe": f"{alert.pipe}: {alert.offset:.0f} m from its start, within {alert.radius:.0f} m"
            * bool(alert.pipe),
        }
        begun = alert.raised or alert.onset
        ended = alert.updated + self._hold if alert.active else max(alert.cleared, begun)
        return {
            "labels": {name: text for name, text in labels.items() if text},
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": timestamp(begun),
            "endsAt": timestamp(ended),
        }


class _Partition(StatelessSinkPartition[AlertEvent]):
    def __init__(self, writer: AlertmanagerWriter) -> None:
        self._writer = writer

    def write_batch(self, items: list[AlertEvent]) -> None:
        self._writer.write(items)


class AlertmanagerSink(DynamicSink[AlertEvent]):
    """Posts every batch of alert events at once. Parameters as for `AlertmanagerWriter`."""

    def __init__(self, url: str, city: City) -> None:
        self._arguments = url, city

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Partition:
        """One connection a worker."""
        return _Partition(AlertmanagerWriter(*self._arguments))
