"""What one session would move at given prices, found in one pass over its slots; compiled.

A move takes stored energy out at one entry and puts as much in at another. Out is less taken
(``TAKE``), more given (``GIVE``), or more left at the end (``END``); in is more taken, less given,
or less left at the end. All are counted as energy in the battery.
"""

from __future__ import annotations

import numpy as np

from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.flow_kernel.compiling import compiled

TAKE, GIVE, END = 0, 1, 2
NEAR_KWH = 1e-7
"""So close to a bound there is no room to move."""

BROKEN_KWH = 1e-6
"""So far outside a bound a plan does not hold."""


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
    tolerance: float,
    where: IntArray,
    most: FloatArray,
    broken: np.ndarray,
) -> int:
    """The most profitable move of each session that has one.

    ``still`` sessions are left out. ``where`` gets a row of entry and kind out, entry and kind
    in, for each move, ``most`` how far it can go, kWh; ``broken`` says whose plan lies outside
    its bounds.

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
        broken[i] = broken[i] or budget < -BROKEN_KWH
        end_more = worth_end[i] + (promise[i] if held[last] < promised[i] - near else 0.0)
        end_less = worth_end[i] + (promise[i] if held[last] <= promised[i] + near else 0.0)
        worth, cost = -np.inf, np.inf
        out_entry, out_kind, in_entry, in_kind = -1, 0, -1, 0
        best = tolerance
        found = False
        for e in range(offsets[i], last + 1):
            if take_most[e] > near:
                here = price[take_column[e]]
                if take[e] > near and here > worth:
                    worth, out_entry, out_kind = here, e, TAKE
                if take[e] < take_most[e] - near and here < cost:
                    cost, in_entry, in_kind = here, e, TAKE
            if give_most[e] > near:
                value = -efficiency[i] * price[give_column[e]]
                if give[e] < give_most[e] - near and budget > near and value > worth:
                    worth, out_entry, out_kind = value, e, GIVE
                if give[e] > near and value < cost:
                    cost, in_entry, in_kind = value, e, GIVE
            empty = held[e] <= low[e] + near
            full = held[e] >= high[e] - near
            if e == last:
                if not full and end_more > worth:
                    worth, out_entry, out_kind = end_more, e, END
                if not empty and end_less < cost:
                    cost, in_entry, in_kind = end_less, e, END
            if worth - cost > best:
                best = worth - cost
                found = True
                where[count, 0], where[count, 1] = out_entry, out_kind
                where[count, 2], where[count, 3] = in_entry, in_kind
            if full:
                cost = np.inf
            if empty:
                worth = -np.inf
        if not found:
            continue
        a, b = where[count, 0], where[count, 2]
        if where[count, 1] == TAKE:
            room = take[a]
        elif where[count, 1] == GIVE:
            room = min(give_most[a] - give[a], budget) / efficiency[i]
        else:
            room = high[a] - held[a]
            if promised[i] > held[a] + near:
                room = min(room, promised[i] - held[a])
        if where[count, 3] == TAKE:
            room = min(room, take_most[b] - take[b])
        elif where[count, 3] == GIVE:
            room = min(room, give[b] / efficiency[i])
        else:
            room = min(room, held[b] - low[b])
            if promised[i] < held[b] - near:
                room = min(room, held[b] - promised[i])
        for e in range(min(a, b), max(a, b)):
            room = min(room, held[e] - low[e] if a < b else high[e] - held[e])
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
