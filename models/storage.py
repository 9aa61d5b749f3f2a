"""Stationary storage and PV plants, by their nameplates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import ConfigurationError
from models.ids import check_id


@dataclass(frozen=True)
class Storage:
    """Stationary storage (储能).

    Parameters
    ----------
    id, node : str
        Ids.
    capacity_kwh, max_kw : float
        Usable energy, kWh > 0, and power both ways, kW > 0.
    charge_efficiency, discharge_efficiency : float
        Fractions in (0, 1].
    min_soc, max_soc : float
        Band of the state of charge, 0 <= min < max <= 1.
    wear_per_kwh : float
        Money per kWh discharged, >= 0.
    wear_per_cycle : float
        Money per whole cycle (the usable energy discharged once), >= 0; it comes on top.
    reserve_soc : float
        Kept for backup while the grid is there: the plan stays above it, islanding may use it.
    grid_charging : bool
        False: it may charge from PV alone.
    cycles_per_day : float, optional
        Most energy discharged in a local day, as a share of the capacity, > 0.
    promises : tuple of (float, float)
        Hour of the local day and the energy that it holds then, kWh: what a battery-swap rack
        (换电柜) must have ready. Kept before money, behind vehicles.
    """

    id: str
    node: str
    capacity_kwh: float
    max_kw: float
    charge_efficiency: float
    discharge_efficiency: float
    min_soc: float = 0.0
    max_soc: float = 1.0
    wear_per_kwh: float = 0.0
    wear_per_cycle: float = 0.0
    reserve_soc: float = 0.0
    grid_charging: bool = True
    cycles_per_day: float | None = None
    promises: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        where = f"assets.{self.id}"
        check_id(self.id, where=where)
        for name in ("capacity_kwh", "max_kw"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ConfigurationError("must be above 0", where=f"{where}.{name}")
        for name in ("charge_efficiency", "discharge_efficiency"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigurationError("is not in (0, 1]", where=f"{where}.{name}")
        if not 0 <= self.min_soc < self.max_soc <= 1:
            raise ConfigurationError("needs 0 <= min_soc < max_soc <= 1", where=where)
        for name in ("wear_per_kwh", "wear_per_cycle"):
            if not getattr(self, name) >= 0:
                raise ConfigurationError("must be 0 or more", where=f"{where}.{name}")
        if self.cycles_per_day is not None and not self.cycles_per_day > 0:
            raise ConfigurationError(
                "must be above 0", where=f"{where}.cycles_per_day", fix="1 is a whole cycle a day"
            )
        for hour, kwh in self.promises:
            if not 0 <= hour < 24 or not 0 < kwh <= self.max_soc * self.capacity_kwh:
                raise ConfigurationError(
                    f"[{hour:g}, {kwh:g}] promises what it cannot hold",
                    where=f"{where}.promises",
                    fix="an hour of the day and the kWh that it holds then, within its band",
                )
        if not 0 <= self.reserve_soc <= self.max_soc:
            raise ConfigurationError("needs 0 <= reserve_soc <= max_soc", where=where)

    @property
    def floor_soc(self) -> float:
        """Where the plan stops discharging: the band's end or the reserve for backup."""
        return max(self.min_soc, self.reserve_soc)

    @property
    def wear_money_per_kwh(self) -> float:
        """Wear of one kWh discharged, cycles spread over the band's energy."""
        return self.wear_per_kwh + self.wear_per_cycle / (
            self.capacity_kwh * (self.max_soc - self.min_soc)
        )


@dataclass(frozen=True)
class PvPlant:
    """A PV plant (光伏).

    Parameters
    ----------
    id, node : str
        Ids.
    max_kw : float
        Its AC power limit, a magnitude, kW > 0.
    """

    id: str
    node: str
    max_kw: float

    def __post_init__(self) -> None:
        where = f"assets.{self.id}"
        check_id(self.id, where=where)
        if not (math.isfinite(self.max_kw) and self.max_kw > 0):
            raise ConfigurationError("must be above 0", where=f"{where}.max_kw")
