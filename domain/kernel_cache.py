"""Where numba keeps machine code between runs: a folder of ours, anew for every version of the kernels.

numba looks only at the file in which a kernel stands, not at those whose functions it calls. So the folder is named
after the sources of all kernels. Call `use_kernel_cache` before anything imports numba.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Final

__all__ = ["FOLDERS", "use_kernel_cache"]

#: The import packages that hold kernels.
FOLDERS: Final = ("detectors", "operators", "simulators", "sinks", "sources")


def use_kernel_cache(parent: Path | None = None) -> Path:
    """Point numba to its cache, unless NUMBA_CACHE_DIR says where.

    Parameters
    ----------
    parent
        Folder of all versions; by default `lifeline/numba` in the user's cache directory.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if parent is None:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lifeline" / "numba"
    root = Path(__file__).resolve().parent.parent
    digest = sha256()
    for source in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
        code = source.read_bytes()
        if b"njit" in code:
            digest.update(code)
    folder = parent / digest.hexdigest()[:12]
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder
