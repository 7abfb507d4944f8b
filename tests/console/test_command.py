"""`lifeline console` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import ConfigError, SinkError
from flows.cli import app
from tests.console.conftest import PASSWORD

runner = CliRunner()


def test_users_come_and_go(tmp_path: Path) -> None:
    """The password is read, and never shown."""
    accounts = ["--accounts", str(tmp_path / "console.sqlite")]
    added = runner.invoke(
        app, ["console", "user", "add", "li.na", "--role", "engineer", *accounts], input=PASSWORD + "\n"
    )
    assert added.exit_code == 0, added.output
    assert PASSWORD not in added.output
    assert runner.invoke(app, ["console", "user", "list", *accounts]).output == "li.na\tengineer\n"
    assert runner.invoke(app, ["console", "user", "remove", "li.na", *accounts]).exit_code == 0
    assert runner.invoke(app, ["console", "user", "list", *accounts]).output == ""


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """No user, or no database: what to do about it."""
    accounts = ["--accounts", str(tmp_path / "console.sqlite")]
    with pytest.raises(ConfigError, match="lifeline console user add"):
        runner.invoke(app, ["console", *accounts], catch_exceptions=False)
    runner.invoke(app, ["console", "user", "add", "li.na", *accounts], input=PASSWORD + "\n")
    with pytest.raises(SinkError, match="no database"):
        runner.invoke(app, ["console", "--dsn", f"chdb://{tmp_path}/none", *accounts], catch_exceptions=False)
