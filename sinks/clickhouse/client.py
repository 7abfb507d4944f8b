"""Connections: one DSN for the embedded engine and for any server.

    chdb:///var/lib/lifeline/clickhouse       an embedded directory (three slashes: an absolute path)
    chdb://./lifeline-data/clickhouse         ... relative to the working directory
    chdb://:memory:                           ... that is forgotten at exit
    clickhouse://user@host:8123/lifeline      a ClickHouse server, or the owner of an embedded directory, by HTTP
    https://user@host:8443/lifeline           ... by HTTPS

The database is `lifeline` unless the DSN names one (`?database=...` for an embedded directory). A password comes from
the environment (LIFELINE_CLICKHOUSE_PASSWORD) rather than from the DSN, which ends up in process lists and logs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from clickhouse_connect.driver import create_client
from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from clickhouse_connect.driver.httpclient import HttpClient

from domain.errors import ConfigError, Problem, SinkError, SinkRefused

__all__ = [
    "DEFAULT_DSN",
    "PASSWORD_VARIABLE",
    "Dsn",
    "code_of",
    "connect",
    "drop_database",
    "embedded",
    "note_of",
    "owner_of",
    "served",
    "translated",
]

DEFAULT_DSN: Final = "chdb://./lifeline-data/clickhouse"
PASSWORD_VARIABLE: Final = "LIFELINE_CLICKHOUSE_PASSWORD"

# Codes of errors that may pass, since they say nothing against what was sent.
_PASSING: Final = frozenset(
    (
        *(159, 202, 209, 210, 241, 242, 243, 252, 279, 285, 319, 394, 425, 999),  # time, load, memory, disk, keeper
        *(23, 24, 74, 75, 76, 173, 198, 236, 439, 499, 1000, 1001, 1002),  # files, the system, an engine that stops
    )
)
# Codes that refuse whoever asks, not what was asked: no such user, password, right or quota.
_ACCOUNT: Final = frozenset({164, 192, 193, 194, 201, 497, 516})


@dataclass(frozen=True, slots=True)
class Dsn:
    """A data source name, taken apart.

    >>> Dsn.parse("clickhouse://ann@db.city:8123/lifeline")
    Dsn(scheme='http', path='', host='db.city', port=8123, user='ann', database='lifeline')
    >>> Dsn.parse("chdb:///var/lib/x?database=test").database
    'test'
    """

    scheme: str  # "chdb", "http" or "https"
    path: str = ""  # of an embedded directory; ":memory:" for none
    host: str = ""
    port: int = 0
    user: str = ""
    database: str = "lifeline"

    @classmethod
    def parse(cls, dsn: str) -> Dsn:
        """Take a DSN apart; raises ConfigError."""

        def wrong(message: str) -> ConfigError:
            return ConfigError([Problem("", "", "dsn", f"{message}, got {dsn!r}")])

        if dsn.startswith("chdb:"):
            path, _, query = dsn.removeprefix("chdb:").removeprefix("//").partition("?")
            options = dict(parse_qsl(query))
            if not path or set(options) - {"database"}:
                raise wrong("expected chdb:///directory or chdb:///directory?database=name")
            return cls("chdb", unquote(path), database=options.get("database", "lifeline"))
        parts = urlsplit(dsn)
        if parts.scheme not in ("clickhouse", "http", "https"):
            raise wrong("expected a DSN that starts with chdb://, clickhouse://, http:// or https://")
        scheme = "https" if parts.scheme == "https" else "http"
        try:
            port = parts.port or (8443 if scheme == "https" else 8123)
        except ValueError:
            raise wrong("expected a port between 1 and 65535") from None
        if parts.password is not None:
            raise ConfigError(
                [Problem("", "", "dsn", f"a password belongs into the environment ({PASSWORD_VARIABLE}), not here")]
            )
        return cls(
            scheme,
            "",
            parts.hostname or "127.0.0.1",
            port,
            unquote(parts.username or "default"),
            parts.path.strip("/") or "lifeline",
        )


#: Seconds that an owner has to say that it is there.
_ANSWERED: Final = 20


def connect(
    dsn: str | Dsn, settings: Mapping[str, str | int] | None = None, timeout: int = 300, *, patient: bool = False
) -> Client:
    """Open a connection; the database need not exist yet (see `ensure_schema`).

    A server has `timeout` seconds to answer a request; `patient` as in `translated`.

    Clients of one embedded directory share its engine inside the process; each may be used by several threads, one
    call at a time. Raises SinkError when nobody answers or another process holds the directory.
    """
    target = Dsn.parse(dsn) if isinstance(dsn, str) else dsn
    options = dict(settings or {})
    with translated(patient=patient):
        if target.scheme == "chdb":
            client = _embedded(target, options)
        else:
            client = create_client(
                interface=target.scheme,
                host=target.host,
                port=target.port,
                username=target.user,
                password=os.environ.get(PASSWORD_VARIABLE, ""),
                # Workers share a client: a session would allow one request at a time.
                autogenerate_session_id=False,
                send_receive_timeout=timeout,
                settings=options,
            )
    client.database = target.database
    return client


def embedded(client: Client) -> bool:
    """Whether a client's engine is the one inside this process."""
    return not isinstance(client, HttpClient)


