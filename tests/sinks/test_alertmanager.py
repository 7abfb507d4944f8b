"""Alerts in Alertmanager: the real one where it is installed, a loopback server for the ways it can fail."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from domain.clock import DAY, SECOND
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEvent, AlertEventType
from sinks.alertmanager import AlertmanagerWriter
from sinks.messages import timestamp
from sinks.receivers import Receiver
from tests.sinks.alerts import CITY, T0, escalated, event
from tests.sinks.http_server import Posts, receiving

# Notifications go to a receiver of our own, alerts of one zone in one notification.
CONFIG = """
route:
  receiver: desk
  group_by: [city, zone]
  group_wait: 200ms
  group_interval: 200ms
  repeat_interval: 1h
receivers:
  - name: desk
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""


@dataclass
class Running:
    """An Alertmanager of our own, and what it notifies of."""

    folder: Path
    told: Posts
    address: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def start(self) -> None:
        program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert program is not None
        command = [
            program, f"--config.file={self.folder / 'config.yml'}", f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}", "--cluster.listen-address=", "--log.level=error",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(f"{self.url}/-/ready", self.process, self.folder / "log")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def notified(self, name: str) -> list[tuple[str, int]]:
        """Each notification that names the alert: what it said of it, and how many alerts it was about."""
        found = []
        for body in self.told.bodies:
            alerts = json.loads(body)["alerts"]
            ours = [alert for alert in alerts if alert["labels"]["alert"] == str(event(0, name=name).alert.id)]
            found += [(alert["status"], len(alerts)) for alert in ours]
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real one."""
    if (shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")) is None:
        pytest.skip("Alertmanager is not installed (Debian: apt-get install prometheus-alertmanager)")
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*probe.getsockname())
    with receiving() as told:
        (folder / "config.yml").write_text(CONFIG.format(url=told.url))
        ours = Running(folder, told, address)
        try:
            ours.start()
            yield ours
        finally:
            ours.stop()


@pytest.fixture
def alertmanager(running: Running) -> str:
    """Its address."""
    return running.url


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


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


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


def in_zone(step: AlertEvent, zone: str) -> AlertEvent:
    return replace(step, alert=replace(step.alert, zone=zone))


def test_firing_and_resolved(running: Running) -> None:
    """People are notified once that it fires, though it is said again and again, and once that it is over."""
    writer, begun = AlertmanagerWriter(running.url, CITY), now() - 60 * SECOND
    writer.write([in_zone(event(0, name="fires", at=begun), "Z-fires")])
    until(lambda: running.notified("fires") == [("firing", 1)])
    for seq in (1, 2):
        writer.write([in_zone(event(seq, AlertEventType.UPDATED, "fires", begun), "Z-fires")])
    time.sleep(0.6)
    assert running.notified("fires") == [("firing", 1)]
    writer.write([in_zone(event(3, AlertEventType.CLEARED, "fires", begun), "Z-fires")])
    until(lambda: running.notified("fires") == [("firing", 1), ("resolved", 1)])


def test_grouping(running: Running) -> None:
    """Alerts of one zone are one notification, as the labels that never change allow."""
    begun = now() - 60 * SECOND
    names = ["group 1", "group 2", "group 3"]
    steps = [in_zone(event(0, name=name, at=begun), "Z-group") for name in names]
    AlertmanagerWriter(running.url, CITY).write([*steps, in_zone(event(0, name="alone", at=begun), "Z-alone")])
    until(lambda: all(running.notified(name) for name in (*names, "alone")))
    assert [running.notified(name) for name in names] == [[("firing", 3)]] * 3
    assert running.notified("alone") == [("firing", 1)]


def test_a_silence_and_its_end(running: Running) -> None:
    """While somebody has silenced the place nobody is notified, what is said again changes nothing; when the silence
    ends and the alert still stands, they are."""
    writer, begun = AlertmanagerWriter(running.url, CITY), now() - 60 * SECOND
    silence = urllib3.request("POST", f"{running.url}/api/v2/silences", json={
        "matchers": [{"name": "zone", "value": "Z-silent", "isRegex": False, "isEqual": True}],
        "startsAt": timestamp(now() - SECOND), "endsAt": timestamp(now() + 3600 * SECOND),
        "createdBy": "li.na", "comment": "works on the main",
    }).json()["silenceID"]  # fmt: skip
    writer.write([in_zone(event(0, name="silent", at=begun), "Z-silent")])
    time.sleep(0.6)
    writer.write([in_zone(event(1, AlertEventType.UPDATED, "silent", begun), "Z-silent")])
    (state,) = (alert["status"] for alert in known(running.url, "silent"))
    assert (state["state"], state["silencedBy"]) == ("suppressed", [silence])
    assert running.notified("silent") == []
    assert urllib3.request("DELETE", f"{running.url}/api/v2/silence/{silence}").status == 200
    until(lambda: running.notified("silent") == [("firing", 1)])


def test_an_alertmanager_that_was_started_anew(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps alerts in memory only. What came while it was away waits; what it has forgotten it is told again, and
    it notifies of nothing twice."""
    monkeypatch.setattr(AlertmanagerWriter, "stands", 0.3)
    monkeypatch.setattr("sinks.alert_outbox.PAUSES", (0.05, 0.2))
    receiver = Receiver("alertmanager", lambda: AlertmanagerWriter(running.url, CITY, attempts=1))
    begun, stop = now() - 60 * SECOND, threading.Event()
    with receiver.opened(tmp_path, stop):
        delivery = receiver.delivery()
        delivery.take([in_zone(event(0, name="stays", at=begun), "Z-stays")])
        until(lambda: running.notified("stays") == [("firing", 1)])
        running.stop()
        delivery.take([in_zone(event(0, name="meanwhile", at=begun), "Z-meanwhile")])
        delivery.snapshot()
        assert list(tmp_path.rglob("*.alerts"))
        running.start()
        until(lambda: running.notified("meanwhile") == [("firing", 1)])
        until(lambda: len(known(running.url, "stays")) == 1)
        time.sleep(0.6)
    assert running.notified("stays") == [("firing", 1)]


