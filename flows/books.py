"""The books of a run: where every reading that was decoded has gone."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter

from domain import metrics

__all__ = ["Books"]


@dataclass(frozen=True, slots=True)
class Books:
    """Readings counted by this process; `later - earlier` is what happened in between."""

    decoded: int
    repeats: int  # dropped: the sensor's time was there already
    late: int  # in the late table
    refused: int  # dead letters, as from the future

    @classmethod
    def now(cls) -> Books:
        """As the metrics stand."""
        return cls(
            _total(metrics.READINGS),
            _total(metrics.DUPLICATES),
            _total(metrics.LATE_ROWS),
            _total(metrics.DEAD_LETTERS, reason="from-the-future"),
        )

    def __sub__(self, other: Books) -> Books:
        return Books(
            self.decoded - other.decoded,
            self.repeats - other.repeats,
            self.late - other.late,
            self.refused - other.refused,
        )

    @property
    def stored(self) -> int:
        """Readings that should stand in the database.

        >>> Books(decoded=10, repeats=2, late=1, refused=1).stored
        6
        """
        return self.decoded - self.repeats - self.late - self.refused


def _total(counter: Counter, **labels: str) -> int:
    samples = (sample for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total"))
    return int(sum(s.value for s in samples if labels.items() <= s.labels.items()))
