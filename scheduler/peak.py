"""A price on the highest mean power of a month, as arrays: a demand charge to a solver."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from models.errors import InvalidValueError
from models.horizon import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class PeakPrice:
    """Money for the highest of several mean powers, above what is reached anyway.

    ``mean_r = offset_kw[r] + sum(weight[e] * p[slot[e]])`` over the entries e of row r, where p
    is the sessions' power in each slot; ``price_k`` is paid for each kW of the highest mean
    between ``from_kw_k`` and the next.

    Parameters
    ----------
    row, slot : ndarray of int64, shape (e,)
        Entries.
    weight : ndarray, shape (e,)
        Share of the interval that the slot fills, 0 to 1.
    offset_kw : ndarray, shape (m,)
        Mean power of each interval that no session of the problem draws, kW.
    tiers : tuple of (float, float)
        ``(from_kw, price_per_kw)``, both increasing; at least one.
    base_kw : ndarray, shape (T,)
        Power by slot that no session of the problem draws, kW; it stands in ``offset_kw`` too.
    term : str
        The demand term of a month, as dispatch looks it up.
    insures : bool
        True: it is paid by nobody, and keeps room for what may come unforeseen; no cost counts
        it and dispatch does not hold it.
    """

    row: IntArray
    slot: IntArray
    weight: FloatArray
    offset_kw: FloatArray
    tiers: tuple[tuple[float, float], ...]
    base_kw: FloatArray = field(default_factory=lambda: np.zeros(0))
    term: str = ""
    insures: bool = False

    def __post_init__(self) -> None:
        if not self.tiers or any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(self.tiers)):
            raise InvalidValueError("the tiers of a peak's price must increase", where="tiers")
        if not self.row.size == self.slot.size == self.weight.size:
            raise InvalidValueError("rows, slots and weights differ in length", where="peaks")

    def mean_kw(self, slot_kw: FloatArray) -> FloatArray:
        """Mean power of each interval for the sessions' power by slot, kW, shape (m,)."""
        drawn = np.bincount(
            self.row, weights=self.weight * slot_kw[self.slot], minlength=self.offset_kw.size
        )
        return np.asarray(self.offset_kw + drawn, dtype=np.float64)

    def aim_kw(self, slot_kw: FloatArray) -> float:
        """The mean power that no interval exceeds under a plan, or may reach for nothing, kW."""
        return max(self.tiers[0][0], float(np.max(self.mean_kw(slot_kw), initial=0.0)))

    def money(self, slot_kw: FloatArray) -> float:
        """What the highest interval costs above what is reached anyway."""
        top = float(np.max(self.mean_kw(slot_kw), initial=0.0))
        ends = [at for at, _ in self.tiers[1:]] + [np.inf]
        return sum(
            price * max(min(top, end) - at, 0.0)
            for (at, price), end in zip(self.tiers, ends, strict=True)
        )

    def most_per_kwh(self, slot_h: FloatArray) -> float:
        """The most that one kWh can add to the price of the peak, money."""
        return self.tiers[-1][1] * float(np.max(self.weight / slot_h[self.slot], initial=0.0))
