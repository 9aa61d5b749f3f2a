"""A session: one vehicle's stay at a pile, and its life cycle as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, get_args

from models.errors import InvalidValueError

SessionState = Literal["announced", "waiting", "charging", "full", "ended"]
STATES: tuple[SessionState, ...] = get_args(SessionState)
Trigger = Literal["vehicle", "power", "no_power", "full", "gone", "ended"]

TRANSITIONS: dict[tuple[SessionState, Trigger], SessionState] = {
    # A request for a vehicle that is not there yet; the vehicle brings it to life.
    ("announced", "vehicle"): "waiting",
    ("announced", "power"): "charging",
    ("announced", "ended"): "ended",
    # Plugged in and waiting for its turn, or for the valley.
    ("waiting", "power"): "charging",
    ("waiting", "full"): "full",
    ("waiting", "gone"): "ended",
    ("waiting", "ended"): "ended",
    ("charging", "no_power"): "waiting",
    ("charging", "full"): "full",
    ("charging", "gone"): "ended",
    ("charging", "ended"): "ended",
    # A full vehicle keeps its pile and takes nothing, unless a new request asks for more.
    ("full", "power"): "charging",
    ("full", "vehicle"): "waiting",
    ("full", "gone"): "ended",
    ("full", "ended"): "ended",
}
"""Every change of state that happens; any other pair leaves the state as it is."""


def after(state: SessionState, trigger: Trigger) -> SessionState:
    """State of a session after a trigger."""
    return TRANSITIONS.get((state, trigger), state)


@dataclass(frozen=True)
class GiveBack:
    """What a driver lets his vehicle give back (V2G).

    Parameters
    ----------
    consent : bool
        False: nothing is ever drawn from this vehicle.
    min_soc : float
        It is never discharged below this state of charge, a fraction.
    max_discharge_kw : float
        A magnitude, kW >= 0.
    """

    consent: bool
    min_soc: float
    max_discharge_kw: float

    def __post_init__(self) -> None:
        if not 0 <= self.min_soc <= 1:
            raise InvalidValueError(f"{self.min_soc} is no state of charge", where="v2g.min_soc")
        if not (math.isfinite(self.max_discharge_kw) and self.max_discharge_kw >= 0):
            raise InvalidValueError(
                f"{self.max_discharge_kw} kW is no power", where="v2g.max_discharge_kw"
            )


@dataclass(frozen=True)
class Request:
    """What a driver, or the fleet's dispatcher, asks for.

    Parameters
    ----------
    session, pile : str
        Ids.
    arrival, departure : datetime
        Aware; departure after arrival.
    energy_kwh : float
        Total since plug-in, kWh >= 0.
    max_kw, min_kw : float or None
        The vehicle's own bounds, kW; None: the pile's.
    priority : int
        0 to 9, larger first.
    mode : {"smart", "now"}
        ``now``: charge at once, whatever the price.
    battery_kwh, soc : float or None
        Capacity, and state of charge at plug-in as a fraction, where known: the plan then
        knows the taper.
    vehicle_class : str
        Free label (bus, taxi, ...).
    walk_in : bool
        True: opened by the site's rule for a vehicle that nobody announced.
    v2g : GiveBack or None
        None: the driver has said nothing, so nothing is drawn from the vehicle.
    """

    session: str
    pile: str
    arrival: datetime
    departure: datetime
    energy_kwh: float
    max_kw: float | None = None
    min_kw: float | None = None
    priority: int = 5
    mode: Literal["smart", "now"] = "smart"
    battery_kwh: float | None = None
    soc: float | None = None
    vehicle_class: str = ""
    walk_in: bool = False
    v2g: GiveBack | None = None

    @property
    def is_measured(self) -> bool:
        """True when battery and state of charge say what is needed, not a driver's guess."""
        return self.battery_kwh is not None and self.soc is not None

    def __post_init__(self) -> None:
        where = f"session {self.session}"
        if self.departure <= self.arrival:
            raise InvalidValueError(
                f"departs {self.departure.isoformat()}, not after its arrival "
                f"{self.arrival.isoformat()}",
                where=where,
            )
        if not (math.isfinite(self.energy_kwh) and self.energy_kwh >= 0):
            raise InvalidValueError(
                f"{self.energy_kwh} kWh is no request", where=f"{where}.energy_kwh"
            )
        if not 0 <= self.priority <= 9:
            raise InvalidValueError(
                f"priority {self.priority} is not in 0 to 9", where=f"{where}.priority"
            )
        if self.soc is not None and not 0 <= self.soc <= 1:
            raise InvalidValueError(f"{self.soc} is no state of charge", where=f"{where}.soc")
        if self.battery_kwh is not None and not self.battery_kwh > 0:
            raise InvalidValueError(
                f"{self.battery_kwh} kWh is no battery", where=f"{where}.battery_kwh"
            )
        if (
            self.battery_kwh is not None
            and self.soc is not None
            and self.energy_kwh > self.battery_kwh * (1 - self.soc) + 1e-6
        ):
            raise InvalidValueError(
                f"asks {self.energy_kwh:g} kWh, the battery holds "
                f"{self.battery_kwh * (1 - self.soc):g} kWh more",
                where=f"{where}.energy_kwh",
            )
        if (
            self.max_kw is not None
            and self.min_kw is not None
            and not 0 <= self.min_kw <= self.max_kw
        ):
            raise InvalidValueError(
                f"the minimum {self.min_kw:g} kW is above the maximum {self.max_kw:g} kW",
                where=where,
            )

    @cached_property
    def arrival_s(self) -> float:
        """Arrival, epoch seconds; control passes ask for it a thousand times a second."""
        return self.arrival.timestamp()

    @cached_property
    def departure_s(self) -> float:
        """Departure, epoch seconds."""
        return self.departure.timestamp()
