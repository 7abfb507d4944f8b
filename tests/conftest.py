"""Settings of all tests: where compiled kernels are kept, and how hypothesis searches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

from domain.kernel_cache import use_kernel_cache

if TYPE_CHECKING:
    from tests.hour import Hour

ROOT = Path(__file__).parents[1]

# Before the first import of numba, which reads it once.
use_kernel_cache(ROOT / "build/cache/numba")

set_hypothesis_home_dir(ROOT / "build/cache/hypothesis")
# A first call may compile a kernel, so no test has a deadline; pytest's timeout bounds them all.
dev = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50, print_blob=True)
settings.register_profile("dev", dev)
settings.register_profile("ci", dev, derandomize=True, database=None)
settings.register_profile("thorough", dev, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests of the shared embedded directory come last: while it is open, a process can open no other.

    Those in tests/flows open one after the other. Files stay whole, since two processes share them out by the file.
    """
    flows = ROOT / "tests" / "flows"
    shared = {item.path for item in items if "directory" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path in shared and flows not in item.path.parents)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One embedded directory for all tests of a process, since chdb opens no second beside it."""
    return tmp_path_factory.mktemp("chdb") / "clickhouse"


@pytest.fixture(scope="session")
def engine(directory: Path) -> Iterator[Client]:
    """Keeps the engine of that directory up between tests."""
    from sinks.clickhouse.client import connect

    client = connect(f"chdb://{directory}?database=default")
    yield client
    client.close()


@pytest.fixture(scope="session")
def hour(directory: Path, engine: Client) -> Iterator[Hour]:
    """An hour of a part of Bozhou in that directory, for whoever looks at what is stored."""
    from tests.hour import an_hour

    with an_hour(directory) as hour:
        yield hour
