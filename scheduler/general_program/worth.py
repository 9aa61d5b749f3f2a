"""What money, delivery and promises weigh in a general program."""

from __future__ import annotations

import numpy as np

from scheduler.microgrid import Microgrid
from scheduler.problem import FloatArray, Problem
from scheduler.weights import has_taper, is_network, priority_rank

COSTS = 100.0
"""Prices span so much, scaled."""

TIE = 1e-3
"""What a kWh at the end of the horizon costs more than at its beginning, scaled."""

CURTAILED = 1e-4
"""Weight of a kWh of PV left unused, and of one needlessly moved through a storage."""

_STEP_RATIO = 4.0
_TAPER_RATIO = 25.0


def scale_of(problem: Problem, grid: Microgrid) -> tuple[float, float]:
    """Weight of one unit of money, and the most that one kWh can win or cost, scaled."""
    price = np.concatenate([problem.buy_per_kwh, problem.sell_per_kwh])
    unit = max(float(np.abs(price).max(initial=0.0)), 1e-9)
    scale = COSTS / unit
    losses = 1.0
    if grid.stores.n:
        both = grid.stores.charge_efficiency * grid.stores.discharge_efficiency
        losses = max(losses, 1.0 / float(both.min()))
    if grid.giving is not None and grid.giving.efficiency.size:
        losses = max(losses, 1.0 / float(grid.giving.efficiency.min()))
    peaks = sum(p.most_per_kwh(problem.horizon.slot_h) for p in problem.peaks)
    wear = float(grid.stores.wear_per_kwh.max(initial=0.0))
    wear += float(np.abs(grid.stores.end_value_per_kwh).max(initial=0.0))
    if grid.giving is not None:
        wear += float(grid.giving.wear_per_kwh.max(initial=0.0))
    earned = [abs(p) for c in grid.calls for p in (c.over_per_kwh, c.under_per_kwh)]
    wear += sum(p for p in earned if np.isfinite(p)) + grid.energy.green_per_kwh
    span = float(price.max(initial=0.0) - min(price.min(initial=0.0), 0.0))
    top = losses * (COSTS * span / unit + scale * (peaks + wear))
    if bool(problem.fleet.earliest.any()):
        top += 2.0 * COSTS * problem.horizon.n
    return scale, 2.0 * top


def worths(problem: Problem, top: float) -> tuple[FloatArray, FloatArray]:
    """What delivering a kWh of each session is worth, and a promised kWh beyond that."""
    fleet = problem.fleet
    rank = priority_rank(problem)
    step = top * (_TAPER_RATIO if has_taper(problem) else 1.0)
    most = int(rank.max()) if rank.size else 0
    if is_network(problem):
        ladder = step * (1.0 + np.arange(most + 2))
    else:
        ladder = step * _STEP_RATIO ** np.arange(most + 2)
    promised = fleet.promised_kwh > 0
    promise = np.where(promised, float(ladder[-1]), 0.0)
    return np.asarray(ladder[rank], dtype=np.float64), np.asarray(promise, dtype=np.float64)
