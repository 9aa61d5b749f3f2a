"""Layers of the residual graph, counted backward from the sinks, all slots of a node at once."""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.bits import NONE
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net, Number, Words


@compiled
def search(
    net: Net,
    flow: Flow,
    top: Number,
    open_slots: Words,
    want: Ints,
    give: Ints,
    layers: Words,
    seen: Words,
) -> tuple[int, Words]:
    """Layers below ``top`` until a session that wants more is met.

    Sinks are the slots ``open_slots`` at ``top``, or the sessions that can ``give`` where
    ``open_slots`` is empty. Layer d
    of ``layers`` holds for each node the slots whose shortest way to a sink has d - 1 steps;
    ``flow.distance`` does the same for sessions. Returns the sources' distance, 0 if no way is
    left, and ``layers`` (grown where it had to be).
    """
    parent, end = net.parent, net.end
    can_add, can_cut, can_rise, carries = flow.can_add, flow.can_cut, flow.can_rise, flow.carries
    distance = flow.distance
    words = can_add.shape[1]
    nodes = end[top] - top
    begin, stop = net.session_from[top], net.session_to[top]
    front, next_front = flow.front, flow.next_front
    fronts = begin
    for v in range(nodes):
        for w in range(words):
            seen[v, w] = NONE
            layers[1, v, w] = NONE
    for i in range(begin, stop):
        distance[i] = 0
    if open_slots.size > 0:
        for w in range(words):
            layers[1, 0, w] = open_slots[w]
            seen[0, w] = open_slots[w]
    else:
        for i in range(begin, stop):
            if give[i] > 0:
                distance[i] = 1
                front[fronts] = i
                fronts += 1
    d = 1
    while True:
        if d + 1 >= layers.shape[0]:
            grown = np.empty((2 * layers.shape[0], layers.shape[1], words), np.uint64)
            grown[: d + 1] = layers[: d + 1]
            layers = grown
        for v in range(nodes):
            for w in range(words):
                layers[d + 1, v, w] = NONE
        next_fronts, met = begin, False
        for v in range(nodes):
            some = NONE
            for w in range(words):
                some |= layers[d, v, w]
            if v > 0:
                above = parent[top + v] - top
                for w in range(words):
                    layers[d + 1, v, w] |= layers[d, above, w] & can_rise[top + v, w]
                    layers[d + 1, above, w] |= layers[d, v, w] & carries[top + v, w]
            if some == NONE or end[top + v] != top + v + 1:
                continue
            for i in range(net.session_from[top + v], net.session_to[top + v]):
                if distance[i] == 0:
                    common = NONE
                    for w in range(words):
                        common |= can_add[i, w] & layers[d, v, w]
                    if common != NONE:
                        distance[i] = d + 1
                        next_front[next_fronts] = i
                        next_fronts += 1
                        met |= want[i] > 0
        for q in range(begin, fronts):
            i = front[q]
            v = net.leaf[i] - top
            for w in range(words):
                layers[d + 1, v, w] |= can_cut[i, w]
        fresh = NONE
        for v in range(nodes):
            for w in range(words):
                word = layers[d + 1, v, w] & ~seen[v, w]
                layers[d + 1, v, w] = word
                seen[v, w] |= word
                fresh |= word
        d += 1
        if met:
            return d, layers
        if fresh == NONE and next_fronts == begin:
            return 0, layers
        front, next_front = next_front, front
        fronts = next_fronts
