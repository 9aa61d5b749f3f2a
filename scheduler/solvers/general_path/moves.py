"""What one session would move at given prices, found in one pass over its slots; compiled.

What a move is: :mod:`scheduler.solvers.general_path.kinds`.
"""

from __future__ import annotations

import numpy as np

from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.general_path.kinds import BROKEN_KWH, END, GIVE, NEAR_KWH, STUCK_KWH, TAKE
from scheduler.solvers.general_path.rooms import room_kwh, taper_room_kwh


@compiled
def settle(
    offsets: IntArray,
    running: FloatArray,
    take_most: FloatArray,
    give_most: FloatArray,
    give_budget: FloatArray,
    efficiency: FloatArray,
    low: FloatArray,
    high: FloatArray,
    taper_share: FloatArray,
    taper_full: FloatArray,
    take: FloatArray,
    give: FloatArray,
    held: FloatArray,
    moved: FloatArray,
) -> None:
    """The running plan within each session's own bounds, and how far that is from it, kWh.

    A plan that cannot be mended by taking or giving less becomes no plan at all, which always can
    be.
    """
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        budget = give_budget[i]
        stored = 0.0
        for e in range(begin, end):
            take[e] = min(max(running[e], 0.0), take_most[e])
            if taper_share[e] > 0.0:
                take[e] = min(take[e], max(taper_share[e] * (taper_full[i] - stored), 0.0))
            give[e] = min(max(-running[e], 0.0), give_most[e], budget)
            stored += take[e] - give[e] / efficiency[i]
            if stored > high[e]:
                less = min(stored - high[e], take[e])
                take[e] -= less
                stored -= less
            if stored < low[e]:
                less = min(low[e] - stored, give[e] / efficiency[i])
                give[e] -= less * efficiency[i]
                stored += less
            budget -= give[e]
        if end > begin:
            over = stored - high[end - 1]
            for e in range(end - 1, begin - 1, -1):
                if over <= 0.0:
                    break
                less = min(over, take[e])
                take[e] -= less
                over -= less
        stored, fits = 0.0, True
        for e in range(begin, end):
            stored += take[e] - give[e] / efficiency[i]
            held[e] = stored
            fits = fits and low[e] - 1e-9 <= stored <= high[e] + 1e-9
        if not fits:
            for e in range(begin, end):
                take[e], give[e], held[e] = 0.0, 0.0, 0.0
        for e in range(begin, end):
            moved[i] += abs(take[e] - give[e] - running[e])


