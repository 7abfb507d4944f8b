"""Alerts in Alertmanager: the real one where it is installed, a loopback server for the ways it can fail."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main

from domain.clock import DAY, SECOND
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEventType
from sinks.alertmanager import AlertmanagerSink, AlertmanagerWriter
from tests.sinks.alerts import CITY, T0, escalated, event

CONFIG = """
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an Alertmanager of our own."""
    program = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("Alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "config.yml").write_text(CONFIG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*probe.getsockname())
    command = [
        program, f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}", "--cluster.listen-address=", "--log.level=error",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for(f"http://{address}/-/ready", process, folder / "log")
            yield f"http://{address}"
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    http = urllib3.PoolManager(retries=False, timeout=1.0)
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if http.request("GET", url).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail(f"Alertmanager did not start: {log.read_text()}")


def known(url: str, name: str) -> list[dict[str, Any]]:
    """What Alertmanager has of the alert called `name`, if it is active."""
    found = urllib3.request("GET", f"{url}/api/v2/alerts").json()
    return [alert for alert in found if alert["labels"]["alert"] == str(event(0, name=name).alert.id)]


def now() -> int:
    return time.time_ns() // SECOND * SECOND


def test_life_of_an_alert(alertmanager: str) -> None:
    """Raised, escalated and cleared are three states of one alert: its labels stay, its annotations change."""
    writer = AlertmanagerWriter(alertmanager, CITY)
    begun = now() - 60 * SECOND
    raised = event(0, name="life", at=begun)
    writer.write([raised])
    (first,) = known(alertmanager, "life")
    assert first["labels"] == {
        "alertname": "gas-leak", "city": "Testburg", "zone": "Z-1", "asset": "M-7", "place": "manhole 7",
        "owner": "gas", "alert": str(raised.alert.id),
    }  # fmt: skip
    assert first["annotations"]["level"] == "II"
    writer.write([escalated(event(1, name="life", at=begun))])
    (second,) = known(alertmanager, "life")
    assert second["labels"] == first["labels"]
    assert second["startsAt"] == first["startsAt"]
    assert (second["annotations"]["level"], second["annotations"]["urgent"]) == ("I", "yes")
    writer.write([event(2, AlertEventType.CLEARED, "life", begun)])
    assert known(alertmanager, "life") == []


def test_replay_of_the_past_notifies_nobody(alertmanager: str) -> None:
    """Times are event times: an alert of long ago is over when it comes."""
    AlertmanagerWriter(alertmanager, CITY).write([event(0, name="old", at=T0 - 3000 * DAY)])
    assert known(alertmanager, "old") == []


def test_bytewax_sink(alertmanager: str) -> None:
    """Items of the flow reach Alertmanager."""
    flow = Dataflow("alerts")
    step = event(0, name="flow", at=now() - 60 * SECOND)
    op.output("alerts", op.input("in", flow, TestingSource([step])), AlertmanagerSink(alertmanager, CITY))
    run_main(flow)
    assert len(known(alertmanager, "flow")) == 1


class Answers(BaseHTTPRequestHandler):
    """Answers with prepared status codes, then 200; keeps what came."""

    codes: list[int]
    bodies: list[Any]
    headers_seen: list[dict[str, str]]

    def do_POST(self) -> None:
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.headers_seen.append({name.lower(): text for name, text in self.headers.items()})
        code = self.codes.pop(0) if self.codes else 200
        self.send_response(code)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"words")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def server(*codes: int) -> Iterator[tuple[str, type[Answers]]]:
    handler = type("Prepared", (Answers,), {"codes": list(codes), "bodies": [], "headers_seen": []})
    with HTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield "http://{}:{}".format(*http.server_address), handler
        finally:
            http.shutdown()
            thread.join()


def test_trouble_is_retried() -> None:
    """A server in trouble is asked again, and the alert arrives once it is well."""
    with server(503, 500) as (url, seen):
        AlertmanagerWriter(url, CITY).write([event(0)])
        assert len(seen.bodies) == 3


def test_trouble_that_stays() -> None:
    """Attempts are bounded; then it is an error that may be retried."""
    with server(*[503] * 9) as (url, seen):
        with pytest.raises(SinkError, match="answered 503") as caught:
            AlertmanagerWriter(url, CITY, attempts=2).write([event(0)])
        assert len(seen.bodies) == 2
    assert not isinstance(caught.value, SinkRefused)


def test_refusal() -> None:
    """What is not taken is not sent again; the error has the server's words."""
    with server(400) as (url, seen):
        with pytest.raises(SinkRefused, match=r"answered 400 Bad Request: words"):
            AlertmanagerWriter(url, CITY).write([event(0)])
        assert len(seen.bodies) == 1


def test_nobody_there() -> None:
    """Where nothing listens the error names the address."""
    with pytest.raises(SinkError, match=r"127\.0\.0\.1:1/api/v2/alerts cannot be reached"):
        AlertmanagerWriter("http://127.0.0.1:1", CITY, attempts=1).write([event(0)])


def test_only_the_newest_state_is_posted() -> None:
    """Steps of one alert in one batch are one post; nothing to say is no post."""
    with server() as (url, seen):
        writer = AlertmanagerWriter(url, CITY)
        writer.write([event(2, AlertEventType.CLEARED), event(0), event(0, name="other")])
        writer.write([])
    (body,) = seen.bodies
    assert len(body) == 2
    assert body[0]["endsAt"] == "2025-11-24T16:00:20.000000000Z"


def test_a_revision_is_newer_than_what_it_corrects() -> None:
    """A withdrawn alert is over, in whatever order its events come."""
    step = event(0)
    gone = replace(step.alert, active=False, cleared=T0 + 5 * SECOND)
    withdrawn = replace(step, type=AlertEventType.WITHDRAWN, alert=gone, revision=1)
    with server() as (url, seen):
        AlertmanagerWriter(url, CITY).write([withdrawn, step])
    assert seen.bodies[0][0]["endsAt"] == "2025-11-24T16:00:05.000000000Z"


def test_labels_never_change() -> None:
    """No label holds what may change in an alert's life, or a measured value; empty ones are left out."""
    writer = AlertmanagerWriter("http://nowhere", CITY)
    step = event(0).alert
    later = replace(step, level=1, urgent=True, corroboration=0.1, summary="x", sensors=(), updated=T0 + 99, support=())
    assert writer.render(step)["labels"] == writer.render(later)["labels"]
    assert "" not in writer.render(replace(step, asset="", place=""))["labels"].values()


def test_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes out as basic authentication."""
    monkeypatch.setenv("LIFELINE_ALERTMANAGER_USER", "desk")
    monkeypatch.setenv("LIFELINE_ALERTMANAGER_PASSWORD", "secret")
    with server() as (url, seen):
        AlertmanagerWriter(url, CITY).write([event(0)])
    assert seen.headers_seen[0]["authorization"] == "Basic ZGVzazpzZWNyZXQ="
