"""What a kWh is worth to a linear solver: money, the ties, and delivery above all money.

Objectives stand in an order (delivery by priority, then money, then manners). One linear
program keeps that order when each step of the ladder is dearer than everything below it can
win. In a pure network one kWh displaces one kWh, so equal steps are enough; with voltage
factors or phases a kWh may displace several others, and the steps grow by a factor. Under a taper
the last kWh may need many others to move, so the first step is a hundred times larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler.problem import FloatArray, IntArray, Problem

_COSTS = 100.0
_STEP_RATIO = 4.0
_TAPER_RATIO = 100.0
_TIE_SHARE = 1e-3
_LEAST_TIE = 1e-5
_LARGEST_TIE = 1e-2


@dataclass(frozen=True, eq=False)
class Weights:
    """Linear weights of one problem, scaled so that prices span about 100.

    Parameters
    ----------
    money : ndarray, shape (offsets[-1],)
        Cost of a kWh in each entry; for sessions that charge ``earliest`` the slot's place.
    tie : ndarray, shape (offsets[-1],)
        Tiny addition that chooses among plans of equal cost: earlier, then as it runs.
    worth : ndarray, shape (n,)
        What delivering a kWh of each session is worth.
    promise_worth : ndarray, shape (n,)
        What a kWh promised is worth beyond that; 0 where nothing is promised.
    free_gain : ndarray, shape (T,)
        What a kWh from PV surplus saves against a kWh bought, >= 0.
    per_money : float
        Weight of one unit of money, for the prices on peaks; 0: peaks cost nothing.
    """

    money: FloatArray
    tie: FloatArray
    worth: FloatArray
    promise_worth: FloatArray
    free_gain: FloatArray
    per_money: float = 0.0


def is_network(problem: Problem) -> bool:
    """Whether a kWh displaces at most a kWh: one count factor, no phase limit, no taper."""
    fleet = problem.fleet
    return (
        not problem.phase_limits
        and bool(np.all(fleet.count_factor == 1.0))
        and not has_taper(problem)
    )


def has_taper(problem: Problem) -> bool:
    """Whether any session's power falls as its battery fills."""
    fleet = problem.fleet
    return bool(np.any(np.isfinite(fleet.taper_per_h) & np.isfinite(fleet.taper_room_kwh)))


def priority_rank(problem: Problem) -> IntArray:
    """Rank of each session's priority among those that occur, 0 the lowest, shape (n,)."""
    _, rank = np.unique(problem.fleet.priority, return_inverse=True)
    return np.asarray(rank, dtype=np.int64)


def slot_price(problem: Problem) -> FloatArray:
    """Price of a kWh bought, shape (T,).

    Where selling pays more than buying, surplus that is charged costs more than a kWh bought;
    a linear program cannot say "surplus first" then, so such slots count at the dearer price.
    """
    surplus = (problem.surplus_kw > 0) & (problem.sell_per_kwh > problem.buy_per_kwh)
    return np.where(surplus, problem.sell_per_kwh, problem.buy_per_kwh)


def linear_weights(problem: Problem) -> Weights:
    """Weights that put delivery by priority before money, and money before manners.

    Parameters
    ----------
    problem : Problem
        Any problem.

    Returns
    -------
    Weights
        Ties move the cost by less than a thousandth of the least difference of two prices
        (or by 1e-7 of their span where prices lie closer than that).
    """
    price = slot_price(problem)
    free_gain = np.where(problem.surplus_kw > 0, price - problem.sell_per_kwh, 0.0)
    levels = np.unique(np.concatenate([price, price - free_gain]))
    span = float(levels[-1] - levels[0])
    unit = span if span > 0 else max(abs(float(levels[0])), 1.0)
    gaps = np.diff(levels)[np.diff(levels) > 1e-9 * unit]
    factor = _COSTS / unit
    gap = float(gaps.min()) * factor if gaps.size else _COSTS
    eta = min(max(_TIE_SHARE * gap, _LEAST_TIE), _LARGEST_TIE)

    slot, session = problem.entry_slot, problem.entry_session
    early = problem.fleet.earliest
    t = problem.horizon.n
    money = (price[slot] - levels[0]) * factor
    top = _COSTS
    if bool(early.any()):
        place = (slot - problem.first[session]) * (2.0 * _COSTS)
        money = np.where(early[session], place, money)
        top = 2.0 * _COSTS * t
    # One kWh more can also raise every peak that has a price.
    top += factor * sum(p.most_per_kwh(problem.horizon.slot_h) for p in problem.peaks)
    tie = eta * slot / max(t - 1, 1)
    if problem.running_kwh is not None:
        upper = np.maximum(problem.upper_kwh, 1e-12)
        tie = tie - 2.0 * eta * np.minimum(problem.running_kwh / upper, 1.0)

    rank = priority_rank(problem)
    step = 2.0 * top * (_TAPER_RATIO if has_taper(problem) else 1.0)
    top_rank = int(rank.max()) if rank.size else 0
    if is_network(problem):
        ladder = step * (1.0 + np.arange(top_rank + 2))
    else:
        ladder = step * _STEP_RATIO ** np.arange(top_rank + 2)
    promised = problem.fleet.promised_kwh > 0
    worth = ladder[rank]
    promise_worth = np.where(promised, ladder[-1], 0.0)
    return Weights(
        money=np.asarray(money, dtype=np.float64),
        tie=np.asarray(tie, dtype=np.float64),
        worth=np.asarray(worth, dtype=np.float64),
        promise_worth=promise_worth,
        free_gain=np.maximum(free_gain, 0.0) * factor,
        per_money=factor,
    )
