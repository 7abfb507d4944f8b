"""What the page of one alert tells of reports, orders, notices, causes and consequences."""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest

from console.database import Database
from console.desk import Filters, State, arranged, folded, state_of
from console.words import LANGUAGES, Words
from domain.clock import MINUTE, SECOND
from domain.commands import Step
from domain.findings import AlertEventType
from domain.notices import Why
from domain.reports import Channel
from tests.conftest import ROOT
from tests.console.alerts import raised, then
from tests.console.conftest import Place
from tests.console.scene import Scene
from tests.flows.command import until

T = 1_764_000_000 * SECOND


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ("What speaks against it", "Reports of citizens and inspectors", "inspector", "Seen to run", "at once",
             "in a digest", "Its consequences", "On duty", "80 %", "Ran, confirmed by a sensor"),
        ),
        (
            "zh",
            ("存疑之处", "市民与巡查上报", "巡查员", "已确认运行", "即时通知", "汇总通知", "引发的告警", "值班", "80 %",
             "已运行并经传感器确认"),
        ),
    ],
)  # fmt: skip
def test_one_alert_with_all_that_stands_behind_it(place: Place, language: str, words: tuple[str, ...]) -> None:
    """In both languages; what hangs on other alerts, assets and desks stays with them."""
    scene = Scene(time.time_ns() - 5 * MINUTE)
    place.store(*scene.everything, raised(time.time_ns() - MINUTE, 4))
    reader = place.reader("li.na")
    reader.post("/language", language=language)
    text = reader.get(f"/alerts/{scene.cause.alert.id}").text
    for word in (
        *words, "the gauge beside it is well", "two reports at Well 1", "It smells of gas at the corner",
        "s3://hotline/4711.jpg", "Night shift", "city-centre", "asked for by ventilation", "an enclosed space",
        "beside-a-crowd, lasting", "Crew 3, +86 558 555 0003",
    ):  # fmt: skip
        assert word in text
    detail = text[text.index("<article") :]
    assert f"/alerts/{scene.consequence.alert.id}" in detail
    assert len(re.findall(r'<details data-fold="\w+">', detail)) >= 4  # all of them closed
    other = reader.get(f"/alerts/{scene.consequence.alert.id}").text
    detail = other[other.index("<article") :]
    assert f'data-open="{scene.cause.alert.id}"' in detail
    assert "s3://hotline" not in detail
    assert "Night shift" not in detail
    assert "asked for by ventilation" not in detail


def test_nothing_is_said_where_there_is_nothing(place: Place) -> None:
    """An alert without any of it has no folds, no cause and no consequences on its page."""
    event = raised(time.time_ns() - MINUTE, 3)
    place.store(event)
    text = place.reader("li.na").get(f"/parts/alert/{event.alert.id}").text
    for part in ("cause", "consequences"):
        assert re.search(f'data-part="{part}"[^>]* hidden', text)
    for fold in ("reports", "commands", "told"):
        assert f'data-fold="{fold}"' not in text
    assert "What speaks against it" not in text


def test_causes_that_the_desk_has_forgotten_are_asked_for(place: Place) -> None:
    """A link to what was over long ago leads both ways."""
    scene = Scene(time.time_ns() - 5 * 24 * 60 * MINUTE)
    over = {"active": False, "cleared": scene.cause.ts + MINUTE}
    place.store(
        then(scene.consequence, AlertEventType.CLEARED, **over),
        then(scene.cause, AlertEventType.CLEARED, **over),
        raised(time.time_ns() - MINUTE, 4),
    )
    reader, pair = place.reader("li.na"), (scene.cause.alert.id, scene.consequence.alert.id)
    assert not place.site.watch.view.alerts.keys() & set(pair)
    for one, other in (pair, pair[::-1]):
        assert f'data-open="{other}"' in reader.get(f"/parts/alert/{one}").text


