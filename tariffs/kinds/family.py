"""Dated versions of one tariff: the civil date picks the version, also inside one horizon."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.errors import TariffError
from models.horizon import epoch_s, instant_of
from tariffs.joined import joined_parts
from tariffs.tariff import Steps, Tariff, TariffNote

if TYPE_CHECKING:
    from tariffs.consumption import ConsumptionTiers
    from tariffs.demand import DemandTerm


@dataclass(frozen=True)
class Version:
    """A tariff on the civil days [valid_from, valid_until); None: open."""

    tariff: Tariff
    valid_from: date | None
    valid_until: date | None


@dataclass(frozen=True, eq=False)
class Family(Tariff):
    """Versions that follow each other without a gap.

    Parameters
    ----------
    name : str
    versions : tuple of Version
        At least one; sorted by date at construction.

    Raises
    ------
    TariffError
        If versions overlap, leave a gap, or differ in currency.
    """

    name: str
    versions: tuple[Version, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.versions, key=lambda v: v.valid_from or date.min))
        if not ordered:
            raise TariffError("a family needs a version", where=self.name)
        for a, b in itertools.pairwise(ordered):
            if a.valid_until != b.valid_from:
                raise TariffError(
                    f"{a.tariff.name} ends on {a.valid_until} and {b.tariff.name} begins on "
                    f"{b.valid_from}",
                    where=self.name,
                    fix="make the versions touch",
                )
        if len({v.tariff.currency for v in ordered}) > 1:
            raise TariffError("the versions differ in currency", where=self.name)
        object.__setattr__(self, "versions", ordered)

    @property
    def currency(self) -> str:  # type: ignore[override]
        """The currency of every version."""
        return self.versions[0].tariff.currency

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The steps of each version on its own civil days."""
        return Steps.join(
            [v.tariff.steps(lo, hi, zone) for v, lo, hi in self._parts(start_s, end_s, zone)]
        )

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """The lines of each version on its own civil days."""
        held = [(v.tariff, lo, hi) for v, lo, hi in self._parts(start_s, end_s, zone)]
        return joined_parts(held, zone)

    def consumption_tiers(self, at_s: int, zone: ZoneInfo) -> tuple[ConsumptionTiers, ...]:
        """Those of the version in force then."""
        (held,) = self._parts(at_s, at_s + 1, zone)
        return held[0].tariff.consumption_tiers(at_s, zone)

    def demand_terms(
        self, start: datetime, end: datetime, *, zone: ZoneInfo
    ) -> tuple[DemandTerm, ...]:
        """Each month's terms, from the version in force at its beginning."""
        found: list[DemandTerm] = []
        for v in self.versions:
            lo = _midnight(v.valid_from, zone) if v.valid_from else None
            hi = _midnight(v.valid_until, zone) if v.valid_until else None
            found.extend(
                term
                for term in v.tariff.demand_terms(start, end, zone=zone)
                if (lo is None or term.month_start_s >= lo)
                and (hi is None or term.month_start_s < hi)
            )
        return tuple(found)

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """The notes of every version that holds somewhere in [start, end), each once."""
        found: dict[TariffNote, None] = {}
        for v, lo, hi in self._parts(epoch_s(start), epoch_s(end), zone):
            found.update(dict.fromkeys(v.tariff.notes(instant_of(lo), instant_of(hi), zone=zone)))
        return tuple(found)

    def _parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> list[tuple[Version, int, int]]:
        parts = []
        reached = start_s
        for v in self.versions:
            lo = max(start_s, _midnight(v.valid_from, zone)) if v.valid_from else start_s
            hi = min(end_s, _midnight(v.valid_until, zone)) if v.valid_until else end_s
            if lo < hi:
                if lo > reached:
                    break
                parts.append((v, lo, hi))
                reached = hi
        if reached < end_s:
            raise TariffError(
                f"no version holds at {instant_of(reached).astimezone(zone).isoformat()}",
                where=self.name,
                fix="pin a version by its own name to apply it whatever the date",
            )
        return parts


def _midnight(day: date, zone: ZoneInfo) -> int:
    return epoch_s(datetime(day.year, day.month, day.day, tzinfo=zone))
