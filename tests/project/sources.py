"""The project's own Python files, parsed, for tests that check how the code is built."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: What each folder may import of ours, as docs/design.md has it. `perf` and `tests` are read by no folder.
EVERY = frozenset(
    {
        *("domain", "detectors", "operators", "sources", "sinks", "simulators"),
        *("workbench", "reports", "console", "flows", "cities"),
    }
)
ALLOWED = {
    "domain": frozenset(),
    "cities": frozenset(),
    "detectors": frozenset({"domain"}),
    "operators": frozenset({"domain", "detectors"}),
    "sources": frozenset({"domain"}),
    "sinks": frozenset({"domain"}),
    "simulators": frozenset({"domain"}),
    "workbench": EVERY - {"reports", "console", "flows"},
    "reports": frozenset({"domain", "sinks"}),
    "flows": EVERY,
    "console": frozenset({"domain", "sinks", "sources"}),
}


def modules(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of a folder, by its path in the checkout."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(), str(path))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and top-level name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]