@pytest.mark.parametrize("noticed", [False, True])
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_known_is_shown_while_the_database_is_away(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str, noticed: bool
) -> None:
    """Whether the watch has noticed it or not: an alert of the desk with its kin, and what of it cannot be read."""
    scene = Scene(time.time_ns() - 5 * MINUTE)
    place.store(*scene.everything)
    reader = place.reader("li.na")
    reader.post("/language", language=language)
    cause, consequence = (f"/alerts/{event.alert.id}" for event in (scene.cause, scene.consequence))
    part = f"/parts/alert/{scene.cause.alert.id}"
    unknown = "/alerts/6c1f8a52-3d5e-5e0b-9f0a-6d1c0c8f7a11"
    assert "data-away" not in reader.get(part).text
    assert reader.get(unknown).status == 404

    gone = Database(f"chdb://{tmp_path}")
    monkeypatch.setattr(place.site, "database", gone)
    if noticed:
        monkeypatch.setattr(place.site.watch, "_database", gone)
        until(lambda: bool(place.site.watch.view.trouble))
    for path in (part, cause):
        answer = reader.get(path)
        assert answer.status == 200
        for part in ("cause", "evidence", "consequences", "folds", "history"):
            assert re.search(f'data-part="{part}"[^>]* data-away', answer.text)
        # Of the readings, the cameras and the history; the folds have words of their own.
        assert answer.text.count(Words(language)("alert.away")) == 3
        for words in ('data-act="acknowledge"', "two reports at Well 1", "Crew 3, +86 558 555 0003"):
            assert words in answer.text
        assert f'data-open="{scene.consequence.alert.id}"' in answer.text
        assert "It smells of gas" not in answer.text
    detail = reader.get(consequence).text
    assert f'data-open="{scene.cause.alert.id}"' in detail[detail.index("<article") :]
    for path in (unknown, f"{unknown}/traces", f"{cause}/traces"):
        assert reader.get(path).status == 503


def test_reports_are_no_markup(place: Place) -> None:
    """Anybody may report anything; it is shown as it was written, and a picture is no link."""
    nasty = "<script>alert(1)</script> {{ 7 * 7 }} https://elsewhere.example/"
    scene = Scene(time.time_ns() - 5 * MINUTE, nasty)
    place.store(*scene.everything)
    text = place.reader("li.na").get(f"/parts/alert/{scene.cause.alert.id}").text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 7 * 7 }}" in text
    assert not re.search(r"(href|src)=\"(https?:|s3:)", text)


def test_a_consequence_stands_under_its_cause(place: Place) -> None:
    """Folded in the list and called by nobody; on its own, with a mark, where its cause is not shown."""
    scene = Scene(time.time_ns() - 5 * MINUTE)
    place.store(*scene.alerts)
    reader = place.reader("li.na")
    rows = reader.get("/parts/list").text
    fold = rows[rows.index(f'data-fold="under-{scene.cause.alert.id}"') :]
    assert f'id="a-{scene.consequence.alert.id}"' in fold
    assert "consequences: 1" in fold
    alone = reader.get("/parts/list?level=2").text
    assert "data-fold" not in alone
    assert "consequence · of Gas leak" in alone
    assert place.site.watch.word([scene.consequence.alert.id])["new"] == []
    opened = reader.get(f"/alerts/{scene.consequence.alert.id}").text
    assert f'data-fold="under-{scene.cause.alert.id}" open' in opened


def test_folding_loses_nothing() -> None:
    """Chains end under the first cause, and what is each other's cause, which should not be, is still there."""
    first, second, third, fourth = (raised(T, well) for well in (1, 2, 3, 4))
    second = then(second, AlertEventType.UPDATED, cause=first.alert.id)
    third = then(third, AlertEventType.UPDATED, cause=second.alert.id)
    (row, other) = folded(arranged([first, second, third, fourth], Filters(), T + MINUTE))
    rows = {one.event.alert.asset: [event.alert.asset for event, _ in one.under] for one in (row, other)}
    assert {name: sorted(under) for name, under in rows.items()} == {"M1": ["M2", "M3"], "M4": []}
    first = then(first, AlertEventType.UPDATED, cause=third.alert.id)
    assert len(folded(arranged([first, second, third], Filters(), T + MINUTE))) == 3


def test_a_consequence_is_not_new() -> None:
    """People hear of its cause; what they did about it before still shows."""
    event = then(raised(T), AlertEventType.UPDATED, cause=raised(T, 2).alert.id)
    assert state_of(event, T + MINUTE) is State.CONSEQUENCE
    seen = then(event, AlertEventType.ACKNOWLEDGED, acknowledged=T)
    assert state_of(seen, T + MINUTE) is State.ACKNOWLEDGED
    over = then(event, AlertEventType.CLEARED, active=False, cleared=T)
    assert state_of(over, T + MINUTE) is State.CLEARED


def test_what_is_told_has_words() -> None:
    """In every step of a command, every reason for a notice, every channel and every shipped kind of report."""
    words = tomllib.loads((ROOT / "console/words.toml").read_text("utf-8"))
    assert set(words["step"]) == set(Step)
    assert set(words["why"]) == set(Why)
    assert set(words["channel"]) == set(Channel)
    view = (ROOT / "sinks/clickhouse/views/commands.py").read_text("utf-8")
    assert set(words["outcome"]) == set(
        re.findall(r"'([\w-]+)'", view[view.index("multiIf") : view.index("AS outcome")])
    )
    for path in (ROOT / "cities").glob("*/monitors.toml"):
        for report in tomllib.loads(path.read_text("utf-8")).get("report", []):
            assert report["type"] in words["report"]
