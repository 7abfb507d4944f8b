"""What stands in deploy/ fits the program: its options, its deadlines, and what is promised of it."""

from __future__ import annotations

import re
from configparser import ConfigParser
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from flows.cli import app
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    found: dict[str, Any] = document["services"]
    for service in found.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in document["volumes"] or (DEPLOY / source).exists()
    return found


def unit() -> dict[str, str]:
    """The service's settings in systemd's unit."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "lifeline.service")
    return dict(parser["Service"])


def parsed(arguments: list[str]) -> dict[str, Any]:
    """A command line as the program understands it; typer's error where it does not."""
    command = typer.main.get_command(app)
    context = command.make_context("lifeline", arguments)
    name, sub, rest = command.resolve_command(context, arguments)  # type: ignore[attr-defined]
    return dict(sub.make_context(name, list(rest), parent=context).params)


def test_compose_runs_the_command(services: dict[str, Any]) -> None:
    """Every option exists; state is kept in the volume; the container's end comes after the engine's own deadline."""
    service = services["lifeline"]
    command = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", argument) for argument in service["command"]]
    options = parsed(command)
    assert service["volumes"] == [f"lifeline:{options['recovery'].parent}"]
    assert float(service["stop_grace_period"].rstrip("s")) > options["stop_within"]
    assert f":{options['metrics'].rpartition(':')[2]}/readyz" in service["healthcheck"]["test"][-1]


def test_compose_opens_nothing_to_the_network(services: dict[str, Any]) -> None:
    """Ports are published on loopback; images have versions; whatever runs on is watched and comes back."""
    for name, service in services.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        assert "build" in service or re.search(r":\d+\.\d+", service["image"]), name
        assert "healthcheck" in service or name == "topics"
        for other in service.get("depends_on", {}):
            assert other in services


def test_secrets_come_from_the_environment() -> None:
    """None stands in a file, and without one nothing starts."""
    text = (DEPLOY / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w*PASSWORD\w*)(:\?[^}]+)?\}", text))
    assert all(required for _, required in used)
    given = re.findall(r"^(\w+)=(.*)$", (DEPLOY / "example.env").read_text(), re.M)
    assert {name for name, _ in used} == {name for name, _ in given if "PASSWORD" in name}
    for name, value in (*given, *re.findall(r"^(\w+)=(.*)$", (DEPLOY / "lifeline.env").read_text(), re.M)):
        assert not value or "PASSWORD" not in name
    for line in re.findall(r"PASSWORD\w*: (.+)$", text, re.M):
        assert line.startswith("${")
    users = ElementTree.parse(DEPLOY / "clickhouse/grafana.xml")
    assert [(user.get("from_env"), user.text) for user in users.iter("password")] == [
        ("GRAFANA_CLICKHOUSE_PASSWORD", None)
    ]
    source = yaml.safe_load((DEPLOY / "grafana/datasources/clickhouse.yaml").read_text())["datasources"][0]
    assert source["secureJsonData"] == {"password": "$GRAFANA_CLICKHOUSE_PASSWORD"}


@pytest.mark.parametrize("key", ["ExecStart", "ExecStartPre"])
def test_the_unit_runs_the_command(key: str) -> None:
    """Every option exists; state lies in the unit's own folder; it is killed only after the engine's own deadline."""
    program, *arguments = unit()[key].removeprefix("-").split()
    assert program.endswith("/lifeline")
    options = parsed(arguments)
    assert str(options["recovery"]).startswith("/var/lib/lifeline/")
    if key == "ExecStart":
        assert float(unit()["TimeoutStopSec"]) > options["stop_within"]
        for name in re.findall(r"\$\{(\w+)\}", unit()[key]):
            assert re.search(rf"^{name}=.", (DEPLOY / "lifeline.env").read_text(), re.M)


def test_the_image_is_made_of_the_lock() -> None:
    """Hashes are asked for; the wheel brings no dependency of its own choice; what is copied is let through."""
    text = (DEPLOY / "Dockerfile").read_text()
    installs = re.findall(r"pip install(.*?)(?:&&|$)", text.replace("\\\n", " "), re.M)
    assert ["--require-hashes" in line or "--no-deps" in line for line in installs] == [True, True]
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text()
    assert "\n*\n" in let_through
    for source in re.findall(r"^COPY (\S+)", text, re.M):
        assert f"!{source.replace('lifeline-*', '*')}\n" in let_through
    assert re.search(r"^USER \d+$", text, re.M)
