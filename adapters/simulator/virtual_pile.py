"""One pile and the car at it, exact between events.

Between events the offer is constant, so the energy follows in closed form
(:meth:`models.battery.Battery.after`). While a battery tapers, the power shown falls in steps
of 5 %: each step shows the power at its start, so a meter never sees too little; the energy
stays exact. It stops where ``Vehicle.stop_kwh`` says.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from adapters.simulator.vehicle import PLAIN, Quirk, Vehicle
from models.events import Stamp
from models.pile import Pile
from models.units import POWER_EPSILON_KW

TAPER_STEP = 0.95
EMPTY_KWH = 1e-9


@dataclass(frozen=True)
class Held:
    """A setpoint in the pile's hands."""

    stamp: Stamp
    power_kw: float
    until_s: float
    fallback_kw: float


class VirtualPile:
    """State of one pile.

    Parameters
    ----------
    pile : Pile
        Nameplate.
    quirk : Quirk
        How it departs from it.
    at_s : float
        Where its time begins, epoch seconds.

    Attributes
    ----------
    power_kw : float
        Power drawn since the last event, kW.
    register_kwh : float
        Lifetime register, kWh.
    voltage : float
        Voltage by nameplate voltage.
    """

    __slots__ = (
        "_pending",
        "_starts_left",
        "at_s",
        "held",
        "highest",
        "pile",
        "power_kw",
        "quirk",
        "register_kwh",
        "stored_kwh",
        "vehicle",
        "voltage",
    )

    def __init__(self, pile: Pile, quirk: Quirk = PLAIN, *, at_s: float) -> None:
        self.pile = pile
        self.quirk = quirk
        self.at_s = at_s
        self.vehicle: Vehicle | None = None
        self.stored_kwh = 0.0
        self.register_kwh = 0.0
        self.power_kw = 0.0
        self.held: Held | None = None
        self.highest: Stamp = (-1, -1)
        self._pending: deque[tuple[float, Held]] = deque()
        self.voltage = 1.0
        self._starts_left = 1

    @property
    def offer_kw(self) -> float:
        """Power it offers the car now, in nameplate kW."""
        if self.quirk.ignores:
            return self.pile.max_kw
        held = self.held
        if held is None:
            return self.pile.fallback_kw
        return held.power_kw if self.at_s < held.until_s else held.fallback_kw

    def drawn_at_kw(self, offer_kw: float) -> float:
        """What the car would draw now at another offer, kW."""
        if self.vehicle is None:
            return 0.0
        if self.stored_kwh >= self.vehicle.stop_kwh:
            return 0.0
        return min(self._drawable_kw(offer_kw), self.vehicle.battery.accepts_kw(self.stored_kwh))

    def _drawable_kw(self, offer: float) -> float:
        """What an offer lets a car draw: current is regulated, so voltage moves the power."""
        if offer < self.pile.min_kw - POWER_EPSILON_KW or offer <= 0:
            return 0.0
        if self.pile.current == "ac":
            offer *= self.voltage
        return offer * self.quirk.draws_factor

    def _power_now_kw(self) -> float:
        if self.vehicle is None or self._starts_left > 0:
            return 0.0
        if self.offer_kw < 0:
            if self.stored_kwh <= self.vehicle.floor_kwh + EMPTY_KWH:
                return 0.0
            return -min(-self.offer_kw, self.pile.discharge_kw)
        return self.drawn_at_kw(self.offer_kw)

    def next_s(self) -> float:
        """When it next changes by itself, epoch seconds; inf: never."""
        due = self._pending[0][0] if self._pending else math.inf
        if self.held is not None and self.at_s < self.held.until_s:
            due = min(due, self.held.until_s)
        if self.vehicle is None:
            return due
        due = min(due, self.vehicle.departure_s)
        if self.power_kw < 0:
            left = (self.stored_kwh - self.vehicle.floor_kwh) * self.vehicle.give_efficiency
            return min(due, self.at_s + max(left / -self.power_kw * 3600.0, 1e-3))
        if self.power_kw <= 0:
            return due
        battery, k = self.vehicle.battery, self.vehicle.battery.taper_per_h
        offer = self._drawable_kw(self.offer_kw)
        hours = battery.hours_until(self.stored_kwh, offer, self.vehicle.stop_kwh)
        if not math.isinf(k):
            full_power = min(offer, battery.max_kw)
            if battery.accepts_kw(self.stored_kwh) > full_power * (1 + 1e-9):
                knee = battery.capacity_kwh - full_power / k
                hours = min(hours, (knee - self.stored_kwh) / self.power_kw)
            else:
                hours = min(hours, -math.log(TAPER_STEP) / k)
        return min(due, self.at_s + hours * 3600.0)

    def advance(self, to_s: float) -> float:
        """Let time pass up to an event at the latest; returns the energy drawn, kWh, negative
        where the vehicle gave back.
        """
        drawn = 0.0
        if self.power_kw < 0 and to_s > self.at_s:
            assert self.vehicle is not None
            drawn = self.power_kw * (to_s - self.at_s) / 3600.0
            self.stored_kwh += drawn / self.vehicle.give_efficiency
        if self.power_kw > 0 and to_s > self.at_s:
            assert self.vehicle is not None
            battery = self.vehicle.battery
            hours = (to_s - self.at_s) / 3600.0
            after = battery.after(self.stored_kwh, self._drawable_kw(self.offer_kw), hours)
            if self.vehicle.stop_kwh - after < 1e-7:
                after = self.vehicle.stop_kwh
            drawn = after - self.stored_kwh
            self.stored_kwh = after
            self.register_kwh += drawn
        self.at_s = max(self.at_s, to_s)
        return drawn

    def settle(self) -> tuple[bool, list[Held]]:
        """Take up what is due now: whether the power changed, and setpoints now obeyed."""
        obeyed: list[Held] = []
        while self._pending and self._pending[0][0] <= self.at_s:
            held = self._pending.popleft()[1]
            if held.stamp >= self.highest:
                self.highest = held.stamp
                self._count_start(held.power_kw)
                self.held = held
                obeyed.append(held)
        before = self.power_kw
        self.power_kw = self._power_now_kw()
        return self.power_kw != before, obeyed

    def _count_start(self, power_kw: float) -> None:
        """A car that sleeps after a pause wakes at the last of the starts it needs."""
        if self.vehicle is None:
            return
        before = self.offer_kw
        if before != 0 and power_kw == 0:
            self._starts_left = self.vehicle.starts_needed
        elif before == 0 and power_kw != 0:
            self._starts_left = max(self._starts_left - 1, 0)

    def take(self, stamp: Stamp, power_kw: float, lease_s: float, fallback_kw: float) -> bool:
        """A setpoint arrives. False: refused."""
        if self.quirk.refuses:
            return False
        until = self.at_s + lease_s
        held = Held(stamp, power_kw, until, fallback_kw)
        self._pending.append((self.at_s + self.quirk.delay_s, held))
        return True

    def plug_in(self, vehicle: Vehicle) -> None:
        """A car comes."""
        self.vehicle = vehicle
        self.stored_kwh = vehicle.stored_kwh
        self._starts_left = 0

    def plug_out(self) -> None:
        """The car leaves."""
        self.vehicle = None
        self.stored_kwh = 0.0
