"""Pushed prices over a book: they hold for their instants and erase nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

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
                parts.append(self.series.steps(a, b))
            reached = b
        return Steps.join(parts)

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """One line: the energy."""
        return (("energy", self.steps(start_s, end_s, zone)),)
