"""Errors come whole from one process to another."""

from __future__ import annotations

import pickle

from domain.errors import ConfigError, Problem, SinkError


def test_through_a_pickle():
    """A worker's error says in its parent what it said there."""
    error = ConfigError([Problem("city.toml", "level", "rank", "expected a number")])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.problems) == (ConfigError, str(error), error.problems)
    assert str(pickle.loads(pickle.dumps(SinkError("away", 3.0)))) == "away"
