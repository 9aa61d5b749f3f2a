"""What a named period costs: a price, a ratio on a floating base, or an offset on a base price."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Literal

from models.errors import TariffError
from tariffs.calendar import DayType
from tariffs.scope import Scope

Method = Literal["absolute", "ratio", "offset"]


@dataclass(frozen=True)
class Component:
    """The dated parts of a Chinese price: what floats and what does not.

    Parameters
    ----------
    since : date
        First civil day on which the numbers hold, until the next component's.
    flat_per_kwh : float
        The whole price of the flat period, money per kWh.
    base_per_kwh : float or None
        The part that ratios float on; None where ratios are not used.
    """

    since: date
    flat_per_kwh: float
    base_per_kwh: float | None = None

    def __post_init__(self) -> None:
        for value in (self.flat_per_kwh, self.base_per_kwh):
            if value is not None and not isfinite(value):
                raise TariffError(
                    f"{value} is no price", where=f"components since {self.since.isoformat()}"
                )


@dataclass(frozen=True)
class ScopedValues:
    """Numbers by period name on the days of a scope."""

    scope: Scope
    values: Mapping[str, float]


@dataclass(frozen=True)
class PeriodPrices:
    """The price of each period on each day.

    Parameters
    ----------
    method : {"absolute", "ratio", "offset"}
        ``absolute``: the values are prices per kWh. ``ratio``: price = flat + (ratio - 1) * base.
        ``offset``: price = flat + offset.
    values : tuple of ScopedValues
        Later entries win, period by period.
    components : tuple of Component
        In order of date; needed for ``ratio`` and ``offset``.

    Notes
    -----
    Before the first component the first holds, after the last the last holds; a tariff tells
    both in its notes.
    """

    method: Method
    values: tuple[ScopedValues, ...]
    components: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        if self.method != "absolute" and not self.components:
            raise TariffError(
                f"prices by {self.method} need components",
                where="components",
                fix="give flat_per_kwh and, for ratios, base_per_kwh as site settings",
            )
        if self.method == "ratio" and any(c.base_per_kwh is None for c in self.components):
            raise TariffError("ratios need base_per_kwh in every component", where="components")
        since = [c.since for c in self.components]
        if any(a >= b for a, b in itertools.pairwise(since)):
            raise TariffError("the components do not follow each other by date", where="components")

    def component_at(self, day: date) -> int:
        """Index of the component in force on a day, the first one before its own date."""
        return max(0, bisect_right([c.since for c in self.components], day) - 1)

    def key(self, day: DayType, max_c: float | None) -> tuple[int, ...]:
        """Days with the same key have the same prices."""
        component = self.component_at(day.day) if self.components else -1
        matched = tuple(i for i, v in enumerate(self.values) if v.scope.matches(day, max_c))
        return (component, *matched)

    def table(self, key: tuple[int, ...]) -> dict[str, float]:
        """Money per kWh of every period that has a number under a key."""
        numbers: dict[str, float] = {}
        for i in key[1:]:
            numbers.update(self.values[i].values)
        if self.method == "absolute":
            return numbers
        component = self.components[key[0]]
        flat = component.flat_per_kwh
        if self.method == "offset":
            return {period: flat + value for period, value in numbers.items()}
        base = component.base_per_kwh or 0.0
        return {period: flat + (ratio - 1.0) * base for period, ratio in numbers.items()}
