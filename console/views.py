"""What the pages show: the desk, one alert, the map, the sensors, the load and the feed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from console import figures, folds
from console.accounts import Session
from console.desk import Filters, arranged, folded, state_of, tally
from console.guard import signed_in
from console.pages import Site, site_of
from console.traces import alert_traces, sensor_trace
from domain.errors import SinkError
from domain.findings import AlertEvent
from sinks.clickhouse.read import standing_alerts

__all__ = [
    "alert_part",
    "desk",
    "feed_page",
    "list_part",
    "load_page",
    "map_page",
    "map_part",
    "map_svg",
    "sensor_page",
    "sensor_traces",
    "sensors_page",
    "traces",
]

log = logging.getLogger(__name__)

#: Alerts in one list, and on a map, at most; what lies below is found by a filter.
LISTED: Final = 300
MAPPED: Final = 500


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


@signed_in
async def desk(request: Request, session: Session) -> Response:
    """The list, and beside it one alert or the city."""
    id: UUID | None = request.path_params.get("id")
    values = _listed(request) | (await _detail(request, id) if id else _mapped(request))
    return site_of(request).render(request, "desk.html", session, **values)


@signed_in
async def list_part(request: Request, session: Session) -> Response:
    """The list alone, to be put into an open page."""
    return site_of(request).render(request, "list.html", session, **_listed(request))


@signed_in
async def alert_part(request: Request, session: Session) -> Response:
    """One alert alone, to be put into an open page."""
    values = await _detail(request, request.path_params["id"])
    return site_of(request).render(request, "alert.html", session, **values)


@signed_in
async def map_part(request: Request, session: Session) -> Response:
    """The map beside the list, to be put into an open page."""
    return site_of(request).render(request, "city.html", session, **_mapped(request))


def _listed(request: Request) -> dict[str, Any]:
    site = site_of(request)
    filters = Filters.of(request.query_params)
    alerts = site.watch.view.alerts.values()
    present = site.watch.present
    every = [event.alert for event in alerts]
    return {
        "filters": filters,
        "rows": folded(arranged(alerts, filters, present))[:LISTED],
        "known": site.watch.view.alerts,
        "tally": tally(alerts, present),
        "waiting": {event.alert.id: site.watch.pending.of(alert=event.alert.id) for event in alerts},
        "kinds": sorted({alert.kind for alert in every}),
        "zones": sorted({alert.zone for alert in every if alert.zone}),
        "owners": sorted({alert.owner for alert in every if alert.owner}),
        "chosen": request.path_params.get("id"),
    }


def _mapped(request: Request) -> dict[str, Any]:
    site = site_of(request)
    shown = arranged(site.watch.view.alerts.values(), Filters.of(request.query_params), site.watch.present)
    return {"event": None, "markers": _markers(site, shown[:MAPPED]), "count": len(shown)}


def _markers(site: Site, shown: Sequence[tuple[AlertEvent, Any]]) -> list[dict[str, Any]]:
    """The alerts that have a place, the gravest last and so on top."""
    return [
        {"alert": event.alert, "state": state, "at": point}
        for event, state in reversed(shown)
        if (point := site.world.at(event.alert.lon, event.alert.lat))
    ]


async def _detail(request: Request, id: UUID) -> dict[str, Any]:
    site = site_of(request)

    def read() -> dict[str, Any]:
        event = _standing(site, id)
        return _behind(site, event) | _known(site, event)

    values = await run_in_threadpool(read)
    return values | {
        "runbook": site.words(request).runbook(values["event"].alert.kind),
        "consequences": [(one, state_of(one, site.watch.present)) for one in values["consequences"]],
        "markers": [],
    }


def _standing(site: Site, id: UUID) -> AlertEvent:
    """An alert as it stands: one that the desk knows, or else one that the database tells of."""
    if event := site.watch.view.alerts.get(id):
        return event
    found = site.database.ask(lambda client: standing_alerts(client, ids=[id]))
    if not found:
        raise HTTPException(404)
    return found[0]


def _known(site: Site, event: AlertEvent) -> dict[str, Any]:
    """What the desk knows of an alert by itself."""
    alert, present = event.alert, site.watch.present
    return {
        "event": event,
        "state": state_of(event, present),
        "pending": site.watch.pending.of(alert=alert.id, asset=alert.asset),
        "answers": site.world.answering.of(alert, present),
        "owner": site.world.owner(alert.owner),
        "point": site.world.at(alert.lon, alert.lat),
        "asset": site.world.city.assets.get(alert.asset),
    }


def _behind(site: Site, event: AlertEvent) -> dict[str, Any]:
    """What stands behind an alert: all of it, or, while the database is `away`, what of it the desk knows."""
    if not site.watch.view.trouble:  # the watch waits for the database; nobody else need do so
        try:
            return _stored(site, event) | {"away": False}
        except SinkError as error:
            log.warning("what stands behind alert %s cannot be read: %s", event.alert.id, error)
    return _remembered(site, event) | {"away": True}


def _stored(site: Site, event: AlertEvent) -> dict[str, Any]:
    """What the database tells of an alert."""
    alert, database, known = event.alert, site.database, site.watch.view.alerts
    return {
        "history": figures.history(database, str(alert.id)),
        "video": figures.video_evidence(database, [str(one) for one in alert.evidence]),
        "reports": folds.reports(database, alert),
        "commands": folds.commands(database, alert, site.watch.present),
        "told": folds.told(database, alert.id),
        "cause": folds.cause(database, alert, known),
        "consequences": folds.consequences(database, alert.id, known),
    }


def _remembered(site: Site, event: AlertEvent) -> dict[str, Any]:
    """The same without the database: its kin among the alerts of the desk."""
    alert, known = event.alert, site.watch.view.alerts
    return dict.fromkeys(("history", "video", "reports", "commands", "told"), ()) | {
        "cause": known.get(alert.cause) if alert.cause else None,
        "consequences": folds.of_cause(alert.id, known.values()),
    }


@signed_in
async def traces(request: Request, session: Session) -> Response:
    """The sensor traces of one alert."""
    site = site_of(request)

    def read() -> dict[str, Any]:
        alert = _standing(site, request.path_params["id"]).alert
        return _named(request, alert_traces(site.database, site.world, alert, site.watch.present))

    return _json(await run_in_threadpool(read))


def _named(request: Request, drawn: dict[str, Any]) -> dict[str, Any]:
    """What is drawn, with its names in the reader's language."""
    words = site_of(request).words(request)
    for line in drawn["lines"]:
        line["name"] = words.named("quantity", line["kind"]) if line["kind"] else ""
    for event in drawn["video"]:
        event["name"] = words.named("kind", event["type"])
    return drawn


