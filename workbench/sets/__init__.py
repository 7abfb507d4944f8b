"""Sets of recordings with published rules, found by file: a module `<set>.py` here is enough to add one.

A module offers

    def evaluate(
        folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None
    ) -> SetResult

which runs `detector` (None: the one that the set is scored with by default) with `params` (None: its defaults) over
every recording of the set that lies in `folder`, through the kernels that run live, applies the set's rules, and
writes per-row scores under `out`: `<out>/<set>/<detector>/...` (None: nowhere; NAB has its own layout). It raises
ConfigError for a detector that cannot run on the set, SourceError where there is nothing to read.

Its docstring's first line names the set; `DEFAULT: str` names the default detector and `FOLDER: str` the set's folder
in a collection of sets. `PARAMS`, where there is one, holds what the default detector is given on this set; parameters
that a caller gives replace those of the same name.
"""

from __future__ import annotations

import difflib
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from domain.errors import ConfigError, Problem
from workbench.result import SetResult

__all__ = ["ScoredSet", "get", "names", "params_of"]


class ScoredSet(Protocol):
    """What a set's module offers."""

    DEFAULT: str
    FOLDER: str

    def evaluate(
        self, folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None
    ) -> SetResult:
        """Score a detector on the set."""


def names() -> tuple[str, ...]:
    """Names of all sets, sorted."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_")))


def get(name: str) -> ScoredSet:
    """The module of a set; raises ConfigError if there is none of that name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"expected one of {', '.join(names())}, got {name!r}.{hint}"
        raise ConfigError([Problem("", "", "set", message)])
    return cast("ScoredSet", import_module(f"workbench.sets.{name}"))


def params_of(name: str, detector: str) -> Mapping[str, Any]:
    """The parameters that a set gives a detector when the caller gives none; raises ConfigError for no such set.

    >>> params_of("skab", "recursive_pca")["index"], params_of("skab", "cusum")
    ([8.0], {})
    """
    chosen = get(name)
    return getattr(chosen, "PARAMS", {}) if detector == chosen.DEFAULT else {}
