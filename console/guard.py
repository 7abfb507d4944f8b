"""Who may ask for what: sessions, forms that only our own pages can send, and headers that keep pages to themselves."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.accounts import Accounts, Role, Session

__all__ = ["COOKIE", "Form", "Handler", "SecureHeaders", "changes", "form_of", "session_of", "signed_in"]

COOKIE: Final = "lifeline_session"

#: Bytes of a form at most: a comment and some names.
_LONGEST: Final = 32_768

_HEADERS: Final = {
    # Nothing is loaded from elsewhere, nothing runs that is not a file of ours, and no other page frames this one.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

Form: TypeAlias = dict[str, str]
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class SecureHeaders:
    """Adds to every answer what a browser must not do with it; pages of people are kept in no cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, guarded)


async def session_of(request: Request) -> Session | None:
    """The session that a request belongs to."""
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    accounts: Accounts = request.app.state.accounts
    return await run_in_threadpool(accounts.session, token, time.time())


def signed_in(handler: Callable[[Request, Session], Awaitable[Response]]) -> Handler:
    """Let through who has signed in; send a reader to the sign-in page, and refuse a script with 401."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        session = await session_of(request)
        if session is not None:
            return await handler(request, session)
        if "text/html" in request.headers.get("accept", "") and "x-part" not in request.headers:
            wish = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(wish, safe='')}", 303)
        raise HTTPException(401)

    return guarded


def changes(role: Role) -> Callable[[Callable[[Request, Session, Form], Awaitable[Response]]], Handler]:
    """Let through the form of a page of ours, sent by one who has signed in and has at least that role.

    Such a form bears the session's own word, which no other site can know, and comes from no other origin.
    """

    def decorate(handler: Callable[[Request, Session, Form], Awaitable[Response]]) -> Handler:
        @wraps(handler)
        async def guarded(request: Request) -> Response:
            session = await session_of(request)
            if session is None:
                raise HTTPException(401)
            form = await form_of(request)
            if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
                raise HTTPException(403, "the form is not of this session: load the page again")
            if not session.user.role.includes(role):
                raise HTTPException(403, f"this takes the role {role}")
            return await handler(request, session, form)

        return guarded

    return decorate


async def form_of(request: Request) -> Form:
    """The fields of a form that was sent from this site. Raises HTTPException for others, and for what is no form."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") or (
        origin is not None and origin.partition("://")[2] != request.headers.get("host", "")
    ):
        raise HTTPException(403, "the form comes from another site")
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            raise HTTPException(413)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=64, strict_parsing=bool(body)))
    except ValueError as error:
        raise HTTPException(400, "expected the fields of a form") from error
