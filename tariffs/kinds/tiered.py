"""A tariff whose kWh cost more as the month or the year goes on (阶梯电价)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np

from tariffs.consumption import ConsumptionTiers
from tariffs.tariff import Steps
from tariffs.wrapped import Wrapped


@dataclass(frozen=True, eq=False)
class Tiered(Wrapped):
    """Adds the tier that the count stands in to every price; the bill splits by real kWh.

    Parameters
    ----------
    inner : Tariff
    tiers : ConsumptionTiers
    consumed_kwh : float
        Drawn so far of what the tiers count, kWh, >= 0: decides the adder that plans see.
    """

    tiers: ConsumptionTiers
    consumed_kwh: float

    def at(self, consumed_kwh: float) -> Tiered:
        """The same tariff later in the period."""
        return replace(self, consumed_kwh=consumed_kwh)

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The inner prices with the marginal adder; what is sold is untouched."""
        plain = self.inner.steps(start_s, end_s, zone)
        adder = self.tiers.adder_at(self.consumed_kwh)
        within = self.tiers.within
        if not within:
            return replace(plain, buy_per_kwh=plain.buy_per_kwh + adder)
        counts = np.asarray(plain.period == within, dtype=np.float64)
        return replace(plain, buy_per_kwh=plain.buy_per_kwh + adder * counts)

    def consumption_tiers(self, at_s: int, zone: ZoneInfo) -> tuple[ConsumptionTiers, ...]:
        """These and the inner tariff's."""
        return (*self.inner.consumption_tiers(at_s, zone), self.tiers)
