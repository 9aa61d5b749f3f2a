"""Money per kWh beside the energy price: service fee, discount, coupon, green premium."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from zoneinfo import ZoneInfo

import numpy as np

from models.errors import InvalidValueError, TariffError
from models.horizon import FloatArray, IntArray
from tariffs.tariff import Steps, Tariff, TariffNote
from tariffs.wrapped import Wrapped


@dataclass(frozen=True)
class Fee:
    """An addition per kWh drawn; negative for a discount or a coupon.

    Parameters
    ----------
    name : str
        As it stands on the bill.
    tariff : Tariff or None
        Its buying price is the money per kWh, by time; None: ``share`` is used.
    share : float
        Share of the energy price, as -0.1 for 10 % off; used when ``tariff`` is None.
    """

    name: str
    tariff: Tariff | None
    share: float = 0.0

    def __post_init__(self) -> None:
        if not isfinite(self.share):
            raise InvalidValueError(f"a share of {self.share} is no number", where=self.name)


@dataclass(frozen=True, eq=False)
class WithFees(Wrapped):
    """An energy tariff and what is added to each kWh drawn; what is sold is untouched.

    Parameters
    ----------
    inner : Tariff
        The energy.
    fees : tuple of Fee
    """

    fees: tuple[Fee, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for fee in self.fees:
            if fee.tariff is not None and fee.tariff.currency != self.inner.currency:
                raise TariffError(
                    f"is in {fee.tariff.currency}, the energy in {self.inner.currency}",
                    where=fee.name,
                )

    def steps(self, start_s: int, end_s: int, zone: ZoneInfo) -> Steps:
        """The sum of all parts, with the energy tariff's periods."""
        energy = self.inner.steps(start_s, end_s, zone)
        fees = [steps for _, steps in self._fees(start_s, end_s, zone)]
        knots: IntArray = np.unique(np.concatenate([energy.starts_s, *(f.starts_s for f in fees)]))
        held = np.searchsorted(energy.starts_s, knots, side="right") - 1
        buy: FloatArray = energy.buy_per_kwh[held].copy()
        for fee in fees:
            buy += fee.buy_per_kwh[np.searchsorted(fee.starts_s, knots, side="right") - 1]
        return Steps(knots, end_s, buy, energy.sell_per_kwh[held], energy.period[held])

    def parts(self, start_s: int, end_s: int, zone: ZoneInfo) -> tuple[tuple[str, Steps], ...]:
        """The lines of the energy tariff, then every fee under its name."""
        return (*self.inner.parts(start_s, end_s, zone), *self._fees(start_s, end_s, zone))

    def _fees(self, start_s: int, end_s: int, zone: ZoneInfo) -> list[tuple[str, Steps]]:
        """A share is one of the energy price alone, whatever tier the count stands in."""
        energy = self.inner.parts(start_s, end_s, zone)[0][1]
        nothing = np.zeros(energy.starts_s.size)
        found = []
        for fee in self.fees:
            if fee.tariff is None:
                share = energy.buy_per_kwh * fee.share
                found.append(
                    (fee.name, Steps(energy.starts_s, end_s, share, nothing, energy.period))
                )
                continue
            own = fee.tariff.steps(start_s, end_s, zone)
            zero = np.zeros(own.starts_s.size)
            found.append((fee.name, Steps(own.starts_s, end_s, own.buy_per_kwh, zero, own.period)))
        return found

    def notes(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> tuple[TariffNote, ...]:
        """Of the energy tariff and of every fee."""
        found = list(self.inner.notes(start, end, zone=zone))
        for fee in self.fees:
            if fee.tariff is not None:
                found.extend(fee.tariff.notes(start, end, zone=zone))
        return tuple(found)
