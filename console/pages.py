"""What every page is made with: templates, the reader's language and time zone, and the things the pages show."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from console.accounts import Accounts, Role, Session
from console.acts import ROLES
from console.database import Database
from console.desk import Shelf, State
from console.watch import Watch
from console.words import LANGUAGES, Words, language_of
from console.world import World
from domain.actions import Verb
from domain.clock import MILLISECOND, SECOND

__all__ = ["LANGUAGE_COOKIE", "STATIC", "Site", "inside", "site_of"]

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"

#: What stands where there is no value.
NOTHING: Final = "-"

LANGUAGE_COOKIE: Final = "lifeline_language"


@dataclass
class Site:
    """All that the console's pages are made of.

    Parameters
    ----------
    secure
        Whether readers come by HTTPS (through a proxy): then the session's cookie goes by nothing else.
    """

    world: World
    database: Database
    watch: Watch
    accounts: Accounts
    secure: bool = False
    _zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        self._zone = ZoneInfo(self.world.city.timezone or "UTC")

    def render(
        self, request: Request, template: str, session: Session | None = None, status: int = 200, **values: Any
    ) -> Response:
        """A page, or a part of one, in the reader's language."""
        words = self.words(request)
        view = self.watch.view
        clock = self.watch.now()
        present = view.present(clock)
        content = self._templates.get_template(template).render(
            t=words,
            session=session,
            may=lambda verb: session is not None and session.user.role.includes(ROLES[Verb(verb)]),
            world=self.world,
            view=view,
            present=present,
            live=view.live(clock),
            lag=view.lag(clock),
            path=request.url.path,
            query=request.url.query,
            when=lambda ns: self.when(ns, present),
            **values,
        )
        return HTMLResponse(content, status)

    def words(self, request: Request) -> Words:
        """The reader's language."""
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        return Words(language_of(chosen, request.headers.get("accept-language", "")))

    def when(self, ns: int, present: int) -> str:
        """A time of the city's clock; its day only when that is another than the present one."""
        at = datetime.fromtimestamp(ns // SECOND, self._zone)
        today = datetime.fromtimestamp(present // SECOND, self._zone)
        return f"{at:%H:%M:%S}" if at.date() == today.date() else f"{at:%Y-%m-%d %H:%M:%S}"

    @cached_property
    def _templates(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(
            Role=Role, Shelf=Shelf, State=State, LANGUAGES=LANGUAGES, version=_version(), age=_age, len=len, max=max
        )
        environment.filters.update(ms=lambda ns: ns // MILLISECOND, short=_short, span=_span)
        return environment


def _version() -> str:
    """Changes with every file a page loads, so that browsers may keep them for good."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
    return hashlib.sha256(content).hexdigest()[:12]


def _age(t: Words, since: int, present: int) -> str:
    """How long ago, in the coarsest unit that still tells something."""
    return _span(max(0, present - since) / SECOND, t)


def _span(seconds: float | None, t: Words) -> str:
    """A length of time, readable.

    >>> [_span(seconds, Words("en")) for seconds in (7.4, 75, 8000, 200000)]
    ['7 s', '1 min', '2 h 13 min', '2 d 7 h']
    """
    if seconds is None or seconds != seconds:
        return NOTHING
    whole = int(seconds)
    if whole < 60:
        return t("unit.s", n=whole)
    if whole < 3600:
        return t("unit.min", n=whole // 60)
    if whole < 86400:
        return t("unit.h", n=whole // 3600, m=whole % 3600 // 60)
    return t("unit.d", n=whole // 86400, m=whole % 86400 // 3600)


def _short(value: float | None) -> str:
    """A number with the digits that matter.

    >>> _short(0.123456), _short(12345.6), _short(None)
    ('0.1235', '12,346', '-')
    """
    if value is None or value != value:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


def inside(wish: str) -> str:
    """An address of this site, whatever was wished for.

    >>> inside("/map?level=1"), inside("//elsewhere.example/"), inside("https://elsewhere.example")
    ('/map?level=1', '/', '/')
    """
    plain = wish.startswith("/") and not wish.startswith(("//", "/\\")) and wish.isprintable()
    return wish if plain else "/"
