"""Log lines: for people or machines, one line each, without secrets, and no flood."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from flows.logs import LogFormat, _Repeats, configure, fail

log = logging.getLogger("sinks.test")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LIFELINE_CLICKHOUSE_PASSWORD", "open-sesame")
    root, hook = logging.getLogger(), sys.excepthook
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers
    sys.excepthook = hook
    logging.captureWarnings(False)
    configure()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger and message; the process it comes from, what else was given, and what went wrong."""
    configure(LogFormat.JSON, news=True, context={"process": 1})
    log.info("%d rows in %s", 3, "readings", extra={"table": "readings"})
    try:
        raise ValueError("login with open-sesame failed")
    except ValueError:
        log.exception("cannot write")
    fail("it is over")
    first, second, third = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "logger": "sinks.test",
        "message": "3 rows in readings",
        "process": 1,
        "table": "readings",
    }
    assert "ValueError: login with *** failed" in second["error"]
    assert (third["level"], third["message"]) == ("critical", "it is over")


def test_console(capsys: pytest.CaptureFixture[str]) -> None:
    """A time, a level and words; news only where they are asked for."""
    configure()
    log.info("nobody wants to know")
    log.warning("slow")
    configure(news=True)
    log.info("started")
    fail("it is over")
    said = capsys.readouterr().err.splitlines()
    assert [line.partition("Z ")[2] or line for line in said] == [
        "WARNING slow",
        "INFO started",
        "lifeline: it is over",
    ]


@pytest.mark.parametrize("format", LogFormat)
def test_no_secrets(capsys: pytest.CaptureFixture[str], format: LogFormat) -> None:
    """Not in a message, its arguments, a field, a trace or the last words."""
    configure(format)
    log.warning("open-sesame")
    log.warning("%s at http://ann:other@db", "open-sesame", extra={"dsn": "http://ann:other@db", "kind": object()})
    sys.excepthook(RuntimeError, RuntimeError("open-sesame"), None)
    fail("open-sesame or http://ann:other@db")
    said = capsys.readouterr().err
    assert said.count("***") >= 6
    assert "open-sesame" not in said
    assert "other" not in said


@pytest.mark.parametrize("format", LogFormat)
def test_a_line_stays_one(capsys: pytest.CaptureFixture[str], format: LogFormat) -> None:
    """The name of a topic or sensor comes from outside: it must not be able to write log lines of its own."""
    configure(format)
    log.warning("unknown sensor %s", "G1\n2026-01-01T00:00:00.000Z ERROR all is lost\x1b[2J\u2028")
    line, rest = capsys.readouterr().err.split("\n")
    assert (rest, "\x1b" in line) == ("", False)


def test_the_same_words_are_said_once_in_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    """librdkafka reports each attempt at a broker that is away; other words are not held back meanwhile."""
    configure()
    for attempt in range(500):
        log.error("[rdkafka#consumer-%d] connection refused (after %dms)", attempt, attempt)
        log.info("unheard")
    log.error("another matter")
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_repeats_are_counted() -> None:
    """When the words are said again, how often they came is said as well."""
    now = 0.0
    repeats = _Repeats(lambda: now)

    def said(words: str) -> str | None:
        record = logging.makeLogRecord({"levelno": logging.WARNING, "msg": words})
        return record.getMessage() if repeats.filter(record) else None

    assert [said("away") for _ in range(4)] == ["away", None, None, None]
    now = 11.0
    assert said("away") == "away (and 3 times before)"
    now = 22.0
    assert said("away") == "away"
    for number in range(3000):
        said(f"word {number}")
    assert len(repeats._said) == 1000, "what is remembered is bounded"
