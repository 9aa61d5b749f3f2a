"""Sessions put back into a plan as their piles can hold them: the compiled form of
:meth:`scheduler.placing.Placing.place` for sites without limits of phases or of their imbalance.

Every sum is added up in the same order as there, so that both give the same plan to the last bit.
"""

from __future__ import annotations

import math

import numpy as np

from scheduler.holdable import ROUNDING_KWH
from scheduler.solvers.flow_kernel.compiling import compiled, inlined
from scheduler.solvers.flow_kernel.records import Bools, Floats, Ints

WAYS = 6
"""More ways than this to place a remainder are not looked at."""

WHOLE, LEND, END = 0, 1, 2


@inlined
def on_grid(step: float, energy: float) -> float:
    """The largest whole number of steps in an energy, kWh; all of it where there is no step."""
    return energy if step <= 0 else math.floor((energy + ROUNDING_KWH) / step) * step


@compiled
def last_taken(taken: Floats, n: int) -> int:
    """The last slot with energy, -1 where there is none."""
    j = n - 1
    while j >= 0 and not taken[j] > 0.0:
        j -= 1
    return j


@compiled
def lent(
    lenders: Ints, count: int, taken: Floats, least: Floats, price: Floats, lacks: float, at: float
) -> float:
    """What it costs more to draw so much in a slot of price ``at`` than in the lenders'."""
    cost = 0.0
    for k in range(count):
        j = lenders[k]
        give = min(max(taken[j] - least[j], 0.0), lacks)
        cost += give * (at - price[j])
        lacks -= give
        if lacks <= 0:
            break
    return cost


@compiled
def remainder(
    k: int,
    left: float,
    order: Ints,
    usable: int,
    n: int,
    taken: Floats,
    least: Floats,
    most: Floats,
    step: Floats,
    price: Floats,
    lenders: Ints,
) -> float:
    """Less than the next slot's minimum is left: what is left over when that has been placed."""
    latest = last_taken(taken, n)
    count = 0
    for q in range(k):
        j = order[q]
        if taken[j] > 0.0:
            # The dearest lends first; of equals, the one that was filled first.
            at = count
            while at > 0 and price[lenders[at - 1]] < price[j]:
                lenders[at] = lenders[at - 1]
                at -= 1
            lenders[at] = j
            count += 1
    spare = 0.0
    for q in range(count):
        j = lenders[q]
        spare += max(taken[j] - least[j], 0.0)
    ways, best_j, best_way, best_cost = 0, -1, WHOLE, 0.0
    for q in range(k, usable):
        j = order[q]
        lacks = least[j] - left
        for way in range(3):
            cost = left * price[j]
            if way == WHOLE:
                if lacks > ROUNDING_KWH:
                    continue
            elif way == LEND:
                if lacks <= ROUNDING_KWH or lacks > spare:
                    continue
                cost += lent(lenders, count, taken, least, price, lacks, price[j])
            elif j <= latest:
                continue
            ways += 1
            rounded = math.floor(cost * 1e9 + 0.5)
            better = best_j < 0 or rounded < best_cost
            if best_j >= 0 and rounded == best_cost:
                ends, best_ends = way == END, best_way == END
                better = ends < best_ends or (ends == best_ends and j < best_j)
            if better:
                best_j, best_way, best_cost = j, way, rounded
        if ways > WAYS:
            break
    if best_j < 0:
        return left
    j = best_j
    if best_way == WHOLE:
        placed: float = min(on_grid(step[j], left), most[j])
        taken[j] = placed
        return left - placed
    if best_way == END:
        taken[j] = left
        return 0.0
    lacks = least[j] - left
    got = 0.0
    for q in range(count):
        if got >= lacks - ROUNDING_KWH:
            break
        lender = lenders[q]
        can = taken[lender] - least[lender]
        give = min(can, lacks - got)
        if step[lender] > 0:
            give = min(math.ceil(give / step[lender] - 1e-9) * step[lender], can)
        taken[lender] -= give
        got += give
    rest: float = min(on_grid(step[j], left + got), most[j])
    taken[j] = rest
    return left + got - rest


@compiled
def to_the_end(left: float, order: Ints, usable: int, n: int, taken: Floats, most: Floats) -> None:
    """What no slot holds as a whole: on top of the last one, else in one after it."""
    latest = last_taken(taken, n)
    if latest >= 0 and taken[latest] + left <= most[latest] + ROUNDING_KWH:
        taken[latest] = min(taken[latest] + left, most[latest])
        return
    for q in range(usable):
        j = order[q]
        if j > latest:
            taken[j] = min(left, most[j])
            return


