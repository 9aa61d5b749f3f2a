"""What every tariff answers: prices on a horizon, the instants at which they change, its terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidValueError
from models.horizon import FloatArray, Horizon, IntArray, epoch_s, instant_of

if TYPE_CHECKING:
    from tariffs.consumption import ConsumptionTiers
    from tariffs.demand import DemandTerm

NameArray = NDArray[np.object_]

PERIODS = ("sharp", "peak", "flat", "valley", "deep_valley")
"""尖 峰 平 谷 深谷, dearest first."""

PRICE = "price"
"""The period name of a tariff that has prices but no named periods."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Prices as a step function of time on [starts_s[0], end_s).

    Parameters
    ----------
    starts_s : ndarray of int64, shape (m,)
        Epoch seconds, strictly increasing, from which each price holds.
    end_s : int
        Where the last price ends, epoch seconds.
    buy_per_kwh, sell_per_kwh : ndarray of float, shape (m,)
        Money per kWh drawn from, and fed into, the grid. May be negative.
    period : ndarray of str, shape (m,)
        Period names.

    Raises
    ------
    InvalidValueError
        If shapes differ, starts do not increase, or a price is not finite.
    """

    starts_s: IntArray
    end_s: int
    buy_per_kwh: FloatArray
    sell_per_kwh: FloatArray
    period: NameArray

    def __post_init__(self) -> None:
        m = self.starts_s.size
        if m == 0 or not (self.buy_per_kwh.size == self.sell_per_kwh.size == self.period.size == m):
            raise InvalidValueError("a step function needs one price, sale and name per start")
        if bool(np.any(np.diff(self.starts_s) <= 0)) or self.end_s <= int(self.starts_s[-1]):
            raise InvalidValueError("the starts of a step function must increase up to its end")
        if not bool(np.all(np.isfinite(self.buy_per_kwh) & np.isfinite(self.sell_per_kwh))):
            raise InvalidValueError("a price is not a finite number")

    @classmethod
    def join(cls, parts: list[Steps]) -> Steps:
        """Parts that touch, in order, as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([p.starts_s for p in parts]),
            parts[-1].end_s,
            np.concatenate([p.buy_per_kwh for p in parts]),
            np.concatenate([p.sell_per_kwh for p in parts]),
            np.concatenate([p.period for p in parts]),
        )

    def clip(self, start_s: int, end_s: int) -> Steps:
        """The same function on [start_s, end_s), which must lie inside it."""
        lo = int(np.searchsorted(self.starts_s, start_s, side="right")) - 1
        hi = int(np.searchsorted(self.starts_s, end_s, side="left"))
        starts = self.starts_s[lo:hi].copy()
        starts[0] = start_s
        buy = self.buy_per_kwh[lo:hi]
        same = self.sell_per_kwh is self.buy_per_kwh
        return Steps(
            starts,
            end_s,
            buy,
            buy if same else self.sell_per_kwh[lo:hi],
            self.period[lo:hi],
        )

    def change_s(self) -> IntArray:
        """Epoch seconds at which a price or a period name changes, the start not among them."""
        differs: NDArray[np.bool_] = np.asarray(
            (np.diff(self.buy_per_kwh) != 0)
            | (np.diff(self.sell_per_kwh) != 0)
            | (self.period[1:] != self.period[:-1]),
            dtype=bool,
        )
        return self.starts_s[1:][differs]

    def spans(self, edges_s: IntArray) -> tuple[IntArray, IntArray]:
        """The first and the last step that each slot touches, two arrays of shape (n,)."""
        n = edges_s.size - 1
        begun = np.searchsorted(edges_s[:-1], self.starts_s, side="left")
        first = np.cumsum(np.bincount(begun, minlength=n + 1)[:n]) - 1
        ended = np.searchsorted(edges_s[1:], self.starts_s, side="right")
        last = np.cumsum(np.bincount(ended, minlength=n + 1)[:n]) - 1
        return first, last

    def mean(
        self, values: FloatArray, edges_s: IntArray, spans: tuple[IntArray, IntArray]
    ) -> FloatArray:
        """Time-weighted mean of per-step values on each slot, shape (n,).

        ``spans`` is :meth:`spans` of the same edges. A slot inside one step gets that step's
        value exactly; a slot that holds a change gets ``sum(value_k * seconds_k) / seconds``.
        """
        first, last = spans
        result = values[first]
        for t in np.flatnonzero(first != last):
            lo, hi = int(first[t]), int(last[t])
            knots = np.concatenate([[edges_s[t]], self.starts_s[lo + 1 : hi + 1], [edges_s[t + 1]]])
            result[t] = float(values[lo : hi + 1] @ np.diff(knots)) / float(knots[-1] - knots[0])
        return result


