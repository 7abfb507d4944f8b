"""A proxy in front of a ClickHouse that makes trouble when it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["DISK_FULL", "Answer", "Proxy", "proxy"]


@dataclass(frozen=True)
class Answer:
    """What is answered in ClickHouse's stead."""

    code: int | None  # ClickHouse's, where it is ClickHouse that speaks
    words: str
    status: int = 500


DISK_FULL = Answer(243, "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)")

#: Called with the body of each insert before it is passed on; what it returns is answered instead.
Trouble = Callable[[bytes], "Answer | None"]


class Proxy(ThreadingHTTPServer):
    """Passes requests on, unless `trouble` has another answer."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = (host, port)
        self.trouble: Trouble = lambda body: None
        #: Called once with the answer of the next insert, before it is given; a ConnectionError loses the answer.
        self.after: Trouble | None = None
        self.inserts = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that are cut are what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Proxy

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _pass(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if b"INSERT" in body[:200] or "INSERT" in self.path:
            self.server.inserts += 1
            try:
                answer = self.server.trouble(body)
            except ConnectionError:
                self.close_connection = True
                self.connection.close()
                return
            if answer is not None:
                headers = {"X-ClickHouse-Exception-Code": str(answer.code)} if answer.code is not None else {}
                self._answer(answer.status, headers, answer.words.encode())
                return
        backend = http.client.HTTPConnection(*self.server.backend)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        backend.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        found = backend.getresponse()
        data = found.read()
        backend.close()
        after, self.server.after = self.server.after, None
        if after is not None:
            try:
                after(data)
            except ConnectionError:
                self.close_connection = True
                self.connection.close()
                return
        kept = {name: value for name, value in found.getheaders() if name.lower() not in _OWN}
        self._answer(found.status, kept, data)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


_OWN = {"content-length", "transfer-encoding", "connection", "date", "server"}


@contextmanager
def proxy(host: str, port: int) -> Iterator[Proxy]:
    """A proxy before this address while the block runs."""
    server = Proxy(host, port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