@compiled
def fill(
    target: float,
    order: Ints,
    usable: int,
    n: int,
    taken: Floats,
    least: Floats,
    most: Floats,
    step: Floats,
    price: Floats,
    lenders: Ints,
) -> None:
    """Energy of each slot: the target as far as the slots can hold it."""
    left = target
    for k in range(usable):
        if left <= ROUNDING_KWH:
            break
        j = order[k]
        if left >= least[j] - ROUNDING_KWH:
            whole = min(on_grid(step[j], left), most[j])
            taken[j] = whole
            left -= whole
        else:
            left = remainder(k, left, order, usable, n, taken, least, most, step, price, lenders)
            break
    if left > ROUNDING_KWH:
        to_the_end(left, order, usable, n, taken, most)


@compiled
def limited_above(node: int, parent: Ints, limited: Bools, path: Ints) -> int:
    """Write the nodes with a limit from a node up to the root; how many there are."""
    count, v = 0, node
    while v >= 0:
        if limited[v]:
            path[count] = v
            count += 1
        v = parent[v]
    return count


@compiled
def place(
    sessions: Ints,
    target: Floats,
    offsets: Ints,
    first: Ints,
    node: Ints,
    factor: Floats,
    min_kw: Floats,
    step_kw: Floats,
    earliest: Bools,
    parent: Ints,
    limited: Bools,
    entry_s: Ints,
    upper: Floats,
    relaxed: Floats,
    buy: Floats,
    sell: Floats,
    left: Floats,
    surplus: Floats,
    energy: Floats,
    refused: Bools,
    done: Bools,
) -> None:
    """Put sessions back one after another.

    Parameters
    ----------
    sessions, target : ndarray, shape (k,)
        Whom, in this order, and with how much, kWh.
    offsets, first, node, factor, min_kw, step_kw, earliest
        Of each session of the problem: its entries and first slot; columns of its fleet.
    parent, limited
        Of each node: the one above it, and whether it has a limit.
    entry_s, upper, relaxed
        Of each entry: seconds, the most it holds and what the relaxed plan gives, kWh.
    buy, sell : ndarray, shape (T,)
        Price of a kWh by slot.
    left : ndarray, shape (m, T)
        What each node has left, kWh; used up in place.
    surplus : ndarray, shape (T,)
        PV surplus left, kWh; used up in place.
    energy : ndarray, shape (E,)
        The plan; what is placed is written into it.
    refused : ndarray of bool, shape (k, T)
        Written to: slots that could hold nothing, of those that were not placed whole.
    done : ndarray of bool, shape (k,)
        Written to: who was.
    """
    slots = buy.size
    price, least, most = np.empty(slots), np.empty(slots), np.empty(slots)
    step, taken = np.empty(slots), np.empty(slots)
    order, lenders = np.empty(slots, dtype=np.int64), np.empty(slots, dtype=np.int64)
    usable, path = np.empty(slots, dtype=np.bool_), np.empty(parent.size, dtype=np.int64)
    for q in range(sessions.size):
        i = sessions[q]
        base, n, begin = offsets[i], offsets[i + 1] - offsets[i], first[i]
        depth = limited_above(node[i], parent, limited, path)
        count, longest = 0, 0.0
        for j in range(n):
            t = begin + j
            room = np.inf
            for k in range(depth):
                room = min(room, left[path[k], t])
            room = min(upper[base + j], max(room / factor[i], 0.0))
            hours = entry_s[base + j] / 3600.0
            step[j] = step_kw[i] * hours
            longest = max(longest, step[j])
            least[j], most[j] = min_kw[i] * hours, room
            if step_kw[i] > 0:
                least[j] = math.ceil(min_kw[i] / step_kw[i] - 1e-9) * step[j]
                whole = math.floor((room + ROUNDING_KWH) / max(step[j], 1e-12)) * step[j]
                most[j] = min(whole, room)
            usable[j] = most[j] >= least[j] - ROUNDING_KWH and most[j] > ROUNDING_KWH
            price[j] = sell[t] if surplus[t] > ROUNDING_KWH else buy[t]
            if earliest[i]:
                price[j] = t
            taken[j] = 0.0
            if usable[j]:
                # Cheapest first; among equals where it was, so that little moves; then the
                # earliest.
                at = count
                while at > 0 and (
                    price[order[at - 1]] > price[j]
                    or (
                        price[order[at - 1]] == price[j]
                        and relaxed[base + order[at - 1]] < relaxed[base + j]
                    )
                ):
                    order[at] = order[at - 1]
                    at -= 1
                order[at] = j
                count += 1
        fill(target[q], order, count, n, taken, least, most, step, price, lenders)
        total = 0.0
        for j in range(n):
            t = begin + j
            total += taken[j]
            energy[base + j] = taken[j]
            used = taken[j] * factor[i]
            for k in range(depth):
                left[path[k], t] -= used
            surplus[t] = max(surplus[t] - taken[j], 0.0)
        done[q] = total >= target[q] - (3 * ROUNDING_KWH + longest)
        if not done[q]:
            for j in range(n):
                refused[q, begin + j] = not usable[j]
