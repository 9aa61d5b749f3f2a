"""Consumption tiers: a kWh costs more once the month or the year has drawn enough."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from models.errors import InvalidValueError


@dataclass(frozen=True)
class ConsumptionTiers:
    """Adders per kWh by cumulated consumption.

    Parameters
    ----------
    period : {"month", "year"}
        When the count starts anew, by the civil calendar.
    tiers : tuple of (float, float)
        ``(from_kwh, adder_per_kwh)``: what a kWh costs on top once so many kWh of the period
        have been drawn; from_kwh increasing, the first one usually (0, 0).
    within : str
        Only the kWh of this tariff period are counted, and only they pay; empty: all.

    Raises
    ------
    InvalidValueError
        If there is no tier, or they do not increase.
    """

    period: Literal["month", "year"]
    tiers: tuple[tuple[float, float], ...]
    within: str = ""

    def __post_init__(self) -> None:
        if not self.tiers or self.tiers[0][0] != 0:
            raise InvalidValueError("consumption tiers start at 0 kWh", where="tiers")
        if any(a[0] >= b[0] for a, b in pairwise(self.tiers)):
            raise InvalidValueError("consumption tiers must increase", where="tiers")

    def adder_at(self, consumed_kwh: float) -> float:
        """What the next kWh costs on top."""
        return [adder for at, adder in self.tiers if at <= max(consumed_kwh, 0.0)][-1]

    def split(self, before_kwh: float, drawn_kwh: float) -> tuple[tuple[float, float], ...]:
        """``(kwh, adder_per_kwh)`` of the tiers that a draw falls into."""
        bounds = [at for at, _ in self.tiers[1:]] + [float("inf")]
        found = []
        for (at, adder), top in zip(self.tiers, bounds, strict=True):
            lo, hi = max(at, before_kwh), min(top, before_kwh + drawn_kwh)
            if hi > lo:
                found.append((hi - lo, adder))
        return tuple(found)
