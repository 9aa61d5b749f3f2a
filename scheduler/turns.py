"""Whose turn it is where not all can be served: the least laxity, and who charges stays."""

from __future__ import annotations

TURN_KEPT_H = 0.25
"""A vehicle that charges gives its place up only to one whose laxity is so much less.

Charging raises laxity and waiting lowers it, so without this two vehicles next to each other
would change places every few seconds; with it each keeps its turn for many minutes, and pauses
are few (I6).
"""


def turn_h(laxity_h: float, *, charging: bool) -> float:
    """By what vehicles are put in order, the lowest first, h.

    Parameters
    ----------
    laxity_h : float
        Time to departure minus time still needed, h; negative: it will not be met.
    charging : bool
        Whether it has been given power.
    """
    return laxity_h - TURN_KEPT_H if charging else laxity_h
