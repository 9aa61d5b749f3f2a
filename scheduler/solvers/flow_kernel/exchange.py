"""In a shortage: who is served, by exchange along ways that leave every slot's load as it is.

Each session's energy has two grades: what was promised, by rank, stands above all that was not.
Grade g of R ranks: 0 to R - 1 not promised, R to 2 R - 1 promised.
"""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.push import largest_flow
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net


@compiled
def exchange(
    net: Net, flow: Flow, tops: Ints, across: bool, want: Ints, give: Ints, work_limit: int
) -> None:
    """Move as much as can be moved from sessions that give to sessions that want.

    Afterwards ``flow.distance`` is 0 for exactly the sessions that can get nothing more.
    """
    no_slots, no_words = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    if across:
        for b in range(tops.size):
            begin, stop = net.session_from[tops[b]], net.session_to[tops[b]]
            if want[begin:stop].any() and give[begin:stop].any():
                largest_flow(net, flow, tops[b], no_slots, no_words, want, give, work_limit)
    largest_flow(net, flow, np.int64(0), no_slots, no_words, want, give, work_limit)


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
        for low in range(high):
            planned = net.owed - flow.left
            lacks = net.floor - planned if high >= ranks else flow.left
            want = np.where(net.rank == high % ranks, np.maximum(lacks, 0), 0)
            if not want.any():
                break
            has = np.minimum(planned, net.floor) if low >= ranks else planned - net.floor
            give = np.where(net.rank == low % ranks, np.maximum(has, 0), 0)
            if give.any():
                exchange(net, flow, tops, across, want, give, work_limit)
            if flow.work.sum() > work_limit:
                return
