"""What the pages show: the desk, one alert, the map, the sensors, the load and the feed."""

from __future__ import annotations

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
        event = site.watch.view.alerts.get(id)
        if event is None:
            found = site.database.ask(lambda client: standing_alerts(client, ids=[id]))
            if not found:
                raise HTTPException(404)
            event = found[0]
        return {
            "event": event,
            "history": figures.history(site.database, str(id)),
            "video": figures.video_evidence(site.database, [str(one) for one in event.alert.evidence]),
            "reports": folds.reports(site.database, event.alert),
            "commands": folds.commands(site.database, event.alert, site.watch.present),
            "told": folds.told(site.database, id),
            "cause": folds.cause(site.database, event.alert, site.watch.view.alerts),
            "consequences": folds.consequences(site.database, id, site.watch.view.alerts),
            "answers": site.world.answering.of(event.alert, site.watch.present),
        }

    values = await run_in_threadpool(read)
    alert = values["event"].alert
    words = site.words(request)
    return values | {
        "state": state_of(values["event"], site.watch.present),
        "pending": site.watch.pending.of(alert=id, asset=alert.asset),
        "owner": site.world.owner(alert.owner),
        "point": site.world.at(alert.lon, alert.lat),
        "runbook": words.runbook(alert.kind),
        "consequences": [(one, state_of(one, site.watch.present)) for one in values["consequences"]],
        "asset": site.world.city.assets.get(alert.asset),
        "markers": [],
    }


@signed_in
async def traces(request: Request, session: Session) -> Response:
    """The sensor traces of one alert."""
    site = site_of(request)
    id: UUID = request.path_params["id"]

    def read() -> dict[str, Any]:
        event = site.watch.view.alerts.get(id)
        found = [event] if event else site.database.ask(lambda client: standing_alerts(client, ids=[id]))
        if not found:
            raise HTTPException(404)
        return _named(request, alert_traces(site.database, site.world, found[0].alert, site.watch.present))

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
