"""`lifeline clickhouse`: the embedded database for other processes."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from sinks.clickhouse.client import DEFAULT_DSN, PASSWORD_VARIABLE, connect
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.serve import Serving

__all__ = ["clickhouse", "serve"]

clickhouse = typer.Typer(help="The embedded database.", no_args_is_help=True)


@clickhouse.callback()
def _group() -> None:
    # With a callback a single command keeps its name.
    pass


@clickhouse.command()
def serve(
    dsn: Annotated[str, typer.Option(envvar="LIFELINE_DSN", help="The embedded directory, chdb:///...")] = DEFAULT_DSN,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8123,
    user: Annotated[str, typer.Option(help=f"Who may ask; the password is read from {PASSWORD_VARIABLE}.")] = "default",
    write: Annotated[bool, typer.Option("--write", help="Let that user write as well as read.")] = False,
) -> None:
    """Answer ClickHouse's HTTP interface for an embedded directory, until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Serving(dsn, host, port, user=user, readonly=not write) as serving:
        client = connect(dsn)
        ensure_schema(client)
        client.close()
        typer.echo(f"serving {dsn} at {serving.dsn} ({'read and write' if write else 'read only'})")
        stop.wait()
