"""From seconds and watts to the kernel's integers: bounds, capacities, blocks, empty flow."""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.bits import NONE, bit
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.records import Floats, Flow, Ints, Net


@compiled
def bound_entries(
    edges_s: Ints,
    start_s: Ints,
    end_s: Ints,
    first: Ints,
    last: Ints,
    base: Ints,
    max_w: Floats,
    most: Ints,
) -> None:
    """Most energy of each entry: power times the seconds of the slot inside the window."""
    for i in range(first.size):
        for t in range(first[i], last[i]):
            seconds = min(edges_s[t + 1], end_s[i]) - max(edges_s[t], start_s[i])
            most[base[i] + t] = np.int64(max_w[i] * max(seconds, 0) + 1e-6)


@compiled
def bound_nodes(
    cap_w: Floats,
    slot_s: Ints,
    parent: Ints,
    leaf: Ints,
    first: Ints,
    last: Ints,
    base: Ints,
    most: Ints,
    owed: Ints,
    cap: Ints,
) -> None:
    """Capacity of each node and slot, no larger than what the sessions below can take."""
    n, slots = cap.shape
    cap[:] = 0
    for i in range(first.size):
        v, entry = leaf[i], base[i]
        for t in range(first[i], last[i]):
            cap[v, t] += min(most[entry + t], owed[i])
    for v in range(n - 1, 0, -1):
        above = parent[v]
        for t in range(slots):
            cap[above, t] += cap[v, t]
    for v in range(n):
        for t in range(slots):
            allowed = cap_w[v, t] * slot_s[t] + 1e-6
            if allowed < cap[v, t]:
                cap[v, t] = np.int64(allowed)


@compiled
def blocks(end: Ints, session_from: Ints, session_to: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """Largest subtrees of at most ``size`` sessions, the nodes above them, each session's block."""
    n = end.size
    tops, upper = np.empty(n, np.int64), np.empty(n, np.int64)
    block = np.zeros(session_to[0], np.int64)
    some, above, v = 0, 0, 0
    while v < n:
        if session_to[v] - session_from[v] <= size or end[v] == v + 1:
            if session_to[v] > session_from[v]:
                block[session_from[v] : session_to[v]] = some
                tops[some] = v
                some += 1
            v = end[v]
        else:
            upper[above] = v
            above += 1
            v += 1
    return tops[:some], upper[:above], block


@compiled
def empty_flow(net: Net, flow: Flow) -> None:
    """Set the flow to nothing: all rooms free, every session wanting all it is owed."""
    for i in range(net.base.size):
        flow.left[i] = net.owed[i]
        if net.owed[i] > 0:
            for t in range(net.first[i], net.last[i]):
                if net.most[net.base[i] + t] > 0:
                    flow.can_add[i, t >> 6] |= bit(t)
    n, slots = net.cap.shape
    for v in range(n):
        for w in range(flow.can_rise.shape[1]):
            word = NONE
            for t in range(64 * w, min(slots, 64 * w + 64)):
                room = net.cap[v, t]
                flow.room[v, t] = room
                if room > 0:
                    word |= bit(t)
            flow.can_rise[v, w] = word
