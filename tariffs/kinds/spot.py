"""A series of prices, 96 or 24 a day, that grows as the market publishes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import TariffError
from models.horizon import epoch_s, instant_of
from tariffs.series import PriceSeries
from tariffs.tariff import PRICE, Steps, Tariff, TariffNote

GapRule = Literal["refuse", "hold", "previous_day"]
_LOOK_BACK_DAYS = 8


@dataclass(frozen=True, eq=False)
class Spot(Tariff):
    """A price series alone, with a named rule for what is not published.

    Parameters
    ----------
    name, currency : str
    series : PriceSeries or None
        None until the first prices are published.
    gap : {"refuse", "hold", "previous_day"}
        ``refuse``: an error names the gap. ``hold``: the last known price. ``previous_day``: the
        same clock time of the latest earlier day that has a price, up to 8 days back.
    """

    name: str
    currency: str
    series: PriceSeries | None
    gap: GapRule

    def __post_init__(self) -> None:
        if self.series is not None and not self.series.tells_sell:
            raise TariffError(
                "a price series alone needs selling prices too",
                where=self.name,
                fix="give 0 where feeding in earns nothing",
            )

    def pushed(self, newer: PriceSeries) -> Spot:
        """With newly published prices; those that are there stay where these have none."""
        known = self.series
        return replace(self, series=newer if known is None else known.extended(newer))

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The series, its gaps filled by the rule."""
        series = self.series
        if series is None:
            raise self._missing(start_s, end_s, zone)
        parts: list[Steps] = []
        reached = start_s
        for a, b in [*series.covered(start_s, end_s), (end_s, end_s)]:
            if a > reached:
                parts.extend(self._fill(series, reached, a, zone))
            if b > a:
                parts.append(series.steps(a, b))
            reached = b
        return Steps.join(parts)

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """Whether a gap was filled, and how."""
        lo, hi = epoch_s(start), epoch_s(end)
        if self.series is not None and self.series.covered(lo, hi) == [(lo, hi)]:
            return ()
        return (
            TariffNote(
                "gap_filled", f"{self.name} has gaps in the window, filled by the rule '{self.gap}'"
            ),
        )

    def _fill(self, series: PriceSeries, start_s: int, end_s: int, zone: ZoneInfo) -> list[Steps]:
        if self.gap == "hold":
            return [self._held(series, start_s, end_s, zone)]
        if self.gap == "previous_day":
            found = _earlier(series, start_s, end_s, zone)
            if found:
                return found
        raise self._missing(start_s, end_s, zone)

    def _held(self, series: PriceSeries, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        i = int(np.searchsorted(series.starts_s, start_s, side="right")) - 1
        if i < 0:
            raise self._missing(start_s, end_s, zone)
        return Steps(
            np.array([start_s], dtype=np.int64),
            end_s,
            series.buy_per_kwh[i : i + 1],
            series.sell_per_kwh[i : i + 1],
            np.array([PRICE], dtype=object),
        )

    def _missing(self, start_s: int, end_s: int, zone: ZoneInfo) -> TariffError:
        lo = instant_of(start_s).astimezone(zone).isoformat()
        hi = instant_of(end_s).astimezone(zone).isoformat()
        return TariffError(
            f"no price from {lo} to {hi}",
            where=self.name,
            fix="publish the missing prices, or choose the gap rule 'hold' or 'previous_day'",
        )


def _earlier(series: PriceSeries, start_s: int, end_s: int, zone: ZoneInfo) -> list[Steps]:
    """The gap cut at quarter hours, each with the price of an earlier day's clock time."""
    knots = [start_s, *range(start_s // 900 * 900 + 900, end_s, 900), end_s]
    parts: list[Steps] = []
    for lo, hi in itertools.pairwise(knots):
        local = instant_of(lo).astimezone(zone)
        for days in range(1, _LOOK_BACK_DAYS + 1):
            at = epoch_s(local - timedelta(days=days))
            if series.covered(at, at + 1):
                source = series.steps(at, at + 1)
                parts.append(
                    Steps(
                        np.array([lo], dtype=np.int64),
                        hi,
                        source.buy_per_kwh,
                        source.sell_per_kwh,
                        source.period,
                    )
                )
                break
        else:
            return []
    return parts
