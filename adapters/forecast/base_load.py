"""Base load: persistence, and the mean of like days set to the level of the last hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from adapters.forecast.series import Measured
from models.horizon import FloatArray, IntArray
from tariffs.calendar import HolidayCalendar, NoHolidays

_FIRST_DAY = date(1970, 1, 1)


class Persistence:
    """What was measured last goes on."""

    name = "persistence"

    def expect(self, past: Measured, n: int) -> FloatArray:
        """See :class:`adapters.forecast.series.Method`."""
        known = past.values_kw[np.isfinite(past.values_kw)]
        return np.full(n, known[-1] if known.size else 0.0)


class DayBefore:
    """The same hours of the last day that was measured."""

    name = "day before"

    def expect(self, past: Measured, n: int) -> FloatArray:
        """See :class:`adapters.forecast.series.Method`."""
        day = past.per_day
        if past.values_kw.size < day:
            return Persistence().expect(past, n)
        last = past.values_kw[-day:]
        filled = np.where(np.isfinite(last), last, np.nanmean(last))
        return np.tile(filled, -(-n // day))[:n]


class LikeDays:
    """Mean of the same hours of like days, younger ones more, and the level of the last hours.

    Like days are work days, Saturdays and Sundays apart; a holiday is like a Sunday, a weekend
    that is worked like a work day. The last hours tell how today departs from them; the
    difference fades with a half-life.

    Parameters
    ----------
    weeks : int
        How far back like days are looked for.
    half_life_h : float
        Of the difference between today and its like days, h > 0.
    calendar : HolidayCalendar, optional
        Which days are holidays; None: none is.
    """

    name = "like days"

    def __init__(
        self,
        weeks: int = 4,
        half_life_h: float = 3.0,
        calendar: HolidayCalendar | None = None,
    ) -> None:
        self._weeks = weeks
        self._half_life_h = half_life_h
        self._calendar = calendar or NoHolidays()
        self._kind_of: dict[int, int] = {}

    def expect(self, past: Measured, n: int) -> FloatArray:
        """See :class:`adapters.forecast.series.Method`."""
        day, end = past.per_day, past.values_kw.size
        if end < 7 * day:
            return DayBefore().expect(past, n)
        recent = max(day // 24 * 2, 1)
        first = end - recent
        usual = self.usual(past, first, recent + n)
        gap = past.values_kw[first:end] - usual[:recent]
        gap = gap[np.isfinite(gap)]
        level = float(gap.mean()) if gap.size else 0.0
        hours = (np.arange(n) + 0.5) * past.step_s / 3600.0
        return np.asarray(usual[recent:] + level * 0.5 ** (hours / self._half_life_h))

    def usual(self, past: Measured, first: int, n: int) -> FloatArray:
        """Mean of like days on n slots from ``first`` on, which may lie before the last known."""
        day, back, end = past.per_day, 7 * self._weeks, past.values_kw.size
        slots = np.arange(first, first + n)
        at = slots - day * np.arange(1, back + 1)[:, None]
        kinds = self._kinds(past, first - back * day, n + back * day)
        known = past.values_kw[np.clip(at, 0, end - 1)]
        fits = (at >= 0) & (at < end) & np.isfinite(known)
        fits &= kinds[at - (first - back * day)] == kinds[back * day :]
        share = np.array([[0.9**k] for k in range(1, back + 1)])
        total = np.where(fits, share * known, 0.0).sum(axis=0)
        weight = np.where(fits, share, 0.0).sum(axis=0)
        fallback = DayBefore().expect(past, n)
        return np.where(weight > 0, total / np.maximum(weight, 1e-12), fallback)

    def _kinds(self, past: Measured, first: int, n: int) -> IntArray:
        """0 work day, 1 Saturday, 2 Sunday, by the local calendar of each slot."""
        starts = past.starts_s(first, n)
        shifted = np.array(
            [_offset_s(int(s) // 86_400 * 86_400, past) for s in starts[:: past.per_day]] or [0]
        )
        days = (starts + np.repeat(shifted, past.per_day)[:n]) // 86_400
        begin = int(days.min())
        kinds = [self._kind(d) for d in range(begin, int(days.max()) + 1)]
        return np.asarray(np.array(kinds, dtype=np.int64)[days - begin])

    def _kind(self, day: int) -> int:
        """The kind of a day since 1970."""
        if day not in self._kind_of:
            known = self._calendar.day(_FIRST_DAY + timedelta(days=day))
            rests = 1 if known.weekday == 5 and not known.is_holiday else 2
            self._kind_of[day] = 0 if known.is_workday else rests
        return self._kind_of[day]


_OFFSETS: dict[tuple[str, int], int] = {}


def _offset_s(day_s: int, past: Measured) -> int:
    """Offset of the local clock on a day, s."""
    key = (past.zone.key, day_s)
    if key not in _OFFSETS:
        offset = datetime.fromtimestamp(day_s, UTC).astimezone(past.zone).utcoffset()
        _OFFSETS[key] = 0 if offset is None else int(offset.total_seconds())
    return _OFFSETS[key]
