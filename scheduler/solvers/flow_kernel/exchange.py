"""In a shortage: who is served. Promises first, then the larger priority, slots' loads unchanged.

Each session's energy has two grades: what was promised, by rank, stands above all that was not.
Grade g of R ranks: 0 to R - 1 not promised, R to 2 R - 1 promised.
"""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.push import largest_flow
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net


@compiled
def hand_over(
    net: Net,
    flow: Flow,
    tops: Ints,
    across: bool,
    ranks: int,
    from_grade: int,
    to_grade: int,
    work_limit: int,
) -> None:
    """Move energy to sessions that lack it in one grade from those that have it in a lower one."""
    n = net.base.size
    want, give = np.zeros(n, np.int64), np.zeros(n, np.int64)
    lacking, giving = False, False
    for i in range(n):
        planned = net.owed[i] - flow.left[i]
        if net.rank[i] == from_grade % ranks:
            if from_grade >= ranks:
                want[i] = max(net.floor[i] - planned, 0)
            else:
                want[i] = flow.left[i]
            lacking |= want[i] > 0
        if net.rank[i] == to_grade % ranks:
            if to_grade >= ranks:
                give[i] = min(planned, net.floor[i])
            else:
                give[i] = max(planned - net.floor[i], 0)
            giving |= give[i] > 0
    if not (lacking and giving):
        return
    no_slots, no_words = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    for b in range(tops.size):
        top = tops[b]
        if want[net.session_from[top] : net.session_to[top]].any():
            largest_flow(net, flow, top, False, no_slots, no_words, want, give, work_limit)
    if across and want.any():
        largest_flow(net, flow, 0, False, no_slots, no_words, want, give, work_limit)


def settle(net: Net, flow: Flow, tops: Ints, across: bool, work_limit: int) -> None:
    """Grades from the top, each taking from the lowest grade first.

    One pass is enough: once no way leads from a grade's sessions to a lower grade's energy,
    later exchanges cannot enter what those sessions reach, so none opens.
    """
    if not flow.left.any():
        return
    ranks = int(net.rank.max()) + 1
    grades = 2 * ranks if net.floor.any() else ranks
    for high in range(grades - 1, 0, -1):
        rank = high % ranks
        planned = net.owed - flow.left
        lacks = flow.left if high < ranks else net.floor - planned
        if not np.any(lacks[net.rank == rank] > 0):
            continue
        for low in range(high):
            hand_over(net, flow, tops, across, ranks, high, low, work_limit)
            if flow.work.sum() > work_limit:
                return
