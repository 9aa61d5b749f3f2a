"""What a site could do beside its plan: per slot how far up and down, for how long, at what price.

Published figures are taken at their word, so they are worked out on the safe side: what a session
puts off must still fit the rest of its stay, what a storage gives must have been stored, and the
energy that is missing must find room under the import limit of other slots. As much as load and
sun may come otherwise than foreseen is kept back: storage makes up for it.
"""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np

from models.horizon import instant_of
from scheduler.effects import FlexibilityOffered, FlexibleSlot
from scheduler.flexible_parts import of_giving, of_sessions, of_sources, of_storages
from scheduler.microgrid import PROMISED_TIMES, Bands, Microgrid
from scheduler.problem import FloatArray, Problem
from scheduler.solution import Solution

KEPT_SHARE, KEPT_KW = 0.04, 3.0
"""Of each offer, and at least: what bands do not know of, meters and vehicles among it."""

LEAVING_SHARE = 0.6
"""Of what vehicles could draw or give: some leave, and most take less than they asked for."""

SLOTS = 32
"""Slots ahead that are told: eight hours of quarter hours."""


def offered(
    problem: Problem, answer: Solution, now: datetime, *, stands_s: float = math.inf
) -> FlexibilityOffered | None:
    """The flexibility around a plan; None where nothing limits the connection or no asset plans.

    Parameters
    ----------
    problem : Problem
        With a microgrid.
    answer : Solution
        The plan that runs, with its assets.
    now : datetime
        When it is told.
    stands_s : float
        For so long the kernel counts a reading that is higher than the next one, s > 0.
    """
    grid = problem.microgrid
    if grid is None or answer.assets_kw is None:
        return None
    hours = problem.horizon.slot_h
    root = answer.root_kw(problem)
    bands = grid.bands or _no_bands(hours.size)
    more_kw, less_kw = PROMISED_TIMES * bands.more_kw, PROMISED_TIMES * bands.less_kw
    load_less_kw = PROMISED_TIMES * bands.less_load_kw
    room = np.minimum(np.maximum(grid.import_kw[0] - root, 0.0), 1e9)
    fed = np.maximum(np.minimum(grid.export_kw[0] + root, 1e9), 0.0)
    level_kw, level_per_kw = _peak(problem, root)
    stores = of_storages(
        grid,
        answer,
        hours,
        np.maximum(np.minimum(room - more_kw, level_kw - root), 0.0),
        np.maximum(fed - less_kw, 0.0),
        SLOTS,
    )
    plain, giving = of_sessions(problem, answer), of_giving(problem, answer)
    shines = np.maximum(grid.sources.available_kw.sum(axis=0) - more_kw, 0.0)
    sun = of_sources(grid, answer, shines)
    # What is put off, or given, is drawn in another slot that is still to come.
    free = room * hours
    elsewhere = np.maximum(free[1:].sum() - np.append(0.0, free[1:]), 0.0) / hours
    down = stores.less_kw + plain.less_kw + (1.0 - LEAVING_SHARE) * giving.less_kw
    down = (1.0 - KEPT_SHARE) * down - more_kw - KEPT_KW
    down = np.minimum(np.minimum(down, elsewhere), (1.0 - KEPT_SHARE) * fed)
    down = _under_nodes(problem, grid, down)
    drawn = np.bincount(
        problem.entry_slot, weights=np.maximum(answer.energy_kwh, 0.0), minlength=hours.size
    )
    cars = (1.0 - LEAVING_SHARE) * (plain.more_kw + giving.more_kw)
    cars = cars - LEAVING_SHARE * drawn / hours
    moved = (1.0 - KEPT_SHARE) * (stores.more_kw + cars) - load_less_kw - KEPT_KW
    # The kernel counts the highest of the last readings: a load that has just fallen stands for
    # some of the slot yet.
    base = grid.base_kw[0] - grid.sources.available_kw.sum(axis=0)
    stands = np.maximum(np.append(0.0, base[:-1] - base[1:]), 0.0) + bands.less_kw
    stands = np.minimum(stands_s / (3600.0 * hours), 1.0) * stands
    up = np.minimum(moved + sun.more_kw, (1.0 - KEPT_SHARE) * np.maximum(room - stands, 0.0))
    down, up = np.maximum(down, 0.0), np.maximum(up, 0.0)
    # What an event has bought is not offered again.
    sold = np.zeros(problem.horizon.n, dtype=bool)
    for call in grid.calls:
        sold |= np.isfinite(call.level_kw)
    down, up = np.where(sold, 0.0, down), np.where(sold, 0.0, up)
    buy = problem.buy_per_kwh
    cheapest = np.minimum.accumulate(buy[::-1])[::-1]
    dearest = np.maximum.accumulate(buy[::-1])[::-1]
    wear = float(grid.stores.wear_per_kwh.max(initial=0.0))
    curtailed = np.clip((up - np.maximum(moved, 0.0)) / np.maximum(up, 1e-9), 0.0, 1.0)
    above = np.maximum(root + up - np.maximum(level_kw, root), 0.0) / np.maximum(up, 1e-9)
    up_price = buy - (1.0 - curtailed) * cheapest + above * level_per_kw / hours
    down_price = np.maximum(dearest - buy, 0.0) + np.where(stores.less_kw > 0, wear, 0.0)
    slots = tuple(
        FlexibleSlot(
            start=instant_of(int(problem.horizon.edges_s[t])),
            plan_kw=float(root[t]),
            up_kw=float(up[t]),
            down_kw=float(down[t]),
            up_for_s=float(hours[t] * 3600.0),
            down_for_s=float(hours[t] * 3600.0),
            up_per_kwh=float(up_price[t]),
            down_per_kwh=float(down_price[t]),
        )
        for t in range(min(SLOTS, problem.horizon.n))
    )
    minutes = int(round(float(np.median(hours)) * 60.0))
    return FlexibilityOffered(computed_at=now, slot_minutes=minutes, slots=slots)


def _no_bands(n: int) -> Bands:
    none = np.zeros(n)
    return Bands(none, none, none)


def _peak(problem: Problem, root_kw: FloatArray) -> tuple[FloatArray, float]:
    """The level that demand charges leave for nothing more, kW by slot, and what a kW above it
    costs.
    """
    level, price = np.full(root_kw.size, np.inf), 0.0
    for peak in problem.peaks:
        if peak.insures:
            continue
        level[peak.slot] = np.minimum(level[peak.slot], peak.aim_kw(np.maximum(root_kw, 0.0)))
        price = max(price, peak.tiers[-1][1])
    return level, price


def _under_nodes(problem: Problem, grid: Microgrid, down_kw: FloatArray) -> FloatArray:
    """Where nodes below the root are full later, what is put off may not fit: tell none of it."""
    tight = np.zeros(problem.horizon.n, dtype=bool)
    for v in range(1, len(problem.node_ids)):
        tight |= np.isfinite(grid.import_kw[v])
    return np.where(tight, 0.5 * down_kw, down_kw)
