"""What clients of the HTTP interface expect beyond the engine's own bytes.

A client that names a `client_protocol_version` (Grafana's data source does, through clickhouse-go) reads Native
blocks with a block header and a serialization flag per column. The embedded engine cannot write those, so they are
put in here; for that the length of every column must be known, and `_Walk` finds it.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CUSTOM_SERIALIZATION",
    "ERROR_STATUS",
    "NOT_IMPLEMENTED",
    "Unsupported",
    "guarded",
    "split_insert",
    "status_of",
    "with_block_headers",
]

#: From this revision on a column says whether its serialization is a custom one.
CUSTOM_SERIALIZATION: Final = 54454

# Field 1: no overflow rows; field 2: no bucket; field 0: end.
_BLOCK_INFO: Final = b"\x01\x00\x02\xff\xff\xff\xff\x00"

_SIZES: Final = {
    **{f"{sign}Int{bits}": bits // 8 for bits in (8, 16, 32, 64, 128, 256) for sign in ("", "U")},
    "Float32": 4,
    "Float64": 8,
    "BFloat16": 2,
    "Bool": 1,
    "Nothing": 1,
    "UUID": 16,
    "IPv4": 4,
    "IPv6": 16,
    "Date": 2,
    "Date32": 4,
    "DateTime": 4,
    "DateTime64": 8,
    "Time": 4,
    "Time64": 8,
    "Enum8": 1,
    "Enum16": 2,
}

NOT_IMPLEMENTED: Final = 48


class Unsupported(Exception):
    """A request that this server does not serve; `code` is ClickHouse's number for the kind of error."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}. ({name})")
        self.code = code


def with_block_headers(data: bytes, revision: int) -> bytes:
    """Native blocks of revision 0 as a client of `revision` reads them.

    Raises Unsupported for a type that cannot be measured.
    """
    walk = _Walk(data)
    out: list[bytes] = []
    flag = b"\x00" if revision >= CUSTOM_SERIALIZATION else b""
    while walk.at < len(data):
        begin = walk.at
        columns, rows = walk.number(), walk.number()
        out += (_BLOCK_INFO, data[begin : walk.at])
        for _ in range(columns):
            begin = walk.at
            walk.strings(1)
            size = walk.number()
            walk.at += size
            type_ = data[walk.at - size : walk.at].decode()
            out += (data[begin : walk.at], flag)
            begin = walk.at
            if rows:
                walk.prefix(type_)
                walk.column(type_, rows)
            out.append(data[begin : walk.at])
    return b"".join(out)


