"""What the `lifeline` command says while it runs: lines for people, or JSON for machines. Never a secret."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, TextIO

import orjson

from domain.secrets import redact

__all__ = ["LogFormat", "configure", "fail"]

log = logging.getLogger(__name__)

#: Whose plain news is told; of all others only warnings are.
_OURS: Final = ("detectors", "domain", "flows", "operators", "simulators", "sinks", "sources", "workbench")

#: What every record has; anything else was given by `extra`.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: A line is one line: what came from outside must not end it and begin another.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

#: Seconds in which the same words are said once, and how many words are remembered meanwhile.
_AGAIN: Final = 10.0
_REMEMBERED: Final = 1000

#: What differs in words that say the same: librdkafka says the same of every attempt, with how long it took.
_VARIES: Final = re.compile(r"\d+ ?ms\b|rdkafka#\w+-\d+")


class LogFormat(StrEnum):
    """How a line is written."""

    CONSOLE = "console"
    JSON = "json"  # one object a line


def configure(
    format: LogFormat | None = None, *, news: bool = False, context: Mapping[str, object] | None = None
) -> None:
    """Write log lines to standard error, from now on in this form; what ends the process in disorder, too.

    Parameters
    ----------
    format
        By default what LIFELINE_LOG says.
    news
        Whether also to tell what is no warning.
    context
        Fields of every JSON line, such as the number of the process.
    """
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Stderr)]:
        root.removeHandler(old)
    handler = _Stderr()
    handler.addFilter(_Repeats())
    json = (format or os.environ.get("LIFELINE_LOG")) == LogFormat.JSON
    handler.setFormatter(_Json(context or {}) if json else _Console())
    root.addHandler(handler)
    for name in _OURS:
        logging.getLogger(name).setLevel(logging.INFO if news else logging.NOTSET)
    logging.captureWarnings(True)
    sys.excepthook = _unexpected


def fail(words: str) -> None:
    """Say why the command ends with an error: plainly to people, as a log line to machines."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, _Stderr)]
    if any(isinstance(handler.formatter, _Json) for handler in handlers):
        log.critical(words)
    else:
        print(f"lifeline: {redact(words)}", file=sys.stderr)


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("ended by an error that Lifeline did not expect", exc_info=(kind, error, trace))


class _Stderr(logging.StreamHandler[TextIO]):
    """Standard error as it is when a line is written, not as it was at the start."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _Repeats(logging.Filter):
    """Lets the same words through once in a while, with how often they came: a broker that is away fills no disk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        now, words = self._clock(), _VARIES.sub("", record.getMessage())
        at, repeats = self._said.pop(words, (-_AGAIN, 0))
        if now - at < _AGAIN:
            self._said[words] = at, repeats + 1
            return False
        self._said[words] = now, 0
        while len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]
        if repeats:
            record.msg, record.args = f"{record.getMessage()} (and {repeats:,} times before)", None
        return True


class _Console(logging.Formatter):
    """`2026-03-01T06:00:00.123Z WARNING Kafka readings/0: ...`."""

    def format(self, record: logging.LogRecord) -> str:
        message = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], record.getMessage())
        text = f"{_time(record)} {record.levelname} {message}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return redact(text)


class _Json(logging.Formatter):
    """`{"time": ..., "level": "warning", "logger": "sources.kafka", "message": ...}`."""

    def __init__(self, context: Mapping[str, object]) -> None:
        super().__init__()
        self._context = dict(context)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            **self._context,
        }
        for name, value in vars(record).items():
            if name not in _USUAL:
                line[name] = redact(value) if isinstance(value, str) else value
        if record.exc_info:
            line["error"] = redact(self.formatException(record.exc_info))
        return orjson.dumps(line, default=lambda value: redact(str(value))).decode()


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
