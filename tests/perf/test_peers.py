"""Every peer does the same job: otherwise its time says nothing."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from perf.jobs import JOBS, ORACLE, PEERS
from perf.peers import python_loop
from perf.peers.job import Job, Result, differences, make_input

OTHERS = [peer for peer in PEERS if peer != ORACLE]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_input(40_000, tmp_path_factory.mktemp("jobs"), sensors=100)


def outcome(peer: str, path: Path, job: Job) -> Result:
    try:
        module = importlib.import_module(f"perf.peers.{peer}")
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    result: Result = module.result(module.run(path, job))
    return result


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("peer", OTHERS)
def test_a_peer_gives_the_rows_of_the_plain_loop(peer: str, job: Job, readings: Path) -> None:
    """Late readings, the first readings of a sensor, and spikes included: the input has some of each."""
    expected = outcome(ORACLE, readings, job)
    assert expected.windows["count"].to_numpy().sum() == 40_000
    assert expected.flags is None or expected.flags.num_rows > 0
    assert differences(outcome(peer, readings, job), expected) == []


def test_the_plain_loop_does_what_the_job_says(tmp_path: Path) -> None:
    """The oracle on an input small enough to count by hand: thirty-one readings, one of them late, then a spike."""
    values = [float(i % 2) for i in range(31)]
    rows = [(1000 * i + 500, value) for i, value in enumerate(values)]
    rows.insert(20, (19_900, -5.0))  # after the reading of 19.5 s: counts and is learned
    rows.append((29_800, 99.0))  # late: it counts in second 29 and is not learned
    rows.append((31_500, 50.0))
    path = tmp_path / "readings.jsonl"
    path.write_text("".join(f'{{"sensor":"A","ts":{ts},"value":{value}}}\n' for ts, value in rows))
    result = outcome(ORACLE, path, "D")
    by_second = {row["second"]: row for row in result.windows.to_pylist()}
    assert len(by_second) == 32
    assert by_second[19] == {
        "sensor": "A", "second": 19, "count": 2, "min": -5.0, "max": 1.0, "mean": -2.0, "last": -5.0
    }  # fmt: skip
    assert by_second[29] == {
        "sensor": "A", "second": 29, "count": 2, "min": 1.0, "max": 99.0, "mean": 50.0, "last": 99.0
    }  # fmt: skip
    assert result.flags is not None
    assert [(row["ts"], row["value"]) for row in result.flags.to_pylist()] == [(31_500, 50.0)]


def test_differences_are_found(readings: Path) -> None:
    """A comparison that lets everything pass would prove nothing."""
    windows, flags = python_loop.run(readings, "D")
    assert flags
    right = python_loop.result((windows, flags))
    assert "flags" in differences(python_loop.result((windows, flags[1:])), right)[0]
    windows[next(iter(windows))][1] -= 1e-9
    assert differences(python_loop.result((windows, flags)), right)[0].startswith("windows.min: 1 rows differ")
    assert differences(python_loop.result((windows, None)), right)[-1] == "flags: only one of the two has any"
