"""One session's stay, filled as its pile can hold it: the cheapest slots first."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.holdable import ROUNDING_KWH
from scheduler.problem import FloatArray


class Slots(NamedTuple):
    """What one session could hold in each slot of its window: price, energy that the relaxed plan
    gives, least and most other than 0, the step, kWh, and whether it can hold any.
    """

    price: FloatArray
    before: FloatArray
    least: FloatArray
    most: FloatArray
    step: FloatArray
    usable: NDArray[np.bool_]


class One:
    """One session's slots, filled cheapest first."""

    def __init__(self, slots: Slots) -> None:
        at = np.arange(slots.price.size)
        # Cheapest first; among equals where it was, so that little moves; then the earliest.
        order = np.lexsort((at, -slots.before, slots.price))
        self._order = [int(j) for j in order if slots.usable[j]]
        self._price, self._step = slots.price.tolist(), slots.step.tolist()
        self._least, self._most = slots.least.tolist(), slots.most.tolist()
        self._taken = [0.0] * slots.price.size

    def fill(self, target_kwh: float) -> FloatArray:
        """Energy of each slot: the target as far as the slots can hold it."""
        taken, left = self._taken, target_kwh
        for k, j in enumerate(self._order):
            if left <= ROUNDING_KWH:
                break
            if left >= self._least[j] - ROUNDING_KWH:
                whole = min(self._on_grid(j, left), self._most[j])
                taken[j] = whole
                left -= whole
            else:
                left = self._remainder(k, left)
                break
        if left > ROUNDING_KWH:
            self._to_the_end(left)
        return np.array(taken)

    def _on_grid(self, j: int, energy: float) -> float:
        step = self._step[j]
        return energy if step <= 0 else math.floor((energy + ROUNDING_KWH) / step) * step

    def _remainder(self, k: int, left: float) -> float:
        """Less than the next slot's minimum is left: open it with energy of others, or go on to
        one that holds so little, or leave it for the session's end. What is left over.
        """
        taken, price = self._taken, self._price
        latest = max((j for j, e in enumerate(taken) if e > 0), default=-1)
        ways: list[tuple[float, int, str]] = []
        lenders = sorted((j for j in self._order[:k] if taken[j] > 0), key=lambda j: -price[j])
        spare = sum(max(taken[j] - self._least[j], 0.0) for j in lenders)
        for j in self._order[k:]:
            lacks = self._least[j] - left
            if lacks <= ROUNDING_KWH:
                ways.append((left * price[j], j, "whole"))
            elif lacks <= spare:
                ways.append((left * price[j] + self._lent(lenders, lacks, price[j]), j, "lend"))
            if j > latest:
                ways.append((left * price[j], j, "end"))
            if len(ways) > 6:
                break
        if not ways:
            return left
        _, j, way = min(ways, key=lambda w: (math.floor(w[0] * 1e9 + 0.5), w[2] == "end", w[1]))
        if way == "whole":
            taken[j] = min(self._on_grid(j, left), self._most[j])
            return left - taken[j]
        if way == "end":
            taken[j] = left
            return 0.0
        lacks = self._least[j] - left
        got = 0.0
        for lender in lenders:
            if got >= lacks - ROUNDING_KWH:
                break
            most = taken[lender] - self._least[lender]
            give = min(most, lacks - got)
            if self._step[lender] > 0:
                give = min(math.ceil(give / self._step[lender] - 1e-9) * self._step[lender], most)
            taken[lender] -= give
            got += give
        taken[j] = min(self._on_grid(j, left + got), self._most[j])
        return left + got - taken[j]

    def _lent(self, lenders: list[int], lacks: float, price: float) -> float:
        """What it costs more to draw so much in a slot of this price than in the lenders'."""
        cost = 0.0
        for j in lenders:
            give = min(max(self._taken[j] - self._least[j], 0.0), lacks)
            cost += give * (price - self._price[j])
            lacks -= give
            if lacks <= 0:
                break
        return cost

    def _to_the_end(self, left: float) -> None:
        """What no slot holds as a whole: on top of the last one, else in one after it."""
        taken = self._taken
        latest = max((j for j, e in enumerate(taken) if e > 0), default=-1)
        if latest >= 0 and taken[latest] + left <= self._most[latest] + ROUNDING_KWH:
            taken[latest] = min(taken[latest] + left, self._most[latest])
            return
        after = [j for j in self._order if j > latest]
        if after:
            taken[after[0]] = min(left, self._most[after[0]])
