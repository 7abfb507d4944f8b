"""Runs a notebook's cells in one namespace, as a kernel would, without needing one.

`python -m tests.workbench.notebooks` runs the notebooks of the project and keeps their outputs in them.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "notebooks"


def run(path: Path) -> dict[str, Any]:
    """The notebook with fresh outputs; the first error in a cell is raised."""
    book: dict[str, Any] = json.loads(path.read_text())
    space: dict[str, Any] = {"__name__": "__main__"}
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        for number, cell in enumerate(book["cells"], 1):
            if cell["cell_type"] == "code":
                cell["outputs"] = _outputs("".join(cell["source"]), f"{path.name}, cell {number}", space)
                cell["execution_count"] = None
    finally:
        os.chdir(before)
    return book


def _outputs(source: str, name: str, space: dict[str, Any]) -> list[dict[str, Any]]:
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    said = io.StringIO()
    value = None
    with contextlib.redirect_stdout(said):
        exec(compile(tree, name, "exec"), space)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), space)
    outputs: list[dict[str, Any]] = []
    if said.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": said.getvalue().splitlines(True)})
    if value is not None:
        outputs.append({"output_type": "display_data", "metadata": {}, "data": _shown(value)})
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(True)}
    if hasattr(value, "savefig"):
        image = io.BytesIO()
        value.savefig(image, format="png", dpi=70)
        data = {"image/png": base64.b64encode(image.getvalue()).decode(), "text/plain": ["<figure>"]}
    return data


if __name__ == "__main__":
    for notebook in sorted(FOLDER.glob("*.ipynb")):
        notebook.write_text(json.dumps(run(notebook), indent=1, ensure_ascii=False) + "\n")
