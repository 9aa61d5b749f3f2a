"""What sites with storage do without a plan: nothing, or the usual rule.

``uncontrolled``: every pile offers all it can, storage rests, PV runs free. By the rule: vehicles
in the order of arrival within the limit; storage takes excess PV first, charges at full power in
the valley and carries the load in the peak.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from adapters.simulator.baselines import FOREVER_S, offers_in_order
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.trace import Trace
from adapters.simulator.virtual_assets import VirtualStorage
from models.horizon import instant_of, midnight_of
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.effects import AssetSetpointSent, SetpointSent
from tariffs.tariff import Tariff


def uncontrolled_assets(site: Site, depot: VirtualDepot, *, until_s: float) -> Trace:
    """Every vehicle charges at once with all it can; limits are measured all the same."""
    for seq, pile in enumerate(depot.piles.values()):
        depot.obey(_pile(pile.pile.id, pile.pile.max_kw, seq))
    while depot.at_s < until_s and not depot.ended:
        depot.advance(min(depot.next_event_s(), until_s))
    return depot.trace()


def controlled_by_rule(site: Site, depot: VirtualDepot, tariff: Tariff, *, until_s: float) -> Trace:
    """First come, first served; storage by the clock of the tariff and by excess PV."""
    storages = [a for a in depot.assets.values() if isinstance(a, VirtualStorage)]
    bands = _Bands(site, tariff)
    seq = 0
    while depot.at_s < until_s and not depot.ended:
        depot.advance(min(depot.next_event_s(), until_s))
        for storage in storages:
            seq += 1
            others = depot.drawn_kw - storage.power_kw
            power = _rule_kw(site, storage, others, bands.at(depot.at_s), depot.limit_kw(0))
            if abs(power - storage.told.power_kw) > POWER_EPSILON_KW:
                depot.obey_asset(_asset(storage.asset.id, power, seq))
        spare = sum(min(s.power_kw, 0.0) for s in storages) + depot.sun_kw
        cars = sorted(
            (p for p in depot.piles.values() if p.vehicle is not None),
            key=lambda p: (p.vehicle.arrival_s, p.pile.id) if p.vehicle else (0.0, ""),
        )
        charging = sum(max(s.power_kw, 0.0) for s in storages)
        offers = offers_in_order(site, depot, cars, beside_kw=spare + charging)
        for falling in (True, False):
            for pile, power in zip(cars, offers, strict=True):
                if abs(power - pile.offer_kw) <= POWER_EPSILON_KW:
                    continue
                if (power < pile.offer_kw) == falling:
                    seq += 1
                    depot.obey(_pile(pile.pile.id, power, seq))
    return depot.trace()


def _rule_kw(
    site: Site, storage: VirtualStorage, others_kw: float, band: int, limit_kw: float
) -> float:
    """Excess PV first; full charge in the valley; the load's own power in the peak."""
    most = storage.asset.max_kw
    if others_kw < 0:
        return min(-others_kw, most)
    if band < 0:
        # Room for the vehicles that may still come is kept: a fifth of the limit.
        return min(most, max(0.8 * limit_kw - others_kw, 0.0))
    return -min(most, others_kw) if band > 0 else 0.0


class _Bands:
    """Whether an instant is in the day's cheapest (-1) or dearest (1) prices, or between (0)."""

    def __init__(self, site: Site, tariff: Tariff) -> None:
        self._site, self._tariff = site, tariff
        self._until = -1
        self._edges: np.ndarray = np.zeros(0)
        self._bands: np.ndarray = np.zeros(0)

    def at(self, seconds: float) -> int:
        if seconds >= self._until:
            day = midnight_of(instant_of(int(seconds)), self._site.zone)
            begin = int(day.timestamp())
            end = int((day + timedelta(days=1)).timestamp())
            steps = self._tariff.steps(begin, end, self._site.zone)
            price = np.asarray(steps.buy_per_kwh)
            low, high = float(price.min()), float(price.max())
            flat = high - low < 1e-9
            bands = np.where(price <= low + 0.15 * (high - low), -1, 0)
            bands = np.where(price >= high - 0.35 * (high - low), 1, bands)
            self._bands = np.zeros_like(bands) if flat else bands
            self._edges, self._until = np.asarray(steps.starts_s), end
        return int(self._bands[np.searchsorted(self._edges, seconds, side="right") - 1])


def _pile(pile: str, power_kw: float, seq: int) -> SetpointSent:
    return SetpointSent(
        pile=pile,
        stamp=(1, seq),
        power_kw=power_kw,
        lease_s=FOREVER_S,
        fallback_kw=0.0,
        reason="plan",
        after_commit=False,
    )


def _asset(asset: str, power_kw: float, seq: int) -> AssetSetpointSent:
    return AssetSetpointSent(
        asset=asset,
        stamp=(1, seq),
        power_kw=power_kw,
        lease_s=FOREVER_S,
        fallback_kw=0.0,
        reason="plan",
        after_commit=False,
    )
