"""Money per kW of a month's highest interval: what the optimiser hears, what the bill charges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError
from models.horizon import FloatArray, Horizon, IntArray, epoch_s, instant_of


class CountedWindow(Protocol):
    """Tells when power counts towards a demand term."""

    def spans(self, start_s: int, end_s: int, zone: ZoneInfo) -> Sequence[tuple[int, int]]:
        """Stretches [lo, hi) of epoch seconds that count, in order, within [start_s, end_s)."""
        ...


@dataclass(frozen=True)
class Always:
    """Every instant counts."""

    def spans(self, start_s: int, end_s: int, zone: ZoneInfo) -> Sequence[tuple[int, int]]:
        """The whole stretch."""
        return ((start_s, end_s),)


@dataclass(frozen=True)
class DemandTerm:
    """One demand or capacity component of one billing month.

    The month costs ``fixed + sum(price_k * max(0, peak_kw - from_kw_k))`` where the peak is the
    highest mean power of an interval that counts.

    Parameters
    ----------
    name : str
        The rule, as it stands on the bill.
    month_start_s, month_end_s : int
        The billing month, epoch seconds.
    fixed : float
        Money of the month whatever the peak (contracted floor, capacity, subscribed blocks).
    tiers : tuple of (float, float)
        ``(from_kw, price_per_kw)``: money per kW and month above a power, adding up, so prices
        are the increments; each >= 0, from_kw increasing.
    interval_s : int
        Length of the averaging interval, s; 900 for a quarter hour.
    slide_s : int
        How far the interval moves on: ``interval_s`` for blocks on the clock, 60 for a window
        sliding by the minute, where every running mean counts.
    counted : CountedWindow
        When power counts.
    reduced_from_kwh : float or None
        From so many kWh of the month the whole term is multiplied by ``reduced_factor`` (a load
        factor reduction); None: never.
    reduced_factor : float

    Raises
    ------
    InvalidValueError
        If a number is negative or not finite, or the slide does not divide the interval.
    """

    name: str
    month_start_s: int
    month_end_s: int
    fixed: float
    tiers: tuple[tuple[float, float], ...]
    interval_s: int = 900
    slide_s: int = 900
    counted: CountedWindow = field(default_factory=Always)
    reduced_from_kwh: float | None = None
    reduced_factor: float = 1.0

    def __post_init__(self) -> None:
        numbers = [self.fixed, *(v for tier in self.tiers for v in tier)]
        if any(not isfinite(v) or v < 0 for v in numbers):
            raise InvalidValueError("a demand price cannot be negative", where=self.name)
        if any(a[0] >= b[0] for a, b in zip(self.tiers, self.tiers[1:], strict=False)):
            raise InvalidValueError("the tiers of a demand price must increase", where=self.name)
        if self.interval_s <= 0 or self.slide_s <= 0 or self.interval_s % self.slide_s:
            raise InvalidValueError(
                f"a slide of {self.slide_s} s does not divide {self.interval_s} s", where=self.name
            )

    def money(self, peak_kw: float) -> float:
        """What the month costs at a peak, in the tariff's currency."""
        return self.fixed + sum(price * max(0.0, peak_kw - at) for at, price in self.tiers)

    def reduction_at(self, drawn_kwh: float) -> float:
        """The factor on the term for a month's energy, kWh."""
        if self.reduced_from_kwh is None or drawn_kwh < self.reduced_from_kwh:
            return 1.0
        return self.reduced_factor

    def price_above(self, floor_kw: float) -> tuple[tuple[float, float], ...]:
        """Marginal price from a floor upward: ``(from_kw, price_per_kw)``, not adding up.

        ``floor_kw`` is what the month will reach anyway: the larger of its peak so far and the
        forecast of its unavoidable peak. Up to the first ``from_kw`` more power costs nothing.
        The optimiser pays ``price_k`` for each kW of peak between ``from_kw_k`` and the next.
        """
        found: list[tuple[float, float]] = []
        total = 0.0
        for at, price in self.tiers:
            total += price
            start = max(at, floor_kw)
            if found and found[-1][0] == start:
                found[-1] = (start, total)
            else:
                found.append((start, total))
        return tuple(found)

    def share(self, horizon: Horizon) -> FloatArray:
        """Share of each slot that counts towards this term, 0 to 1, shape (n,)."""
        lo = max(horizon.start_s, self.month_start_s)
        hi = min(horizon.end_s, self.month_end_s)
        seconds = np.zeros(horizon.n)
        if lo < hi:
            for a, b in self.counted.spans(lo, hi, horizon.zone):
                seconds += horizon.overlap_s(a, b)
        return seconds / horizon.slot_s


def month_bounds(year: int, month: int, zone: ZoneInfo) -> tuple[int, int]:
    """First second of a civil month and of the next, epoch seconds."""
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return (
        epoch_s(datetime(year, month, 1, tzinfo=zone)),
        epoch_s(datetime(*following, 1, tzinfo=zone)),
    )


def months_between(start_s: int, end_s: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """``(year, month)`` of every civil month that [start_s, end_s) touches."""
    first: date = instant_of(start_s).astimezone(zone).date()
    last: date = instant_of(end_s - 1).astimezone(zone).date()
    months = []
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        months.append((year, month))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return months


@dataclass(frozen=True)
class Peak:
    """The highest interval: its mean power, and when it began."""

    power_kw: float
    start_s: int


def peak_of(
    starts_s: IntArray,
    ends_s: IntArray,
    power_kw: FloatArray,
    term: DemandTerm,
    zone: ZoneInfo,
) -> Peak | None:
    """The month's highest mean power over the intervals of a term.

    Parameters
    ----------
    starts_s, ends_s : ndarray of int64, shape (m,)
        Metered stretches in order, each with constant mean power; gaps count as 0 kW.
    power_kw : ndarray of float, shape (m,)
        Mean power of each stretch, kW; feeding in counts as 0.
    term : DemandTerm
        Its interval, slide and counted window are used.
    zone : ZoneInfo
        The site's zone.

    Returns
    -------
    Peak or None
        None when nothing of the term's month was metered while it counts.

    Notes
    -----
    Intervals start on whole multiples of the slide on the epoch clock; zones are ahead of UTC by
    whole quarter hours, so blocks of 15 minutes are those of the local clock. An interval counts
    only if it lies inside one counted stretch of one month.
    """
    if starts_s.size == 0:
        return None
    drawn_ws = np.maximum(power_kw, 0.0) * (ends_s - starts_s)
    knots = np.unique(np.concatenate([starts_s, ends_s]))
    energy = np.zeros(knots.size - 1)
    energy[np.searchsorted(knots, starts_s)] = drawn_ws
    cumulated = np.concatenate([[0.0], np.cumsum(energy)])
    best: Peak | None = None
    lo, hi = int(knots[0]), int(knots[-1])
    for a, b in term.counted.spans(max(lo, term.month_start_s), min(hi, term.month_end_s), zone):
        first = -(-a // term.slide_s) * term.slide_s
        begins = np.arange(first, b - term.interval_s + 1, term.slide_s, dtype=np.int64)
        if begins.size == 0:
            continue
        upto = np.interp(begins + term.interval_s, knots, cumulated)
        mean = (upto - np.interp(begins, knots, cumulated)) / term.interval_s
        k = int(np.argmax(mean))
        if best is None or float(mean[k]) > best.power_kw:
            best = Peak(float(mean[k]), int(begins[k]))
    return best
