"""The page of promises names tests; they have to be there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.project.sources import ROOT

PAGE = (ROOT / "docs/guarantees.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda part: part)
def test_a_promise_names_a_test_that_exists(path: str, name: str) -> None:
    """A promise whose test was removed or renamed would be empty words."""
    file = ROOT / path
    assert file.is_file()
    tests = {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
    assert any(found.startswith("test_") for found in tests)
    assert not name or name in tests


def test_every_promise_names_a_test() -> None:
    """Each row of a table of promises ends with one."""
    tables = re.findall(r"^\| promise .*\n\| --- .*\n((?:\| .* \|\n)+)", PAGE, re.M)
    rows = [row.removesuffix(" |") for table in tables for row in table.splitlines()]
    assert len(rows) > 40
    assert [row for row in rows if "`tests/" not in row.rsplit(" | ", 1)[1]] == []
