"""What the console shows and takes, and what it refuses."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from console import figures
from domain.actions import Verb
from domain.clock import MINUTE, SECOND
from domain.findings import AlertEventType
from tests.console.alerts import raised, then
from tests.console.conftest import Place

PAGES = ("/", "/map", "/sensors", "/sensors?state=well&text=V", "/sensors/V-G1", "/load", "/feed")


def now() -> int:
    return time.time_ns() - 5 * SECOND


def test_nothing_without_signing_in(place: Place) -> None:
    """Pages lead to the sign-in, and from there to where one wanted to go; everything else is refused."""
    reader = place.reader()
    for path in PAGES:
        answer = reader.get(path)
        assert answer.status == 303
        assert answer.headers["location"].startswith("/login?next=%2F")
    for path in ("/map.svg", "/parts/list", "/events", "/sensors/V-G1/traces"):
        assert reader.get(path, accept="*/*").status == 401
    assert reader.post("/actions", verb="comment").status == 401
    assert reader.get("/healthz").text == "ok\n"
    assert reader.post("/login", name="li.na", password="wrong password").status == 401
    assert (
        reader.post("/login", name="li.na", password="correct horse battery", next="/load").headers["location"]
        == "/load"
    )
    for elsewhere in ("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"):
        again = place.reader().post("/login", name="li.na", password="correct horse battery", next=elsewhere)
        assert again.headers["location"] == "/"
    assert reader.get("/").status == 200
    assert reader.post("/logout").status == 303
    assert reader.get("/").status == 303


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_in_both_languages(place: Place, language: str) -> None:
    """With alerts of every state, whole and as parts; nothing comes from elsewhere and nothing runs inside a page."""
    first = raised(now(), 1)
    shelved = then(raised(now(), 2), AlertEventType.SHELVED, shelved_until=now() + MINUTE, shelved_by="li.na")
    gone = then(raised(now(), 3, level=1), AlertEventType.CLEARED, active=False, cleared=now(), latched=True)
    place.store(first, shelved, gone)
    reader = place.reader("chen.yu")
    reader.post("/language", language=language)
    word = {"en": "Gas leak", "zh": "燃气泄漏"}[language]
    alerts = [f"/alerts/{event.alert.id}" for event in (first, shelved, gone)]
    for path in (*PAGES, "/?shelf=shelved", "/?shelf=earlier", *alerts):
        answer = reader.get(path)
        assert answer.status == 200, path
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert "https://" not in answer.text
        assert " style=" not in answer.text
        assert "onclick" not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    assert word in reader.get(alerts[0]).text
    parts = ("/parts/list", "/parts/map", alerts[0].replace("/alerts", "/parts/alert"))
    assert all(word in reader.get(path).text for path in parts)
    assert reader.get("/alerts/6c1f8a52-3d5e-5e0b-9f0a-6d1c0c8f7a11").status == 404
    assert reader.get("/sensors/nobody").status == 404


def test_places_are_no_markup(place: Place) -> None:
    """Names come from files and cameras: whatever they hold is shown, not run."""
    event = raised(now(), 1, place="<script>alert(1)</script>", summary='"><img src=x>', support=("<b>",))
    place.store(event)
    text = place.reader("li.na").get(f"/alerts/{event.alert.id}").text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_an_action_goes_into_the_journal_and_waits(place: Place) -> None:
    """With the name of whoever has signed in, whatever the form says; it waits until the engine has stored it."""
    event = raised(now())
    place.store(event)
    reader = place.reader("li.na")
    page = f"/alerts/{event.alert.id}"
    reader.get(page)
    answer = reader.post("/actions", verb="shelve", alert=str(event.alert.id), minutes="30", reason="valve works",
                         actor="somebody else", role="engineer", back=page)  # fmt: skip
    assert (answer.status, answer.headers["location"]) == (303, page)
    (action,) = place.written()
    assert (action.verb, action.actor, action.role, action.reason) == (Verb.SHELVE, "li.na", "operator", "valve works")
    assert action.until == action.ts + 30 * MINUTE
    assert "waits for the engine" in reader.get(page).text
    place.write(action)
    place.store(then(event, AlertEventType.SHELVED, shelved_until=action.until, shelved_by="li.na"))
    deadline = time.monotonic() + 5
    while "waits for the engine" in reader.get(page).text:
        assert time.monotonic() < deadline
    assert "valve works" in reader.get(page).text
    assert "Well 1" in reader.get("/parts/list?shelf=shelved").text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"verb": "shelve", "minutes": "0", "reason": "because"}, "until"),
        ({"verb": "shelve", "minutes": "30"}, "reason"),
        ({"verb": "judge", "verdict": "maybe"}, "verdict"),
        ({"verb": "launch"}, "expected one of"),
        ({"verb": "comment", "comment": "x" * 2001}, "2000"),
    ],
)
def test_half_an_action_is_refused(place: Place, form: dict[str, str], words: str) -> None:
    """With a word about what was expected, and nothing is written."""
    event = raised(now())
    answer = place.reader("li.na").post("/actions", alert=str(event.alert.id), **form)
    assert answer.status == 422
    assert words in answer.text
    assert not place.written()


def test_roles(place: Place) -> None:
    """A viewer looks, an operator acts on alerts, an engineer on sensors and assets as well."""
    alert = str(raised(now()).alert.id)
    tries = {
        "acknowledge": {"alert": alert},
        "out-of-service": {"sensor": "V-G1", "reason": "calibration"},
        "suppress": {"asset": "M1", "reason": "works", "minutes": "60"},
    }
    for name, allowed in (("wei.zhang", 0), ("li.na", 1), ("chen.yu", 3)):
        reader = place.reader(name)
        answers = [reader.post("/actions", verb=verb, **form).status for verb, form in tries.items()]
        assert answers == [303] * allowed + [403] * (3 - allowed)
    assert len(place.written()) == 4


def test_forms_of_other_sites_are_refused(place: Place) -> None:
    """Without the session's own word, with another session's, from another origin, or under another host name."""
    reader, other = place.reader("li.na"), place.reader("wang.jun")
    word = reader.csrf
    assert other.csrf != word
    form = {"verb": "comment", "comment": "hello", "alert": str(raised(now()).alert.id)}
    for wrong in ("", "0" * 64, other.csrf):
        reader.csrf = wrong
        assert reader.post("/actions", **form).status == 403
    kind = "application/x-www-form-urlencoded"
    body = f"csrf={word}&verb=comment&comment=x&alert={form['alert']}"
    for headers in ({"origin": "https://elsewhere.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert reader.ask("POST", "/actions", body, content_type=kind, **headers).status == 403
    assert reader.ask("POST", "/actions", body, content_type="text/plain").status == 415
    assert reader.ask("POST", "/actions", body + "&x=" + "y" * 40_000, content_type=kind).status == 413
    assert reader.get("/", host="elsewhere.example").status == 400
    assert not place.written()
    assert reader.ask("POST", "/actions", body, content_type=kind).status == 303


def test_news_come_as_events(place: Place) -> None:
    """A new alert is told to an open page within a second."""
    reader = place.reader("li.na")
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
    connection.request("GET", "/events", headers={"cookie": f"lifeline_session={reader.cookies['lifeline_session']}"})
    stream = connection.getresponse()
    assert stream.getheader("content-type", "").startswith("text/event-stream")
    event = raised(now())
    began = time.monotonic()
    place.write(event)
    while True:
        line = stream.readline()
        word = json.loads(line.removeprefix(b"data: ")) if line.startswith(b"data: ") else {"changed": []}
        if str(event.alert.id) in word["changed"]:
            break
    assert time.monotonic() - began < 2
    assert word["new"] == [{"id": str(event.alert.id), "level": 2}]
    connection.close()


def test_traces_need_no_readings(place: Place) -> None:
    """Of an alert whose readings are gone, the axis of time and the neighbours' names remain."""
    event = raised(now())
    place.store(event)
    drawn = json.loads(place.reader("li.na").get(f"/alerts/{event.alert.id}/traces").text)
    assert [line["sensor"] for line in drawn["lines"]] == ["V-G1", "V-G0", "V-G2", "V-G3"]
    assert drawn["start"] < drawn["onset"] < drawn["until"]


