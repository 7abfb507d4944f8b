"""All that a correlator remembers."""

from __future__ import annotations

from collections import deque

from operators.alerts.places import Index
from operators.alerts.signs import Case, Sign
from operators.alerts.timing import Timers

__all__ = ["State"]


class State:
    """Signs, open cases, and what else there is to know when a case is weighed."""

    def __init__(self) -> None:
        self.timers: Timers[tuple[str, str]] = Timers()  # (source, by) of a sign, or (sensor, "") of a fault
        self.signs: dict[str, dict[str, Sign]] = {}  # by source, then by monitor or type
        self.faults: dict[str, tuple[frozenset[str], int]] = {}  # by sensor: monitors, and mistrusted until
        self.wary: dict[str, int] = {}  # by sensor: until when it is believed only after more than one reading
        self.open: Index[Case] = Index()
        self.waiting: Index[Sign] = Index()
        self.waves: dict[int, Case] = {}  # open cases with arrivals of a pressure wave, by number
        self.rested: Index[Case] = Index()  # closed not long ago
        self.rested_until: deque[tuple[int, Case]] = deque()
        self.changed: dict[Case, None] = {}
        self.cases = 0
        self.weather: dict[str, tuple[int, int]] = {}  # by rain gauge: onset and end of its latest rain, ns
        self.seen: dict[str, int] = {}  # when each camera was last heard of, ns
