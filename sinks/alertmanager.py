"""Alerts to Alertmanager (API v2), which groups, silences and notifies.

Labels are an alert's identity there, so they hold only what never changes in its life: kind, city, zone, asset, place,
owner and id. What changes (level, summary, corroboration, sensors) is in annotations. Times are event times: the
replay of an old recording shows alerts that ended long ago and notifies nobody.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from threading import Condition, Thread
from typing import Any
from uuid import UUID

import orjson
import urllib3
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain import metrics
from domain.city import City
from domain.clock import DAY
from domain.errors import SinkError, SinkRefused
from domain.failures import remembered
from domain.findings import Alert, AlertEvent
from domain.health import HEALTH
from domain.operations import repeated
from domain.secrets import refuse_password
from sinks.messages import timestamp

__all__ = ["AlertmanagerSink", "AlertmanagerWriter", "login"]

log = logging.getLogger(__name__)


def login(url: str) -> dict[str, str]:
    """The headers with which Alertmanager lets us in; raises ConfigError where the URL names a user or a password."""
    refuse_password(url, "Alertmanager", "LIFELINE_ALERTMANAGER_USER, LIFELINE_ALERTMANAGER_PASSWORD")
    user, password = (os.environ.get(f"LIFELINE_ALERTMANAGER_{name}", "") for name in ("USER", "PASSWORD"))
    return urllib3.make_headers(basic_auth=f"{user}:{password}") if user else {}


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
        self._headers = {"Content-Type": "application/json", **login(url)}
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
            known = newest.get(event.alert.id)
            if known is None or (known.seq, known.revision) < (event.seq, event.revision):
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
        ended = max(alert.cleared, begun) if alert.cleared else alert.updated + self._hold
        return {
            "labels": {name: text for name, text in labels.items() if text},
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": timestamp(begun),
            "endsAt": timestamp(ended),
        }


class _Beside:
    """Posts what is said again anyway from a thread of its own: nothing waits for it, and a failure is only told."""

    def __init__(self, writer: AlertmanagerWriter) -> None:
        self._writer = writer
        self._waiting: dict[UUID, AlertEvent] = {}  # the newest of each alert
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="alertmanager", daemon=True)
        self._thread.start()

    def put(self, events: Iterable[AlertEvent]) -> None:
        with self._changed:
            self._waiting.update((event.alert.id, event) for event in events)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while (events := self._next()) is not None:
            try:
                self._writer.write(events)
            except SinkError as error:
                log.warning("a heartbeat was not delivered: %s", error)
                HEALTH.trouble("alertmanager", str(error))
            else:
                HEALTH.well("alertmanager")

    def _next(self) -> list[AlertEvent] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            events, self._waiting = list(self._waiting.values()), {}
            return None if self._closed else events


class _Partition(StatelessSinkPartition[AlertEvent]):
    def __init__(self, url: str, city: City) -> None:
        self._writer = AlertmanagerWriter(url, city)
        self._beside = _Beside(AlertmanagerWriter(url, city, attempts=1))

    @remembered()
    def write_batch(self, items: list[AlertEvent]) -> None:
        self._writer.write(item for item in items if not repeated(item))
        self._beside.put(filter(repeated, items))

    def close(self) -> None:
        self._beside.close()


class AlertmanagerSink(DynamicSink[AlertEvent]):
    """Posts every batch of alert events at once, and heartbeats beside. Parameters as for `AlertmanagerWriter`."""

    def __init__(self, url: str, city: City) -> None:
        login(url)  # a password in it is refused now, not when the flow starts
        self._arguments = url, city

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Partition:
        """One connection a worker."""
        return _Partition(*self._arguments)
