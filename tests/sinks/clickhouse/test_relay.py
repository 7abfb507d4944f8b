"""One address for readers, whoever owns the directory behind it."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from domain.errors import SinkError
from sinks.clickhouse.client import connect
from sinks.clickhouse.relay import Relay
from sinks.clickhouse.serve import Serving
from tests.flows.command import Command, free_port, until
from tests.sinks.clickhouse.conftest import SERVER

pytestmark = pytest.mark.skipif(SERVER is not None, reason="about the interface of an embedded directory")


def test_passes_on_to_whoever_owns_it(engine: Client, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long answers whole, many at once, and a refusal of what writes; it finds an owner that comes back elsewhere."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "relayed")
    dsn = f"chdb://{directory}?database=default"
    with Relay(str(directory), port=0) as relay:
        for _ in range(2):
            with Serving(dsn, port=0, password="relayed"):
                client = connect(f"clickhouse://default@127.0.0.1:{relay.port}/default")
                assert client.query("SELECT number FROM numbers(300000)").row_count == 300_000
                with pytest.raises(DatabaseError, match="readonly"):
                    client.command("CREATE TABLE relayed (a UInt8) ENGINE = Memory")
                client.close()
        connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=10)
        connection.request("GET", "/ping")
        assert connection.getresponse().status == 503
        connection.close()
        with pytest.raises(SinkError, match="cannot listen"), Relay(str(directory), port=relay.port):
            pass


def test_the_command_beside_an_owner(tmp_path: Path) -> None:
    """The second of two passes on to the first, which alone has the directory; it offers nobody to write."""
    first, second = free_port(2), 0
    second = first + 1
    dsn = f"chdb://{tmp_path}/clickhouse"
    line = ("clickhouse", "serve", "--dsn", dsn, "--port")
    with Command(tmp_path, *line, first) as owner:
        until(lambda: "read only" in owner.out, lambda: owner.running, said=lambda: owner.err)
        with Command(tmp_path, *line, second) as relay:
            until(lambda: "passing on" in relay.out, lambda: relay.running, said=lambda: relay.err)
            client = connect(f"clickhouse://default@127.0.0.1:{second}/lifeline")
            assert client.command("SELECT count() FROM alerts") == 0
            client.close()
            with Command(tmp_path, *line, 0, "--write") as writer:
                writer.ends(1)
                assert "--write" in writer.err
