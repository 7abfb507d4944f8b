"""TLS to ClickHouse and Alertmanager: a certificate that is trusted, and one that is not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from clickhouse_connect.driver.client import Client

from domain.errors import SinkError
from sinks.alertmanager import AlertmanagerWriter
from sinks.clickhouse.client import connect
from sinks.clickhouse.serve import Serving
from tests.sinks.alerts import CITY, event
from tests.sinks.clickhouse.proxy import proxy

PASSWORD = "open-sesame"


@pytest.fixture(scope="module")
def clickhouse(directory: Path, engine: Client, identity: tuple[Path, ssl.SSLContext]) -> Iterator[str]:
    """The DSN of a database behind TLS."""
    with (
        Serving(f"chdb://{directory}?database=default", port=0, password=PASSWORD) as serving,
        proxy(serving.host, serving.port) as before,
    ):
        before.socket = identity[1].wrap_socket(before.socket, server_side=True)
        yield f"https://default@127.0.0.1:{before.port}/default"


def test_clickhouse(clickhouse: str, identity: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the system are trusted, or that of SSL_CERT_FILE; a stranger is not told the password."""
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", PASSWORD)
    with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED") as error:
        connect(clickhouse)
    assert PASSWORD not in str(error.value)
    monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
    client = connect(clickhouse)
    assert int(str(client.command("SELECT 42"))) == 42
    client.close()


class _Alertmanager(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_alertmanager(identity: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same."""
    with HTTPServer(("127.0.0.1", 0), _Alertmanager) as server:
        server.socket = identity[1].wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda request, address: None  # type: ignore[assignment]
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"https://127.0.0.1:{server.server_port}"
            with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
                AlertmanagerWriter(url, CITY, attempts=1).write([event(0)])
            monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
            AlertmanagerWriter(url, CITY, attempts=1).write([event(0)])
        finally:
            server.shutdown()
            thread.join()
