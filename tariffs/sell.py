"""What a kWh fed into the grid earns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.horizon import FloatArray


@dataclass(frozen=True)
class Sell:
    """What a kWh fed into the grid earns.

    Parameters
    ----------
    method : {"nothing", "share", "fixed"}
        ``share``: ``value`` times the period's buying price (1 settles V2G at the period's
        price); ``fixed``: ``value`` per kWh; ``nothing``: 0.
    value : float
    """

    method: Literal["nothing", "share", "fixed"]
    value: float = 0.0

    def price(self, buy_per_kwh: FloatArray) -> FloatArray:
        """Money per kWh sold, shape as the buying price."""
        if self.method == "share":
            return buy_per_kwh if self.value == 1.0 else buy_per_kwh * self.value
        return np.full(buy_per_kwh.shape, self.value if self.method == "fixed" else 0.0)
