"""Periods by clock: seasons that tile the year, overlays that repaint hours of some days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import TariffError, TariffGapError
from models.horizon import FloatArray, IntArray
from tariffs.calendar import HolidayCalendar
from tariffs.civil import DAY_S, CivilStretch, civil_stretches
from tariffs.day_rule import Band, DayRule, clock
from tariffs.period_prices import PeriodPrices
from tariffs.scope import DAY_MINUTES
from tariffs.sell import Sell
from tariffs.tariff import NameArray, Steps, Tariff, TariffNote

_MEMO_DAYS = 4096


@dataclass(frozen=True)
class _DayPattern:
    starts: IntArray  # seconds after midnight
    buy: FloatArray
    sell: FloatArray
    period: NameArray


@dataclass(frozen=True, eq=False)
class TimeOfUse(Tariff):
    """Named periods by season, day type and clock, each with a price.

    Parameters
    ----------
    name, currency : str
    seasons : tuple of DayRule
        Exactly one of them holds on any day, and its bands cover the day.
    overlays : tuple of DayRule
        Repaint hours of the days in their scope, in the order given.
    period_prices : PeriodPrices
        What each period costs.
    sell : Sell
    calendar : HolidayCalendar
    temperatures_c : mapping of date to float
        Highest temperature of a day, for rules that ask; an unknown day does not trigger.
    valid_from, valid_until : date or None
        First civil day, and the first day after; None: open. Not enforced here: a family picks
        by date, and a pinned tariff holds whatever the date (its notes say so).
    static_notes : tuple of TariffNote
        What the book itself has to tell.

    Raises
    ------
    TariffError
        If a season leaves minutes without a period.
    """

    name: str
    currency: str
    seasons: tuple[DayRule, ...]
    overlays: tuple[DayRule, ...]
    period_prices: PeriodPrices
    sell: Sell
    calendar: HolidayCalendar
    temperatures_c: Mapping[date, float] = field(default_factory=dict)
    valid_from: date | None = None
    valid_until: date | None = None
    static_notes: tuple[TariffNote, ...] = ()
    _keys: dict[date, Any] = field(default_factory=dict, repr=False, compare=False)
    _patterns: dict[Any, _DayPattern] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for season in self.seasons:
            gaps = season.uncovered()
            if gaps:
                spans = ", ".join(f"{clock(a)}-{clock(b)}" for a, b in gaps)
                raise TariffGapError(
                    f"{spans} has no period", where=f"{self.name}, season {season.name}"
                )

    def bands_of(self, day: date) -> tuple[Band, ...]:
        """The day's periods on the local clock, in order, touching, from 00:00 to 24:00."""
        pattern = self._pattern(day)
        ends = [*(int(s) for s in pattern.starts[1:]), DAY_S]
        return tuple(
            Band(int(start) // 60, end // 60, str(period))
            for start, end, period in zip(pattern.starts, ends, pattern.period, strict=True)
        )

    def day_prices(self, day: date) -> dict[str, float]:
        """Money per kWh of the periods that have a number on a day."""
        kind = self.calendar.day(day)
        key = self.period_prices.key(kind, self.temperatures_c.get(day))
        return self.period_prices.table(key)

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The bands of every civil day in the window, on the zone's clock."""
        starts: list[IntArray] = []
        patterns: list[tuple[_DayPattern, int, int]] = []
        for stretch in civil_stretches(start_s, end_s, zone):
            pattern = self._pattern(stretch.day)
            lo, hi = _span(pattern, stretch)
            at = pattern.starts[lo:hi] + stretch.clock_zero_s
            if at[0] < stretch.start_s:
                at[0] = stretch.start_s
            starts.append(at)
            patterns.append((pattern, lo, hi))
        buy = np.concatenate([p.buy[lo:hi] for p, lo, hi in patterns])
        whole = Steps(
            np.concatenate(starts),
            stretch.end_s,
            buy,
            buy
            if self.sell.method == "share" and self.sell.value == 1.0
            else np.concatenate([p.sell[lo:hi] for p, lo, hi in patterns]),
            np.concatenate([p.period[lo:hi] for p, lo, hi in patterns]),
        )
        return whole.clip(start_s, end_s)

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """What the prices of [start, end) rest on."""
        first = start.astimezone(zone).date()
        last = (end - timedelta(seconds=1)).astimezone(zone).date()
        found = list(self.static_notes)
        if (self.valid_from and first < self.valid_from) or (
            self.valid_until and last >= self.valid_until
        ):
            found.append(
                TariffNote(
                    "outside_validity",
                    f"{self.name} is valid from {self.valid_from or 'ever'} to "
                    f"{self.valid_until or 'further notice'} and is applied to "
                    f"{first} .. {last} because it is pinned by name",
                )
            )
        components = self.period_prices.components
        if components and first < components[0].since:
            found.append(
                TariffNote(
                    "component_extended",
                    f"{self.name} has no components before {components[0].since}: "
                    "the first ones are used",
                )
            )
        if components and (last.year, last.month) > (
            components[-1].since.year,
            components[-1].since.month,
        ):
            found.append(
                TariffNote(
                    "component_carried",
                    f"the components of {self.name} since {components[-1].since} are carried on "
                    "to later months; give newer ones as site settings",
                )
            )
        if any(rule.scope.holidays or rule.scope.days for rule in self.overlays + self.seasons):
            found.extend(self.calendar.notes(first, last))
        if self._asks_temperature() and any(
            first + timedelta(days=i) not in self.temperatures_c
            for i in range((last - first).days + 1)
        ):
            found.append(
                TariffNote(
                    "temperature_unknown",
                    f"{self.name} has prices triggered by temperature and no temperature is known "
                    "for some days: they are not triggered",
                )
            )
        return tuple(found)

    def _asks_temperature(self) -> bool:
        return any(r.scope.max_temperature_c is not None for r in self.overlays + self.seasons)

    def _key(self, day: date) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        kind = self.calendar.day(day)
        max_c = self.temperatures_c.get(day)
        held = [i for i, s in enumerate(self.seasons) if s.scope.matches(kind, max_c)]
        if len(held) != 1:
            names = [self.seasons[i].name for i in held] or "none"
            wrong = TariffError if held else TariffGapError
            raise wrong(
                f"{day.isoformat()} needs one season and has {names}",
                where=self.name,
                fix="make the seasons of the book tile the year",
            )
        over = tuple(i for i, o in enumerate(self.overlays) if o.scope.matches(kind, max_c))
        return held[0], over, self.period_prices.key(kind, max_c)

    def _pattern(self, day: date) -> _DayPattern:
        key = self._keys.get(day)
        if key is None:
            if len(self._keys) > _MEMO_DAYS:
                self._keys.clear()
            key = self._keys[day] = self._key(day)
        pattern = self._patterns.get(key)
        if pattern is None:
            pattern = self._patterns[key] = self._compile(key, day)
        return pattern

    def _compile(self, key: tuple[int, tuple[int, ...], tuple[int, ...]], day: date) -> _DayPattern:
        season, over, price_key = key
        minutes = np.empty(DAY_MINUTES, dtype=object)
        for band in self.seasons[season].bands:
            minutes[band.start_min : band.end_min] = band.period
        for i in over:
            for band in self.overlays[i].bands:
                minutes[band.start_min : band.end_min] = band.period
        changes = np.flatnonzero(minutes[1:] != minutes[:-1]) + 1
        at = np.concatenate([[0], changes]).astype(np.int64)
        table = self.period_prices.table(price_key)
        names = minutes[at]
        unpriced = sorted({str(n) for n in names if n not in table})
        if unpriced:
            raise TariffError(
                f"no price for {', '.join(unpriced)} on {day.isoformat()}",
                where=self.name,
                fix="give the number in the book or as a site setting",
            )
        buy = np.array([table[n] for n in names], dtype=np.float64)
        return _DayPattern(at * 60, buy, self.sell.price(buy), names)


def _span(pattern: _DayPattern, stretch: CivilStretch) -> tuple[int, int]:
    """The bands [lo, hi) of a day that a stretch touches; the whole day on most days."""
    m = int(pattern.starts.size)
    clock_lo = stretch.start_s - stretch.clock_zero_s
    clock_hi = stretch.end_s - stretch.clock_zero_s
    if clock_lo == 0 and clock_hi == DAY_S:
        return 0, m
    lo = int(np.searchsorted(pattern.starts, clock_lo, side="right")) - 1
    hi = int(np.searchsorted(pattern.starts, clock_hi, side="left"))
    return max(lo, 0), hi
