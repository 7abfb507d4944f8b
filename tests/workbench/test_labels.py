"""Labels of recordings: read from columns or names, and set beside alerts."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path

from domain.clock import SECOND
from domain.recording import RecordingFormat
from tests.flows.test_matching import ALERT
from workbench.labels import Event, events_of, score

T0 = 1_764_000_000 * SECOND  # 2025-11-24 16:00:00 UTC
FORM = RecordingFormat("time", {"v": "S"}, labels=("anomaly",))
ROWS = "time,v,anomaly\n" + "".join(
    f"2025-11-24 16:00:{s:02d},1.0,{1.0 if s in (3, 4, 9) else 0.0}\n" for s in range(10)
)


def test_runs_of_a_label_are_events(tmp_path: Path) -> None:
    """From the first to the last marked row of each run; also at the end of the file, and in any packing."""
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_text(ROWS)
    packed.write_bytes(gzip.compress(ROWS.encode()))
    expected = [Event(T0 + 3 * SECOND, T0 + 4 * SECOND, "anomaly"), Event(T0 + 9 * SECOND, T0 + 9 * SECOND, "anomaly")]
    assert events_of(plain, FORM) == expected
    assert events_of(packed, FORM) == expected
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__MACOSX/._a.csv", "rubbish")
        file.writestr("a.csv", ROWS)
        file.writestr("b.csv", ROWS)
    assert events_of(archive, FORM) == [*expected, *expected]


def test_a_files_name_may_be_the_label() -> None:
    """A pattern that fits makes the whole record an event; else there is none; without labels nothing is known."""
    form = RecordingFormat("time", {"v": "S"}, events={"*lowering*": "support lowered"})
    found = events_of(Path("x_lowering_01.csv"), form)
    assert found is not None
    assert [event.name for event in found] == ["support lowered"]
    told = score(found, [replace(ALERT, raised=T0, cleared=0)])
    assert (told.found, told.delays) == (1, ()), "nobody knows when it began"
    assert events_of(Path("x_load_01.csv"), form) == []
    assert events_of(Path("x.csv"), RecordingFormat("time", {"v": "S"})) is None


def test_alerts_beside_events() -> None:
    """Found when an alert is active during the event, also one raised before; the rest is outside."""
    events = [Event(T0 + 10 * SECOND, T0 + 20 * SECOND, "e"), Event(T0 + 50 * SECOND, T0 + 60 * SECOND, "e")]
    inside = replace(ALERT, raised=T0 + 12 * SECOND, cleared=T0 + 15 * SECOND)
    before = replace(ALERT, raised=T0 + 30 * SECOND, cleared=T0 + 55 * SECOND)
    outside = replace(ALERT, raised=T0 + 70 * SECOND, cleared=0)
    found = score(events, [inside, before, outside])
    assert (found.events, found.found, found.delays, found.outside) == (2, 2, (2.0, 0.0), 1)