def _embedded(target: Dsn, settings: dict[str, str | int]) -> Client:
    if target.path != ":memory:":
        Path(target.path).mkdir(parents=True, exist_ok=True)
    try:
        return create_client(interface="chdb", path=target.path, settings=settings)
    except ClickHouseError as error:
        owner = owner_of(target.path)
        if owner:
            hint = f"Another process owns it and answers at {owner}: use that as the DSN."
        else:
            hint = "If another process has it open, let that process serve it: lifeline clickhouse serve."
        raise SinkError(f"cannot open the embedded database {target.path}: {error}. {hint}") from error


def drop_database(dsn: str) -> None:
    """Drop the database that a DSN names, with all that is in it, if it is there."""
    client = connect(dsn)
    try:
        with translated():
            name = quote_identifier(Dsn.parse(dsn).database)
            client.command(f"DROP DATABASE IF EXISTS {name}", use_database=False)
    finally:
        client.close()


def owner_of(path: str) -> str | None:
    """DSN (without database) of the process that serves an embedded directory, if it left a note."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        note = json.loads(note_of(path).read_text())
        return f"clickhouse://{note['user']}@{note['host']}:{int(note['port'])}"
    return None


def served(dsn: str | Dsn) -> bool:
    """Whether another process serves an embedded directory at this moment."""
    target = Dsn.parse(dsn) if isinstance(dsn, str) else dsn
    owner = owner_of(target.path) if target.scheme == "chdb" else None
    if owner is None:
        return False
    try:
        connect(replace(Dsn.parse(owner), database=target.database), timeout=_ANSWERED).close()
    except SinkError:
        return False  # an owner that was killed leaves its note
    return True


def note_of(path: str) -> Path:
    """Where the owner of an embedded directory says at which address it answers: beside the directory."""
    directory = Path(os.path.realpath(path))
    return directory.with_name(directory.name + ".owner.json")


@contextmanager
def translated(*, patient: bool = False) -> Iterator[None]:
    """Errors of the client library as SinkError (try again) or SinkRefused (with the server's words).

    To who is `patient` it is no refusal that somebody can mend meanwhile: of our account, or by something in between.
    """
    try:
        yield
    except ClickHouseError as error:
        code = getattr(error, "code", None)
        passing = code in _PASSING or (code is None and isinstance(error, OperationalError))
        passing |= patient and (code is None or code in _ACCOUNT)
        raise (SinkError if passing else SinkRefused)(f"ClickHouse: {error}") from error
    except OSError as error:
        raise SinkError(f"ClickHouse: {error}") from error


def code_of(error: SinkError) -> int | None:
    """ClickHouse's number for what went wrong; None where it was not ClickHouse that said so."""
    return getattr(error.__cause__, "code", None)
