"""What a client of ClickHouse's HTTP interface asks for: one statement, who asks, and all that is said about it."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from hmac import compare_digest
from io import BufferedIOBase
from typing import Final
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pyarrow as pa

from sinks.clickhouse.protocol import NOT_IMPLEMENTED, Unsupported, guarded

__all__ = ["ENCODINGS", "Account", "Request", "decoded", "read_body"]

#: Bytes of a request's body, as sent and decompressed.
MAX_BODY: Final = 1 << 30

#: HTTP's names of compressions, and Arrow's.
ENCODINGS: Final = {"gzip": "gzip", "zstd": "zstd", "lz4": "lz4", "br": "brotli"}

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
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """Who may ask, and whether he may write."""

    user: str = "default"
    password: str = field(default="", repr=False)
    write: bool = False


@dataclass(frozen=True, slots=True)
class Request:
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

    @classmethod
    def of(cls, command: str, path: str, headers: Message, body: bytes, accounts: Mapping[str, Account]) -> Request:
        """Take a request apart; raises Unsupported for one that is not served, or not to whoever asks."""
        params = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
        if headers.get_content_type() == "multipart/form-data":
            params |= _form(headers, body)
            body = b""
        account = _account(headers, params, accounts)
        for unserved in ("compress", "decompress"):
            if params.get(unserved, "0") not in ("0", "false"):
                message = f"{unserved}=1 is not served; use HTTP compression (Accept-Encoding, Content-Encoding)"
                raise Unsupported(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        named = params.get("query", "").encode()
        query = named + b"\n" + body if named and body else named or body
        if not query.strip():
            raise Unsupported(62, "SYNTAX_ERROR", "Syntax error: empty query")
        readonly = not account.write or command == "GET"
        return cls(
            query,
            guarded(query, readonly),
            params,
            account,
            readonly or params.get("readonly", "0") != "0",
            params.get("database") or str(headers.get("X-ClickHouse-Database", "")),
            params.get("default_format") or str(headers.get("X-ClickHouse-Format", "TabSeparated")),
            _settings(params, readonly),
            {key.removeprefix("param_"): value for key, value in params.items() if key.startswith("param_")},
            params.get("query_id") or str(uuid4()),
        )


def read_body(headers: Message, stream: BufferedIOBase) -> bytes:
    """The body as it was sent.

    Raises Unsupported where its end cannot be told, ConnectionError where it does not come: the connection is of no use
    then.
    """
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return b"".join(_chunks(stream))
    length = headers.get("Content-Length", "0")
    if not length.isdigit() or int(length) > MAX_BODY:
        raise Unsupported(168, "QUERY_IS_TOO_LARGE", f"The body must have between 0 and {MAX_BODY} bytes")
    data = stream.read(int(length))
    if len(data) < int(length):
        raise ConnectionError("the client has left in the middle of its request")
    return data


def decoded(headers: Message, data: bytes) -> bytes:
    """A body without its compression; raises Unsupported."""
    encoding = headers.get("Content-Encoding", "identity").lower()
    try:
        if encoding == "deflate":
            return zlib.decompressobj().decompress(data, MAX_BODY)
        if encoding in ENCODINGS:
            with pa.CompressedInputStream(pa.BufferReader(data), ENCODINGS[encoding]) as stream:
                return bytes(stream.read(MAX_BODY))
    except (OSError, zlib.error) as error:
        raise Unsupported(432, "UNKNOWN_CODEC", f"The body is not valid {encoding}: {error}") from None
    if encoding != "identity":
        raise Unsupported(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"Unknown HTTP content encoding {encoding}")
    return data


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    total = 0
    while True:
        try:
            size = int(stream.readline(1 << 10).split(b";")[0], 16)
        except ValueError:
            size = -1
        total += size
        if size < 0 or total > MAX_BODY:
            raise Unsupported(168, "QUERY_IS_TOO_LARGE", f"The body is malformed or longer than {MAX_BODY} bytes")
        if size == 0:
            while stream.readline(1 << 16) not in (b"\r\n", b"\n", b""):
                pass
            return
        yield stream.read(size)
        stream.readline(4)


def _form(headers: Message, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
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


def _account(headers: Message, params: Mapping[str, str], accounts: Mapping[str, Account]) -> Account:
    user, password = "default", ""
    authorization = headers.get("Authorization", "")
    if authorization.lower().startswith("basic "):
        with suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
    else:
        user = headers.get("X-ClickHouse-User") or params.get("user") or user
        password = headers.get("X-ClickHouse-Key") or params.get("password") or password
    account = accounts.get(user)
    # Compared in either case, so that the time taken does not tell which users there are.
    same = compare_digest(password.encode(), (account.password if account else "").encode())
    if account is None or not same:
        message = f"{user}: Authentication failed: password is incorrect, or there is no user with such name"
        raise Unsupported(516, "AUTHENTICATION_FAILED", message)
    return account


def _settings(params: Mapping[str, str], readonly: bool) -> dict[str, str]:
    """Settings of the engine; `readonly` itself is the interface's business."""
    settings = {key: value for key, value in params.items() if key not in _INTERFACE and not key.startswith("param_")}
    for key in settings:
        if not _NAME.match(key):
            raise Unsupported(115, "UNKNOWN_SETTING", f"Unknown setting {key!r}")
        if key == "readonly" and readonly and settings[key] not in ("1", "2"):
            raise Unsupported(164, "READONLY", "Cannot modify 'readonly' setting in readonly mode")
    settings.pop("readonly", None)
    return settings
