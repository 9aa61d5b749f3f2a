"""One tariff after another, each from its instant on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from models.errors import TariffError
from models.horizon import epoch_s, instant_of
from tariffs.consumption import ConsumptionTiers
from tariffs.demand import DemandTerm
from tariffs.joined import joined_parts
from tariffs.tariff import Steps, Tariff, TariffNote


@dataclass(frozen=True, eq=False)
class Dated(Tariff):
    """A first tariff, and later ones that take over at an instant.

    Demand terms and consumption tiers come from the tariff in force when a month begins, so that
    a month has one set of them.

    Parameters
    ----------
    first : Tariff
        Holds before every change.
    later : tuple of (datetime, Tariff)
        Aware instants, increasing.

    Raises
    ------
    TariffError
        If the instants do not increase or the currencies differ.
    """

    first: Tariff
    later: tuple[tuple[datetime, Tariff], ...]
    name: str = field(init=False)
    currency: str = field(init=False)

    def __post_init__(self) -> None:
        if any(a[0] >= b[0] for a, b in pairwise(self.later)):
            raise TariffError("the changes of tariff do not follow each other", where="valid_from")
        if {t.currency for _, t in self.later} - {self.first.currency}:
            raise TariffError("a change of tariff cannot change the currency", where="book")
        object.__setattr__(self, "name", self.later[-1][1].name if self.later else self.first.name)
        object.__setattr__(self, "currency", self.first.currency)

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The steps of each tariff on its own stretch."""
        return Steps.join([t.steps(lo, hi, zone) for t, lo, hi in self._stretches(start_s, end_s)])

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """The lines of each tariff on its own stretch."""
        return joined_parts(self._stretches(start_s, end_s), zone)

    def consumption_tiers(self, at_s: int, zone: ZoneInfo) -> tuple[ConsumptionTiers, ...]:
        """Those of the tariff in force then."""
        return self.at(at_s).consumption_tiers(at_s, zone)

    def demand_terms(
        self, start: datetime, end: datetime, *, zone: ZoneInfo
    ) -> tuple[DemandTerm, ...]:
        """Each month's terms, from the tariff in force at its beginning."""
        tariffs: list[Tariff] = []
        for tariff in (self.first, *(t for _, t in self.later)):
            if not any(tariff is known for known in tariffs):
                tariffs.append(tariff)
        return tuple(
            term
            for tariff in tariffs
            for term in tariff.demand_terms(start, end, zone=zone)
            if self.at(term.month_start_s) is tariff
        )

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """Of every tariff that holds in [start, end)."""
        return tuple(
            note
            for t, lo, hi in self._stretches(epoch_s(start), epoch_s(end))
            for note in t.notes(instant_of(lo), instant_of(hi), zone=zone)
        )

    def at(self, instant_s: int) -> Tariff:
        """The tariff in force at an instant, epoch seconds."""
        return [self.first, *(t for at, t in self.later if epoch_s(at) <= instant_s)][-1]

    def _stretches(self, start_s: int, end_s: int) -> list[tuple[Tariff, int, int]]:
        edges = [start_s, *(epoch_s(at) for at, _ in self.later), end_s]
        tariffs = [self.first, *(t for _, t in self.later)]
        found = []
        for tariff, lo, hi in zip(tariffs, [start_s, *edges[1:-1]], edges[1:], strict=True):
            lo, hi = max(lo, start_s), min(hi, end_s)
            if lo < hi:
                found.append((tariff, lo, hi))
        return found
