"""Price levels from the cheapest up: in blocks of the tree first, across the tree where needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.solvers.flow_kernel.bits import NONE, bit, positive
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.fill import keep, serve
from scheduler.solvers.flow_kernel.push import add_load, largest_flow
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net, Number, Words


@compiled
def share_out(
    net: Net, flow: Flow, upper: Ints, available: Ints, level: Words, quota: Ints
) -> None:
    """What each node above the blocks may still pass, split pro rata to its children's room."""
    for t in range(available.size):
        if level[t >> 6] & bit(t) == NONE:
            continue
        quota[0, t] = min(available[t], flow.room[0, t])
        for k in range(upper.size):
            u = upper[k]
            total = 0
            child = u + 1
            while child < net.end[u]:
                total += flow.room[child, t]
                child = net.end[child]
            part = 1.0 if total <= quota[u, t] else quota[u, t] / total
            child = u + 1
            while child < net.end[u]:
                room = flow.room[child, t]
                quota[child, t] = room if total <= quota[u, t] else np.int64(part * room)
                child = net.end[child]


@compiled
def carry_up(net: Net, flow: Flow, top: Number, before: Ints, after: Ints, available: Ints) -> None:
    """Book what a block took at its top on the nodes up to the root."""
    for t in range(available.size):
        amount = before[t] - after[t]
        if amount != 0:
            v = top
            while v >= 0:
                add_load(flow.room, flow.can_rise, flow.carries, net.cap, v, t, amount)
                v = net.parent[v]
            available[t] -= amount


@compiled
def something_full(flow: Flow, upper: Ints, opened: NDArray[np.bool_], available: Ints) -> bool:
    """Whether a node above the blocks is full: only then can a way through another block help."""
    for t in range(available.size):
        if opened[t] and (available[t] == 0 or flow.room[0, t] == 0):
            return True
        for q in range(1, upper.size):
            if flow.room[upper[q], t] == 0:
                return True
    return False


@compiled
def headroom(
    net: Net, flow: Flow, top: Number, level: Words, available: Ints, before: Ints
) -> None:
    """What a block can still send to the root in the slots of a level."""
    for t in range(available.size):
        amount = 0
        if level[t >> 6] & bit(t) != NONE:
            amount = available[t]
            v = top
            while v >= 0:
                amount = min(amount, flow.room[v, t])
                v = net.parent[v]
        before[t] = amount


@compiled
def run_levels(
    net: Net, flow: Flow, tops: Ints, upper: Ints, opens: Ints, running: Ints, work_limit: int
) -> None:
    """The largest flow of each level, keeping the totals of those before.

    ``opens[k, t]`` is what may be bought at level k's price in slot t, beyond cheaper levels.
    """
    count, slots = tops.size, opens.shape[1]
    quota = np.zeros((net.parent.size, slots), np.int64)
    before = np.zeros((count, slots), np.int64)
    sink = np.zeros((count, slots), np.int64)
    available, opened = np.zeros(slots, np.int64), np.zeros(slots, np.bool_)
    level = np.zeros(flow.can_add.shape[1], np.uint64)
    waiting = np.zeros(count, np.bool_)
    first, again = np.bool_(False), np.bool_(True)
    for k in range(opens.shape[0]):
        positive(opens[k], level)
        for t in range(slots):
            available[t] += opens[k, t]
            opened[t] |= opens[k, t] > 0
        if running.size:
            keep(net, flow, running, level, available)
        share_out(net, flow, upper, available, level, quota)
        for b in range(count):
            for t in range(slots):
                inside = level[t >> 6] & bit(t) != NONE
                before[b, t] = quota[tops[b], t] if inside else 0
                sink[b, t] = before[b, t]
        for b in range(count):
            waiting[b] = serve(net, flow, tops[b], level, sink[b], first, work_limit)
        for b in range(count):
            carry_up(net, flow, tops[b], before[b], sink[b], available)
        if not waiting.any() or upper.size == 0:
            continue
        across = False
        for b in range(count):
            if waiting[b]:
                headroom(net, flow, tops[b], level, available, before[b])
                sink[b] = before[b]
                across |= serve(net, flow, tops[b], level, sink[b], again, work_limit)
                carry_up(net, flow, tops[b], before[b], sink[b], available)
        if across and something_full(flow, upper, opened, available):
            through_root(net, flow, level, available, before[0], sink[0], work_limit)
        if flow.work.sum() > work_limit:
            return


@compiled
def through_root(
    net: Net, flow: Flow, level: Words, available: Ints, before: Ints, sink: Ints, work_limit: int
) -> None:
    """Finish a level over the whole tree."""
    root = np.int64(0)
    headroom(net, flow, root, level, available, before)
    sink[:] = before
    open_slots = np.empty(level.size, np.uint64)
    positive(sink, open_slots)
    largest_flow(net, flow, root, sink, open_slots, flow.left, flow.left, work_limit)
    carry_up(net, flow, root, before, sink, available)
