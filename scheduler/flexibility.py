"""What a site could do beside its plan: per slot how far up and down, for how long, at what price.

Published figures are taken at their word, so they are worked out on the safe side: what a session
puts off must still fit the rest of its stay, what a storage gives must have been stored, and the
energy that is missing later must find room under the import limit of the slots that follow. As
much as load and sun may come otherwise than foreseen is kept back: storage makes up for it.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from models.horizon import instant_of
from scheduler.effects import FlexibilityOffered, FlexibleSlot
from scheduler.microgrid import Bands, Microgrid
from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution

KEPT_SHARE, KEPT_KW = 0.04, 3.0
"""Of each offer, and at least: what bands do not know of, meters and vehicles among it."""

LEAVING_SHARE = 0.3
"""Of what vehicles are planned to draw: some leave, or take less."""

SLOTS = 32
"""Slots ahead that are told: eight hours of quarter hours."""


def offered(problem: Problem, answer: Solution, now: datetime) -> FlexibilityOffered | None:
    """The flexibility around a plan; None where nothing limits the connection or no asset plans.

    Parameters
    ----------
    problem : Problem
        With a microgrid.
    answer : Solution
        The plan that runs, with its assets.
    now : datetime
        When it is told.
    """
    grid = problem.microgrid
    if grid is None or answer.assets_kw is None:
        return None
    hours = problem.horizon.slot_h
    root = answer.root_kw(problem)
    room = np.maximum(grid.import_kw[0] - root, 0.0) * hours
    room = np.where(np.isfinite(room), room, 1e9)
    later = np.append(np.cumsum(room[::-1])[::-1][1:], 0.0)
    off, more, off_price = _sessions(problem, answer)
    give, take, wear = _stores(grid, answer, hours)
    fed = np.minimum(grid.export_kw[0] + root, 1e9)
    down = np.minimum(np.minimum((off + give) * hours, later) / hours, np.maximum(fed, 0.0))
    down = _under_nodes(problem, grid, down)
    base = grid.base_kw[0] - grid.sources.available_kw.sum(axis=0)
    bands = grid.bands or _no_bands(hours.size)
    # The kernel counts the highest of the last readings: a load that has just fallen stands yet.
    stands = np.maximum(np.append(0.0, base[:-1] - base[1:]), 0.0) + bands.less_kw
    up = np.minimum(more + take, np.maximum(room / hours - stands, 0.0))
    drawn = np.bincount(
        problem.entry_slot, weights=np.maximum(answer.energy_kwh, 0.0), minlength=hours.size
    )
    down = (1.0 - KEPT_SHARE) * down - bands.more_kw - KEPT_KW
    up = (1.0 - KEPT_SHARE) * up - bands.less_load_kw - KEPT_KW - LEAVING_SHARE * drawn / hours
    down, up = np.maximum(down, 0.0), np.maximum(up, 0.0)
    # What an event has bought is not offered again.
    sold = np.zeros(problem.horizon.n, dtype=bool)
    for call in grid.calls:
        sold |= np.isfinite(call.level_kw)
    down, up = np.where(sold, 0.0, down), np.where(sold, 0.0, up)
    count = min(SLOTS, problem.horizon.n)
    cheapest = np.minimum.accumulate(problem.buy_per_kwh[::-1])[::-1]
    slots = []
    for t in range(count):
        loss = wear if give[t] > 0 else 0.0
        slots.append(
            FlexibleSlot(
                start=instant_of(int(problem.horizon.edges_s[t])),
                plan_kw=float(root[t]),
                up_kw=float(up[t]),
                down_kw=float(down[t]),
                up_for_s=float(hours[t] * 3600.0),
                down_for_s=float(hours[t] * 3600.0),
                up_per_kwh=float(problem.buy_per_kwh[t] - cheapest[t]),
                down_per_kwh=float(max(off_price[t] - problem.buy_per_kwh[t], 0.0) + loss),
            )
        )
    minutes = int(round(float(np.median(hours)) * 60.0))
    return FlexibilityOffered(computed_at=now, slot_minutes=minutes, slots=tuple(slots))


def _no_bands(n: int) -> Bands:
    none = np.zeros(n)
    return Bands(none, none, none)


def _sessions(problem: Problem, answer: Solution) -> tuple[FloatArray, FloatArray, FloatArray]:
    """By slot, kW: what sessions can put off, what they can take earlier; and the dearest hour
    into which it may be put off.
    """
    t = problem.horizon.n
    slot, session = problem.entry_slot, problem.entry_session
    energy = np.maximum(answer.energy_kwh, 0.0)
    spare = np.maximum(problem.upper_kwh - energy, 0.0)
    # A vehicle that gives back has its own books: it neither puts off nor takes more here.
    grid = problem.microgrid
    if grid is not None and grid.giving is not None:
        plain = grid.giving.discharge_kw[session] <= 0
        energy, spare = energy * plain, spare * plain
    put_off = np.minimum(energy, _after(problem, spare))
    early = np.minimum(spare, _after(problem, energy))
    taper = np.isfinite(problem.fleet.taper_per_h)[session]
    early = np.where(taper, 0.0, early)
    put_off = np.where(problem.fleet.earliest[session] | taper, 0.0, put_off)
    off = np.bincount(slot, weights=put_off, minlength=t) / problem.horizon.slot_h
    more = np.bincount(slot, weights=early, minlength=t) / problem.horizon.slot_h
    dearest = np.maximum.accumulate(problem.buy_per_kwh[::-1])[::-1]
    return np.asarray(off), np.asarray(more), dearest


def _after(problem: Problem, value: FloatArray) -> FloatArray:
    """Sum of an entry value over the later entries of the same session."""
    total = np.cumsum(value)
    session = problem.entry_session
    ends = np.where(problem.last > problem.first, problem.offsets[1:] - 1, 0)
    if not value.size:
        return value
    return np.asarray(np.maximum(total[ends][session] - total, 0.0))


def _stores(
    grid: Microgrid, answer: Solution, hours: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """By slot, kW: how much less and how much more storages could draw; wear per kWh."""
    stores = grid.stores
    assert answer.assets_kw is not None
    power = answer.assets_kw[: stores.n]
    if not stores.n:
        return np.zeros(hours.size), np.zeros(hours.size), 0.0
    after = stores.stored_kwh(power * hours)
    before = np.hstack([stores.energy_kwh[:, None], after[:, :-1]])
    out = (before - stores.floor_kwh[:, None]) * stores.discharge_efficiency[:, None] / hours
    into = (stores.top_kwh[:, None] - before) / stores.charge_efficiency[:, None] / hours
    lowest = -np.minimum(stores.discharge_kw[:, None], np.maximum(out, 0.0))
    highest = np.minimum(stores.charge_kw[:, None], np.maximum(into, 0.0))
    highest = np.where(stores.pv_only[:, None], power, highest)
    give = np.maximum(power - lowest, 0.0).sum(axis=0)
    take = np.maximum(highest - power, 0.0).sum(axis=0)
    return give, take, float(stores.wear_per_kwh.max())


def _under_nodes(problem: Problem, grid: Microgrid, down_kw: FloatArray) -> FloatArray:
    """Where nodes below the root are full later, what is put off may not fit: tell none of it."""
    tight = np.zeros(problem.horizon.n, dtype=bool)
    for v in range(1, len(problem.node_ids)):
        tight |= np.isfinite(grid.import_kw[v])
    return np.where(tight, 0.5 * down_kw, down_kw)