def test_what_is_shelved_is_over(running: Running) -> None:
    """Whoever shelves an alert wants to hear nothing of it for now; when that is over it fires again."""
    writer, begun = AlertmanagerWriter(running.url, CITY), now() - 60 * SECOND
    step = event(0, name="shelved", at=begun)
    writer.write([in_zone(step, "Z-shelf")])
    until(lambda: running.notified("shelved") == [("firing", 1)])
    shelved = event(1, AlertEventType.SHELVED, "shelved", begun)
    writer.write(
        [in_zone(replace(shelved, alert=replace(shelved.alert, shelved_until=now(), shelved_by="ann")), "Z-shelf")]
    )
    until(lambda: running.notified("shelved")[-1] == ("resolved", 1))
    writer.write([in_zone(event(2, AlertEventType.UNSHELVED, "shelved", begun), "Z-shelf")])
    until(lambda: running.notified("shelved")[-1] == ("firing", 1))


def test_trouble_is_retried() -> None:
    """A server in trouble is asked again, and the alert arrives once it is well."""
    with receiving(503, 500) as seen:
        AlertmanagerWriter(seen.url, CITY).write([event(0)])
        assert len(seen.bodies) == 3


def test_trouble_that_stays() -> None:
    """Attempts are bounded; then it is an error that may be retried."""
    with receiving(*[503] * 9) as seen:
        with pytest.raises(SinkError, match="answered 503") as caught:
            AlertmanagerWriter(seen.url, CITY, attempts=2).write([event(0)])
        assert len(seen.bodies) == 2
    assert not isinstance(caught.value, SinkRefused)


def test_refusal() -> None:
    """What is not taken is not sent again; the error has the server's words."""
    with receiving(400) as seen:
        with pytest.raises(SinkRefused, match=r"answered 400 Bad Request: words"):
            AlertmanagerWriter(seen.url, CITY).write([event(0)])
        assert len(seen.bodies) == 1


def test_nobody_there() -> None:
    """Where nothing listens the error names the address."""
    with pytest.raises(SinkError, match=r"127\.0\.0\.1:1/api/v2/alerts cannot be reached"):
        AlertmanagerWriter("http://127.0.0.1:1", CITY, attempts=1).write([event(0)])


def test_only_the_newest_state_is_posted() -> None:
    """Steps of one alert in one batch are one post; nothing to say is no post."""
    with receiving() as seen:
        writer = AlertmanagerWriter(seen.url, CITY)
        writer.write([event(2, AlertEventType.CLEARED), event(0), event(0, name="other")])
        writer.write([])
    body = json.loads(seen.bodies[0])
    assert len(body) == 2
    assert body[0]["endsAt"] == "2025-11-24T16:00:20.000000000Z"


def test_a_revision_is_newer_than_what_it_corrects() -> None:
    """A withdrawn alert is over, in whatever order its events come."""
    step = event(0)
    gone = replace(step.alert, active=False, cleared=T0 + 5 * SECOND)
    withdrawn = replace(step, type=AlertEventType.WITHDRAWN, alert=gone, revision=1)
    with receiving() as seen:
        AlertmanagerWriter(seen.url, CITY).write([withdrawn, step])
    assert json.loads(seen.bodies[0])[0]["endsAt"] == "2025-11-24T16:00:05.000000000Z"


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
    with receiving() as seen:
        AlertmanagerWriter(seen.url, CITY).write([event(0)])
    assert seen.headers[0]["authorization"] == "Basic ZGVzazpzZWNyZXQ="
