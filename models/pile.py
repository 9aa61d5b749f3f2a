"""A pile: one controllable outlet, by its nameplate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from models.errors import ConfigurationError
from models.ids import check_id
from models.switching import FREE, SwitchingRule
from models.units import amps_to_kw

Current = Literal["ac", "dc"]


@dataclass(frozen=True)
class Pile:
    """Nameplate of a pile (充电桩).

    Parameters
    ----------
    id : str
        Unique among nodes and assets.
    node : str
        The node it hangs under.
    current : {"ac", "dc"}
        What it delivers to the car.
    phases : tuple of int
        The phases it draws on: one of 1, 2, 3, or (1, 2, 3). Only for AC; DC piles draw on all.
    volts : float
        Nameplate voltage between phase and neutral, V > 0.
    max_kw, min_kw : float
        Most power, and least power other than 0, kW; 0 <= min <= max. For AC piles they follow
        from amps: see :func:`ac_pile`.
    fallback_kw : float
        Power it takes by itself when its lease has run out, kW >= 0.
    offline_kw : float
        Power it may draw when it does not answer, kW >= 0. No default: commissioning says it.
    response_s : float
        Time from a setpoint's receipt until it is obeyed, s >= 0.
    step_kw : float
        Setpoints are multiples of it, kW > 0 (1 A for AC piles that only take whole amps);
        0 where any value is taken.
    group : str
        Free label for reports and the page.
    discharge_kw : float
        Most power it can feed back from a vehicle, a magnitude, kW >= 0; 0: it cannot.
    switching : SwitchingRule
        How often it may be switched on and off.
    one_phase : int or None
        The phase it draws on when switched from three to one, 1 to 3; None: it cannot be switched.
        ``min_kw`` and ``step_kw`` then are those on one phase, ``max_kw`` that on three.
    phase_switches_per_day : int
        How often a day it may change between one phase and three, >= 0.
    """

    id: str
    node: str
    current: Current
    phases: tuple[int, ...]
    volts: float
    max_kw: float
    min_kw: float
    fallback_kw: float
    offline_kw: float
    response_s: float
    step_kw: float = 0.0
    group: str = ""
    discharge_kw: float = 0.0
    switching: SwitchingRule = FREE
    one_phase: int | None = None
    phase_switches_per_day: int = 0

    def __post_init__(self) -> None:
        where = f"assets.{self.id}"
        check_id(self.id, where=where)
        if self.phases not in ((1,), (2,), (3,), (1, 2, 3)):
            raise ConfigurationError(
                f"{list(self.phases)} are no phases",
                where=f"{where}.phases",
                fix="use [1], [2], [3] or [1, 2, 3]",
            )
        for name in (
            "max_kw",
            "min_kw",
            "fallback_kw",
            "offline_kw",
            "response_s",
            "step_kw",
            "discharge_kw",
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(f"{value} is out of range", where=f"{where}.{name}")
        if not (math.isfinite(self.volts) and self.volts > 0):
            raise ConfigurationError(f"{self.volts} is no voltage", where=f"{where}.volts")
        if self.max_kw <= 0:
            raise ConfigurationError("a pile has a power above 0", where=f"{where}.max_kw")
        if self.min_kw > self.max_kw:
            raise ConfigurationError(
                f"the minimum {self.min_kw:g} kW is above the maximum {self.max_kw:g} kW",
                where=where,
            )
        if self.fallback_kw > self.max_kw:
            raise ConfigurationError(
                f"{self.fallback_kw:g} kW is above the pile's {self.max_kw:g} kW",
                where=f"{where}.fallback_kw",
            )
        self.switching.check(where)
        if self.one_phase is not None:
            self._check_switchable(where)

    def _check_switchable(self, where: str) -> None:
        if self.current != "ac" or self.phases != (1, 2, 3) or self.one_phase not in (1, 2, 3):
            raise ConfigurationError(
                f"{self.one_phase} on {list(self.phases)} cannot be switched to",
                where=f"{where}.one_phase",
                fix="an AC pile with phases = [1, 2, 3], and one_phase = 1, 2 or 3",
            )
        if self.phase_switches_per_day < 0:
            raise ConfigurationError(
                f"{self.phase_switches_per_day} is no number of switches",
                where=f"{where}.phase_switches_per_day",
            )
        if self.fallback_kw > 0 or self.discharge_kw > 0:
            raise ConfigurationError(
                "on which phases it would fall back, or give back, nobody knows",
                where=f"{where}.one_phase",
                fix="a pile that is switched between phases has fallback_kw = 0, discharge_kw = 0",
            )

    @property
    def amps_per_kw(self) -> float:
        """Current on each of its phases per kW, A/kW, at nameplate voltage."""
        return 1000.0 / (len(self.phases) * self.volts)

    def count_factor(self, voltage_tolerance: float) -> float:
        """What 1 kW of setpoint counts at a node: AC piles regulate current, not power."""
        return 1.0 + voltage_tolerance if self.current == "ac" else 1.0


def ac_pile(
    *,
    id: str,
    node: str,
    phases: tuple[int, ...],
    volts: float,
    max_a: float,
    min_a: float,
    fallback_kw: float,
    offline_kw: float,
    response_s: float,
    whole_amps: bool = False,
    group: str = "",
    discharge_kw: float = 0.0,
    switching: SwitchingRule = FREE,
    one_phase: int | None = None,
    phase_switches_per_day: int = 0,
) -> Pile:
    """An AC pile from its amps: 6 A at least, by the pilot signal of IEC 61851-1 / GB/T 18487.1."""
    n = len(phases)
    least = n if one_phase is None else 1
    return Pile(
        id=id,
        node=node,
        current="ac",
        phases=phases,
        volts=volts,
        max_kw=amps_to_kw(max_a, volts, n),
        min_kw=amps_to_kw(min_a, volts, least),
        fallback_kw=fallback_kw,
        offline_kw=offline_kw,
        response_s=response_s,
        step_kw=amps_to_kw(1.0, volts, least) if whole_amps else 0.0,
        group=group,
        discharge_kw=discharge_kw,
        switching=switching,
        one_phase=one_phase,
        phase_switches_per_day=phase_switches_per_day,
    )