class _Walk:
    """Steps over values in a Native block."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def word(self) -> int:
        self.at += 8
        return int.from_bytes(self.data[self.at - 8 : self.at], "little")

    def strings(self, rows: int) -> None:
        for _ in range(rows):
            size = self.number()
            self.at += size

    def prefix(self, type_: str) -> None:
        name, args = _split(type_)
        if name == "LowCardinality":
            self.at += 8
        elif name in ("Array", "Nullable", "Tuple", "Map", "Nested"):
            for arg in args:
                self.prefix(arg)
        elif name == "SimpleAggregateFunction":
            self.prefix(args[1])

    def column(self, type_: str, rows: int) -> None:
        name, args = _split(type_)
        if name in _SIZES:
            self.at += _SIZES[name] * rows
        elif name.startswith("Interval"):
            self.at += 8 * rows
        elif name == "String":
            self.strings(rows)
        elif name == "FixedString":
            self.at += int(args[0]) * rows
        elif name == "Decimal":
            self.at += (
                next(size for digits, size in ((9, 4), (18, 8), (38, 16), (76, 32)) if int(args[0]) <= digits) * rows
            )
        elif name == "Nullable":
            self.at += rows
            self.column(args[0], rows)
        elif name in ("Array", "Map", "Nested"):
            self.at += 8 * (rows - 1)
            total = self.word() if rows else 0
            for arg in args:
                if total:
                    self.column(arg, total)
        elif name == "Tuple":
            for arg in args:
                self.column(arg, rows)
        elif name == "SimpleAggregateFunction":
            self.column(args[1], rows)
        elif name == "LowCardinality":
            width = 1 << (self.word() & 0xFF)
            inner = args[0].removeprefix("Nullable(")
            self.column(inner.removesuffix(")") if inner != args[0] else inner, self.word())
            keys = self.word()
            self.at += width * keys
        else:
            raise Unsupported(
                NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"type {type_} for this client; cast it to another in the query"
            )


def _split(type_: str) -> tuple[str, list[str]]:
    """Name and arguments: Tuple(a Int8, b Map(String, Int8)) gives ("Tuple", ["Int8", "Map(String, Int8)"])."""
    name, bracket, rest = type_.partition("(")
    if not bracket:
        return name, []
    args, depth, begin, quoted = [], 0, 0, False
    for i, char in enumerate(rest):
        if char == "'" and rest[i - 1] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            args.append(rest[begin:i].strip())
            begin = i + 1
    if name in ("Tuple", "Nested"):
        args = [re.sub(r"^(`(?:[^`\\]|\\.)*`|\w+) (?=\w)", "", arg) for arg in args]
    return name, args


#: HTTP status for the commoner error codes; everything else is 500, as ClickHouse has it.
ERROR_STATUS: Final = {
    **dict.fromkeys((6, 26, 27, 38, 41, 43, 53, 62, 69, 70, 72, 131, 386, 457, 472), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 73, 81, 115), 404),
    **dict.fromkeys((192, 193, 194, 497, 516), 403),
    **dict.fromkeys((48, 78), 501),
    159: 408,
    168: 413,
    202: 503,
}


def status_of(message: str) -> tuple[int, int]:
    """HTTP status and error code of an exception's text.

    >>> status_of("Code: 60. DB::Exception: Unknown table expression")
    (404, 60)
    """
    found = re.search(r"Code: (\d+)", message)
    code = int(found[1]) if found else 0
    return ERROR_STATUS.get(code, 500), code


# Whatever may hold words that are not the statement's own.
_OPAQUE: Final = re.compile(
    rb"""
    '(?:[^'\\]|\\.|'')*'                          # a string
    | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$           # a heredoc
    | --[^\n]* | \#[ !][^\n]* | /\*.*?\*/         # comments
    | [`"](?P<name>(?:[^`"\\]|\\.)*)[`"]          # a quoted name, which stays
    """,
    re.DOTALL | re.VERBOSE,
)
_READS: Final = re.compile(rb"[\s(]*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS)\b", re.IGNORECASE)
_INSERT: Final = re.compile(
    rb"\s*INSERT\b(?P<into>.*?)(?P<settings>\bSETTINGS\b.*?)?(?:(?P<format>\bFORMAT\s+\w+)[ \t]*;?\r?\n?|\bVALUES\b)",
    re.IGNORECASE | re.DOTALL,
)
_CLIENT_SIDE: Final = re.compile(rb"\b(?:INTO\s+OUTFILE|FROM\s+INFILE)\b", re.IGNORECASE)
_LOCAL: Final = re.compile(rb"\b(?:file|python)\s*\(", re.IGNORECASE)


def split_insert(query: bytes) -> tuple[bytes, bytes, bytes] | None:
    """An insert with data: what stands before `FROM INFILE ...` and after it, and the data; None for anything else.

    >>> split_insert(b"INSERT INTO t (a) SETTINGS x = 1 FORMAT CSV\\n1,2")
    (b'INSERT INTO t (a) ', b' SETTINGS x = 1 FORMAT CSV', b'1,2')
    """
    found = _INSERT.match(query)
    if (
        found is None
        or not found["format"]
        or re.search(rb"\bSELECT\b", _OPAQUE.sub(b" ", found["into"]), re.IGNORECASE)
    ):
        return None
    return b"INSERT" + found["into"], b" " + (found["settings"] or b"") + found["format"], query[found.end() :]


def guarded(query: bytes, readonly: bool) -> bytes:
    """The words of a statement, without literals, comments and inserted data.

    Refuses what a server refuses, and the embedded engine, being its own client as well, would do.

    Raises Unsupported for several statements in one, for files of the client's side, and for a reader also for
    everything that does not read, and for functions that reach the owner's files or Python objects (`readonly = 1`
    does not stop those).
    """
    head = query
    if inserted := _INSERT.match(query):
        head = inserted[0]  # what follows is data
    words = _OPAQUE.sub(lambda found: found["name"] or b" ", head)
    if b";" in words.strip().rstrip(b"; \n\t"):
        raise Unsupported(62, "SYNTAX_ERROR", "Multi-statements are not allowed")
    if _CLIENT_SIDE.search(words):
        raise Unsupported(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are not allowed over HTTP")
    if readonly and (not _READS.match(words) or _LOCAL.search(words)):
        raise Unsupported(164, "READONLY", "Cannot execute query in readonly mode")
    return words
