"""A receiver on loopback that keeps what is posted and answers as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Posts:
    """What came, and what is answered: the next of `codes`, or 200 when none are left."""

    url: str = ""
    codes: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answer: dict[str, str] = field(default_factory=dict)  # headers of what is answered
    code_of: Callable[[bytes], int] | None = None  # instead of `codes`
    well: threading.Event = field(default_factory=threading.Event)  # while it is not set nothing is answered


@contextmanager
def receiving(*codes: int, tls: Any = None) -> Iterator[Posts]:
    """A server that answers with the given status codes, then 200."""
    posts = Posts(codes=list(codes))
    posts.well.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.bodies.append(body)
            posts.headers.append({name.lower(): text for name, text in self.headers.items()})
            posts.well.wait(60)
            code = posts.code_of(body) if posts.code_of else posts.codes.pop(0) if posts.codes else 200
            self.send_response(code)
            for name, text in {"Content-Length": "5", **posts.answer}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(b"words")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.handle_error = lambda request, address: None  # type: ignore[assignment]
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        posts.url = "http{}://127.0.0.1:{}".format("s" * (tls is not None), http.server_address[1])
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield posts
        finally:
            posts.well.set()
            http.shutdown()
            thread.join()
