"""Bands of clock time, and the days on which they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from models.errors import TariffError
from tariffs.calendar import HolidayCalendar
from tariffs.civil import civil_stretches
from tariffs.scope import DAY_MINUTES, Scope


def clock(minute: int) -> str:
    """Minutes after midnight as ``HH:MM``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


@dataclass(frozen=True)
class Band:
    """A clock range of one period: minutes [start_min, end_min) after midnight."""

    start_min: int
    end_min: int
    period: str

    def __post_init__(self) -> None:
        if not 0 <= self.start_min < self.end_min <= DAY_MINUTES:
            raise TariffError(f"the band {self.start_min}-{self.end_min} is not within a day")


@dataclass(frozen=True)
class DayRule:
    """The bands of the days in a scope.

    Parameters
    ----------
    name : str
        As the book calls it; appears in errors and bills.
    scope : Scope
        The days on which it holds.
    bands : tuple of Band
        Disjoint; a season's bands cover the whole day.
    """

    name: str
    scope: Scope
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        ordered = sorted(self.bands, key=lambda b: b.start_min)
        for a, b in pairwise(ordered):
            if b.start_min < a.end_min:
                raise TariffError(
                    f"{clock(b.start_min)}-{clock(min(a.end_min, b.end_min))} is both "
                    f"{a.period} and {b.period}",
                    where=self.name,
                )
        object.__setattr__(self, "bands", tuple(ordered))

    def uncovered(self) -> list[tuple[int, int]]:
        """Minutes of the day that no band holds."""
        gaps, reached = [], 0
        for band in self.bands:
            if band.start_min > reached:
                gaps.append((reached, band.start_min))
            reached = band.end_min
        if reached < DAY_MINUTES:
            gaps.append((reached, DAY_MINUTES))
        return gaps


@dataclass(frozen=True)
class DayWindow:
    """Clock ranges of some days, as a demand component counts them.

    Parameters
    ----------
    rules : tuple of DayRule
        Every rule whose scope holds adds its bands.
    calendar : HolidayCalendar
    """

    rules: tuple[DayRule, ...]
    calendar: HolidayCalendar

    def spans(self, start_s: int, end_s: int, zone: ZoneInfo) -> Sequence[tuple[int, int]]:
        """Stretches [lo, hi) inside [start_s, end_s) that count, merged where they touch."""
        found: list[tuple[int, int]] = []
        for stretch in civil_stretches(start_s, end_s, zone):
            kind = self.calendar.day(stretch.day)
            for rule in self.rules:
                if not rule.scope.matches(kind):
                    continue
                for band in rule.bands:
                    lo = max(stretch.start_s, stretch.clock_zero_s + band.start_min * 60, start_s)
                    hi = min(stretch.end_s, stretch.clock_zero_s + band.end_min * 60, end_s)
                    if lo < hi:
                        found.append((lo, hi))
        merged: list[tuple[int, int]] = []
        for lo, hi in sorted(found):
            if merged and lo <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
            else:
                merged.append((lo, hi))
        return tuple(merged)
