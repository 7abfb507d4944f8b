"""What may stand in the files of the project, and what its locks must hold."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from tests.project.sources import ROOT
from tests.project.test_imports import normal

#: Places that exist on one machine only, and addresses of package indexes (an index is each installation's own choice).
FORBIDDEN = {
    "path of one machine": re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+|Users/\w+|opt/wheels)/"),
    "package index": re.compile(r"(?:pypi|pythonhosted|test\.pypi|anaconda|npmjs|crates)\.(?:org|com|io)\b"),
    "index option": re.compile(r"(?<![\w-])-{2}(?:(?:extra-)?index-url|find-links)"),
}


def tracked() -> list[str]:
    """Files that git keeps, or would keep at the next commit."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [name for name in listing if (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_an_index() -> None:
    """A fresh clone must work anywhere, with whatever index its owner uses."""
    found = []
    for name in tracked():
        data = (ROOT / name).read_bytes()
        if b"\0" in data:
            continue
        for line, text in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            found += [f"{name}:{line}: {what}" for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert not found


def test_no_large_file_is_tracked() -> None:
    """Data sets stay outside; what is generated stays under build/."""
    large = [name for name in tracked() if (ROOT / name).stat().st_size > 1_000_000]
    assert not large


@pytest.mark.parametrize(("lock", "extra"), [("requirements.lock", ""), ("requirements-dev.lock", "dev")])
def test_the_locks_pin_every_dependency_with_hashes(lock: str, extra: str) -> None:
    """`make lock` must follow a change of pyproject.toml, or a fresh environment lacks what the code needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    text = (ROOT / lock).read_text()
    entries = re.findall(r"^([a-z0-9][\w.-]*)==\S+.*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", text, re.M)
    pinned = {normal(name) for name, _ in entries}
    assert {normal(re.split(r"[<>=!~;\[ ]", requirement)[0]) for requirement in wanted} <= pinned
    every = re.findall(r"^[a-z0-9][\w.-]*==", text, re.M)
    assert len(every) == len(entries), "an entry without hashes"
