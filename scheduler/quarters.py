"""What the connection drew, quarter hour by quarter hour, and the baseline that it means.

The baseline of an event is the mean of the last like days at the same clock: work days and days of
rest apart by the rule's calendar, days on which an event was answered left out, and of what
remains those whose mean is off by more than a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from models.horizon import FloatArray
from models.site_rules import ResponseRule

QUARTER_S = 900
KEPT = 42 * 96
"""Quarter hours that are kept: six weeks hold five days of rest and a holiday."""

COVERED_SHARE = 0.9
"""A quarter hour of which less was metered is not known."""

GAP_S = 3600.0
"""After so long without a word nothing is known of the time between."""


@dataclass(frozen=True)
class Quarters:
    """Mean power at the point of connection by quarter hour, kW, positive while it draws.

    Parameters
    ----------
    at_s, power_kw : float
        Energy is counted up to here, epoch seconds; what is drawn from then on, kW.
    begin_s : int
        Start of the quarter hour that runs.
    kwh, covered_s : float
        Its energy and its metered seconds until ``at_s``.
    means_kw : tuple of float
        The quarter hours before it, the last one last; nan where nothing is known.
    event_days : tuple of int
        Local days (ordinals) on which an event was answered: no day to measure others by.
    """

    at_s: float
    power_kw: float
    begin_s: int
    kwh: float = 0.0
    covered_s: float = 0.0
    means_kw: tuple[float, ...] = ()
    event_days: tuple[int, ...] = ()

    def counted_to(self, now_s: float) -> Quarters:
        """The same, counted up to an instant; after a gap the time between is not known."""
        known = 0.0 <= now_s - self.at_s <= GAP_S
        if now_s < self.at_s and self.at_s - now_s <= GAP_S:
            return self
        if now_s < self.begin_s:
            return Quarters(now_s, self.power_kw, int(now_s) // QUARTER_S * QUARTER_S)
        at, begin, kwh, covered = self.at_s, self.begin_s, self.kwh, self.covered_s
        more: list[float] = []
        while True:
            end = begin + QUARTER_S
            upto = min(end, now_s)
            if known and upto > at:
                kwh += self.power_kw * (upto - at) / 3600.0
                covered += upto - at
            at = max(at, upto)
            if now_s < end or len(more) > KEPT:
                break
            full = covered >= COVERED_SHARE * QUARTER_S
            more.append(kwh * 3600.0 / covered if full else math.nan)
            begin, kwh, covered = end, 0.0, 0.0
        if not more:
            return replace(self, at_s=at, kwh=kwh, covered_s=covered)
        means = (*self.means_kw, *more)[-KEPT:]
        return replace(self, at_s=at, begin_s=begin, kwh=kwh, covered_s=covered, means_kw=means)

    def mean_kw(self, start_s: int) -> float:
        """Mean of the quarter hour that begins at an instant, kW; nan where it is not known."""
        back = (self.begin_s - start_s) // QUARTER_S
        if (self.begin_s - start_s) % QUARTER_S or not 0 < back <= len(self.means_kw):
            return math.nan
        return self.means_kw[-back]


def begun(now_s: float, power_kw: float) -> Quarters:
    """Nothing is known before now."""
    return Quarters(now_s, power_kw, int(now_s) // QUARTER_S * QUARTER_S)


def quarter_starts(start: datetime, end: datetime) -> list[int]:
    """Starts of the quarter hours that an event touches, epoch seconds."""
    first = int(start.timestamp()) // QUARTER_S * QUARTER_S
    return list(range(first, math.ceil(end.timestamp()), QUARTER_S))


def like_days(
    quarters: Quarters, starts_s: Sequence[int], zone: ZoneInfo, rule: ResponseRule
) -> list[FloatArray]:
    """The last like days at the same clock that are known, the youngest first, kW."""
    local = [datetime.fromtimestamp(s, UTC).astimezone(zone) for s in starts_s]
    first = local[0].date()
    worked = rule.is_workday(first)
    found: list[FloatArray] = []
    for back in range(1, KEPT // 96 + 1):
        day = first - timedelta(days=back)
        if rule.is_workday(day) != worked or day.toordinal() in quarters.event_days:
            continue
        then = [datetime.combine(at.date() - timedelta(days=back), at.timetz()) for at in local]
        power = np.array([quarters.mean_kw(int(at.timestamp())) for at in then])
        if bool(np.isfinite(power).all()):
            found.append(power)
        if len(found) == rule.like_days:
            break
    return found


def baseline_kw(days: Sequence[FloatArray], rule: ResponseRule) -> FloatArray:
    """Mean of like days, those off their mean by more than a quarter left out, kW.

    Parameters
    ----------
    days : sequence of ndarray, shape (quarters,)
        At least one.
    rule : ResponseRule
    """
    means = np.array([float(d.mean()) for d in days])
    usual = float(means.mean())
    kept = [
        d for d, m in zip(days, means, strict=True) if abs(m - usual) <= rule.off_share * abs(usual)
    ]
    return np.asarray(np.mean(kept or list(days), axis=0), dtype=np.float64)
