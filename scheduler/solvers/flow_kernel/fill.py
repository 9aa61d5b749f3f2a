"""The quick part of a level: sessions in turn take the earliest slots that have room."""

from __future__ import annotations

import numpy as np

from scheduler.solvers.flow_kernel.bits import NONE, bit, lowest, positive, without_lowest
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.push import add_energy, add_load, largest_flow
from scheduler.solvers.flow_kernel.records import Flag, Flags, Flow, Ints, Net, Words


@compiled
def fill(
    parent: Ints,
    room: Ints,
    can_rise: Words,
    carries: Words,
    can_add: Words,
    can_cut: Words,
    energy: Ints,
    most: Ints,
    blocked: Flags,
    left: Ints,
    i: int,
    top: int,
    leaf: int,
    base: int,
    level: Words,
    sink: Ints,
    open_slots: Words,
) -> None:
    """Session i takes what it can in the slots of a level, earliest first.

    Notes in ``blocked`` whether a node or the sink stood in its way.
    """
    want, hindered = left[i], False
    for w in range(open_slots.size):
        mine = can_add[i, w]
        hoped = mine & level[w]
        free = hoped & open_slots[w]
        v = leaf
        while v > top:
            free &= can_rise[v, w]
            v = parent[v]
        hindered |= free != hoped
        took, used_up = NONE, NONE
        while free != NONE and want > 0:
            slot = 64 * w + lowest(free)
            b = bit(slot)
            free = without_lowest(free)
            entry = base + slot
            now = energy[entry]
            ideal = min(want, most[entry] - now)
            amount = min(ideal, sink[slot])
            v = leaf
            while v > top:
                amount = min(amount, room[v, slot])
                v = parent[v]
            hindered |= amount < ideal
            energy[entry] = now + amount
            took |= b
            if now + amount == most[entry]:
                mine &= ~b
            v = leaf
            while v > top:
                rest = room[v, slot] - amount
                room[v, slot] = rest
                if rest == 0:
                    can_rise[v, w] &= ~b
                v = parent[v]
            sink[slot] -= amount
            if sink[slot] == 0:
                used_up |= b
            want -= amount
        if took != NONE:
            can_add[i, w] = mine
            can_cut[i, w] |= took
            open_slots[w] &= ~used_up
            v = leaf
            while v > top:
                carries[v, w] |= took
                v = parent[v]
    left[i] = want
    if hindered:
        blocked[i] = 1


@compiled
def hindered(net: Net, flow: Flow, top: int) -> bool:
    """Whether a session below still wants energy that something stood in the way of."""
    for i in range(net.session_from[top], net.session_to[top]):
        if flow.left[i] > 0 and flow.blocked[i]:
            return True
    return False


@compiled
def serve(
    net: Net, flow: Flow, top: int, level: Words, sink: Ints, again: Flag, work_limit: int
) -> bool:
    """The largest flow of a level inside one subtree, up to ``sink`` at its top.

    Returns whether sessions are left that might take more if others made way elsewhere.
    """
    if again and not hindered(net, flow, top):
        return False
    open_slots = np.empty(level.size, np.uint64)
    positive(sink, open_slots)
    for q in range(net.session_from[top], net.session_to[top]):
        i = net.turn[q]
        if flow.left[i] > 0 and (not again or flow.blocked[i]):
            fill(net.parent, flow.room, flow.can_rise, flow.carries, flow.can_add, flow.can_cut,
                 flow.energy, net.most, flow.blocked, flow.left,
                 i, top, net.leaf[i], net.base[i], level, sink, open_slots)  # fmt: skip
    if not hindered(net, flow, top):
        return False
    largest_flow(net, flow, top, sink, open_slots, flow.left, flow.left, work_limit)
    return hindered(net, flow, top)


@compiled
def keep(net: Net, flow: Flow, running: Ints, level: Words, available: Ints) -> None:
    """Begin a level with what the running plan has in its slots, as far as it still fits."""
    words = flow.can_add.shape[1]
    for i in range(net.base.size):
        for w in range(words):
            slots = flow.can_add[i, w] & level[w]
            while slots != NONE and flow.left[i] > 0:
                slot = 64 * w + lowest(slots)
                slots = without_lowest(slots)
                entry = net.base[i] + slot
                held = flow.energy[entry]
                amount = min(min(running[entry], net.most[entry]) - held, flow.left[i])
                amount = min(amount, available[slot])
                v = net.leaf[i]
                while v >= 0 and amount > 0:
                    amount = min(amount, flow.room[v, slot])
                    v = net.parent[v]
                if amount <= 0:
                    continue
                add_energy(
                    flow.energy, flow.can_add, flow.can_cut, entry, i, slot, net.most[entry],
                    amount,
                )  # fmt: skip
                v = net.leaf[i]
                while v >= 0:
                    add_load(flow.room, flow.can_rise, flow.carries, net.cap, v, slot, amount)
                    v = net.parent[v]
                available[slot] -= amount
                flow.left[i] -= amount
