"""Two-part tariffs (两部制电价): energy, and money for demand, capacity or subscription."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from models.horizon import epoch_s, instant_of
from tariffs.demand import DemandTerm, months_between
from tariffs.demand_rules import CHOSEN, DemandRule, SiteDemand, month_term
from tariffs.tariff import TariffNote
from tariffs.wrapped import Wrapped


@dataclass(frozen=True, eq=False)
class TwoPart(Wrapped):
    """An energy tariff with demand rules.

    Parameters
    ----------
    inner : Tariff
        The energy.
    rules : tuple of DemandRule
    site : SiteDemand
        The site's choices, capacity, exemptions and history.
    """

    rules: tuple[DemandRule, ...]
    site: SiteDemand

    def demand_terms(
        self, start: datetime, end: datetime, *, zone: ZoneInfo
    ) -> tuple[DemandTerm, ...]:
        """One term per rule and month that [start, end) touches."""
        found = list(self.inner.demand_terms(start, end, zone=zone))
        for year, month in months_between(epoch_s(start), epoch_s(end), zone):
            for rule in self.rules:
                term = month_term(rule, self.site, year, month, zone)
                if term is not None:
                    found.append(term)
        return tuple(found)

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """The inner tariff's; and whether a choice that prices depend on was not made."""
        found = list(self.inner.notes(start, end, zone=zone))
        first = instant_of(epoch_s(start)).astimezone(zone).date().replace(day=1)
        choice = self.site.choice_on(first)
        if any(r.basis in CHOSEN for r in self.rules) and (choice is None or not choice.billing):
            found.append(
                TariffNote(
                    "assumed",
                    f"{self.name}: no billing (capacity, contracted or actual) is chosen for "
                    f"{first}, so demand and capacity charges are left out",
                )
            )
        return tuple(found)
