"""Statements and errors as a ClickHouse server takes and gives them; the embedded engine is its own client as well."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ERROR_STATUS",
    "NOT_IMPLEMENTED",
    "Unsupported",
    "guarded",
    "split_insert",
    "status_of",
]

NOT_IMPLEMENTED: Final = 48


class Unsupported(Exception):
    """A request that this server does not serve; `code` is ClickHouse's number for the kind of error."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}. ({name})")
        self.code = code


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
