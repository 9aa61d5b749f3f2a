"""What a run's energy costs by a tariff, exactly: prices are steps, powers are pieces."""

from __future__ import annotations

import math
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import numpy as np

from adapters.simulator.trace import Piece
from models.horizon import FloatArray, Horizon
from tariffs.tariff import Tariff


class PriceSum:
    """The integral of the buying price over time.

    Parameters
    ----------
    tariff : Tariff
        What energy costs.
    start_s, end_s : float
        Where prices are needed, epoch seconds.
    zone : ZoneInfo
        The site's zone.
    """

    def __init__(self, tariff: Tariff, start_s: float, end_s: float, zone: ZoneInfo) -> None:
        lo, hi = math.floor(start_s), math.ceil(end_s)
        steps = tariff.steps(lo, hi, zone)
        self.edges_s = np.append(steps.starts_s, steps.end_s)
        self.price_per_kwh = np.asarray(steps.buy_per_kwh, dtype=np.float64)
        self._sum = np.concatenate([[0.0], np.cumsum(self.price_per_kwh * np.diff(self.edges_s))])

    def mean(self, start_s: FloatArray, end_s: FloatArray) -> FloatArray:
        """Mean price of each stretch, money per kWh; the price itself where it has no length."""
        length = np.maximum(end_s - start_s, 1e-9)
        area = self._at(end_s) - self._at(start_s)
        at = np.clip(
            np.searchsorted(self.edges_s, start_s, side="right") - 1, 0, self.price_per_kwh.size - 1
        )
        return np.where(end_s - start_s > 1e-6, area / length, self.price_per_kwh[at])

    def _at(self, seconds: FloatArray) -> FloatArray:
        return np.asarray(np.interp(seconds, self.edges_s, self._sum), dtype=np.float64)

    def of_pieces(self, pieces: Iterable[Piece]) -> float:
        """Money for the energy of pieces, each drawn evenly."""
        table = np.array([(p.start_s, p.end_s, p.energy_kwh) for p in pieces], dtype=np.float64)
        if not table.size:
            return 0.0
        return float(np.sum(self.mean(table[:, 0], table[:, 1]) * table[:, 2]))

    def of_slots(self, horizon: Horizon) -> FloatArray:
        """Mean price of each slot, shape (n,)."""
        edges = horizon.edges_s.astype(np.float64)
        return self.mean(edges[:-1], edges[1:])
