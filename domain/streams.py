"""What a source of records is to the engine. Implementations live in `sources/` and `simulators/`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from domain.records import Columns, RawBatch

__all__ = ["Partition", "Source", "batches"]


class Partition(ABC):
    """One ordered part of a stream, read from one place by one worker.

    Attributes
    ----------
    prompt
        Whether it tells what happens as it happens and may have nothing to tell for days: nothing late is waited for,
        and that it is silent says nothing.
    most
        More messages are not wanted in one poll, as whoever reads says; a source may do as it likes.
    """

    prompt: bool = False
    most: int = 2**31

    @abstractmethod
    def poll(self) -> RawBatch | Columns | None:
        """The next messages, in offset order; None when there are none now. Never blocks for long.

        Raises StopIteration when the stream has ended for good, SourceError when it cannot be read.
        """

    @property
    @abstractmethod
    def caught_up(self) -> bool:
        """Whether everything that the partition holds now has been polled: only then may recorded time tick on."""

    @property
    def unheard(self) -> int:
        """How long ago, ns, that was last known to be so: whoever is cut off from a stream sees nothing new either."""
        return 0

    @property
    def clock(self) -> Callable[[], int] | None:
        """Tells the recorded time, ns, that it has come to while it is caught up; None: the stream's own clock does."""
        return None

    @property
    def backlog(self) -> int | None:
        """Messages that wait to be polled, as far as that is known without asking anybody."""
        return None

    @abstractmethod
    def snapshot(self) -> Any:
        """Where to go on after a restart; small and picklable."""

    def close(self) -> None:  # noqa: B027 - most partitions hold nothing open
        """Release what is held open."""


class Source(ABC):
    """A stream in partitions, opened anew or at a snapshot.

    Attributes
    ----------
    gapless
        Whether a partition's offsets follow one another, so that a missing one is worth an alert.
    beginning
        The snapshot of a partition of which nothing was read, wherever else others begin.
    """

    gapless: bool = False
    beginning: Any = 0

    @abstractmethod
    def partitions(self) -> Sequence[str]:
        """Names of all partitions, in an order that does not change while the engine runs."""

    def refresh(self) -> Sequence[str]:
        """Names of all partitions as they are now; may be called while others read. Raises SourceError."""
        return self.partitions()

    @property
    def identity(self) -> str:
        """What sets this stream apart from others, and stays as it is when partitions are added."""
        return "\n".join(self.partitions())

    @abstractmethod
    def open(self, partition: str, resume: Any | None) -> Partition:
        """Open one partition, at `resume` (what its `snapshot` returned) or at its start."""


def batches(partition: Partition) -> Iterator[RawBatch | Columns]:
    """Poll a partition to the end of its stream, without a pause: of a recording or a simulation, not of what is live.

    Raises SourceError when it cannot be read.
    """
    while True:
        try:
            batch = partition.poll()
        except StopIteration:
            return
        if batch is not None:
            yield batch
