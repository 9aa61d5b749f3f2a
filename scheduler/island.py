"""What an island does with what it has: who is carried, what vehicles get, how far PV may go.

The grid-forming inverter balances by itself; it is steered by what hangs on it. Two things must
hold: the load without any PV stays under its power less the largest single step (the sun may be
gone within a second), and the energy stored lasts longest for the loads of the highest priority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.island import IslandRule

PV_SHARE = 0.7
"""So much of the PV foreseen is counted on."""

CLOSING_SHARE = 1.15
"""To be switched on again a feeder must be covered by so much more than to stay on."""

FADE_H = 0.05
"""A storage near full takes in what fills it within three minutes."""


@dataclass(frozen=True)
class FeederNow:
    """One switchable feeder: what it draws, or would draw, kW; whether it is on and may be."""

    id: str
    load_kw: float
    max_kw: float
    priority: int
    closed: bool
    may_close: bool


@dataclass(frozen=True)
class IslandNow:
    """What is known at one instant.

    Parameters
    ----------
    stored_kwh, floor_kwh, top_kwh : float
        In the storage, and the band it may use on the island, kWh.
    efficiency : float
        Of discharging, a fraction.
    must_kw : float
        Load that cannot be switched, kW.
    must_ahead_kwh, pv_ahead_kwh : float
        It and PV over the coming ``hold_h``, kWh.
    pv_kw : float
        What PV gives now, a magnitude, kW.
    piles_kw, piles_held_kw : float
        What piles draw, and the most they may be drawing, kW.
    most_kw : float
        What the connection may draw when the grid is back, kW: no step above it then.
    feeders : sequence of FeederNow
    """

    stored_kwh: float
    floor_kwh: float
    top_kwh: float
    efficiency: float
    must_kw: float
    must_ahead_kwh: float
    pv_ahead_kwh: float
    pv_kw: float
    piles_kw: float
    piles_held_kw: float
    most_kw: float
    feeders: Sequence[FeederNow]


@dataclass(frozen=True)
class IslandOrder:
    """What to do.

    Parameters
    ----------
    closed : dict of str to bool
        Feeders that should be on now.
    piles_kw : float
        Power for all piles together, kW >= 0.
    pv_kw : float
        Most that PV may give, a magnitude, kW >= 0.
    covered_h : float
        How long the stored energy lasts for what is on now, h; at most 1,000.
    """

    closed: dict[str, bool]
    piles_kw: float
    pv_kw: float
    covered_h: float


def steer(rule: IslandRule, now: IslandNow) -> IslandOrder:
    """Who is carried, by priority: power first, then energy for the coming hours.

    Parameters
    ----------
    rule : IslandRule
    now : IslandNow
    """
    usable = max(now.stored_kwh - now.floor_kwh, 0.0) * now.efficiency
    above = usable - rule.reserve_soc * now.top_kwh * now.efficiency
    whole = min(rule.rated_kw - rule.step_reserve_kw, now.most_kw)
    room = whole - now.must_kw
    left = above + PV_SHARE * now.pv_ahead_kwh - now.must_ahead_kwh
    # What is drawn now and may still be drawn by piles: a feeder is switched on only beside it.
    drawn = now.must_kw + now.piles_held_kw + sum(f.load_kw for f in now.feeders if f.closed)
    first = max((f.priority for f in now.feeders), default=0)
    closed: dict[str, bool] = {}
    short = False
    load = now.must_kw
    order = sorted(now.feeders, key=lambda f: (-f.priority, not f.closed, f.load_kw, f.id))
    for f in order:
        power = f.load_kw if f.closed else f.max_kw
        need = f.load_kw * rule.hold_h * (1.0 if f.closed else CLOSING_SHARE)
        covered = (left >= need and not short) or (f.priority == first and usable > 0.0)
        # A lower priority gets no energy that a higher one is refused.
        short = short or not covered
        keep = covered and power <= room
        if keep:
            room -= power
            left -= f.load_kw * rule.hold_h
        fits = f.closed or (f.may_close and drawn + f.max_kw <= whole)
        closed[f.id] = keep and fits
        if closed[f.id]:
            load += f.load_kw
            if not f.closed:
                drawn += f.max_kw
    surplus = max(now.pv_kw - load, 0.0)
    piles = min(max(room, 0.0), max(left, 0.0) / rule.hold_h + surplus)
    taken = max(now.top_kwh - now.stored_kwh, 0.0) / FADE_H
    takes = min(rule.rated_kw, taken)
    pv = max(load + now.piles_kw + takes - rule.step_reserve_kw, 0.0)
    net = max(load + now.piles_kw - now.pv_kw, 1e-9)
    return IslandOrder(closed, piles, pv, min(usable / net, 1000.0))
