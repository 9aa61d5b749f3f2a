"""One price at every instant."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError
from tariffs.tariff import PRICE, Steps, Tariff


@dataclass(frozen=True)
class Flat(Tariff):
    """One price to buy, one to sell.

    Parameters
    ----------
    name, currency : str
    buy_per_kwh, sell_per_kwh : float
        Money per kWh; finite, may be negative.
    """

    name: str
    currency: str
    buy_per_kwh: float
    sell_per_kwh: float

    def __post_init__(self) -> None:
        if not (isfinite(self.buy_per_kwh) and isfinite(self.sell_per_kwh)):
            raise InvalidValueError("a flat price must be a finite number", where=self.name)

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """One step."""
        return Steps(
            np.array([start_s], dtype=np.int64),
            end_s,
            np.array([self.buy_per_kwh]),
            np.array([self.sell_per_kwh]),
            np.array([PRICE], dtype=object),
        )
