"""Flow along the layers, and the maximum flow below a node."""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.bits import NONE, bit, lowest, put
from scheduler.solvers.flow_kernel.compiling import compiled, inlined
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net, Number, Words
from scheduler.solvers.flow_kernel.search import search

_NOWHERE = -(1 << 40)


@inlined
def add_energy(
    energy: Ints,
    can_add: Words,
    can_cut: Words,
    entry: int,
    i: int,
    slot: int,
    most: int,
    amount: int,
) -> None:
    """Give session i so much more in a slot."""
    now = energy[entry] + amount
    energy[entry] = now
    put(can_add, i, slot, now < most)
    put(can_cut, i, slot, now > 0)


@inlined
def add_load(
    room: Ints, can_rise: Words, carries: Words, cap: Ints, v: Number, slot: int, amount: int
) -> None:
    """Send so much more through node v in a slot."""
    now = room[v, slot] - amount
    room[v, slot] = now
    put(can_rise, v, slot, now > 0)
    put(carries, v, slot, now < cap[v, slot])


@compiled
def push(
    net: Net,
    flow: Flow,
    top: Number,
    layers: Words,
    sink: Ints,
    open_slots: Words,
    want: Ints,
    give: Ints,
    source: int,
    best: int,
    base: int,
) -> None:
    """Push from one session along shortest ways until it is content or cut off.

    A step of a way is a tree node (its number) or a session (-1 - its number) in a slot.
    Ways that end nowhere are struck from the layers, so each is walked once.
    """
    most, first_entry, leaf = net.most, net.base, net.leaf
    parent, end, cap = net.parent, net.end, net.cap
    session_from, session_to = net.session_from, net.session_to
    energy, room, left, distance = flow.energy, flow.room, flow.left, flow.distance
    can_add, can_cut, can_rise, carries = flow.can_add, flow.can_cut, flow.can_rise, flow.carries
    nodes, slots = flow.path_node[base:], flow.path_slot[base:]
    words, to_slots = can_add.shape[1], sink.size > 0
    while want[source] > 0:
        depth = 0
        nodes[0] = -1 - source
        slots[0] = 0
        while True:
            here, slot, d = nodes[depth], slots[depth], best - depth
            if d == 1:
                if to_slots:
                    if sink[slot] > 0:
                        break
                elif give[-1 - here] > 0:
                    break
            step, step_slot = _NOWHERE, slot
            if d > 1:
                if here < 0:
                    v = leaf[-1 - here]
                    for w in range(words):
                        word = can_add[-1 - here, w] & layers[d - 1, v - top, w]
                        if word != NONE:
                            step, step_slot = v, 64 * w + lowest(word)
                            break
                else:
                    w, b = slot >> 6, bit(slot)
                    if (
                        here > top
                        and can_rise[here, w] & layers[d - 1, parent[here] - top, w] & b != NONE
                    ):
                        step = parent[here]
                    elif end[here] == here + 1:
                        for j in range(session_from[here], session_to[here]):
                            if distance[j] == d - 1 and can_cut[j, w] & b != NONE:
                                step = -1 - j
                                break
                    else:
                        child = here + 1
                        while child < end[here]:
                            if carries[child, w] & layers[d - 1, child - top, w] & b != NONE:
                                step = child
                                break
                            child = end[child]
            if step != _NOWHERE:
                depth += 1
                nodes[depth] = step
                slots[depth] = step_slot
                continue
            if here < 0:
                distance[-1 - here] = -1
            else:
                layers[d, here - top, slot >> 6] &= ~bit(slot)
            if depth == 0:
                return
            depth -= 1
        final, final_slot = nodes[depth], slots[depth]
        amount = min(want[source], sink[final_slot] if to_slots else give[-1 - final])
        for s in range(depth):
            here, step, slot = nodes[s], nodes[s + 1], slots[s + 1]
            if here < 0:
                entry = first_entry[-1 - here] + slot
                amount = min(amount, most[entry] - energy[entry])
            elif step < 0:
                amount = min(amount, energy[first_entry[-1 - step] + slot])
            elif step < here:
                amount = min(amount, room[here, slot])
            else:
                amount = min(amount, cap[step, slot] - room[step, slot])
        for s in range(depth):
            here, step, slot = nodes[s], nodes[s + 1], slots[s + 1]
            if here < 0:
                i = -1 - here
                entry = first_entry[i] + slot
                add_energy(energy, can_add, can_cut, entry, i, slot, most[entry], amount)
            elif step < 0:
                i = -1 - step
                entry = first_entry[i] + slot
                add_energy(energy, can_add, can_cut, entry, i, slot, most[entry], -amount)
            elif step < here:
                add_load(room, can_rise, carries, cap, here, slot, amount)
            else:
                add_load(room, can_rise, carries, cap, step, slot, -amount)
        want[source] -= amount
        if to_slots:
            sink[final_slot] -= amount
            if sink[final_slot] == 0:
                open_slots[final_slot >> 6] &= ~bit(final_slot)
        else:
            give[-1 - final] -= amount
            left[source] -= amount
            left[-1 - final] += amount
        flow.work[top] += 1


@compiled
def largest_flow(
    net: Net,
    flow: Flow,
    top: Number,
    sink: Ints,
    open_slots: Words,
    want: Ints,
    give: Ints,
    work_limit: int,
) -> None:
    """Dinic's maximum flow in the subtree of ``top`` from what sessions want to the sinks.

    The sinks are the slots' amounts ``sink`` at ``top``, and ``want`` is ``flow.left``; where
    ``sink`` is empty, they are the sessions' amounts ``give``, and every slot's load at
    ``top`` stays as it is. Returns early when the work limit is passed.
    """
    begin, stop = net.session_from[top], net.session_to[top]
    nodes, words = net.end[top] - top, flow.can_add.shape[1]
    layers = np.empty((16, nodes, words), np.uint64)
    seen = np.empty((nodes, words), np.uint64)
    base = begin + top * net.cap.shape[1]
    while flow.work[top] <= work_limit:
        best, layers = search(net, flow, top, open_slots, want, give, layers, seen)
        flow.work[top] += 1
        if best == 0:
            return
        for i in range(begin, stop):
            if want[i] > 0 and flow.distance[i] == best:
                push(net, flow, top, layers, sink, open_slots, want, give, i, best, base)
