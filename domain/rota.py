"""Who is on duty at a desk at a time, by its weekly table and the clocks of the city."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.city import City
from domain.clock import MINUTE, SECOND
from domain.policy import Desk, Shift

__all__ = ["Rota"]


#: In minutes, and an hour more where clocks are put back.
_WEEK = (7 * 24 + 1) * 60


class Rota:
    """Knows the shifts of a city's desks."""

    def __init__(self, city: City) -> None:
        self._zone = ZoneInfo(city.timezone or "UTC")
        self._desks = {desk.name: desk for desk in city.policy.desks}
        self._shifts = {shift.name: shift for desk in city.policy.desks for shift in desk.shift}

    def on_duty(self, desk: str, ts: int) -> tuple[Shift, ...]:
        """The shifts that are on at a desk at a time (ns), in the order of the file."""
        known = self._desks.get(desk)
        return _on(known, self._zone, ts // MINUTE) if known else ()

    def attended(self, desk: str, ts: int) -> bool:
        """Whether anybody is there; a desk without shifts always is."""
        known = self._desks.get(desk)
        return known is not None and (not known.shift or bool(self.on_duty(desk, ts)))

    def next_attended(self, desk: str, ts: int) -> int:
        """The first whole minute after a time at which somebody is there, ns; the next, should nobody be for a week."""
        minutes = range(ts // MINUTE + 1, ts // MINUTE + _WEEK + 1)
        found = (minute for minute in minutes if self.attended(desk, minute * MINUTE))
        return next(found, minutes[0]) * MINUTE

    def is_on(self, shifts: tuple[str, ...], ts: int) -> bool:
        """Whether one of the shifts of these names is on at a time, ns."""
        weekday, minute = _local(self._zone, ts // MINUTE)
        return any(self._shifts[name].covers(weekday, minute) for name in shifts if name in self._shifts)


@lru_cache(4096)
def _on(desk: Desk, zone: ZoneInfo, minute: int) -> tuple[Shift, ...]:
    local = _local(zone, minute)
    return tuple(shift for shift in desk.shift if shift.covers(*local))


def _local(zone: ZoneInfo, minute: int) -> tuple[int, int]:
    """Day of the week and minute of the day, by the clocks of a zone, at a minute since 1970 UTC."""
    at = datetime.fromtimestamp(minute * (MINUTE // SECOND), zone)
    return at.weekday(), at.hour * 60 + at.minute
