"""A tariff around a tariff: everything is the inner one's unless a kind says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from tariffs.consumption import ConsumptionTiers
from tariffs.demand import DemandTerm
from tariffs.tariff import Steps, Tariff, TariffNote


@dataclass(frozen=True, eq=False)
class Wrapped(Tariff):
    """Hands every question to the inner tariff; kinds override what they change.

    Parameters
    ----------
    inner : Tariff
    """

    inner: Tariff
    name: str = field(init=False)
    currency: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.inner.name)
        object.__setattr__(self, "currency", self.inner.currency)

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The inner tariff's."""
        return self.inner.steps(start_s, end_s, zone)

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """The inner tariff's."""
        return self.inner.parts(start_s, end_s, zone)

    def consumption_tiers(self, at_s: int, zone: ZoneInfo) -> tuple[ConsumptionTiers, ...]:
        """The inner tariff's."""
        return self.inner.consumption_tiers(at_s, zone)

    def demand_terms(
        self, start: datetime, end: datetime, *, zone: ZoneInfo
    ) -> tuple[DemandTerm, ...]:
        """The inner tariff's."""
        return self.inner.demand_terms(start, end, zone=zone)

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """The inner tariff's."""
        return self.inner.notes(start, end, zone=zone)
