"""ClickHouse's HTTP interface: one request in, one statement through the engine, one answer out."""

from __future__ import annotations

import json
import re
import socket
import sys
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa

from sinks.clickhouse.block_headers import CUSTOM_SERIALIZATION, with_block_headers
from sinks.clickhouse.engine import Engine
from sinks.clickhouse.protocol import (
    Unsupported,
    split_insert,
    status_of,
)
from sinks.clickhouse.request import ENCODINGS, Account, Request, decoded, read_body

__all__ = ["Server"]

# Formats whose parts, written block by block, are one document when put together.
_STREAMED: Final = frozenset({"Native", "TabSeparated", "TSV", "CSV", "JSONEachRow", "RowBinary"})
_OF_CHDB: Final = frozenset({"arrowtable", "dataframe", "datastore"})  # Python objects, where chdb is called in process
_TRAILING_FORMAT: Final = re.compile(rb"\bFORMAT\s+(\w+)\s*(?:\bSETTINGS\b[^']*)?;?\s*$", re.IGNORECASE)
_ANSWERS: Final = re.compile(
    rb"[\s(]*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|CHECK|KILL|OPTIMIZE)\b", re.IGNORECASE
)
_SELECTS: Final = re.compile(rb"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
_STATEFUL: Final = re.compile(rb"\s*(SET|USE|CREATE\s+(OR\s+REPLACE\s+)?TEMPORARY|DROP\s+TEMPORARY)\b", re.IGNORECASE)


class Server(ThreadingHTTPServer):
    """Listens for the clients of one engine."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], engine: Engine, accounts: dict[str, Account]) -> None:
        self.engine = engine
        self.accounts = accounts
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks off is its client's business; anything else is told on standard error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self, how: int) -> None:
        """End every connection: for what clients say (`SHUT_RD`), or for the answers, too (`SHUT_RDWR`)."""
        for connection in list(self._open):
            with suppress(OSError):  # it has ended meanwhile
                connection.shutdown(how)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Lifeline"
    sys_version = ""
    timeout = 300  # seconds in which a connection must say something
    disable_nagle_algorithm = True  # headers and body are written one after the other
    wbufsize = 1 << 16
    server: Server

    def do_HEAD(self) -> None:
        self._dispatch()

    def do_GET(self) -> None:
        self._dispatch()

    def do_POST(self) -> None:
        self._dispatch()

    def log_message(self, format: str, *args: Any) -> None:
        pass  # queries may hold what does not belong into a log

    def _dispatch(self) -> None:
        self._answering = False
        try:
            path = urlsplit(self.path).path
            body = decoded(self.headers, self._body())
            if path in ("/ping", "/replicas_status"):
                self._send(200, b"Ok.\n", {})
            elif path not in ("/", ""):
                self._send(404, f"There is no handle {path}. Use / or /ping.\n".encode(), {})
            elif self.command == "HEAD":
                self._send(200, b"", {})
            else:
                accounts = self.server.accounts
                self._query(Request.of(self.command, self.path, self.headers, body, accounts))
        except (Unsupported, RuntimeError) as error:
            self._fail(str(error))
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            with suppress(OSError):
                self.wfile.flush()

    def _body(self) -> bytes:
        try:
            return read_body(self.headers, self.rfile)
        except Unsupported:
            self.close_connection = True
            raise

    def _query(self, request: Request) -> None:
        engine = self.server.engine
        session = None
        if request.account.write and (name := request.params.get("session_id")):
            session = (request.account.user, name)
        lifetime = float(request.params.get("session_timeout") or 60)
        check = request.params.get("session_check") == "1"
        if not engine.running.acquire(timeout=30):
            raise Unsupported(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many simultaneous queries")
        try:
            with engine.handle(session, lifetime, bool(_STATEFUL.match(request.words)), check) as handle:
                self._run(handle, request, own=session is None)
        finally:
            engine.running.release()

    def _run(self, handle: Any, request: Request, own: bool) -> None:
        if request.database:
            handle.query(f"USE `{request.database.replace('`', '``')}`")
        for name, value in request.settings.items():
            handle.query(f"SET {name} = {_quoted(value)}")
        if request.readonly and own:
            handle.query("SET readonly = 1")
        try:
            trailing = _TRAILING_FORMAT.search(request.query[-4096:])
            answers = bool(_ANSWERS.match(request.words))
            format_ = trailing[1].decode() if trailing and answers else request.format
            if format_.lower() in _OF_CHDB:
                raise Unsupported(73, "UNKNOWN_FORMAT", f"Unknown format {format_}")
            headers = self._headers(request, format_ if answers else None)
            if format_ in _STREAMED and _SELECTS.match(request.words):
                self._stream(handle, request, format_, headers)
                return
            started = time.perf_counter_ns()
            result = _execute(handle, request, format_)
            headers["X-ClickHouse-Summary"] = _summary(result, time.perf_counter_ns() - started)
            self._send(200, result.bytes() or b"", headers)
        finally:
            if not own:
                for name in request.settings:
                    handle.query(f"SET {name} = DEFAULT")

    def _stream(self, handle: Any, request: Request, format_: str, headers: dict[str, str]) -> None:
        revision = int(request.params.get("client_protocol_version") or 0)
        # The engine writes a revision that clickhouse-connect reads either way: only those who need block headers get
        # them.
        transcode = format_ == "Native" and revision >= CUSTOM_SERIALIZATION
        with handle.send_query(request.query, format_, params=request.values) as stream:
            parts = (part.bytes() for part in stream)
            if transcode:
                parts = (with_block_headers(part, revision) for part in parts)
            parts = (part for part in parts if part)
            first, second = next(parts, b""), next(parts, None)
            if second is None:
                headers["X-ClickHouse-Summary"] = json.dumps({"read_rows": "0", "result_bytes": str(len(first))})
                self._send(200, first, headers)
                return
            self._start(200, headers | {"Transfer-Encoding": "chunked"})
            try:
                for part in chain((first, second), parts):
                    self._chunk(part)
                self.wfile.write(b"0\r\n\r\n")
            except RuntimeError:
                # Too late for a status: without its last chunk the client knows that the answer is not whole.
                self.close_connection = True

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n" % len(data))
        self.wfile.write(data)
        self.wfile.write(b"\r\n")

    def _headers(self, request: Request, format_: str | None) -> dict[str, str]:
        headers = {"X-ClickHouse-Query-Id": request.id, "X-ClickHouse-Timezone": self.server.engine.timezone}
        if format_ is not None:
            headers["X-ClickHouse-Format"] = format_
        if request.params.get("enable_http_compression") in ("1", "true"):
            headers["_compress"] = self.headers.get("Accept-Encoding", "")
        return headers

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        accepted = headers.pop("_compress", "")
        if body and (encoding := _accepted(accepted)):
            sink = pa.BufferOutputStream()
            with pa.CompressedOutputStream(sink, ENCODINGS[encoding]) as stream:
                stream.write(body)
            body = sink.getvalue().to_pybytes()
            headers["Content-Encoding"] = encoding
        self._start(status, headers | {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start(self, status: int, headers: dict[str, str]) -> None:
        self._answering = True
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8" if status >= 400 else "application/octet-stream")
        self.send_header("X-ClickHouse-Server-Display-Name", "lifeline")
        for name, value in headers.items():
            if not name.startswith("_"):
                self.send_header(name, value.replace("\r", " ").replace("\n", " "))
        self.end_headers()

    def _fail(self, message: str) -> None:
        if self._answering:
            self.close_connection = True
            return
        # The engine's words, without what its Python wrapper puts before and the engine itself says twice.
        message = re.sub(r"^.*?(Code: \d+\. DB::Exception: )(?:\1)?", r"\1", message, flags=re.DOTALL)
        status, code = status_of(message)
        body = f"{message} (version {self.server.engine.version})\n".encode()
        self._send(status, body, {"X-ClickHouse-Exception-Code": str(code)})


def _execute(handle: Any, request: Request, format_: str) -> Any:
    insert = split_insert(request.query)
    if insert is None:
        return handle.query(request.query, format_, params=request.values)
    # Data goes by a file: inside a query the engine takes some of its bytes for the query's own.
    before, after, data = insert
    with tempfile.NamedTemporaryFile(suffix=".data") as file:
        file.write(data)
        file.flush()
        return handle.query(
            before + f" FROM INFILE {_quoted(file.name)}".encode() + after, format_, params=request.values
        )


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _accepted(header: str) -> str | None:
    named = {part.split(";")[0].strip().lower() for part in header.split(",")}
    return next((encoding for encoding in ("lz4", "zstd", "gzip", "br") if encoding in named), None)


def _summary(result: Any, elapsed: int) -> str:
    return json.dumps(
        {
            "read_rows": str(result.rows_read()),
            "read_bytes": str(result.bytes_read()),
            "written_rows": str(result.rows_written()),
            "written_bytes": str(result.bytes_written()),
            "elapsed_ns": str(elapsed),
        }
    )
