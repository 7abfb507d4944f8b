"""The pages of a process."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import Metric

from domain import metrics
from domain.errors import ConfigError
from domain.health import Health
from flows.status import Status, place
from tests.conftest import ROOT


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_pages() -> None:
    """200 while it holds, 503 with the reasons where it does not."""
    health = Health()
    with Status("127.0.0.1", 0, health) as status:
        assert page(status.port, "/healthz") == (200, '{"good": true, "reasons": ["starting"]}\n')
        assert page(status.port, "/readyz")[0] == 503
        health.opened("a/0")
        assert page(status.port, "/readyz") == (200, '{"good": true, "reasons": []}\n')
        health.trouble("database", 'it says "no"')
        code, body = page(status.port, "/readyz")
        assert (code, json.loads(body)["reasons"]) == (503, ['database: it says "no"'])
        assert page(status.port, "/healthz")[0] == 200
        health.well("database")
        health.patience = -1
        assert page(status.port, "/healthz")[0] == 503
        code, body = page(status.port, "/metrics")
        assert (code, "lifeline_readings_total" in body) == (200, True)
        assert page(status.port, "/etc/passwd")[0] == 404
    with pytest.raises(OSError, match="refused"):
        page(status.port, "/healthz")


def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    """Neither the next client nor the end."""
    with Status("127.0.0.1", 0, Health()) as status, socket.create_connection(("127.0.0.1", status.port)):
        assert page(status.port, "/healthz")[0] == 200


def test_where_it_listens() -> None:
    """On loopback where no host is named; each process of a cluster at a port of its own; a taken port is said."""
    assert place(":9464", 2) == ("127.0.0.1", 9466)
    assert place("[::1]:1") == ("::1", 1)
    for wrong in ("", "localhost", "localhost:http"):
        with pytest.raises(ConfigError, match="HOST:PORT"):
            place(wrong)
    with Status("127.0.0.1", 0, Health()) as status, pytest.raises(ConfigError, match="cannot listen"):
        Status("127.0.0.1", status.port, Health())


def _all() -> list[Metric]:
    return [family for name in metrics.__all__ for family in getattr(metrics, name).collect()]


@pytest.mark.parametrize("metric", _all(), ids=lambda metric: metric.name)
def test_metrics_are_named_as_prometheus_has_it(metric: Metric) -> None:
    """A prefix, base units, a total for what only grows; and a sentence that says what is counted."""
    assert re.fullmatch(r"lifeline_[a-z0-9_]+", metric.name)
    assert not re.search(r"_(ms|milliseconds|minutes|kilobytes|mb|percent)(_|$)", metric.name)
    if metric.type == "histogram":
        assert metric.name.endswith("_seconds")
    assert not metric.name.endswith("_total") or metric.type == "gauge"
    assert metric.documentation.endswith(".")
    assert len(metric.documentation.split()) >= 2


def test_metrics_are_described() -> None:
    """docs/operations.md has every metric that is exported, and none that is not."""
    exported = {f"{m.name}_total" if m.type == "counter" else m.name for m in _all()}
    described = set(re.findall(r"^\| `(lifeline_\w+)", Path(ROOT / "docs/operations.md").read_text(), re.M))
    assert described == exported
