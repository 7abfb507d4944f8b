"""The wheel: what is in it, and that it works outside the checkout."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.project.sources import EVERY, ROOT


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run without what this test run's environment would lend."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    run(sys.executable, "-c", build, folder, cwd=ROOT)
    (found,) = folder.glob("lifeline-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, which borrows the dependencies installed here.

    A path that a .pth file adds is not searched for .pth files of its own, so the checkout's editable install stays
    out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return python


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Tests and benchmarks stay at home; the cities' data comes along."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == set(EVERY)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))]
    here = {
        path.relative_to(ROOT).as_posix()
        for folder in EVERY
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".toml", ".csv", ".sql"}
    }
    assert here <= set(names)
    assert any(name.startswith("cities/") and name.endswith(".toml") for name in names)


def test_the_wheel_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    """The command runs, its packages are the wheel's, and it finds the cities that it ships."""
    where = "import domain, flows.cli; print(domain.__file__); print(flows.cli.__file__)"
    for line in run(installed, "-c", where, cwd=tmp_path).stdout.splitlines():
        assert Path(line).is_relative_to(installed.parents[1])
    assert "Usage" in run(installed.parent / "lifeline", "--help", cwd=tmp_path).stdout
    run(installed.parent / "lifeline", "check", "skab", cwd=tmp_path)
