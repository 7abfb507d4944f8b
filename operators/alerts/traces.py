"""The readings that alerts carry: those which findings bring along, joined and thinned out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from domain.clock import MINUTE
from domain.findings import Finding, Phase
from domain.traces import Trace, thinned
from operators.alerts.signs import Case

__all__ = ["CARRIED", "LEAD", "Traces"]

#: So many signs of an alert show their readings, in the order in which they joined: the first is its cause.
CARRIED: Final = 5

#: The full readings are named from so long before the onset: what a sensor usually reads says as much as the onset, ns.
LEAD: Final = 10 * MINUTE

#: Of so many findings the readings are remembered until an alert asks for them: those that were heard of last.
REMEMBERED: Final = 4096

Key = tuple[str, str]  # sensor and monitor


class Traces:
    """Remembers what findings brought along; `state` is all of it."""

    def __init__(self) -> None:
        self.state: dict[Key, Trace | Finding] = {}  # most findings become no alert: they are kept as they came

    def note(self, finding: Finding) -> None:
        """A finding began or changed."""
        if finding.phase is Phase.END:
            return
        key = (finding.sensor, finding.monitor)
        before = self.state.pop(key, None)
        if before is not None and before.onset == finding.onset:
            self.state[key] = _trace(finding, _seen(before))
        else:
            self.state[key] = finding
        if len(self.state) > REMEMBERED:
            del self.state[next(iter(self.state))]

    def of(self, case: Case, before: tuple[Trace, ...]) -> tuple[Trace, ...]:
        """Those of a case's first signs; `before` are those that it had."""
        known = {(trace.sensor, trace.monitor): trace for trace in before}
        found: list[Trace] = []
        for sign in case.signs.values():
            if len(found) == CARRIED:
                break
            key = (sign.source, sign.by)
            fresh = self.state.get(key)
            trace = _seen(fresh) if fresh is not None and fresh.onset == sign.onset else known.get(key)
            if trace is not None:
                found.append(trace)
        return tuple(found)


def _seen(found: Trace | Finding) -> Trace:
    return _trace(found, None) if isinstance(found, Finding) else found


def _trace(finding: Finding, before: Trace | None) -> Trace:
    ts, value = (column.tolist() for column in finding.samples.columns())
    readings = dict(zip(before.ts, before.values, strict=True)) if before else {}
    readings |= dict(zip(ts, value, strict=True))
    times = sorted(readings)
    some, values = thinned(times, [readings[at] for at in times])
    trace = Trace(
        finding.sensor, finding.monitor, finding.detector, finding.config, finding.onset,
        finding.onset - LEAD, finding.ts, finding.score, finding.threshold, finding.value, finding.baseline,
        finding.reason, tuple(some), tuple(values),
    )  # fmt: skip
    return replace(trace, since=min(trace.since, *times)) if times else trace
