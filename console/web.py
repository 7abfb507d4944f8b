"""The addresses of the console, what people send there, and the news it sends to open pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from console import entry, views
from console.accounts import Role, Session
from console.acts import ROLES, action_of
from console.guard import Form, SecureHeaders, changes, session_of, signed_in
from console.pages import STATIC, Site, inside, site_of
from domain.errors import ActionError, SinkError

__all__ = ["make_app"]

_YEAR: Final = 365 * 86400


def make_app(site: Site, hosts: Sequence[str] = ("localhost", "127.0.0.1", "[::1]")) -> Starlette:
    """The console as an ASGI application.

    Parameters
    ----------
    hosts
        Names under which it is found; others are refused, so that no foreign name can be made to point here.
    """

    @asynccontextmanager
    async def watching(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(site.watch.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app = Starlette(
        routes=[
            Route("/", views.desk),
            Route("/alerts/{id:uuid}", views.desk),
            Route("/alerts/{id:uuid}/traces", views.traces),
            Route("/parts/list", views.list_part),
            Route("/parts/alert/{id:uuid}", views.alert_part),
            Route("/parts/map", views.map_part),
            Route("/actions", act, methods=["POST"]),
            Route("/map", views.map_page),
            Route("/map.svg", views.map_svg),
            Route("/sensors", views.sensors_page),
            Route("/sensors/{id}", views.sensor_page),
            Route("/sensors/{id}/traces", views.sensor_traces),
            Route("/load", views.load_page),
            Route("/feed", views.feed_page),
            Route("/events", events),
            Route("/login", entry.login_page, methods=["GET"]),
            Route("/login", entry.sign_in, methods=["POST"]),
            Route("/logout", entry.sign_out, methods=["POST"]),
            Route("/language", entry.language, methods=["POST"]),
            Route("/healthz", healthz),
            Mount("/static", _Kept(directory=STATIC)),
        ],
        middleware=[
            Middleware(SecureHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
        exception_handlers={HTTPException: _refused, SinkError: _away},
        lifespan=watching,
    )
    app.state.site = site
    app.state.accounts = site.accounts
    return app


class _Kept(StaticFiles):
    """Files whose address changes with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = f"public, max-age={_YEAR}, immutable"
        return response


@changes(Role.OPERATOR)
async def act(request: Request, session: Session, form: Form) -> Response:
    """Write one action into the journal."""
    site = site_of(request)
    try:
        action = action_of(form, session.user, site.watch.stamp())
    except ActionError as error:
        raise HTTPException(422, str(error)) from None
    if not session.user.role.includes(ROLES[action.verb]):
        raise HTTPException(403, f"this takes the role {ROLES[action.verb]}")
    await run_in_threadpool(site.watch.pending.write, action)
    site.watch.tell({action.alert} if action.alert else set())
    if "x-part" in request.headers:
        return Response(status_code=204)
    return RedirectResponse(inside(form.get("back", "/")), 303)


@signed_in
async def events(request: Request, session: Session) -> Response:
    """Word of everything new, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    site = site_of(request)

    async def stream() -> AsyncIterator[str]:
        async with site.watch.listening() as words:
            checked = time.monotonic()
            while True:
                word = await words.get()
                yield f"data: {orjson.dumps(word).decode()}\n\n"
                if time.monotonic() > checked + 30:
                    checked = time.monotonic()
                    if await session_of(request) is None:
                        return  # signed out elsewhere, or removed

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def healthz(request: Request) -> Response:
    """Whether the console can show what the database holds; open to anybody who may reach it."""
    trouble = site_of(request).watch.view.trouble
    return PlainTextResponse("the database does not answer\n" if trouble else "ok\n", 503 if trouble else 200)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 401:
        return PlainTextResponse("sign in first\n", 401)
    if "x-part" in request.headers or request.method == "POST":
        return PlainTextResponse(error.detail, error.status_code)
    return site_of(request).render(
        request,
        "trouble.html",
        await session_of(request),
        error.status_code,
        code=error.status_code,
        words=error.detail,
    )


async def _away(request: Request, error: Exception) -> Response:
    if "x-part" in request.headers or request.method == "POST":
        return PlainTextResponse(str(error), 503)
    return site_of(request).render(request, "trouble.html", await session_of(request), 503, code=503, words=str(error))
