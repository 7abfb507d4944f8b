"""`lifeline clickhouse serve` ends when it is told to, whatever its clients do."""

from __future__ import annotations

import signal
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import create_connection, socket
from threading import Event, Thread

from sinks.clickhouse.client import connect
from tests.flows.command import Command, free_port, until
from tests.flows.stored import chdb

_WHO = b64encode(b"default:secret").decode()
_WHOLE = "INSERT INTO t VALUES (1), (2)"
_LONG = (
    "SELECT sum(sleepEachRow(1)) FROM numbers(600) "
    "SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0"
)
_WIDE = "SELECT number, toString(number) FROM numbers(100000000) FORMAT TSV"


def _said(port: int, query: str, length: int | None = None) -> socket:
    """A connection on which a request of that length was begun."""
    sock = create_connection(("127.0.0.1", port), 10)
    head = f"POST / HTTP/1.1\r\nHost: here\r\nAuthorization: Basic {_WHO}\r\nContent-Length: {length or len(query)}"
    sock.sendall(f"{head}\r\n\r\n{query}".encode())
    return sock


def _answered(port: int, query: str) -> bool:
    with _said(port, query) as sock:
        return sock.recv(1 << 16).startswith(b"HTTP/1.1 200")


@contextmanager
def _inserting(port: int, counts: Counter[str]) -> Iterator[None]:
    """One insert after the other, as fast as they are taken; counts those that were begun, and acknowledged."""
    stop = Event()

    def insert() -> None:
        while not stop.is_set():
            counts["begun"] += 1
            with suppress(OSError):
                counts["stored"] += _answered(port, _WHOLE)

    thread = Thread(target=insert)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_ends_whatever_clients_do(tmp_path: Path) -> None:
    """Queries that last, requests that stop halfway, answers nobody reads: it ends in order, with what it promised."""
    dsn, port, counts = chdb(tmp_path / "clickhouse", "default"), free_port(), Counter[str]()
    arguments = ["clickhouse", "serve", "--dsn", dsn, "--port", port, "--write"]
    with (
        Command(tmp_path, *arguments, environment={"LIFELINE_CLICKHOUSE_PASSWORD": "secret"}) as server,
        ExitStack() as held,
    ):
        until(lambda: "serving" in server.out, lambda: server.running, said=lambda: server.err)
        assert _answered(port, "CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a")
        held.enter_context(_said(port, "SELECT 1"))
        held.enter_context(_said(port, "INSERT INTO t VALUES (3)", 1_000))
        held.enter_context(_said(port, _LONG))
        held.enter_context(_said(port, _WIDE))
        held.enter_context(_inserting(port, counts))
        until(lambda: counts["stored"] >= 10)
        server.send(signal.SIGTERM)
        server.ends(seconds=14)  # after 15 s the kernel would end it
        assert server.err == ""
    client = connect(dsn)
    rows = {int(a): int(count) for a, count in client.query("SELECT a, count() FROM t GROUP BY a").result_rows}
    client.close()
    assert rows.keys() == {1, 2}
    assert counts["stored"] <= rows[1] == rows[2] <= counts["begun"]
