"""Receivers of alerts beside a real engine: everybody hears what concerns him, whoever was away and whatever died."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from domain.toml_files import table
from tests.flows.command import Command, free_port, until
from tests.flows.conftest import Town
from tests.flows.stored import chdb, differences, tables
from tests.sinks.http_server import Posts, receiving

SECRET = {"LIFELINE_DESK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "LIFELINE_AWAY_SECRET": "0123456789abcdef"}


def receivers(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text("\n".join(table("[[receiver]]", entry) for entry in entries))
    return path


def ids(posts: Posts) -> list[str]:
    return [json.loads(body)["id"] for body in posts.bodies]


def in_order(posts: Posts) -> None:
    """Of each alert the steps came in their order, a repeat not counted."""
    latest: dict[str, int] = {}
    for body in dict(zip(ids(posts), posts.bodies, strict=True)).values():
        message = json.loads(body)
        alert = message["alert"]["id"]
        assert latest.get(alert, -1) < message["seq"]
        latest[alert] = message["seq"]


def test_everybody_is_told(town: Town, tmp_path: Path) -> None:
    """A webhook, a folder of CAP messages, and one that is away: its alerts wait, and come with the next start."""
    port, folder = free_port(), tmp_path / "cap"
    with receiving() as desk, receiving() as back:
        file = receivers(
            tmp_path / "receivers.toml",
            {"name": "desk", "type": "webhook", "url": desk.url},
            {"name": "away", "type": "webhook", "url": f"http://127.0.0.1:{port}"},
            {"name": "papers", "type": "cap", "url": f"file://{folder}", "sender": "city.example"},
        )
        arguments: list[Any] = ["city", town.city, town.recording, "--dsn", chdb(tmp_path / "clickhouse")]
        arguments += ["--metrics", "", "--serve-port", 0, "-r", tmp_path / "recovery", "--receivers", file, "-s", 0.3]
        with Command(tmp_path, *arguments, environment=SECRET) as run:
            run.ends()
        every = tables(chdb(tmp_path / "clickhouse"))["alert_events"]
        assert len(ids(desk)) == len(set(ids(desk))) == len(every) > 3
        assert all(any(id in row for row in every) for id in ids(desk))
        in_order(desk)
        assert all(headers["webhook-signature"].startswith("v1,") for headers in desk.headers)
        kinds = [ElementTree.parse(path).findtext("{*}msgType") for path in folder.glob("*.xml")]
        assert len(kinds) == len(every)
        assert {"Alert", "Cancel"} <= set(kinds)
        assert list((tmp_path / "recovery/receivers/away").rglob("*.alerts"))
        file.write_text(file.read_text().replace(f":{port}", f":{back.url.rpartition(':')[2]}"))
        with Command(tmp_path, *arguments, environment=SECRET) as run:
            run.ends()
        assert ids(back) == ids(desk)
        assert not list((tmp_path / "recovery/receivers").rglob("*.alerts"))


def test_desks_are_told_as_the_policy_has_it(town: Town, tmp_path: Path) -> None:
    """A receiver of a desk has the digest of milder alerts as one post, what is grave at once, and something of every
    alert; one that names no desk hears every step as before."""
    city = tmp_path / "city"
    shutil.copytree(town.city, city)
    (city / "policy.toml").write_text('[[desk]]\nname = "centre"\ndigest = "1 h"\nflood = 1\n')
    with receiving() as desk, receiving() as every:
        file = receivers(
            tmp_path / "receivers.toml",
            {"name": "desk", "type": "webhook", "url": desk.url, "desks": ["centre"]},
            {"name": "away", "type": "webhook", "url": every.url},
        )
        arguments: list[Any] = ["city", city, town.recording, "--dsn", chdb(tmp_path / "clickhouse")]
        arguments += ["--metrics", "", "--serve-port", 0, "-r", tmp_path / "recovery", "--receivers", file, "-s", 0.3]
        with Command(tmp_path, *arguments, environment=SECRET) as run:
            run.ends()
    posts = [json.loads(body) for body in desk.bodies]
    told = [event for post in posts for event in post.get("events", [post])]
    everything = [json.loads(body) for body in every.bodies]
    assert {event["alert"]["id"] for event in told} == {event["alert"]["id"] for event in everything}
    assert {event["id"] for event in told} < {event["id"] for event in everything}
    assert {event["id"] for event in everything if event["alert"]["level"] == 1} <= {
        post["id"] for post in posts if post["record"] == "alert-event"
    }
    assert {"digest"} <= {post["why"] for post in posts if post["record"] == "notice"}


def test_killed_while_a_receiver_is_away(town: Town, tmp_path: Path) -> None:
    """`kill -9` again and again while nobody answers: in the end every step has come, of each alert in order."""
    dsn = chdb(tmp_path / "clickhouse")
    with receiving() as desk:
        desk.code_of = lambda body: 503
        file = receivers(tmp_path / "receivers.toml", {"name": "desk", "type": "webhook", "url": desk.url})
        arguments: list[Any] = ["city", town.city, town.recording, "--dsn", dsn, "--receivers", file]
        arguments += ["--serve-port", 0, "-r", tmp_path / "recovery", "-s", 0.2]
        for readings in (1500, 1500):
            port = free_port()
            paced = ["--speed", 15, "--metrics", f"127.0.0.1:{port}"]
            with Command(tmp_path, *arguments, *paced, environment=SECRET) as run:
                run.comes_to(port, readings)
                until(lambda: bool(list(tmp_path.rglob("*.alerts"))), lambda: run.running, said=lambda: run.err)
                run.send(signal.SIGKILL)
                run.wait()
        desk.bodies.clear()
        desk.code_of = None
        waiting = True
        while waiting:  # what a slow database has not taken by the end, the next start sends
            with Command(tmp_path, *arguments, "--metrics", "", environment=SECRET) as run:
                run.ends()
            waiting = any((tmp_path / "recovery/outbox").rglob("*.insert"))
        rows = tables(dsn)
        assert differences(rows, town.straight) == {}
        assert len(set(ids(desk))) == len(rows["alert_events"])
        in_order(desk)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": "desk", "type": "webhook", "url": "https://desk.example"}, "LIFELINE_DESK_SECRET"),
        ({"name": "desk", "type": "webhoook", "url": "https://desk.example"}, "did you mean 'webhook'"),
        ({"name": "desk", "type": "webhook", "url": "https://desk.example", "levels": ["IX"]}, "has no 'IX'"),
    ],
)
def test_files_that_are_wrong(town: Town, tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    """Nothing starts, and the words say what is wrong."""
    file = receivers(tmp_path / "receivers.toml", entry)
    arguments: list[Any] = ["city", town.city, town.recording, "--receivers", file, "--no-recovery", "--metrics", ""]
    with Command(tmp_path, *arguments, "--dsn", chdb(tmp_path / "clickhouse")) as run:
        run.ends(1)
        assert said in run.err
