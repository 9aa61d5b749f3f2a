"""Storage and PV of the virtual depot: exact between events, as the piles are.

A storage holds the power it was told until its lease runs out, its energy ends or it is full; PV
gives what the sun gives, up to the limit it was told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from adapters.simulator.series import StepSeries
from models.events import Stamp
from models.island import Feeder
from models.storage import PvPlant, Storage

FULL_KWH = 1e-9


@dataclass
class _Told:
    stamp: Stamp = (-1, -1)
    power_kw: float = 0.0
    until_s: float = math.inf
    fallback_kw: float = 0.0

    def at(self, at_s: float) -> float:
        return self.power_kw if at_s < self.until_s else self.fallback_kw


class VirtualStorage:
    """State of one storage.

    Parameters
    ----------
    storage : Storage
        Nameplate; its efficiencies are the true ones.
    soc : float
        State of charge at the start, a fraction.
    at_s : float
        Where its time begins, epoch seconds.

    Attributes
    ----------
    power_kw : float
        Power now, kW, negative while discharging.
    charged_kwh, discharged_kwh : float
        At its terminals since the start.
    tripped : bool
        True: it does nothing, whatever it is told.
    forming : bool
        True: its inverter forms an island's grid and gives what is wanted; :meth:`form` says it.
    dark_s : float or None
        When its energy ended while it formed the grid, epoch seconds: a black-out.
    """

    def __init__(self, storage: Storage, *, soc: float, at_s: float) -> None:
        self.asset = storage
        self.stored_kwh = soc * storage.capacity_kwh
        self.at_s = at_s
        self.power_kw = 0.0
        self.charged_kwh = self.discharged_kwh = 0.0
        self.tripped = False
        self.forming = False
        self.dark_s: float | None = None
        self.told = _Told()

    def form(self, power_kw: float) -> None:
        """The island wants this power of it now, kW, negative while it discharges."""
        self.power_kw = power_kw

    @property
    def soc(self) -> float:
        """State of charge, a fraction."""
        return min(max(self.stored_kwh / self.asset.capacity_kwh, 0.0), 1.0)

    @property
    def available_kw(self) -> float:
        """What it could do now, a magnitude, kW."""
        return 0.0 if self.tripped else self.asset.max_kw

    def advance(self, to_s: float) -> None:
        """Let time pass up to an event at the latest."""
        kwh = self.power_kw * max(to_s - self.at_s, 0.0) / 3600.0
        if kwh > 0:
            self.stored_kwh += kwh * self.asset.charge_efficiency
            self.charged_kwh += kwh
        elif kwh < 0:
            self.stored_kwh += kwh / self.asset.discharge_efficiency
            self.discharged_kwh -= kwh
        self.at_s = max(self.at_s, to_s)

    def settle(self) -> bool:
        """Take up what holds now: whether the power changed."""
        before = self.power_kw
        power = min(max(self.told.at(self.at_s), -self.asset.max_kw), self.asset.max_kw)
        low = self.asset.min_soc * self.asset.capacity_kwh
        high = self.asset.max_soc * self.asset.capacity_kwh
        if self.forming:
            if self.power_kw < 0 and self.stored_kwh <= low + FULL_KWH and self.dark_s is None:
                self.dark_s = self.at_s
            return False
        empty = power < 0 and self.stored_kwh <= low + FULL_KWH
        full = power > 0 and self.stored_kwh >= high - FULL_KWH
        self.power_kw = 0.0 if self.tripped or empty or full else power
        return self.power_kw != before

    def next_s(self) -> float:
        """When it next changes by itself, epoch seconds; inf: never."""
        due = self.told.until_s if self.at_s < self.told.until_s else math.inf
        if self.dark_s is not None:
            return due
        if self.power_kw > 0:
            room = self.asset.max_soc * self.asset.capacity_kwh - self.stored_kwh
            hours = max(room, 0.0) / (self.power_kw * self.asset.charge_efficiency)
        elif self.power_kw < 0:
            left = self.stored_kwh - self.asset.min_soc * self.asset.capacity_kwh
            hours = max(left, 0.0) * self.asset.discharge_efficiency / -self.power_kw
        else:
            return due
        return min(due, self.at_s + max(hours * 3600.0, 1e-3))


class VirtualPv:
    """State of one PV plant.

    Parameters
    ----------
    plant : PvPlant
        Nameplate.
    sun_kw : StepSeries
        What it would give, a magnitude, kW.
    at_s : float
        Where its time begins, epoch seconds.
    """

    def __init__(self, plant: PvPlant, sun_kw: StepSeries, *, at_s: float) -> None:
        self.asset = plant
        self.sun_kw = sun_kw
        self.at_s = at_s
        self.power_kw = 0.0
        self.given_kwh = self.possible_kwh = 0.0
        self.tripped = False
        self.told = _Told(power_kw=-plant.max_kw, fallback_kw=-plant.max_kw)

    soc = None

    @property
    def available_kw(self) -> float:
        """What the sun gives now within its AC limit, a magnitude, kW."""
        return 0.0 if self.tripped else min(max(self.sun_kw.at(self.at_s), 0.0), self.asset.max_kw)

    def advance(self, to_s: float) -> None:
        """Let time pass up to an event at the latest."""
        hours = max(to_s - self.at_s, 0.0) / 3600.0
        self.given_kwh -= self.power_kw * hours
        self.possible_kwh += self.available_kw * hours
        self.at_s = max(self.at_s, to_s)

    def settle(self) -> bool:
        """Take up what holds now: whether the power changed."""
        before = self.power_kw
        self.power_kw = -min(self.available_kw, max(-self.told.at(self.at_s), 0.0))
        return self.power_kw != before

    def next_s(self) -> float:
        """When it next changes by itself, epoch seconds; inf: never."""
        due = self.told.until_s if self.at_s < self.told.until_s else math.inf
        return min(due, self.sun_kw.next_change_s(self.at_s))


class VirtualFeeder:
    """State of one switchable feeder.

    Parameters
    ----------
    feeder : Feeder
        Nameplate.
    load_kw : StepSeries
        What it draws while it is on, kW.
    at_s : float
        Where its time begins, epoch seconds.
    """

    def __init__(self, feeder: Feeder, load_kw: StepSeries, *, at_s: float) -> None:
        self.asset = feeder
        self.load_kw = load_kw
        self.at_s = at_s
        self.power_kw = 0.0
        self.served_kwh = self.missed_kwh = 0.0
        self.tripped = False
        self.told = _Told(power_kw=feeder.max_kw, fallback_kw=feeder.max_kw)

    soc = None

    @property
    def available_kw(self) -> float:
        """What it draws, or would draw if it were on, kW."""
        return min(max(self.load_kw.at(self.at_s), 0.0), self.asset.max_kw)

    def advance(self, to_s: float) -> None:
        """Let time pass up to an event at the latest."""
        hours = max(to_s - self.at_s, 0.0) / 3600.0
        self.served_kwh += self.power_kw * hours
        self.missed_kwh += (self.available_kw - self.power_kw) * hours
        self.at_s = max(self.at_s, to_s)

    def settle(self) -> bool:
        """Take up what holds now: whether the power changed."""
        before = self.power_kw
        on = self.told.at(self.at_s) > 0.0 and not self.tripped
        self.power_kw = self.available_kw if on else 0.0
        return self.power_kw != before

    def next_s(self) -> float:
        """When it next changes by itself, epoch seconds; inf: never."""
        due = self.told.until_s if self.at_s < self.told.until_s else math.inf
        return min(due, self.load_kw.next_change_s(self.at_s))


VirtualAsset = VirtualStorage | VirtualPv | VirtualFeeder
