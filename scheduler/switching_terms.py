"""What a problem knows of its piles' switching rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SwitchingTerms:
    """Switching by session, n of them.

    Parameters
    ----------
    on : ndarray of bool, shape (n,)
        Whether its pile is on now.
    starts, starts_later : ndarray, shape (n,)
        Starts left on the horizon's first local day, and on each later one; inf: any number.
    min_on_s, min_off_s : ndarray, shape (n,)
        Shortest times on and off, s >= 0.
    day : ndarray of int64, shape (T,)
        Local day of each slot, counted from that of the first.
    """

    on: NDArray[np.bool_]
    starts: NDArray[np.float64]
    starts_later: NDArray[np.float64]
    min_on_s: NDArray[np.float64]
    min_off_s: NDArray[np.float64]
    day: NDArray[np.int64]

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Every array, for a digest."""
        for f in fields(self):
            yield getattr(self, f.name)
