"""On which days a rule holds, and clock ranges as humans write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.errors import TariffError
from tariffs.calendar import DayType

DAY_MINUTES = 1440

_DAY_WORDS = ("weekday", "weekend", "workday", "restday", "holiday", "no_holiday")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})\Z")


def minute_of(clock: str) -> int:
    """Minutes after midnight of ``HH:MM``, 00:00 to 24:00.

    Raises
    ------
    TariffError
        If it is no clock time.
    """
    match = _CLOCK.match(clock.strip())
    if match is not None:
        minute = int(match[1]) * 60 + int(match[2])
        if int(match[2]) < 60 and minute <= DAY_MINUTES:
            return minute
    raise TariffError(f"'{clock}' is no clock time", fix="write HH:MM, 00:00 to 24:00")


def clock_ranges(text: str) -> tuple[tuple[int, int], ...]:
    """Minutes [start, end) of a range; one over midnight gives two, each on its own civil day.

    ``22:00-02:00`` is [1320, 1440) and [0, 120) of the same day's table: the part after midnight
    belongs to the day on which it lies, so a change of season leaves no gap.
    """
    first, dash, second = text.partition("-")
    if not dash:
        raise TariffError(f"'{text}' is no clock range", fix="write HH:MM-HH:MM")
    start, end = minute_of(first), minute_of(second)
    if start in (end, DAY_MINUTES):
        raise TariffError(f"the clock range '{text}' is empty", fix="00:00-24:00 is a whole day")
    if start < end:
        return ((start, end),)
    return ((start, DAY_MINUTES),) + (((0, end),) if end else ())


def month_day(text: str) -> int:
    """``MM-DD`` as month * 100 + day."""
    month, _, day = text.partition("-")
    if month.isdigit() and day.isdigit() and 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
        return int(month) * 100 + int(day)
    raise TariffError(f"'{text}' is no day of the year", fix="write MM-DD")


@dataclass(frozen=True)
class Scope:
    """The days on which a rule holds; every condition that is set must be met.

    Parameters
    ----------
    months : frozenset of int
        1 to 12; empty: any.
    dates : tuple of (int, int)
        Inclusive ranges of month * 100 + day, a later start wraps the year end; empty: any.
    days : frozenset of str
        Any of ``weekday``, ``weekend`` (by the calendar), ``workday``, ``restday`` (with
        holidays and make-up workdays), ``holiday``, ``no_holiday``, ``mon`` .. ``sun``;
        empty: any.
    holidays : frozenset of str
        Names of holidays, ``any`` for all; empty: not asked.
    first_days : int
        Only the first so many days of the holiday; 0: all.
    min_holiday_days : int
        Only holidays of at least so many days; 0: all.
    max_temperature_c : float or None
        Only days whose highest temperature reaches this; None: not asked.
    """

    months: frozenset[int] = frozenset()
    dates: tuple[tuple[int, int], ...] = ()
    days: frozenset[str] = frozenset()
    holidays: frozenset[str] = frozenset()
    first_days: int = 0
    min_holiday_days: int = 0
    max_temperature_c: float | None = None

    def __post_init__(self) -> None:
        bad = [d for d in self.days if d not in _DAY_WORDS and d not in _WEEKDAYS]
        if bad:
            raise TariffError(
                f"unknown day word {sorted(bad)}",
                where="days",
                fix=f"use {', '.join(_DAY_WORDS + _WEEKDAYS)}",
            )
        if any(not 1 <= m <= 12 for m in self.months):
            raise TariffError(f"months {sorted(self.months)} are not 1 to 12", where="months")

    def matches(self, day: DayType, max_c: float | None = None) -> bool:
        """Whether the rule holds on a day whose highest temperature is ``max_c``, if known."""
        if self.months and day.day.month not in self.months:
            return False
        if self.dates:
            key = day.day.month * 100 + day.day.day
            if not any(a <= key <= b if a <= b else key >= a or key <= b for a, b in self.dates):
                return False
        if self.days and not any(_is(day, word) for word in self.days):
            return False
        if self.holidays and not any(
            (p.name in self.holidays or "any" in self.holidays)
            and (not self.first_days or p.nth <= self.first_days)
            and p.length >= self.min_holiday_days
            for p in day.holidays
        ):
            return False
        if self.max_temperature_c is None:
            return True
        return max_c is not None and max_c >= self.max_temperature_c


def _is(day: DayType, word: str) -> bool:
    if word in _WEEKDAYS:
        return day.weekday == _WEEKDAYS.index(word)
    if word == "weekday":
        return not day.is_weekend
    if word == "weekend":
        return day.is_weekend
    if word == "workday":
        return day.is_workday
    if word == "restday":
        return not day.is_workday
    return day.is_holiday == (word == "holiday")
