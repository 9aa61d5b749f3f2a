"""力调电费: what the month's power factor adds to, or takes from, the bill."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import floor, hypot

from models.errors import InvalidValueError


@dataclass(frozen=True)
class PowerFactorRule:
    """Adjustment of the bill by the month's mean power factor.

    Parameters
    ----------
    table : tuple of (float, float)
        ``(power_factor, share)`` with the power factor in hundredths, increasing: the share of
        the bill that is added from that power factor up to the next row; negative is a reward.
        Below the first row the first row's share grows by ``below_share`` per hundredth.
    below_share : float
        Added share per 0.01 below the first row, >= 0.
    """

    table: tuple[tuple[float, float], ...]
    below_share: float

    def __post_init__(self) -> None:
        if not self.table or any(a[0] >= b[0] for a, b in pairwise(self.table)):
            raise InvalidValueError("the power factors of the table must increase", where="table")
        if self.below_share < 0:
            raise InvalidValueError("below_share cannot be negative", where="below_share")

    @staticmethod
    def power_factor(active_kwh: float, reactive_kvarh: float) -> float:
        """``P / sqrt(P^2 + Q^2)``, rounded half up to hundredths; 1 for an idle month."""
        apparent = hypot(active_kwh, reactive_kvarh)
        return 1.0 if apparent == 0 else floor(active_kwh / apparent * 100 + 0.5) / 100

    def adjustment(self, power_factor: float) -> float:
        """The share of the bill at a power factor in hundredths."""
        hundredths = round(power_factor * 100)
        rows = [(round(at * 100), share) for at, share in self.table]
        if hundredths < rows[0][0]:
            return rows[0][1] + (rows[0][0] - hundredths) * self.below_share
        return [share for at, share in rows if at <= hundredths][-1]
