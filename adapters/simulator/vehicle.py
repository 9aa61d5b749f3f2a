"""A vehicle with its hidden truth, and the quirks of the pile it stands at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from models.battery import Battery
from models.errors import InvalidValueError
from models.session import Request

STOP_SHARE = 0.03
"""A tapering car stops when it accepts less than this share of its full power."""


def full_kwh(battery: Battery) -> float:
    """Stored energy at which a battery counts as full, kWh: the taper never ends otherwise."""
    if battery.taper_soc == 1:
        return battery.capacity_kwh
    return battery.capacity_kwh - STOP_SHARE * battery.max_kw / battery.taper_per_h


@dataclass(frozen=True)
class Vehicle:
    """One vehicle's stay as it will really be.

    Parameters
    ----------
    session, pile : str
        Ids.
    arrival_s, departure_s : float
        When it is plugged in and out, epoch seconds. It leaves then whatever was said.
    battery : Battery
        Its real battery.
    stored_kwh : float
        Real energy at plug-in, kWh in [0, capacity].
    words : tuple of (float, Request)
        What is said of it, and when (epoch seconds): before it comes, late, or several times.
        Empty: nobody announces it.
    says_soc : bool
        Whether the pile can tell its state of charge.
    says_end : bool
        Whether the operator reports the session's end.
    starts_needed : int
        How often power must be offered after a pause until it resumes, >= 1.
    floor_kwh : float
        Stored energy below which its own electronics give nothing back, kWh >= 0.
    give_efficiency : float
        Share of what leaves its battery that reaches the pile's meter, in (0, 1].
    takes_kwh : float or None
        It stops by itself after so much, kWh > 0; None: when its battery is full.
    """

    session: str
    pile: str
    arrival_s: float
    departure_s: float
    battery: Battery
    stored_kwh: float
    words: tuple[tuple[float, Request], ...] = ()
    says_soc: bool = False
    says_end: bool = True
    starts_needed: int = 1
    takes_kwh: float | None = None
    floor_kwh: float = 0.0
    give_efficiency: float = 1.0

    def __post_init__(self) -> None:
        where = f"vehicle {self.session}"
        if not self.arrival_s < self.departure_s:
            raise InvalidValueError("leaves before it comes", where=where)
        if not 0 <= self.stored_kwh <= self.battery.capacity_kwh:
            raise InvalidValueError(
                f"stores {self.stored_kwh} of {self.battery.capacity_kwh} kWh", where=where
            )
        if self.starts_needed < 1:
            raise InvalidValueError("needs at least one start", where=where)

    @cached_property
    def stop_kwh(self) -> float:
        """Stored energy at which it stops by itself, kWh."""
        full = max(full_kwh(self.battery), self.stored_kwh)
        return full if self.takes_kwh is None else min(full, self.stored_kwh + self.takes_kwh)

    @property
    def wants_kwh(self) -> float:
        """Energy until the car stops by itself, kWh."""
        return self.stop_kwh - self.stored_kwh


@dataclass(frozen=True)
class Quirk:
    """How a pile departs from its nameplate.

    Parameters
    ----------
    delay_s : float
        From a setpoint's receipt until it is obeyed and acknowledged, s >= 0.
    meter_lag_s : float
        From a measurement until it is reported, s >= 0.
    draws_factor : float
        Power drawn per power offered, > 0: 1.1 draws 10 % more.
    refuses : bool
        It answers every setpoint with a refusal and stays at its fallback.
    ignores : bool
        It acknowledges every setpoint and offers its full power all the same.
    """

    delay_s: float = 0.0
    meter_lag_s: float = 0.0
    draws_factor: float = 1.0
    refuses: bool = False
    ignores: bool = False

    def __post_init__(self) -> None:
        if not (self.delay_s >= 0 and self.meter_lag_s >= 0 and self.draws_factor > 0):
            raise InvalidValueError(f"no such quirk: {self}")


PLAIN = Quirk()
