"""How unevenly the three phases of a node may be loaded (三相不平衡), as the kernel counts with it.

A load on one phase may rise until that phase carries ``most_a`` more than the emptiest of the
others; one on all three changes nothing. Whoever is put in by this rule, in whatever order, no two
phases end further apart than ``most_a``, or than they were.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Imbalance:
    """The phases of one node, added to in place.

    Parameters
    ----------
    most_a : float
        Most current by which a phase may exceed another, A >= 0.
    upper_a, lower_a : list of 3 floats
        The most and the least that each phase may be carrying, A.
    """

    most_a: float
    upper_a: list[float]
    lower_a: list[float]

    def copy(self) -> Imbalance:
        """The same, to be added to on its own."""
        return Imbalance(self.most_a, list(self.upper_a), list(self.lower_a))

    def room_a(self, phases: Sequence[int]) -> float:
        """Current by which these phases, each of them, may rise, A; may be negative."""
        others = [self.lower_a[k] for k in range(3) if k not in phases]
        if not others or not phases:
            return math.inf
        return min(others) + self.most_a - max(self.upper_a[k] for k in phases)

    def add(self, phases: Sequence[int], upper_a: float, lower_a: float) -> None:
        """Load these phases, each of them, with at most and at least so much current, A.

        What draws on all three draws the same on each, and is left out.
        """
        for k in phases if len(phases) < 3 else ():
            self.upper_a[k] += upper_a
            self.lower_a[k] += lower_a
