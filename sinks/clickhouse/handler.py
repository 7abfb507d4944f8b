"""ClickHouse's HTTP interface: one request in, one statement through the engine, one answer out."""

from __future__ import annotations

import base64
import binascii
import json
import re
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pyarrow as pa

from sinks.clickhouse.engine import Engine
from sinks.clickhouse.protocol import (
    CUSTOM_SERIALIZATION,
    NOT_IMPLEMENTED,
    Unsupported,
    guarded,
    split_insert,
    status_of,
    with_block_headers,
)

__all__ = ["Account", "Server"]

#: Bytes of a request's body, as sent and decompressed.
MAX_BODY: Final = 1 << 30

# Parameters of the interface itself; every other one is a setting of the engine.
_INTERFACE: Final = frozenset(
    (
        *("query", "user", "password", "database", "default_format", "query_id", "quota_key", "role", "stacktrace"),
        *("session_id", "session_timeout", "session_check", "compress", "decompress", "enable_http_compression"),
        *("client_protocol_version", "buffer_size", "wait_end_of_query", "send_progress_in_http_headers"),
        *("http_headers_progress_interval_ms", "http_zlib_compression_level"),
        "cancel_http_readonly_queries_on_client_close",
    )
)
# Formats whose parts, written block by block, are one document when put together.
_STREAMED: Final = frozenset({"Native", "TabSeparated", "TSV", "CSV", "JSONEachRow", "RowBinary"})
_OF_CHDB: Final = frozenset({"arrowtable", "dataframe", "datastore"})  # Python objects, where chdb is called in process
_TRAILING_FORMAT: Final = re.compile(rb"\bFORMAT\s+(\w+)\s*(?:\bSETTINGS\b[^']*)?;?\s*$", re.IGNORECASE)
_ANSWERS: Final = re.compile(
    rb"[\s(]*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|CHECK|KILL|OPTIMIZE)\b", re.IGNORECASE
)
_SELECTS: Final = re.compile(rb"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
_STATEFUL: Final = re.compile(rb"\s*(SET|USE|CREATE\s+(OR\s+REPLACE\s+)?TEMPORARY|DROP\s+TEMPORARY)\b", re.IGNORECASE)
_ENCODINGS: Final = {"gzip": "gzip", "zstd": "zstd", "lz4": "lz4", "br": "brotli"}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """Who may ask, and whether he may write."""

    user: str = "default"
    password: str = field(default="", repr=False)
    write: bool = False


class Server(ThreadingHTTPServer):
    """Listens for the clients of one engine."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], engine: Engine, accounts: dict[str, Account]) -> None:
        self.engine = engine
        self.accounts = accounts
        super().__init__(address, _Handler)


@dataclass(slots=True)
class _Request:
    """One statement with everything that was said about it."""

    query: bytes
    words: bytes  # of the statement itself
    params: dict[str, str]
    account: Account
    readonly: bool
    database: str
    format: str
    settings: dict[str, str]
    values: dict[str, str]  # of the query's parameters
    id: str


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
            body = self._body()
            if path in ("/ping", "/replicas_status"):
                self._send(200, b"Ok.\n", {})
            elif path not in ("/", ""):
                self._send(404, f"There is no handle {path}. Use / or /ping.\n".encode(), {})
            elif self.command == "HEAD":
                self._send(200, b"", {})
            else:
                self._query(self._request(body))
        except (Unsupported, RuntimeError) as error:
            self._fail(str(error))
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            with suppress(OSError):
                self.wfile.flush()

    # ---- in

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            data = b"".join(self._chunks())
        else:
            length = self.headers.get("Content-Length", "0")
            if not length.isdigit() or int(length) > MAX_BODY:
                self.close_connection = True
                raise Unsupported(168, "QUERY_IS_TOO_LARGE", f"The body must have between 0 and {MAX_BODY} bytes")
            data = self.rfile.read(int(length))
        encoding = self.headers.get("Content-Encoding", "identity").lower()
        try:
            if encoding == "deflate":
                return zlib.decompressobj().decompress(data, MAX_BODY)
            if encoding in _ENCODINGS:
                with pa.CompressedInputStream(pa.BufferReader(data), _ENCODINGS[encoding]) as stream:
                    return bytes(stream.read(MAX_BODY))
        except (OSError, zlib.error) as error:
            raise Unsupported(432, "UNKNOWN_CODEC", f"The body is not valid {encoding}: {error}") from None
        if encoding != "identity":
            raise Unsupported(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"Unknown HTTP content encoding {encoding}")
        return data

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(1 << 10).split(b";")[0], 16)
            except ValueError:
                size = -1
            total += size
            if size < 0 or total > MAX_BODY:
                self.close_connection = True
                raise Unsupported(168, "QUERY_IS_TOO_LARGE", f"The body is malformed or longer than {MAX_BODY} bytes")
            if size == 0:
                while self.rfile.readline(1 << 16) not in (b"\r\n", b"\n", b""):
                    pass
                return
            yield self.rfile.read(size)
            self.rfile.readline(4)

    def _request(self, body: bytes) -> _Request:
        params = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get_content_type() == "multipart/form-data":
            params |= self._form(body)
            body = b""
        account = self._account(params)
        for unserved in ("compress", "decompress"):
            if params.get(unserved, "0") not in ("0", "false"):
                message = f"{unserved}=1 is not served; use HTTP compression (Accept-Encoding, Content-Encoding)"
                raise Unsupported(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        named = params.get("query", "").encode()
        query = named + b"\n" + body if named and body else named or body
        if not query.strip():
            raise Unsupported(62, "SYNTAX_ERROR", "Syntax error: empty query")
        readonly = not account.write or self.command == "GET"
        words = guarded(query, readonly)
        settings = {
            key: value for key, value in params.items() if key not in _INTERFACE and not key.startswith("param_")
        }
        for key in settings:
            if not _NAME.match(key):
                raise Unsupported(115, "UNKNOWN_SETTING", f"Unknown setting {key!r}")
            if key == "readonly" and readonly and settings[key] not in ("1", "2"):
                raise Unsupported(164, "READONLY", "Cannot modify 'readonly' setting in readonly mode")
        settings.pop("readonly", None)
        return _Request(
            query,
            words,
            params,
            account,
            readonly or params.get("readonly", "0") != "0",
            params.get("database") or str(self.headers.get("X-ClickHouse-Database", "")),
            params.get("default_format") or str(self.headers.get("X-ClickHouse-Format", "TabSeparated")),
            settings,
            {key.removeprefix("param_"): value for key, value in params.items() if key.startswith("param_")},
            params.get("query_id") or str(uuid4()),
        )

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        fields = {}
        for part in BytesParser().parsebytes(head + body).walk():
            if part.is_multipart():
                continue
            if part.get_filename() is not None:
                raise Unsupported(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "External tables are not served")
            name = part.get_param("name", header="content-disposition")
            payload = part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(payload, bytes):
                fields[name] = payload.decode()
        return fields

    def _account(self, params: dict[str, str]) -> Account:
        user, password = "default", ""
        authorization = self.headers.get("Authorization", "")
        if authorization.lower().startswith("basic "):
            with suppress(binascii.Error, UnicodeDecodeError):
                user, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        else:
            user = self.headers.get("X-ClickHouse-User") or params.get("user") or user
            password = self.headers.get("X-ClickHouse-Key") or params.get("password") or password
        account = self.server.accounts.get(user)
        expected = account.password if account else ""
        # Compared in either case, so that the time taken does not tell which users there are.
        same = _same(password, expected)
        if account is None or not same:
            message = f"{user}: Authentication failed: password is incorrect, or there is no user with such name"
            raise Unsupported(516, "AUTHENTICATION_FAILED", message)
        return account

    # ---- through the engine, and out

    def _query(self, request: _Request) -> None:
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

    def _run(self, handle: Any, request: _Request, own: bool) -> None:
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

    def _stream(self, handle: Any, request: _Request, format_: str, headers: dict[str, str]) -> None:
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

    def _headers(self, request: _Request, format_: str | None) -> dict[str, str]:
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
            with pa.CompressedOutputStream(sink, _ENCODINGS[encoding]) as stream:
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


def _execute(handle: Any, request: _Request, format_: str) -> Any:
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


def _same(given: str, expected: str) -> bool:
    return compare_digest(given.encode(), expected.encode())


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
