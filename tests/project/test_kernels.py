"""How numba kernels are declared."""

from __future__ import annotations

import ast

import pytest

from tests.project.sources import ALLOWED, modules

COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc", "jitclass"}


def declarations(tree: ast.Module) -> list[tuple[ast.FunctionDef | ast.ClassDef, str, dict[str, object], bool]]:
    """Every compiled function: its node, compiler, keyword arguments, and whether it stands at module level."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            name = call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "")
            if name in COMPILERS:
                keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
                options = {k.arg or "**": getattr(k.value, "value", "not a literal") for k in keywords}
                found.append((node, name, options, node in tree.body))
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_kernels_are_declared_alike(folder: str) -> None:
    """Threads run side by side only without the GIL; a fresh process must not compile again; and with fastmath NaN,
    which marks gaps, may vanish. Kernels stand at module level (a closure is compiled anew each time); no jitclass.
    """
    wrong = []
    for path, tree in modules(folder):
        for node, compiler, options, top in declarations(tree):
            where = f"{path}:{node.lineno} {node.name}"
            if compiler == "jitclass":
                wrong.append(f"{where}: a jitclass; use a structured array")
                continue
            if options.get("nogil") is not True and compiler in {"njit", "jit"}:
                wrong.append(f"{where}: expected nogil=True")
            if options.get("cache") is not True:
                wrong.append(f"{where}: expected cache=True")
            if options.get("fastmath", False) is not False:
                wrong.append(f"{where}: fastmath")
            if not top:
                wrong.append(f"{where}: not at module level")
    assert not wrong