@compiled
def best_moves(
    offsets: IntArray,
    still: np.ndarray,
    price: FloatArray,
    take_column: IntArray,
    give_column: IntArray,
    worth_end: FloatArray,
    promise: FloatArray,
    promised: FloatArray,
    take: FloatArray,
    take_most: FloatArray,
    give: FloatArray,
    give_most: FloatArray,
    give_budget: FloatArray,
    efficiency: FloatArray,
    held: FloatArray,
    low: FloatArray,
    high: FloatArray,
    taper_share: FloatArray,
    taper_full: FloatArray,
    tolerance: float,
    where: IntArray,
    most: FloatArray,
    broken: np.ndarray,
    stuck: np.ndarray,
) -> int:
    """The most profitable move of each session that has one.

    ``still`` sessions are left out. ``where`` gets a row of entry and kind out, entry and kind
    in, for each move, ``most`` how far it can go, kWh; ``broken`` says whose plan lies outside
    its bounds, ``stuck`` who is no case for single moves any more.

    A taper only takes choices away: who wants to move nowhere without it is done with it too, and
    whose best move it leaves no room is stuck. Who has spent what he may give moves what leaves
    that as it is or takes from it. Where neither wins, there is a price on giving at which no move
    wins, which proves his plan; unless one that gives more and one that gives less win together:
    then he is stuck.

    Returns
    -------
    int
        How many moves there are.
    """
    count = 0
    near = NEAR_KWH
    for i in range(offsets.size - 1):
        if still[i] or offsets[i] == offsets[i + 1]:
            continue
        budget, last = give_budget[i], offsets[i + 1] - 1
        for e in range(offsets[i], last + 1):
            budget -= give[e]
            if (
                take[e] < -BROKEN_KWH
                or take[e] > take_most[e] + BROKEN_KWH
                or give[e] < -BROKEN_KWH
                or give[e] > give_most[e] + BROKEN_KWH
                or held[e] < low[e] - BROKEN_KWH
                or held[e] > high[e] + BROKEN_KWH
            ):
                broken[i] = True
            if taper_share[e] > 0.0:
                before = held[e - 1] if e > offsets[i] else 0.0
                if take[e] > taper_share[e] * (taper_full[i] - before) + BROKEN_KWH:
                    broken[i] = True
        broken[i] = broken[i] or budget < -BROKEN_KWH
        spent = budget <= near
        end_more = worth_end[i] + (promise[i] if held[last] < promised[i] - near else 0.0)
        end_less = worth_end[i] + (promise[i] if held[last] <= promised[i] + near else 0.0)
        # The best way out and in so far: taking or the end, and giving.
        worth, cost, worth_give, cost_give = -np.inf, np.inf, -np.inf, np.inf
        out_entry, out_kind, in_entry, in_kind = -1, 0, -1, 0
        out_give, in_give = -1, -1
        best, best_more, best_less = -np.inf, -np.inf, -np.inf
        for e in range(offsets[i], last + 1):
            if take_most[e] > near:
                here = price[take_column[e]]
                if take[e] > near and here > worth:
                    worth, out_entry, out_kind = here, e, TAKE
                if take[e] < take_most[e] - near and here < cost:
                    cost, in_entry, in_kind = here, e, TAKE
            if give_most[e] > near:
                value = -efficiency[i] * price[give_column[e]]
                if give[e] < give_most[e] - near and value > worth_give:
                    worth_give, out_give = value, e
                if give[e] > near and value < cost_give:
                    cost_give, in_give = value, e
            empty = held[e] <= low[e] + near
            full = held[e] >= high[e] - near
            if e == last:
                if not full and end_more > worth:
                    worth, out_entry, out_kind = end_more, e, END
                if not empty and end_less < cost:
                    cost, in_entry, in_kind = end_less, e, END
            if worth - cost > best:
                best = worth - cost
                where[count, 0], where[count, 1] = out_entry, out_kind
                where[count, 2], where[count, 3] = in_entry, in_kind
            if worth_give - cost_give > best:
                best = worth_give - cost_give
                where[count, 0], where[count, 1] = out_give, GIVE
                where[count, 2], where[count, 3] = in_give, GIVE
            if worth - cost_give > best:
                best = worth - cost_give
                where[count, 0], where[count, 1] = out_entry, out_kind
                where[count, 2], where[count, 3] = in_give, GIVE
            if worth_give - cost > best and not spent:
                best = worth_give - cost
                where[count, 0], where[count, 1] = out_give, GIVE
                where[count, 2], where[count, 3] = in_entry, in_kind
            best_less = max(best_less, worth - cost_give)
            best_more = max(best_more, worth_give - cost)
            if full:
                cost, cost_give = np.inf, np.inf
            if empty:
                worth, worth_give = -np.inf, -np.inf
        if best <= tolerance:
            stuck[i] = spent and best_more + best_less > tolerance
            continue
        room = room_kwh(
            where, count, take, take_most, give, give_most, budget, efficiency[i],
            held, low, high, promised[i],
        )  # fmt: skip
        free = taper_room_kwh(where, count, offsets[i], take, held, taper_share, taper_full[i])
        if free < min(room, STUCK_KWH):
            stuck[i] = True
            continue
        room = min(room, free)
        most[count] = room
        count += 1
    return count


@compiled
def apply_moves(
    where: IntArray,
    amount: FloatArray,
    efficiency: FloatArray,
    take: FloatArray,
    give: FloatArray,
    held: FloatArray,
) -> None:
    """Make moves, each as far as told."""
    for k in range(amount.size):
        far = amount[k]
        if far == 0.0:
            continue
        a, b = where[k, 0], where[k, 2]
        if where[k, 1] == TAKE:
            take[a] -= far
        elif where[k, 1] == GIVE:
            give[a] += far * efficiency[k]
        else:
            held[a] += far
        if where[k, 3] == TAKE:
            take[b] += far
        elif where[k, 3] == GIVE:
            give[b] -= far * efficiency[k]
        else:
            held[b] -= far
        sign = -1.0 if a < b else 1.0
        for e in range(min(a, b), max(a, b)):
            held[e] += sign * far
