"""The file of receivers: what it may say, and what is said where it is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from domain.city import City, Level, Unit, Zone
from domain.clock import HOUR
from domain.errors import ConfigError
from domain.findings import Alert, AlertEvent, AlertEventType
from domain.identity import identify
from domain.monitors import Monitor, Select
from domain.policy import Desk, Policy, Shift
from domain.receivers import Alertmanager, Cap, Kafka, Mail, Webhook, read_receivers

CITY = City(
    "Testburg", "UTC", (), zones={"Z-1": Zone("Z-1"), "Z-2": Zone("Z-2")}, units={"gas": Unit("gas")},
    levels=(Level(1, "I", urgent=True), Level(2, "II")), monitors=(Monitor("m", "threshold", "gas-leak", Select()),),
    policy=Policy(desks=(Desk("centre"), Desk("gas", ("gas",), shift=(Shift("gas-night", start=1200, end=480),)))),
)  # fmt: skip
ALERT = Alert(
    identify("a"), "gas-leak", 2, True, 1, 1, 1, 0, "Z-1", "M-1", "here", 0.0, 0.0, "gas", False, 0.5, "gas"
)  # fmt: skip


def step(alert: Alert, **more: object) -> AlertEvent:
    return AlertEvent(identify("step"), 0, AlertEventType.RAISED, 12 * HOUR, alert, **more)  # type: ignore[arg-type]


FILE = """
[[receiver]]
name = "desk"
type = "webhook"
url = "https://desk.example/alerts"
levels = ["I"]
timeout = "2 s"
heartbeats = true

[[receiver]]
name = "people"
type = "mail"
server = "mail.example:587"
sender = "lifeline@city.example"
to = ["desk@city.example", "chief@city.example"]
units = ["gas"]
urgent = true

[[receiver]]
name = "warnings"
type = "cap"
url = "file:///var/spool/cap"
sender = "lifeline.city.example"
scope = "Private"
addresses = ["a@city.example"]

[[receiver]]
name = "on-call"
type = "alertmanager"
url = "http://127.0.0.1:9093"

