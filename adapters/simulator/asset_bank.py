"""Storage, PV and feeders of the virtual depot together, and who forms an island's grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from adapters.simulator.grid import Said
from adapters.simulator.virtual_assets import VirtualAsset, VirtualPv, VirtualStorage
from adapters.simulator.wiring import Wiring
from models.errors import InvalidValueError
from models.events import AssetAcked, AssetMeasured, Event
from models.site import Site
from scheduler.effects import AssetSetpointSent


class AssetBank:
    """The steered assets of one site.

    Parameters
    ----------
    site : Site
    assets : sequence of VirtualStorage, VirtualPv or VirtualFeeder
    islands : sequence of (float, float)
        Stretches [from, until) without the grid, epoch seconds: the storage of the site's island
        rule forms it.
    wiring : Wiring
        Sees what they draw and give.
    said : callable
        Clocks and stamp of what is said now.

    Attributes
    ----------
    by_id : dict of str to VirtualStorage, VirtualPv or VirtualFeeder
    """

    def __init__(
        self,
        site: Site,
        assets: Sequence[VirtualAsset],
        islands: Sequence[tuple[float, float]],
        *,
        wiring: Wiring,
        said: Callable[[], Said],
    ) -> None:
        self.by_id = {a.asset.id: a for a in assets}
        self._site = site
        self._islands = tuple(islands)
        self._wiring = wiring
        self._said = said
        self._forming: VirtualStorage | None = None

    @property
    def sun_kw(self) -> float:
        """Power of all PV that is steered, kW <= 0."""
        return sum(a.power_kw for a in self.by_id.values() if isinstance(a, VirtualPv))

    def next_s(self) -> float:
        """When one next changes by itself, epoch seconds; inf: never."""
        return min((a.next_s() for a in self.by_id.values()), default=math.inf)

    def next_island_s(self, at_s: float) -> float:
        """When the connection is next lost or there again, epoch seconds; inf: never."""
        return min((t for span in self._islands for t in span if t > at_s), default=math.inf)

    def obey(self, setpoint: AssetSetpointSent, at_s: float) -> list[Event]:
        """A setpoint reaches its asset: acknowledged and obeyed at once."""
        asset = self.by_id[setpoint.asset]
        asset.advance(at_s)
        if setpoint.stamp > asset.told.stamp:
            asset.told.stamp = setpoint.stamp
            asset.told.power_kw = setpoint.power_kw
            asset.told.until_s = at_s + setpoint.lease_s
            asset.told.fallback_kw = setpoint.fallback_kw
        facts: list[Event] = [
            AssetAcked(
                **self._said(),
                asset=setpoint.asset,
                setpoint=setpoint.stamp,
                applied_kw=setpoint.power_kw,
            )
        ]
        self._settle(asset, at_s, facts)
        return facts

    def trip(self, asset: str, at_s: float, *, tripped: bool) -> list[Event]:
        """An asset fails, or is there again."""
        facts: list[Event] = []
        one = self.by_id[asset]
        one.advance(at_s)
        one.tripped = tripped
        self._settle(one, at_s, facts, report=True)
        return facts

    def pass_due(self, at_s: float, facts: list[Event]) -> None:
        """Those whose time has come change."""
        for asset in self.by_id.values():
            if asset.next_s() <= at_s:
                self._settle(asset, at_s, facts)

    def report(self, at_s: float, facts: list[Event]) -> None:
        """Every one says what it does."""
        for asset in self.by_id.values():
            self._settle(asset, at_s, facts, report=True)

    def join_or_leave(self, at_s: float, facts: list[Event]) -> None:
        """The connection is lost, or is there again."""
        away = any(begin <= at_s < end for begin, end in self._islands)
        rule = self._site.island
        if rule is None:
            raise InvalidValueError("the site has no [site.island]", where="islands")
        one = self.by_id[rule.storage]
        assert isinstance(one, VirtualStorage)
        one.advance(at_s)
        one.forming = away
        self._forming = one if away else None
        self._wiring.form(self._forming, at_s)
        self._settle(one, at_s, facts, report=True)

    def _settle(
        self, asset: VirtualAsset, at_s: float, facts: list[Event], *, report: bool = False
    ) -> None:
        """An asset takes up what is due; the meters see it, and it says so."""
        asset.advance(at_s)
        before = asset.power_kw
        changed = asset.settle()
        if changed:
            self._wiring.asset_moves(asset.asset.node, asset.power_kw - before, at_s)
        if changed or report:
            facts.append(
                AssetMeasured(
                    **self._said(),
                    asset=asset.asset.id,
                    power_kw=asset.power_kw,
                    soc=asset.soc,
                    available_kw=asset.available_kw,
                    islanded=asset is self._forming,
                )
            )
