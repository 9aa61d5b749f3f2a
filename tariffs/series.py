"""Prices of known instants, as a market or a grid company sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

import numpy as np

from models.errors import InvalidValueError
from models.horizon import FloatArray, IntArray, epoch_s
from tariffs.tariff import PRICE, Steps


@dataclass(frozen=True, eq=False)
class PriceSeries:
    """Prices of known instants.

    Parameters
    ----------
    starts_s, ends_s : ndarray of int64, shape (m,)
        Epoch seconds of each price's stretch [start, end): increasing, not overlapping; holes
        are allowed.
    buy_per_kwh : ndarray of float, shape (m,)
        Money per kWh; finite, may be negative.
    sell_per_kwh : ndarray of float, shape (m,)
        The same; nan where the sender did not say, and the book underneath holds.

    Raises
    ------
    InvalidValueError
        If lengths differ, stretches overlap, or a price is not finite.
    """

    starts_s: IntArray
    ends_s: IntArray
    buy_per_kwh: FloatArray
    sell_per_kwh: FloatArray

    def __post_init__(self) -> None:
        m = self.starts_s.size
        if m == 0 or not (self.ends_s.size == self.buy_per_kwh.size == self.sell_per_kwh.size == m):
            raise InvalidValueError("a price series needs one end and two prices per start")
        if bool(np.any(self.ends_s <= self.starts_s)) or bool(
            np.any(self.ends_s[:-1] > self.starts_s[1:])
        ):
            raise InvalidValueError("the stretches of a price series overlap or run backwards")
        if not bool(np.all(np.isfinite(self.buy_per_kwh) & ~np.isinf(self.sell_per_kwh))):
            raise InvalidValueError("a price is not a finite number")

    @classmethod
    def regular(
        cls,
        start: datetime,
        slot_minutes: int,
        buy_per_kwh: Sequence[float] | FloatArray,
        sell_per_kwh: Sequence[float] | FloatArray | None,
    ) -> PriceSeries:
        """Prices one after another, each ``slot_minutes`` long in elapsed time.

        ``sell_per_kwh`` None: not said.
        """
        if slot_minutes <= 0:
            raise InvalidValueError(f"{slot_minutes} minutes is no slot", where="slot_minutes")
        buy = np.asarray(buy_per_kwh, dtype=np.float64)
        step = slot_minutes * 60
        starts = epoch_s(start) + step * np.arange(buy.size, dtype=np.int64)
        sell = np.full(buy.size, np.nan) if sell_per_kwh is None else sell_per_kwh
        return cls(starts, starts + step, buy, np.asarray(sell, dtype=np.float64))

    def extended(self, newer: PriceSeries) -> PriceSeries:
        """This series with a newer one laid over it; nothing outside the newer one is lost."""
        kept = self._outside(newer)
        if kept is None:
            return newer
        starts = np.concatenate([kept.starts_s, newer.starts_s])
        order = np.argsort(starts, kind="stable")
        return PriceSeries(
            starts[order],
            np.concatenate([kept.ends_s, newer.ends_s])[order],
            np.concatenate([kept.buy_per_kwh, newer.buy_per_kwh])[order],
            np.concatenate([kept.sell_per_kwh, newer.sell_per_kwh])[order],
        )

    def since(self, instant_s: int) -> PriceSeries | None:
        """Without what ended at or before an instant; None when nothing is left."""
        lo = int(np.searchsorted(self.ends_s, instant_s, side="right"))
        if lo == self.starts_s.size:
            return None
        return PriceSeries(
            self.starts_s[lo:], self.ends_s[lo:], self.buy_per_kwh[lo:], self.sell_per_kwh[lo:]
        )

    def covered(self, start_s: int, end_s: int) -> list[tuple[int, int]]:
        """Stretches of [start_s, end_s) that have a price, merged where they touch."""
        lo = int(np.searchsorted(self.ends_s, start_s, side="right"))
        hi = int(np.searchsorted(self.starts_s, end_s, side="left"))
        if hi <= lo:
            return []
        starts, ends = self.starts_s[lo:hi], self.ends_s[lo:hi]
        apart = np.flatnonzero(starts[1:] != ends[:-1])
        begins = starts[np.concatenate([[0], apart + 1])]
        stops = ends[np.concatenate([apart, [hi - lo - 1]])]
        return [
            (max(int(a), start_s), min(int(b), end_s)) for a, b in zip(begins, stops, strict=True)
        ]

    @property
    def tells_sell(self) -> bool:
        """Whether every price has a selling price."""
        return not bool(np.any(np.isnan(self.sell_per_kwh)))

    def steps(self, start_s: int, end_s: int, sell_per_kwh: FloatArray | None = None) -> Steps:
        """The steps of a stretch that is covered throughout.

        ``sell_per_kwh`` replaces the series' own selling prices, one per step.
        """
        lo, hi = self._touched(start_s, end_s)
        starts = self.starts_s[lo:hi].copy()
        starts[0] = start_s
        names = np.full(starts.size, PRICE, dtype=object)
        sell = self.sell_per_kwh[lo:hi] if sell_per_kwh is None else sell_per_kwh
        return Steps(starts, end_s, self.buy_per_kwh[lo:hi], sell, names)

    def sell_between(self, start_s: int, end_s: int) -> FloatArray:
        """The selling prices of :meth:`steps`, nan where not said."""
        lo, hi = self._touched(start_s, end_s)
        return self.sell_per_kwh[lo:hi]

    def _touched(self, start_s: int, end_s: int) -> tuple[int, int]:
        lo = int(np.searchsorted(self.starts_s, start_s, side="right")) - 1
        return lo, int(np.searchsorted(self.starts_s, end_s, side="left"))

    def _outside(self, newer: PriceSeries) -> PriceSeries | None:
        starts, ends, buy, sell = [], [], [], []
        taken = newer.covered(
            min(int(newer.starts_s[0]), int(self.starts_s[0])),
            max(int(newer.ends_s[-1]), int(self.ends_s[-1])),
        )
        for i in range(self.starts_s.size):
            pieces = [(int(self.starts_s[i]), int(self.ends_s[i]))]
            for a, b in taken:
                pieces = [
                    piece
                    for lo, hi in pieces
                    for piece in ((lo, min(hi, a)), (max(lo, b), hi))
                    if piece[0] < piece[1]
                ]
            for lo, hi in pieces:
                starts.append(lo)
                ends.append(hi)
                buy.append(float(self.buy_per_kwh[i]))
                sell.append(float(self.sell_per_kwh[i]))
        if not starts:
            return None
        return PriceSeries(
            np.array(starts, dtype=np.int64),
            np.array(ends, dtype=np.int64),
            np.array(buy),
            np.array(sell),
        )


def carbon_series(series_g_per_kwh: PriceSeries, price_per_t: float) -> PriceSeries:
    """A carbon intensity as money: g/kWh times price per tonne over 1e6 g.

    Parameters
    ----------
    series_g_per_kwh : PriceSeries
        Its "prices" are grams of CO2 per kWh.
    price_per_t : float
        Money per tonne, finite.
    """
    if not isfinite(price_per_t):
        raise InvalidValueError(f"{price_per_t} per tonne is no price", where="price_per_t")
    scale = price_per_t / 1e6
    return PriceSeries(
        series_g_per_kwh.starts_s,
        series_g_per_kwh.ends_s,
        series_g_per_kwh.buy_per_kwh * scale,
        series_g_per_kwh.sell_per_kwh * scale,
    )