[[receiver]]
name = "bus"
type = "kafka"
brokers = "a:9092,b:9092"
topic = "alerts"
spool = 1000
"""


def read(tmp_path: Path, text: str) -> tuple[object, ...]:
    path = tmp_path / "receivers.toml"
    path.write_text(text)
    return read_receivers(path, CITY)


def test_one_of_each(tmp_path: Path) -> None:
    """Types by name, durations with their units, defaults that differ by type."""
    desk, people, warnings, on_call, bus = read(tmp_path, FILE)
    assert isinstance(desk, Webhook)
    assert (desk.timeout, desk.signed, desk.heartbeats, desk.variables) == (2.0, True, True, "LIFELINE_DESK")
    assert isinstance(people, Mail)
    assert (people.security, people.heartbeats, len(people.to)) == ("starttls", False, 2)
    assert isinstance(warnings, Cap)
    assert isinstance(on_call, Alertmanager)
    assert (on_call.heartbeats, on_call.variables) == (True, "LIFELINE_ON_CALL")
    assert isinstance(bus, Kafka)
    assert (bus.spool, bus.timeout) == (1000, 30.0)


def test_filters() -> None:
    """Each filter by itself; an empty one lets everything through."""
    every = Webhook(name="desk", url="https://x")
    assert every.wants(step(ALERT), CITY)
    for filters, other in (
        ({"levels": ("II",)}, {"level": 1}),
        ({"kinds": ("gas-leak",)}, {"kind": "fire"}),
        ({"units": ("gas",)}, {"owner": "water"}),
        ({"zones": ("Z-1",)}, {"zone": "Z-2"}),
    ):
        receiver = every.model_copy(update=filters)
        assert receiver.wants(step(ALERT), CITY)
        assert not receiver.wants(step(replace(ALERT, **other)), CITY)
    urgent = every.model_copy(update={"urgent": True})
    assert not urgent.wants(step(ALERT), CITY)
    assert urgent.wants(step(replace(ALERT, urgent=True)), CITY)


def test_what_is_escalated_to_a_unit_passes_its_door() -> None:
    """That nobody has acknowledged it makes it urgent and grave enough; another kind of alert it is still not."""
    chief = Webhook(name="chief", url="https://x", units=("water",), levels=("I",), urgent=True)
    called = step(ALERT, notify=("water",))
    assert not chief.wants(step(ALERT), CITY)
    assert chief.wants(called, CITY)
    assert not chief.model_copy(update={"kinds": ("fire",)}).wants(called, CITY)


def test_desks_and_shifts() -> None:
    """A receiver of a desk hears what that desk is told; one of a shift what begins while the shift is on."""
    night = Webhook(name="night", url="https://x", shifts=("gas-night",))
    assert [night.wants(step(ALERT), CITY, "gas", hour * HOUR) for hour in (7, 8, 19, 20)] == [True, False, False, True]
    gas = Webhook(name="gas", url="https://x", desks=("gas",))
    assert gas.wants(step(ALERT), CITY, "gas")
    assert not gas.wants(step(ALERT), CITY, "centre")
    assert gas.wants(step(ALERT), CITY)
    assert not gas.wants(step(replace(ALERT, owner="water")), CITY)


HEAD = '[[receiver]]\nname = "x"\n'
WEB = HEAD + 'type = "webhook"\nurl = "https://x"\n'
MAIL = HEAD + 'type = "mail"\nserver = "m:25"\nsender = "a@b"\nto = ["c@d"]\n'
CAP = HEAD + 'type = "cap"\nurl = "https://x"\nsender = "x"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("receivers = 1", r"receivers: expected \[\[receiver\]\] tables only; did you mean 'receiver'"),
        (HEAD, r"receiver 1 \"x\" \(line 1\), type: expected webhook, mail, cap, alertmanager, kafka, got None"),
        (HEAD + 'type = "webhok"', r"line 3\), type: .* did you mean 'webhook'"),
        (WEB + WEB, r"line 6\), name: expected a name of its own, got 'x'"),
        (WEB.replace('"x"', '"clickhouse"'), "expected a name of its own"),
        (WEB.replace('"x"', '"My Desk"'), "name: "),
        (WEB + 'levels = ["IV"]', r"levels: Testburg has no 'IV'; there are I, II"),
        (WEB + 'kinds = ["gas-leek"]', r"kinds: Testburg has no 'gas-leek'; did you mean 'gas-leak'"),
        (WEB + 'zones = ["Z-3"]', r"zones: Testburg has no 'Z-3'"),
        (WEB + 'units = ["x"]', r"units: Testburg has no 'x'; there are gas"),
        (WEB + "timeout = 5", "timeout: expected a duration with its unit"),
        (WEB + 'zone = "Z-1"', "zone: unknown field; did you mean 'zones'"),
        (WEB.replace("https://x", "ftp://x"), "begins with https or http"),
        (WEB.replace("https://x", "https://ann:secret@x"), "user and password belong into the environment"),
        (MAIL + 'security = "none"', "expected security 'starttls' or 'tls' for m"),
        (MAIL.replace('"m:25"', '"m"'), "a host and a port"),
        (MAIL.replace('"a@b"', '"a@b\\nBcc: x@y"'), "expected an address"),
        (MAIL.replace('["c@d"]', "[]"), "to: "),
        (MAIL + "heartbeats = true", "heartbeats: "),
        (CAP + 'scope = "Private"', "expected addresses with scope 'Private'"),
        (CAP.replace('sender = "x"', 'sender = "x,y"'), "expected a word without"),
    ],
)
def test_problems(tmp_path: Path, text: str, said: str) -> None:
    """Each with its place and what was expected; no secret is repeated."""
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, text)
    assert "secret" not in str(caught.value)