@dataclass(frozen=True, eq=False)
class Prices:
    """The prices of a tariff on a horizon of n slots.

    Parameters
    ----------
    buy_per_kwh, sell_per_kwh : ndarray of float, shape (n,)
        Money per kWh drawn from, and fed into, the grid: the time-weighted mean of each slot.
    period : tuple of str, length n
        The period at the start of each slot.
    """

    buy_per_kwh: FloatArray
    sell_per_kwh: FloatArray
    period: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in (self.buy_per_kwh, self.sell_per_kwh):
            array.setflags(write=False)


@dataclass(frozen=True)
class TariffNote:
    """Something that an operator should know about the prices, told as data.

    Parameters
    ----------
    code : str
        A stable word: ``outside_validity``, ``unpublished_holidays``, ``component_extended``,
        ``component_carried``, ``temperature_unknown``, ``assumed``, ``missing``,
        ``gap_filled``, ``change_too_early``.
    text : str
        One sentence with the value, the place and what to do.
    """

    code: str
    text: str


class Tariff(ABC):
    """What energy costs and when.

    A kind writes :meth:`steps`; everything else follows from it. Rules that humans made follow
    the local clock of the zone that is handed in (the site's), never a zone of the tariff's own.
    """

    name: str
    currency: str

    @abstractmethod
    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The prices on [start_s, end_s), epoch seconds, start_s < end_s.

        Raises
        ------
        TariffError
            If the tariff has a gap there, or lacks a number that it needs.
        """

    def prices(self, horizon: Horizon) -> Prices:
        """The prices of each slot; a slot that holds a change gets its time-weighted mean."""
        steps = self.steps(horizon.start_s, horizon.end_s, horizon.zone)
        edges = horizon.edges_s
        spans = steps.spans(edges)
        names: Any = steps.period[spans[0]]
        buy = steps.mean(steps.buy_per_kwh, edges, spans)
        if steps.sell_per_kwh is steps.buy_per_kwh:
            sell = buy
        else:
            sell = steps.mean(steps.sell_per_kwh, edges, spans)
        return Prices(buy, sell, tuple(names.tolist()))

    def edges(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> list[datetime]:
        """The instants inside (start, end) at which a price changes, UTC, in order."""
        lo, hi = epoch_s(start), epoch_s(end)
        if hi <= lo:
            return []
        return [instant_of(int(s)) for s in self.steps(lo, hi, zone).change_s()]

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """The lines that a bill tells apart, each with its steps.

        They add up to :meth:`steps`, but for the marginal adder of consumption tiers, which a
        bill splits by the kWh really drawn.
        """
        return (("energy", self.steps(start_s, end_s, zone)),)

    def consumption_tiers(self, at_s: int, zone: ZoneInfo) -> tuple[ConsumptionTiers, ...]:
        """Adders by the month's or year's kWh in force at an instant (epoch s); none here."""
        return ()

    def demand_terms(
        self, start: datetime, end: datetime, *, zone: ZoneInfo
    ) -> tuple[DemandTerm, ...]:
        """The demand and capacity terms in force somewhere in [start, end); none here."""
        return ()

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """What an operator should know about the prices of [start, end); nothing here."""
        return ()
