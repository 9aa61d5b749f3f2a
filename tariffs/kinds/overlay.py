"""Pushed prices over a book: they hold for their instants and erase nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from tariffs.series import PriceSeries
from tariffs.tariff import Steps
from tariffs.wrapped import Wrapped


@dataclass(frozen=True, eq=False)
class Overlay(Wrapped):
    """A book, and a series over it.

    Parameters
    ----------
    inner : Tariff
        Holds wherever the series has no price; keeps its demand terms and consumption tiers.
    series : PriceSeries
        Replaces the energy price of the inner tariff for its instants.
    """

    series: PriceSeries

    def pushed(self, newer: PriceSeries) -> Overlay:
        """With a newer series over the one that is there."""
        return Overlay(self.inner, self.series.extended(newer))

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The series where it has a price, the inner tariff elsewhere."""
        parts: list[Steps] = []
        reached = start_s
        for a, b in [*self.series.covered(start_s, end_s), (end_s, end_s)]:
            if a > reached:
                parts.append(self.inner.steps(reached, a, zone))
            if b > a:
                parts.extend(self._pushed(a, b, zone))
            reached = b
        return Steps.join(parts)

    def _pushed(self, start_s: int, end_s: int, zone: ZoneInfo) -> list[Steps]:
        """The series; where it does not say what selling earns, cut at the book's edges."""
        if self.series.tells_sell:
            return [self.series.steps(start_s, end_s)]
        book = self.inner.steps(start_s, end_s, zone)
        said = self.series.sell_between(start_s, end_s)
        own = self.series.steps(start_s, end_s, np.zeros(said.size))
        knots = np.unique(np.concatenate([own.starts_s, book.starts_s]))
        held = np.searchsorted(own.starts_s, knots, side="right") - 1
        under = book.sell_per_kwh[np.searchsorted(book.starts_s, knots, side="right") - 1]
        sell = np.where(np.isnan(said[held]), under, said[held])
        return [Steps(knots, end_s, own.buy_per_kwh[held], sell, own.period[held])]

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """One line: the energy."""
        return (("energy", self.steps(start_s, end_s, zone)),)
