"""A progress bar in event time, fed by the engine's own metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from prometheus_client import Counter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from domain import metrics

__all__ = ["event_time_progress", "readings_total"]


def readings_total() -> int:
    """Readings that this process has decoded."""
    return int(_sum(metrics.READINGS))


@contextmanager
def event_time_progress(console: Console, title: str, partitions: int, start: int, span: int | None) -> Iterator[None]:
    """Show how far the slowest partition has come, until the block ends.

    Parameters
    ----------
    start, span
        Event time of the stream's begin, and its length, ns; without a length only the readings are counted.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[event]}"),
        TextColumn("{task.fields[readings]:,} readings"),
        TimeElapsedColumn(),
    )
    # On something that is no terminal only the last state is printed.
    with Progress(*columns, console=console, refresh_per_second=4) as bar:
        task = bar.add_task(title, total=span, event="", readings=0)
        done = Event()

        def show(*, last: bool = False) -> None:
            marks = [sample.value for metric in metrics.WATERMARK.collect() for sample in metric.samples]
            at = int(min(marks) * 1e9) - start if len(marks) >= partitions else 0
            at = span if last and span else max(at, 0)
            event = f"{at / 60e9:5.1f} of {span / 60e9:.1f} min" if span else ""
            bar.update(task, completed=at if span else None, event=event, readings=readings_total())

        def watch() -> None:
            while not done.wait(0.25):
                show()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
            done.set()
            thread.join()
            show(last=True)
        finally:
            done.set()


def _sum(counter: Counter) -> float:
    return sum(s.value for metric in counter.collect() for s in metric.samples if s.name.endswith("_total"))
