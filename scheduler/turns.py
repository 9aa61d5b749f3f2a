"""Whose turn it is where not all can be served: the least laxity, and who charges stays."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Hours = TypeVar("Hours", float, NDArray[np.float64])

TURN_KEPT_H = 0.25
"""A vehicle that charges is ordered as if it had not had the energy of its last so many hours.

Charging raises laxity and waiting lowers it, so without this two vehicles next to each other
would change places every few seconds; with it each keeps its turn for many minutes, and pauses
are few (I6). It goes by the power given: of two that charge, the one with more keeps more.
"""


def turn_h(laxity_h: Hours, *, given_share: Hours) -> Hours:
    """By what vehicles are put in order, the lowest first, h.

    Parameters
    ----------
    laxity_h : float or ndarray
        Time to departure minus time still needed, h; negative: it will not be met.
    given_share : float or ndarray
        Power it has been given, as a share of that by which its need in hours is told; >= 0.
    """
    return laxity_h - TURN_KEPT_H * given_share
