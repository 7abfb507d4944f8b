"""The console as a part of a command: what it stands on, served in a thread of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from console.accounts import Accounts
from console.database import Database
from console.pages import Site
from console.watch import Watch
from console.web import make_app
from console.world import World
from domain.city import City
from domain.errors import ConfigError, Problem

__all__ = ["console_server", "listening", "serving"]


def console_server(
    city: City,
    dsn: str,
    journal: Path,
    accounts: Accounts,
    *,
    hosts: Sequence[str] = (),
    https: bool = False,
    now: Callable[[], int] = time.time_ns,
) -> uvicorn.Server:
    """The console, ready to run.

    Parameters
    ----------
    journal
        Where actions are written for the engine.
    hosts
        Names under which readers come, beside those of this machine.
    https
        Whether they come by HTTPS, through a proxy before this.
    now
        The clock by which the city lives, ns.
    """
    database = Database(dsn)
    site = Site(World(city), database, Watch(database, journal, now), accounts, secure=https)
    app = make_app(site, ["localhost", "127.0.0.1", "[::1]", *hosts])
    return uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=2)
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 takes a free one. Raises ConfigError where there is none to have."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError([Problem("", "", "--port", f"cannot listen on {host}:{port}: {error}")]) from error


@contextmanager
def serving(server: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    """Serve in a thread while the block runs."""
    with listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="console")
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()
