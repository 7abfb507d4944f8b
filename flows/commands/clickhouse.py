"""`lifeline clickhouse`: the embedded database for other processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Final

import typer

from domain.errors import ConfigError, Problem
from sinks.clickhouse.client import DEFAULT_DSN, PASSWORD_VARIABLE, Dsn, connect, served
from sinks.clickhouse.relay import Relay
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.serve import Serving

__all__ = ["clickhouse", "serve"]

#: Seconds that an end may take. Then the kernel ends the process, whatever the embedded engine waits for.
_STOP: Final = 15

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
    """Answer ClickHouse's HTTP interface for an embedded directory, until Ctrl-C or SIGTERM.

    Beside an engine that owns the directory, what is asked is passed on to it, also when it comes back elsewhere.
    """
    if served(dsn):
        _pass_on(Dsn.parse(dsn).path, host, port, write)
        return
    with _told_to_end() as wait, Serving(dsn, host, port, user=user, readonly=not write) as serving:
        client = connect(dsn)
        ensure_schema(client)
        client.close()
        typer.echo(f"serving {dsn} at {serving.dsn} ({'read and write' if write else 'read only'})")
        wait()
        signal.alarm(_STOP)


def _pass_on(path: str, host: str, port: int, write: bool) -> None:
    problem = ""
    if write:
        problem = "--write: its owner lets others read alone"
    elif host not in ("127.0.0.1", "localhost"):
        problem = f"--host {host}: expected this machine's loopback, since its owner may ask nobody for a password"
    if problem:
        raise ConfigError([Problem("", "", path, f"another process owns it; {problem}")])
    with _told_to_end() as wait, Relay(path, host, port) as relay:
        typer.echo(f"passing on to whoever owns {path} at {relay.address} (read only)")
        wait()


@contextmanager
def _told_to_end() -> Iterator[Callable[[], object]]:
    """What waits for SIGTERM or Ctrl-C.

    A signal may reach any thread of the embedded engine: that wakes a main thread that reads, but none that waits for
    an Event.
    """
    asked, asks = os.pipe()
    os.set_blocking(asks, False)
    before = signal.set_wakeup_fd(asks, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield partial(os.read, asked, 1)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(asks)
        os.close(asked)
