"""Battery physics: constant current, then constant voltage.

Up to the state of charge ``taper_soc`` a battery takes full power; beyond it the power it
takes falls linearly to 0 at full charge, p <= k (capacity - energy), which makes the energy
approach full exponentially. Source: the two-stage model of Lee, Sharma and Low, "Research
tools for smart electric vehicle charging", IEEE Electrification Magazine 9(3), 2021, section
on battery models (ACN-Sim).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.errors import InvalidValueError


@dataclass(frozen=True)
class Battery:
    """A vehicle's battery.

    Parameters
    ----------
    capacity_kwh : float
        Usable energy, kWh > 0.
    max_kw : float
        Power it takes below the taper, kW > 0.
    taper_soc : float
        State of charge at which the taper begins, in (0, 1]; 1: no taper.
    """

    capacity_kwh: float
    max_kw: float
    taper_soc: float = 0.8

    def __post_init__(self) -> None:
        if not (self.capacity_kwh > 0 and self.max_kw > 0 and 0 < self.taper_soc <= 1):
            raise InvalidValueError(
                f"no such battery: {self.capacity_kwh} kWh, {self.max_kw} kW, "
                f"taper from {self.taper_soc}"
            )

    @property
    def taper_per_h(self) -> float:
        """k of p <= k (capacity - energy), 1/h: max_kw / (capacity (1 - taper_soc)); inf: none."""
        if self.taper_soc == 1:
            return math.inf
        return self.max_kw / (self.capacity_kwh * (1 - self.taper_soc))

    def accepts_kw(self, energy_kwh: float) -> float:
        """Most power at a stored energy, kW."""
        room = max(self.capacity_kwh - energy_kwh, 0.0)
        if room <= 0:
            return 0.0
        return min(self.max_kw, self.taper_per_h * room)

    def after(self, energy_kwh: float, offered_kw: float, duration_h: float) -> float:
        """Stored energy after an offer held for a time, exact.

        Parameters
        ----------
        energy_kwh : float
            Stored at the start, in [0, capacity].
        offered_kw : float
            Power offered, kW >= 0.
        duration_h : float
            h >= 0.

        Returns
        -------
        float
            kWh in [energy_kwh, capacity]. While the offer is the smaller of the two, energy
            grows linearly; then room shrinks as exp(-k t).
        """
        power = min(offered_kw, self.max_kw)
        if power <= 0 or duration_h <= 0 or energy_kwh >= self.capacity_kwh:
            return energy_kwh
        k = self.taper_per_h
        if math.isinf(k):
            return min(energy_kwh + power * duration_h, self.capacity_kwh)
        room = self.capacity_kwh - energy_kwh
        linear_room = max(room - power / k, 0.0)
        linear_h = min(linear_room / power, duration_h)
        room -= power * linear_h
        left_h = duration_h - linear_h
        if left_h > 0:
            room *= math.exp(-k * left_h)
        return self.capacity_kwh - room

    def hours_until(self, energy_kwh: float, offered_kw: float, target_kwh: float) -> float:
        """Time until a target is stored at a constant offer, h; inf where it never is."""
        if target_kwh <= energy_kwh:
            return 0.0
        power = min(offered_kw, self.max_kw)
        if power <= 0 or target_kwh > self.capacity_kwh:
            return math.inf
        k = self.taper_per_h
        room, target_room = self.capacity_kwh - energy_kwh, self.capacity_kwh - target_kwh
        if math.isinf(k):
            return (room - target_room) / power
        knee = max(min(room, power / k), target_room)
        linear_h = (room - knee) / power
        if target_room >= knee:
            return linear_h
        if target_room <= 0:
            return math.inf
        return linear_h + math.log(knee / target_room) / k
