"""`/healthz`, `/readyz` and `/metrics` of one process, for whoever looks after it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from domain.errors import ConfigError, Problem
from domain.health import Health, State

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = ["Status", "place"]

_PAGES: Final = "/healthz, /readyz and /metrics are here\n"


def place(text: str, process: int = 0) -> tuple[str, int]:
    """Host and port of "HOST:PORT", loopback where no host is named; each process of a cluster has a port of its own.

    Raises ConfigError.

    >>> place("0.0.0.0:9464"), place(":9464", 1)
    (('0.0.0.0', 9464), ('127.0.0.1', 9465))
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise ConfigError([Problem("", "", "--metrics", f"expected HOST:PORT, got {text!r}")])
    return host.strip("[]") or "127.0.0.1", int(port) + process


class Status:
    """Serves the pages while the `with` block runs. Raises ConfigError where it cannot listen.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    health
        What the answers are made of.
    """

    def __init__(self, host: str, port: int, health: Health) -> None:
        self._metrics = make_wsgi_app()
        self._answers: dict[str, Callable[[], State]] = {"/healthz": health.alive, "/readyz": health.ready}
        try:
            self._server = make_server(host, port, self._page, _Server6 if ":" in host else _Server, _Quiet)
        except (OSError, OverflowError) as error:
            problem = Problem("", "", "--metrics", f"cannot listen at {host}:{port}: {error}")
            raise ConfigError([problem]) from error
        self._thread = Thread(target=self._server.serve_forever, name="status", daemon=True)

    def __enter__(self) -> Status:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        """Port that is listened on."""
        return int(self._server.server_port)

    def _page(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            page: Iterable[bytes] = self._metrics(environ, start)
            return page
        answer = self._answers.get(path)
        if answer is None:
            start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [_PAGES.encode()]
        state = answer()
        body = json.dumps({"good": state.good, "reasons": state.reasons}) + "\n"
        start("200 OK" if state.good else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [body.encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a client that does not read its answer must not hold up the end


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 10.0

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: these pages are asked for every few seconds."""
