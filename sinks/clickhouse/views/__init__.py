"""Views made for dashboards and reports: what each says is written in docs/views.md.

They are computed when they are asked for, from what is stored, so they hold for a replay as for a live city: "now" is
the city's own clock, the latest second of which a reading is stored, and days and nights are those of the city's time
zone. What is not known is NULL.
"""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.views import alerts, cases, commands, networks, sensors, zones

__all__ = ["LATER", "VIEWS"]

#: In the order in which they are made: a view stands after those that it reads.
VIEWS: Final = (*alerts.VIEWS, *sensors.VIEWS, *networks.VIEWS, *zones.VIEWS, *cases.VIEWS)

#: What version 7 puts in the place of some, and adds.
LATER: Final = (*alerts.LATER, *cases.LATER, *commands.LATER)
