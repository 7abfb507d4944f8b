"""Signing in and out, and the language of the pages."""

from __future__ import annotations

import time

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console.accounts import Role, Session, TooMany
from console.guard import COOKIE, Form, changes, form_of, session_of
from console.pages import LANGUAGE_COOKIE, inside, site_of
from console.words import LANGUAGES

__all__ = ["language", "login_page", "sign_in", "sign_out"]


async def login_page(request: Request) -> Response:
    """The form to sign in."""
    if await session_of(request) is not None:
        return RedirectResponse(inside(request.query_params.get("next", "/")), 303)
    return site_of(request).render(
        request, "login.html", next=request.query_params.get("next", "/"), problem="", name=""
    )


async def sign_in(request: Request) -> Response:
    """Sign in, and go on where one wanted to go."""
    site = site_of(request)
    form = await form_of(request)
    name, wish = form.get("name", "").strip().lower(), form.get("next", "/")
    words = site.words(request)
    try:
        session = await run_in_threadpool(site.accounts.sign_in, name, form.get("password", ""), time.time())
        problem, status = words("login.wrong"), 401
    except TooMany as error:
        session, problem, status = None, words("login.wait", n=error.seconds), 429
    if session is None:
        return site.render(request, "login.html", status=status, next=wish, problem=problem, name=name)
    response = RedirectResponse(inside(wish), 303)
    response.set_cookie(COOKIE, session.token, path="/", httponly=True, samesite="lax", secure=site.secure)
    return response


@changes(Role.VIEWER)
async def sign_out(request: Request, session: Session, form: Form) -> Response:
    """End the session."""
    await run_in_threadpool(site_of(request).accounts.sign_out, session.token)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


async def language(request: Request) -> Response:
    """Choose the language of the pages."""
    form = await form_of(request)
    chosen = form.get("language", "")
    if chosen not in LANGUAGES:
        raise HTTPException(422)
    response = RedirectResponse(inside(form.get("back", "/")), 303)
    response.set_cookie(LANGUAGE_COOKIE, chosen, max_age=365 * 86400, httponly=True, samesite="lax")
    return response
