"""The database: there, of a version that fits, with the right time and room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from domain.clock import SECOND
from domain.errors import SinkError, SinkRefused
from flows.commands.sql import reader
from flows.doctor.checks import Check
from flows.doctor.machine import disk, loopback
from sinks.clickhouse.client import PASSWORD_VARIABLE, Dsn, owner_of, translated
from sinks.clickhouse.schema import VERSION

__all__ = ["database"]

#: Seconds that the database's clock may differ: what it dates itself is kept for days.
_SKEW: Final = 2.0


def database(dsn: str) -> Iterator[Check]:
    """Everything about the database that a DSN names; nothing in it is changed."""
    target = Dsn.parse(dsn)
    embedded = target.scheme == "chdb"
    if embedded and target.path != ":memory:":
        yield from disk("the database", Path(target.path))
        if not Path(target.path).is_dir():
            yield Check.ok("database", f"none at {target.path} yet: the first run makes it")
            return
    try:
        client = reader(target)
    except SinkRefused as error:
        yield Check.fail("database", str(error), f"check the user in the DSN, and {PASSWORD_VARIABLE}")
        return
    except SinkError as error:
        yield Check.fail("database", str(error), "start it, or check host and port of the DSN")
        return
    with closing(client):
        where = target.path if embedded else f"{target.host}:{target.port}"
        owner = owner_of(target.path) if embedded else None
        via = f", through its owner at {owner}" if owner else ""
        yield Check.ok("database", f"ClickHouse {_one(client, 'SELECT version()')} at {where}{via}")
        yield _schema(client, target.database)
        if embedded:
            return
        yield _clock(client)
        yield from _room(client)
        if _one(client, "SELECT value FROM system.settings WHERE name = 'readonly'") != "0":
            yield Check.fail(
                "database user", f"{target.user} may only read", "grant INSERT, CREATE, ALTER and DROP on the database"
            )
        if target.scheme == "http" and not loopback(target.host):
            advice = "use https://..., or a network that nobody else listens on"
            yield Check.warn("database line", "the password and all readings go over the network in clear", advice)


def _one(client: Client, query: str) -> str:
    with translated():
        return str(client.command(query, use_database=False))


def _schema(client: Client, name: str) -> Check:
    what = "database schema"
    tables = "SELECT count() FROM system.tables WHERE database = {name:String} AND name = 'schema_version'"
    with translated():
        there = client.command(tables, parameters={"name": name}, use_database=False)
        if not int(str(there)):
            return Check.ok(what, f"none in {name} yet: the first run makes version {VERSION}")
        found = int(str(client.command("SELECT max(version) FROM schema_version")))
    if found > VERSION:
        advice = "use the Lifeline that wrote it or a newer one, or name another database"
        return Check.fail(what, f"version {found}; this Lifeline knows versions up to {VERSION}", advice)
    if found < VERSION:
        advice = "the next start brings it up to date; older Lifelines will then refuse it, so make a backup before"
        return Check.warn(what, f"version {found} of {VERSION}", advice)
    return Check.ok(what, f"version {found}")


def _clock(client: Client) -> Check:
    before = time.time_ns()
    theirs = int(_one(client, "SELECT toUnixTimestamp64Nano(now64(9))"))
    after = time.time_ns()
    skew = (theirs - (before + after) / 2) / SECOND
    found = f"{abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    if abs(skew) - (after - before) / 2 / SECOND > _SKEW:
        return Check.warn("database clock", found, "let both machines follow one time server (NTP)")
    return Check.ok("database clock", found)


def _room(client: Client) -> Iterator[Check]:
    with translated():
        rows = client.query("SELECT name, free_space, total_space FROM system.disks").result_rows
    for name, free, total in rows:
        found = f"{free / 1e9:,.1f} of {total / 1e9:,.1f} GB free on disk {name}"
        if free < total // 20:
            advice = "make room, or keep rows for a shorter time (docs/clickhouse.md, retention)"
            yield Check.warn("database disk", found, advice)
        else:
            yield Check.ok("database disk", found)
