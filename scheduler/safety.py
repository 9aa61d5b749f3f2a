"""The safety kernel: no setpoint leaves that could push a node above its limit.

It runs after every solver and needs none. For each pile it knows ``held``: the most the pile
may be drawing right now, whatever happened to the messages on their way (I1 of the invariants:
the larger of the last acknowledged setpoint, every setpoint whose lease may still run, and the
last measured power). Two conditions hold for what it returns:

* the setpoints fit: the sum of what they count stays within every node's budget and every
  phase's current;
* the change is safe: with every pile at the larger of its old and its new power, no node is
  above its budget because of an increase. Decreases always go out; an increase waits until
  the power it needs has been acknowledged or measured as released.

Where a node limits how unevenly its phases are loaded, the setpoints keep that as well, and nothing
rises that could break it with the others anywhere between what they are seen to draw and what they
hold. A decrease never waits for it: what it leaves uneven, the others follow in the next drain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.units import POWER_EPSILON_KW
from scheduler.imbalance import Imbalance

ROUNDS = 40
"""Piles on one phase wait for those on the others: so often they are offered more."""


@dataclass(slots=True)
class Outlet:
    """A steerable pile, as the kernel sees it; made anew on every drain and never changed.

    Parameters
    ----------
    path : tuple of int
        Indices of its nodes, from its own up to the root.
    want_kw : float
        Power wanted, kW >= 0.
    held_kw : float
        The most it may be drawing now, kW >= 0.
    sent_kw : float
        The setpoint sent last, kW >= 0.
    min_kw, max_kw, step_kw : float
        Nameplate; 0 or at least ``min_kw`` is possible, in multiples of ``step_kw`` if > 0.
    factor : float
        What 1 kW counts at a node (voltage tolerance).
    phases : tuple of int
        Phases it draws on, 0 to 2.
    amps_per_kw : float
        Current on each of them per kW.
    may_rise : bool
        False while nothing may be raised (a take-over, an emergency, a silent pile).
    floor_kw : float
        What it draws whatever it is told, kW >= 0: a pile that ignores or exceeds its setpoint
        counts as measured, and the others give way.
    drawn_kw : float
        The least it may be drawing now, as a setpoint, kW >= 0.
    """

    path: tuple[int, ...]
    want_kw: float
    held_kw: float
    sent_kw: float
    min_kw: float
    max_kw: float
    step_kw: float
    factor: float
    phases: tuple[int, ...]
    amps_per_kw: float
    may_rise: bool
    floor_kw: float = 0.0
    drawn_kw: float = 0.0


@dataclass(slots=True)
class Budget:
    """What is left for steerable piles, by node and by phase; it is used up in place.

    Parameters
    ----------
    kw : list of float
        Per node, kW; may be negative, when what cannot be steered is above the limit alone.
    amps : list of list of float, or None per node
        Per node and phase, A; None where no phase limit stands.
    uneven : list of Imbalance or None
        Per node, with the base load in it; empty where no node limits its imbalance.
    """

    kw: list[float]
    amps: list[list[float] | None]
    uneven: list[Imbalance | None] = field(default_factory=list)

    def copy(self) -> Budget:
        """The same budget, to be used up on its own."""
        return Budget(
            list(self.kw),
            [None if a is None else list(a) for a in self.amps],
            [None if u is None else u.copy() for u in self.uneven],
        )

    def room_kw(self, outlet: Outlet) -> float:
        """Power that still fits for an outlet at all its nodes, kW; may be negative."""
        room = math.inf
        for v in outlet.path:
            room = min(room, self.kw[v] / outlet.factor)
            amps = self.amps[v]
            if amps is not None and outlet.amps_per_kw > 0:
                for phase in outlet.phases:
                    room = min(room, amps[phase] / outlet.amps_per_kw)
        if self.uneven and outlet.amps_per_kw > 0:
            for v in outlet.path:
                uneven = self.uneven[v]
                if uneven is not None:
                    room = min(room, uneven.room_a(outlet.phases) / outlet.amps_per_kw)
        return room

    def lean(self, outlet: Outlet, power_kw: float, least_kw: float) -> None:
        """Load the phases with an outlet: with ``power_kw`` at most, with ``least_kw`` surely."""
        for v in outlet.path if self.uneven else ():
            uneven = self.uneven[v]
            if uneven is not None:
                per_kw = outlet.amps_per_kw
                uneven.add(outlet.phases, power_kw * per_kw, least_kw * per_kw)

    def leans(self, outlet: Outlet) -> bool:
        """Whether a limit of imbalance stands above an outlet."""
        return bool(self.uneven) and any(self.uneven[v] is not None for v in outlet.path)

    def take(self, outlet: Outlet, power_kw: float) -> None:
        """Use up budget for an outlet."""
        if power_kw == 0.0:
            return
        counted = power_kw * outlet.factor
        for v in outlet.path:
            self.kw[v] -= counted
            amps = self.amps[v]
            if amps is not None:
                for phase in outlet.phases:
                    amps[phase] -= power_kw * outlet.amps_per_kw


def possible_kw(outlet: Outlet, power_kw: float) -> float:
    """The largest power the pile can hold that is not above ``power_kw``: toward zero."""
    power = min(power_kw, outlet.max_kw)
    if not power >= POWER_EPSILON_KW:
        return 0.0
    if outlet.step_kw > 0:
        steps = math.floor(power / outlet.step_kw + 1e-9)
        power = min(steps * outlet.step_kw, power)
    return 0.0 if power < max(outlet.min_kw, POWER_EPSILON_KW) - POWER_EPSILON_KW else power


def alone_kw(outlet: Outlet) -> float:
    """What :func:`enforce` gives an outlet where no budget binds, kW."""
    granted = possible_kw(outlet, outlet.want_kw)
    if outlet.may_rise:
        return granted
    if granted - outlet.held_kw > POWER_EPSILON_KW:
        return possible_kw(outlet, min(outlet.sent_kw, outlet.held_kw))
    return possible_kw(outlet, min(granted, outlet.sent_kw))


def enforce(outlets: Sequence[Outlet], order: Sequence[int], budget: Budget) -> list[float]:
    """Setpoints that are safe to send now.

    Parameters
    ----------
    outlets : sequence of Outlet
        Every steerable pile.
    order : sequence of int
        Indices of the outlets, who is served first: under a shortage the last ones give way.
    budget : Budget
        What limits leave after base load, margin and piles that cannot be steered.

    Returns
    -------
    list of float
        A setpoint for each outlet, kW, 0 or at least its minimum, never above what is wanted.
    """
    granted = _granted(outlets, order, budget.copy())
    moving = budget.copy()
    for outlet, power in zip(outlets, granted, strict=True):
        moving.take(outlet, outlet.held_kw)
        if moving.uneven:
            moving.lean(outlet, max(outlet.held_kw, outlet.floor_kw), _least_kw(outlet, power))
    result = list(granted)
    for i in order:
        outlet = outlets[i]
        rise = granted[i] - outlet.held_kw
        if rise <= POWER_EPSILON_KW:
            if not outlet.may_rise:
                result[i] = possible_kw(outlet, min(granted[i], outlet.sent_kw))
            continue
        stay = min(outlet.sent_kw, outlet.held_kw)
        if not outlet.may_rise:
            result[i] = possible_kw(outlet, stay)
            continue
        room = max(moving.room_kw(outlet), 0.0)
        power = possible_kw(outlet, outlet.held_kw + min(rise, room))
        power = max(power, possible_kw(outlet, stay))
        result[i] = power
        moving.take(outlet, max(power - outlet.held_kw, 0.0))
        moving.lean(outlet, max(power - max(outlet.held_kw, outlet.floor_kw), 0.0), 0.0)
    return result


def _granted(outlets: Sequence[Outlet], order: Sequence[int], final: Budget) -> list[float]:
    """Powers that fit, all at once: what the setpoints lead to."""
    for outlet in outlets:
        final.take(outlet, outlet.floor_kw)
        final.lean(outlet, outlet.floor_kw, outlet.floor_kw)
    granted = [0.0] * len(outlets)
    for _ in range(ROUNDS if final.uneven else 1):
        before = list(granted)
        for i in order:
            outlet = outlets[i]
            want = outlet.want_kw
            if want <= granted[i]:
                continue
            if not outlet.may_rise and final.leans(outlet):
                # The others must not lean on what it will not draw.
                want = min(want, outlet.sent_kw, outlet.held_kw)
            has = max(granted[i], outlet.floor_kw)
            power = possible_kw(outlet, min(want, final.room_kw(outlet) + has))
            if power <= granted[i]:
                continue
            more = max(power - has, 0.0)
            granted[i] = power
            final.take(outlet, more)
            final.lean(outlet, more, more)
        if granted == before:
            break
    return granted


def _least_kw(outlet: Outlet, granted_kw: float) -> float:
    """The least that an outlet may be drawing while its power changes to what was granted, kW."""
    stay = possible_kw(outlet, min(outlet.sent_kw, outlet.held_kw))
    return min(outlet.drawn_kw, max(granted_kw, outlet.floor_kw), max(stay, outlet.floor_kw))
