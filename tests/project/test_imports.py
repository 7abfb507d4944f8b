"""Data flows one way, so imports do too; and what is imported is declared."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.project.sources import ALLOWED, EVERY, ROOT, imported, modules

OURS = EVERY | {"perf", "tests"}


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_a_folder_imports_only_what_lies_before_it(folder: str) -> None:
    """An import against the direction of data would tie the house into a knot."""
    allowed = ALLOWED[folder] | {folder}
    wrong = [
        f"{path}:{line} imports {name}"
        for path, tree in modules(folder)
        for line, name in imported(tree)
        if name in OURS and name not in allowed
    ]
    assert not wrong, f"{folder} may import {', '.join(sorted(allowed))} of ours"


def test_every_folder_of_the_wheel_has_a_rule() -> None:
    """A new package is added to the table of directions when it is added to the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]) <= set(ALLOWED)


def test_detectors_are_pure() -> None:
    """Detectors run in notebooks and backtests: no engine, no database, no network, no clock."""
    refused = {"bytewax", "chdb", "clickhouse_connect", "confluent_kafka", "socket", "time", "urllib3"}
    found = [
        f"{path}:{line} imports {name}"
        for path, tree in modules("detectors")
        for line, name in imported(tree)
        if name in refused
    ]
    assert not found


def test_what_is_imported_is_declared() -> None:
    """A dependency that only comes along with another one disappears with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(re.split(r"[<>=!~;\[ ]", requirement)[0]) for requirement in project["dependencies"]}
    distributions = packages_distributions()
    missing = {
        f"{name} ({path}:{line})"
        for folder in ALLOWED
        for path, tree in modules(folder)
        for line, name in imported(tree)
        if name not in OURS
        and name not in sys.stdlib_module_names
        and not declared & {normal(distribution) for distribution in distributions.get(name, [name])}
    }
    assert not missing, "not in pyproject.toml's dependencies"


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