def test_actions_of_one_instant_stay_in_order(place: Place) -> None:
    """Also over a recording, whose time stands still: the later of two is told by its time."""
    long_ago = 1_764_000_000 * SECOND
    event = raised(long_ago)
    place.store(event)
    reader = place.reader("li.na")
    place.site.watch.now, now = lambda: long_ago + 3600 * SECOND, place.site.watch.now
    try:
        for verb in ("acknowledge", "unshelve", "close"):
            assert reader.post("/actions", verb=verb, alert=str(event.alert.id)).status == 303
    finally:
        place.site.watch.now = now
    times = [action.ts for action in place.written()]
    assert sorted(set(times)) == times


def test_load_counts_what_called_for_the_desk(place: Place) -> None:
    """The same pages that the views count: what nobody took note of in time as well, and not what is merely updated."""
    at = now() - MINUTE
    event = raised(at)
    overdue = then(event, AlertEventType.OVERDUE)
    place.store(event, overdue, then(overdue, AlertEventType.UPDATED, summary="more"))
    load = figures.load(place.site.database, place.site.watch.present)
    assert load.total == sum(sum(counts) for counts in load.owners.values()) == 2
    counted = place.site.database.rows("SELECT sum(pages) AS pages FROM alarm_load")
    assert int(counted[0]["pages"]) == 2
    assert "<b>2</b>" in place.reader("li.na").get("/load").text
