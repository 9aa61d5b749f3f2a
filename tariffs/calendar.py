"""Day types: weekday, weekend, named holiday with its nth day, make-up workday.

Two sources stand behind one interface: chinesecalendar, which knows the State Council's notices
with their bridged days and make-up workdays for the years published so far, and ``holidays``,
which knows other countries and computes later Chinese years by law. A year that has no notice yet
follows a fallback that is named and told as a note; an override mapping corrects either source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, Protocol

from models.errors import TariffError
from tariffs.tariff import TariffNote

Fallback = Literal["statutory", "none", "refuse"]

WORKDAY = "workday"
ORDINARY = "ordinary"
_ONE = timedelta(days=1)
_LONGEST_RUN = 20


@dataclass(frozen=True, slots=True)
class HolidayDay:
    """One day's place in a named holiday: the ``nth`` of ``length`` days, counted from 1."""

    name: str
    nth: int
    length: int


@dataclass(frozen=True, slots=True)
class DayType:
    """What kind of day a civil date is.

    Parameters
    ----------
    day : date
        The civil date.
    holidays : tuple of HolidayDay
        The named holidays whose days off hold this date. A Mid-Autumn day inside the National
        Day break belongs to both.
    makeup_workday : bool
        A Saturday or Sunday that is worked for a bridged day.
    """

    day: date
    holidays: tuple[HolidayDay, ...] = ()
    makeup_workday: bool = False

    @property
    def weekday(self) -> int:
        """0 Monday to 6 Sunday, by the calendar alone."""
        return self.day.weekday()

    @property
    def is_weekend(self) -> bool:
        """Saturday or Sunday, by the calendar alone."""
        return self.day.weekday() >= 5

    @property
    def is_holiday(self) -> bool:
        """A day off of a named holiday."""
        return bool(self.holidays)

    @property
    def is_workday(self) -> bool:
        """Monday to Friday but no holiday, or a make-up workday."""
        return self.makeup_workday or not (self.is_weekend or self.is_holiday)


class HolidayCalendar(Protocol):
    """Tells the type of a civil date."""

    def day(self, day: date) -> DayType:
        """The type of a date.

        Raises
        ------
        TariffError
            If the year is not published and the fallback is ``refuse``.
        """
        ...

    def notes(self, first: date, last: date) -> tuple[TariffNote, ...]:
        """What the dates [first, last] rest on besides published notices."""
        ...


@dataclass(frozen=True)
class NoHolidays:
    """Weekdays and weekends only: ``holidays = "none"``, periods and nothing else."""

    def day(self, day: date) -> DayType:
        """The date without any holiday."""
        return DayType(day)

    def notes(self, first: date, last: date) -> tuple[TariffNote, ...]:
        """Nothing to tell."""
        return ()


@dataclass(frozen=True)
class PublicHolidays:
    """A country's holidays, from one source per year, corrected by overrides.

    Parameters
    ----------
    country : str
        ISO 3166 code, as ``CN`` or ``US``.
    subdivision : str
        State or province as the ``holidays`` package names it; empty for the whole country.
    fallback : {"statutory", "none", "refuse"}
        What a Chinese year without a published notice follows: the days computed by law without
        bridging or make-up workdays, no holidays at all, or an error.
    overrides : mapping of date to str
        A holiday's name, ``workday`` (a make-up workday) or ``ordinary``; wins over the source.
    """

    country: str
    subdivision: str = ""
    fallback: Fallback = "statutory"
    overrides: Mapping[date, str] = field(default_factory=dict)
    _memo: dict[date, DayType] = field(default_factory=dict, repr=False, compare=False)
    _years: dict[int, tuple[dict[date, str], frozenset[date], bool]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def day(self, day: date) -> DayType:
        """The type of a date, remembered."""
        known = self._memo.get(day)
        if known is None:
            known = self._memo[day] = self._look_up(day)
        return known

    def notes(self, first: date, last: date) -> tuple[TariffNote, ...]:
        """One note per year in [first, last] that follows the fallback."""
        return tuple(
            TariffNote(
                "unpublished_holidays",
                f"the {self.country} holidays of {year} are not published: "
                f"the fallback '{self.fallback}' holds; give an override file once they are",
            )
            for year in range(first.year, last.year + 1)
            if not self._year(year)[2]
        )

    def _look_up(self, day: date) -> DayType:
        if self._name(day) is None:
            return DayType(day, makeup_workday=self._worked(day))
        start = day
        while self._name(start - _ONE) is not None and (day - start).days < _LONGEST_RUN:
            start -= _ONE
        end = day
        while self._name(end + _ONE) is not None and (end - day).days < _LONGEST_RUN:
            end += _ONE
        run = [start + i * _ONE for i in range((end - start).days + 1)]
        spans: dict[str, tuple[date, date]] = {}
        for d in run:
            name = self._name(d)
            if name is not None:
                spans[name] = (spans.get(name, (d, d))[0], d)
        places = tuple(
            HolidayDay(name, (day - lo).days + 1, (hi - lo).days + 1)
            for name, (lo, hi) in spans.items()
            if lo <= day <= hi
        )
        return DayType(day, holidays=places)

    def _name(self, day: date) -> str | None:
        override = self.overrides.get(day)
        if override is not None:
            return None if override in (WORKDAY, ORDINARY) else override
        return self._year(day.year)[0].get(day)

    def _worked(self, day: date) -> bool:
        override = self.overrides.get(day)
        if override is not None:
            return override == WORKDAY
        return day in self._year(day.year)[1]

    def _year(self, year: int) -> tuple[dict[date, str], frozenset[date], bool]:
        known = self._years.get(year)
        if known is None:
            known = self._years[year] = self._read_year(year)
        return known

    def _read_year(self, year: int) -> tuple[dict[date, str], frozenset[date], bool]:
        if self.country != "CN":
            return _computed_year(self.country, self.subdivision, year), frozenset(), True
        from chinese_calendar import constants

        if any(day.year == year for day in constants.holidays):
            named = {d: _slug(n) for d, n in constants.holidays.items() if d.year == year}
            worked = frozenset(d for d in constants.workdays if d.year == year)
            return named, worked, True
        if self.fallback == "refuse":
            raise TariffError(
                f"the CN holidays of {year} are not published",
                where="holidays",
                fix="give an override file, or the fallback 'statutory' or 'none'",
            )
        if self.fallback == "none":
            return {}, frozenset(), False
        return _computed_year("CN", "", year), frozenset(), False


def _computed_year(country: str, subdivision: str, year: int) -> dict[date, str]:
    import holidays

    found = holidays.country_holidays(
        country, subdiv=subdivision or None, years=year, language="en_US"
    )
    return {
        day: _slug(found.get_list(day)[0])
        for day in found
        if day.year == year and "Day off" not in found.get_list(day)[0]
    }


_CHINESE = {
    "chinese_new_year_s_eve": "spring_festival",
    "chinese_new_year_spring_festival": "spring_festival",
    "labor_day": "labour_day",
    "tomb_sweeping_day": "tomb_sweeping_day",
}


def _slug(name: str) -> str:
    """``Chinese New Year's Eve (observed)`` -> ``spring_festival``."""
    kept = name.replace("(observed)", "").lower()
    words = "".join(c if c.isalnum() else " " for c in kept).split()
    slug = "_".join(words)
    return _CHINESE.get(slug, slug)
