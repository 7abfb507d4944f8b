"""Whose alert it is, where the city's policy says otherwise than its monitors and its registry."""

from __future__ import annotations

from domain.city import City
from domain.findings import Alert
from domain.policy import Route

__all__ = ["Owners"]


class Owners:
    """Knows the routes of a city's policy."""

    def __init__(self, city: City) -> None:
        self._assets, self._routes = city.assets, city.policy.routes

    def of(self, alert: Alert) -> str:
        """The unit of the first route that fits an alert; its own, where none does."""
        return next((route.unit for route in self._routes if self._fits(route, alert)), alert.owner)

    def _fits(self, route: Route, alert: Alert) -> bool:
        asset = self._assets.get(alert.asset)
        return (
            (not route.kinds or alert.kind in route.kinds)
            and (not route.zones or alert.zone in route.zones)
            and (not route.assets or alert.asset in route.assets)
            and (not route.asset_kinds or (asset is not None and asset.kind in route.asset_kinds))
        )
