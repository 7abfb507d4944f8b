"""A progress bar in event time, fed by the engine's own metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from domain import metrics
from flows.books import Books

__all__ = ["event_time_progress"]


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
            bar.update(task, completed=at if span else None, event=event, readings=Books.now().decoded)

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