@signed_in
async def map_page(request: Request, session: Session) -> Response:
    """The whole city with its open alerts."""
    return site_of(request).render(request, "map.html", session, **_mapped(request))


@signed_in
async def map_svg(request: Request, session: Session) -> Response:
    """Pipes and places, drawn once."""
    svg = site_of(request).world.svg
    return Response(svg, media_type="image/svg+xml", headers={"cache-control": "private, max-age=3600"})


@signed_in
async def sensors_page(request: Request, session: Session) -> Response:
    """How the sensors are."""
    site = site_of(request)
    kind, state, text = (request.query_params.get(name, "")[:80] for name in ("kind", "state", "text"))
    by_kind, wanted = await run_in_threadpool(figures.sensors, site.database, site.watch.present, kind, state, text)
    return site.render(
        request, "sensors.html", session, by_kind=by_kind, wanted=wanted, kind=kind, state=state, text=text
    )


@signed_in
async def sensor_page(request: Request, session: Session) -> Response:
    """One sensor."""
    site = site_of(request)
    sensor = site.world.sensor(request.path_params["id"])
    if sensor is None:
        raise HTTPException(404)
    return site.render(
        request,
        "sensor.html",
        session,
        sensor=sensor,
        service=await run_in_threadpool(figures.service, site.database, sensor.id),
        hours=_hours(request),
        pending=site.watch.pending.of(sensor=sensor.id),
        neighbours=site.world.neighbours(sensor.id, 6),
        point=site.world.at(sensor.lon, sensor.lat),
        alerts=[
            (event, state_of(event, site.watch.present))
            for event in site.watch.view.alerts.values()
            if sensor.id in event.alert.sensors
        ],
    )


@signed_in
async def sensor_traces(request: Request, session: Session) -> Response:
    """The trace of one sensor."""
    site = site_of(request)
    drawn = await run_in_threadpool(
        sensor_trace, site.database, site.world, request.path_params["id"], site.watch.present, _hours(request)
    )
    return _json(_named(request, drawn))


def _hours(request: Request) -> float:
    hours = request.query_params.get("hours", "")
    return float(hours) if hours in ("0.25", "1", "6", "24", "168") else 1.0


@signed_in
async def load_page(request: Request, session: Session) -> Response:
    """The load on the desk."""
    site = site_of(request)
    loaded = await run_in_threadpool(figures.load, site.database, site.watch.present)
    return site.render(request, "load.html", session, load=loaded, flood=figures.FLOOD, bearable=figures.BEARABLE)


@signed_in
async def feed_page(request: Request, session: Session) -> Response:
    """What comes in."""
    site = site_of(request)
    values = await run_in_threadpool(figures.feed, site.database, site.watch.present)
    operations = [
        (event, state)
        for event, state in arranged(site.watch.view.alerts.values(), Filters(kind="operations"), site.watch.present)
    ]
    return site.render(request, "feed.html", session, **values, operations=operations)
