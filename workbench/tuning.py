"""Search a detector's parameters for few false pages and short delays, and see what holds on recordings held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from domain.errors import ConfigError, Problem
from workbench.result import RecordScore, false_per_sensor_year
from workbench.space import Axis, suggest

__all__ = ["Figures", "Objective", "Trial", "Tuned", "tune"]

Evaluate = Callable[[Mapping[str, Any]], Sequence[RecordScore]]


class Objective(StrEnum):
    """What is best among parameters that keep false pages under the ceiling."""

    DELAY = "delay"  # least mean delay; an event that is missed counts as long as the longest recording
    HITS = "hits"  # most events found; of equals, the least mean delay of those found


@dataclass(frozen=True, slots=True)
class Figures:
    """What alarms did over some recordings."""

    events: int
    found: int
    delay: float  # mean over the events found, s; NaN without any
    missed_delay: float  # mean over all events, s, a missed one counting as the longest recording; 0 without events
    false: int
    false_per_year: float  # per sensor

    @classmethod
    def of(cls, records: Iterable[RecordScore]) -> Figures:
        """Summed over recordings."""
        # A page that was sent outside every event is false, though the alarm may have lasted into one.
        records = [replace(record, false=record.false + record.early) for record in records]
        delays = [delay for record in records for delay in record.delays]
        events = sum(record.events for record in records)
        longest = max((record.sensor_days * 86400 for record in records), default=0.0)
        missed = events - len(delays)
        return cls(
            events,
            len(delays),
            sum(delays) / len(delays) if delays else float("nan"),
            (sum(delays) + missed * longest) / events if events else 0.0,
            sum(record.false for record in records),
            false_per_sensor_year(records),
        )

    def loss(self, objective: Objective) -> tuple[float, float]:
        """What is to be made small: first and, of equals, second."""
        if objective is Objective.HITS:
            return float(self.events - self.found), self.delay if self.found else float("inf")
        return self.missed_delay, 0.0


@dataclass(frozen=True)
class Trial:
    """One set of parameters and what it did on each recording."""

    number: int
    params: Mapping[str, Any]
    records: tuple[RecordScore, ...]

    def figures(self, without: Callable[[int], bool] = lambda i: False) -> Figures:
        """Over all recordings but those whose numbers are left out."""
        return Figures.of(record for i, record in enumerate(self.records) if not without(i))


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    trials
        All that were tried; the first has the parameters that the search began with.
    best
        The best under the ceiling, over all recordings; where none stays under it, the one with the fewest false pages.
    held_out
        What parameters that were chosen on the other folds did on each fold, summed; None where there were too few
        recordings for folds.
    """

    trials: tuple[Trial, ...]
    best: Trial
    objective: Objective
    ceiling: float
    held_out: Figures | None

    @property
    def front(self) -> list[Trial]:
        """Trials that no other beats in both false pages and the objective, by false pages."""
        ordered = sorted(self.trials, key=lambda trial: (trial.figures().false_per_year, _loss(trial, self.objective)))
        found: list[Trial] = []
        for trial in ordered:
            if not found or _loss(trial, self.objective) < _loss(found[-1], self.objective):
                found.append(trial)
        return found


def tune(
    evaluate: Evaluate,
    axes: Sequence[Axis],
    *,
    objective: Objective = Objective.DELAY,
    ceiling: float = 0.1,
    trials: int = 50,
    folds: int = 4,
    seed: int = 1,
    progress: Callable[[Trial], None] = lambda trial: None,
) -> Tuned:
    """Search parameters with Optuna's tree-structured Parzen estimator, on two objectives: loss and false pages.

    Each trial is run over all recordings once. For the held-out figures the choice (not the search) is made anew
    for each fold without its recordings; the search has seen them, so these figures are still a little too good.

    Parameters
    ----------
    evaluate
        Scores parameters on every recording, always in the same order; a ConfigError marks parameters that do not fit
        together, which are passed over.
    axes
        What is searched, from `workbench.space.space`.
    ceiling
        False pages per sensor and year that are bearable.
    trials
        How many sets of parameters are tried, the present ones among them.
    folds
        Into how many parts the recordings are dealt.
    seed
        Of the search: the same seed finds the same.
    progress
        Told of every trial.

    Raises ConfigError where the present parameters cannot be scored, or nothing is left to search.

    References
    ----------
    Ozaki, Tanigaki, Watanabe, Onishi, Multiobjective tree-structured Parzen estimator for computationally expensive
    optimization problems, GECCO 2020.
    """
    import optuna  # here, because it takes most of a second

    if not axes:
        raise ConfigError([Problem("", "", "search", "expected parameters to search, there are none with a value")])
    done: list[Trial] = []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(2, trials // 4)))
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    study.enqueue_trial({axis.name: axis.base for axis in axes})

    def run(trial: Any) -> tuple[float, float]:
        params = suggest(trial, axes)
        try:
            records = tuple(evaluate(params))
        except ConfigError:
            if not done:
                raise
            raise optuna.TrialPruned from None
        if not records:
            raise ConfigError([Problem("", "", "tune", "expected scores of recordings, this set gives none")])
        one = Trial(trial.number, params, records)
        done.append(one)
        progress(one)
        figures = one.figures()
        first, second = figures.loss(objective)
        # The second counts among equals only: it is brought under the step of the first.
        return first + (second / (1 + second) if second != float("inf") else 1.0), figures.false_per_year

    study.optimize(run, n_trials=trials)
    best = _best(done, objective, ceiling)
    return Tuned(tuple(done), best, objective, ceiling, _held_out(done, objective, ceiling, folds))


def _loss(trial: Trial, objective: Objective) -> tuple[float, float]:
    return trial.figures().loss(objective)


def _best(
    trials: Sequence[Trial], objective: Objective, ceiling: float, without: Callable[[int], bool] = lambda i: False
) -> Trial:
    """The least loss under the ceiling; of equals the fewest false pages, then the one nearest to the start."""

    def key(trial: Trial) -> tuple[Any, ...]:
        figures = trial.figures(without)
        over = figures.false_per_year > ceiling
        rate = figures.false_per_year
        return (over, rate if over else 0.0, figures.loss(objective), rate, trial.number)

    return min(trials, key=key)


def _held_out(trials: Sequence[Trial], objective: Objective, ceiling: float, folds: int) -> Figures | None:
    count = len(trials[0].records)
    folds = min(folds, count)
    if folds < 2:
        return None
    held: list[RecordScore] = []
    for fold in range(folds):
        chosen = _best(trials, objective, ceiling, lambda i, fold=fold: i % folds == fold)  # type: ignore[misc]
        held += [record for i, record in enumerate(chosen.records) if i % folds == fold]
    return Figures.of(held)
