"""Whom a running engine lets in, and what it lets out."""

from __future__ import annotations

import json
import os
import re
import socket
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.flows.command import Command, free_port
from tests.flows.conftest import Run, Town
from tests.flows.stored import chdb
from tests.flows.town import messages, write_recording, write_town

SECRETS = {
    "LIFELINE_CLICKHOUSE_PASSWORD": "db-sesame-1",
    "LIFELINE_KAFKA_SASL_PASSWORD": "kafka-sesame-2",
    "LIFELINE_KAFKA_SSL_KEY_PASSWORD": "tls-sesame-3",
    "LIFELINE_ALERTMANAGER_USER": "ann",
    "LIFELINE_ALERTMANAGER_PASSWORD": "alert-sesame-4",
}


def listening(pids: list[int]) -> set[str]:
    """Addresses, in hexadecimal as the kernel has them, at which processes wait for TCP connections or datagrams."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    found = set()
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/{pids[0]}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in sockets and fields[3] == state:
                found.add(fields[1].partition(":")[0])
    return found


LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


class _Talkative(BaseHTTPRequestHandler):
    """Refuses, and repeats what it was given."""

    def do_POST(self) -> None:
        self.send_response(500)
        self.end_headers()
        self.wfile.write(f"{dict(self.headers)} {SECRETS}".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def talkative() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Talkative)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_cluster_seen_from_outside(town: Town, tmp_path: Path, talkative: str) -> None:
    """Nothing listens beyond loopback: not the pages, the database's owner, or the processes among themselves. No
    password is in a command line, on a page, in a log or in the last words, though a server repeats all that it knows.
    """
    port = free_port(2)
    arguments = ["city", town.city, town.recording, "--dsn", chdb(tmp_path / "clickhouse"), "-p", 2, "--speed", 10]
    arguments += ["--metrics", f":{port}", "--serve-port", 0, "--no-recovery", "--log", "json"]
    with Command(tmp_path, *arguments, "--alertmanager", talkative, environment=SECRETS) as run:
        for process in range(2):
            run.comes_to(port + process, 50)
        assert len(run.processes()) == 3
        for pid in run.processes():
            assert listening([pid]) <= LOOPBACK
        assert listening(run.processes()) == {"0100007F"}
        told = "".join(Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in run.processes())
        for path in ("metrics", "healthz", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                told += answer.read().decode()
        assert run.wait(60) == 1
        told += run.out + run.err
    assert "lifeline_readings_total" in told
    said = [json.loads(line) for line in run.err.splitlines() if line.startswith("{")]
    (why,) = (line["message"] for line in said if line["level"] == "critical")
    assert re.match("alertmanager: [0-9]+ steps of alerts could not be delivered: Alertmanager at", why)
    assert "***" in why
    for secret in ("sesame", "YW5uOmFsZXJ0LXNlc2FtZS00"):  # the latter is how a header has it
        assert secret not in told


def test_what_listens_is_seen() -> None:
    """Or the test above would say nothing."""
    here = [os.getpid()]
    for address, seen in (("0.0.0.0", "00000000"), ("127.0.0.1", "0100007F")):
        with socket.create_server((address, 0)), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind((address, 0))
            assert seen in listening(here)


@pytest.mark.parametrize(
    ("option", "url", "variable"),
    [
        ("--dsn", "clickhouse://ann:sesame@127.0.0.1:1/x", "LIFELINE_CLICKHOUSE_PASSWORD"),
        ("--dsn", "postgres://ann:sesame@127.0.0.1:1/x", "dsn"),
        ("--alertmanager", "http://ann:sesame@127.0.0.1:1", "LIFELINE_ALERTMANAGER_PASSWORD"),
        ("--kafka-alerts", "kafka://ann:sesame@127.0.0.1:1/alerts", "LIFELINE_KAFKA_SASL_PASSWORD"),
        ("--commands", "kafka://ann:sesame@127.0.0.1:1/orders", "LIFELINE_KAFKA_SASL_PASSWORD"),
        ("", "kafka://ann:sesame@127.0.0.1:1/readings", "LIFELINE_KAFKA_SASL_PASSWORD"),
    ],
)
def test_passwords_on_the_command_line_are_refused(
    tmp_path: Path,
    lifeline: Run,
    capsys: pytest.CaptureFixture[str],
    option: str,
    url: str,
    variable: str,
) -> None:
    """Before anything is read; the refusal names the variable, and does not repeat the password."""
    recording = write_recording(tmp_path / "recording", {name: rows[:5] for name, rows in messages(1).items()})
    arguments: list[object] = ["city", write_town(tmp_path / "town"), recording if option else url]
    arguments += ["--metrics", "", "--no-recovery", "--serve-port", 0, *([option, url] if option else [])]
    if option != "--dsn":
        arguments += ["--dsn", "clickhouse://127.0.0.1:1/x"]
    assert lifeline(*arguments) == 1
    said = capsys.readouterr()
    assert variable in said.err
    assert "sesame" not in said.err + said.out
