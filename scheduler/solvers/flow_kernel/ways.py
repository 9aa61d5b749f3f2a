"""Ways through the residual graph from one origin, followed by the events in which they spread.

An event is "these slots of this node are met for the first time, coming from there". Nodes carry
their slots as bits, a session is met once, in one slot; so a search touches what it reaches and
nothing else. Interior arcs cost nothing: all that a way costs lies at its end, where it leaves at
the root at a slot's price, or takes from a session what it holds.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from scheduler.solvers.flow_kernel.bits import NONE, bit, lowest, without_lowest
from scheduler.solvers.flow_kernel.compiling import compiled, inlined
from scheduler.solvers.flow_kernel.records import Flag, Flags, Flow, Ints, Net, Words

ORIGIN = cast(int, np.int64(-(1 << 40)))
"""Where an event began that comes from nowhere: its own node is the origin of the search."""

OUT, INWARD = np.bool_(True), np.bool_(False)
ROOT = cast(int, np.int64(0))

GRADE_COST = cast(int, np.int64(1 << 20))
"""Taking energy from a session costs more than any level."""

GRADES = cast(int, np.int64(10))
"""Priorities are 0 to 9; what was promised stands so many grades above what was not."""

FAR = cast(int, np.int64(1 << 30))
"""Beyond all levels and grades."""

FAILED = cast(int, np.int64(1 << 40))


class Ways(NamedTuple):
    """One search.

        By node: ``seen``, the slots met, and ``dead``, those that lead nowhere any more. By event:
    ``node``, ``origin`` (a node, -1 - session, or ``ORIGIN``), ``depth`` and ``slots``.
    ``step_node`` by node and slot and ``step`` by session: the depth at which they were met.
    ``reached`` by session: whether it was met; ``sessions``: those met, in order. ``found[0]``
    events, ``found[1]`` sessions met, ``found[2]`` whether an end was met.
    """

    seen: Words
    dead: Words
    node: Ints
    origin: Ints
    depth: Ints
    slots: Words
    step_node: Labelled
    step: Labelled
    reached: Flags
    sessions: Ints
    found: Ints


Labelled = NDArray[np.int32]


class Labels(NamedTuple):
    """A lower bound of what it costs to send energy out, by node and slot and by session.

    Valid while no way leads from a label to a lower one, a slot open at the root has a label no
    higher than its next level, one that carries something none lower than its used level.
    """

    node: Labelled
    session: Labelled


class Tiers(NamedTuple):
    """Price levels at the root: ``total[k, t]`` is what levels 0 to k let through in slot t."""

    total: Ints


@compiled
def next_level(tiers: Tiers, slot: int, load: int) -> int:
    """The level at which one more W s is bought in a slot."""
    for k in range(tiers.total.shape[0]):
        if tiers.total[k, slot] > load:
            return k
    return FAR


@compiled
def used_level(tiers: Tiers, slot: int, load: int) -> int:
    """The level at which the dearest W s of a slot's load was bought; the load is positive."""
    for k in range(tiers.total.shape[0]):
        if tiers.total[k, slot] >= load:
            return k
    return FAR


@inlined
def add_event(ways: Ways, v: int, origin: int, depth: int, row: Words) -> None:
    """Note that node v is met in the slots of ``row`` not yet seen there, if any is."""
    fresh = NONE
    e = ways.found[0]
    for w in range(row.size):
        word = row[w] & ~ways.seen[v, w]
        ways.slots[e, w] = word
        fresh |= word
        ways.seen[v, w] |= word
        while word != NONE:
            ways.step_node[v, 64 * w + lowest(word)] = depth
            word = without_lowest(word)
    if fresh != NONE:
        ways.node[e] = v
        ways.origin[e] = origin
        ways.depth[e] = depth
        ways.found[0] = e + 1


@inlined
def add_session(ways: Ways, i: int, depth: int) -> None:
    """Note that session i is met."""
    ways.reached[i] = 1
    ways.step[i] = depth
    ways.sessions[ways.found[1]] = i
    ways.found[1] += 1


@compiled
def begin(ways: Ways) -> None:
    """Forget the search before."""
    for e in range(ways.found[0]):
        v = ways.node[e]
        for w in range(ways.seen.shape[1]):
            ways.seen[v, w] = NONE
            ways.dead[v, w] = NONE
    for q in range(ways.found[1]):
        ways.reached[ways.sessions[q]] = 0
    ways.found[0] = 0
    ways.found[1] = 0


@compiled
def from_session(ways: Ways, i: int) -> None:
    """Begin at session i."""
    begin(ways)
    add_session(ways, i, ROOT)


@compiled
def from_node(ways: Ways, v: int, slot: int, row: Words) -> None:
    """Begin at node v in one slot; ``row`` is working space."""
    begin(ways)
    for w in range(row.size):
        row[w] = NONE
    row[slot >> 6] = bit(slot)
    add_event(ways, v, ORIGIN, ROOT, row)


@inlined
def cost_to_take(net: Net, flow: Flow, i: int) -> int:
    """What it costs to take the next W s from session i, which holds some."""
    planned = net.owed[i] - flow.left[i]
    cost: int = GRADE_COST + net.rank[i] + (GRADES if planned <= net.floor[i] else 0)
    return cost


@inlined
def worth_to_give(net: Net, flow: Flow, i: int) -> int:
    """What it is worth to give the next W s to session i, which wants some."""
    planned = net.owed[i] - flow.left[i]
    worth: int = GRADE_COST + net.rank[i] + (GRADES if planned < net.floor[i] else 0)
    return worth


@inlined
def met_at_root(net: Net, flow: Flow, tiers: Tiers, slot: int, outward: Flag) -> int:
    """Level at which a way can end at the root in a slot, beyond all costs where it cannot."""
    load = net.cap[0, slot] - flow.room[0, slot]
    if outward:
        return next_level(tiers, slot, load) if flow.room[0, slot] > 0 else FAR
    return used_level(tiers, slot, load) if load > 0 else -FAR


@inlined
def met_at_session(net: Net, flow: Flow, i: int, outward: Flag) -> int:
    """Cost at which a way can end at a session, beyond all costs where it cannot."""
    if outward:
        return cost_to_take(net, flow, i) if net.owed[i] > flow.left[i] else FAR
    return worth_to_give(net, flow, i) if flow.left[i] > 0 else -FAR


@compiled
def spread(
    net: Net, flow: Flow, ways: Ways, tiers: Tiers, labels: Labels, outward: Flag, limit: int
) -> int:
    """Follow the ways from the origin of ``ways`` to the nearest end; the cost of that end.

    ``outward``: from energy too much, to the cheapest end, which costs less than ``limit``.
    Otherwise from energy too little, to the end that is worth most, and more than ``limit``.
    ``ways.found[2]`` tells whether there is one; without, ``limit`` is returned; ``FAILED`` where
    the search has no room left. Only labels as good as the cost so far are entered; where no
    such way goes on, the cost rises (or falls) to the next label met, and all that was met so
    far takes it as its label, so the labels stay valid and the next search begins there.
    """
    parent, end = net.parent, net.end
    words = flow.can_add.shape[1]
    rise = flow.can_rise if outward else flow.carries
    sink = flow.carries if outward else flow.can_rise
    enter = flow.can_cut if outward else flow.can_add
    leave = flow.can_add if outward else flow.can_cut
    of_node, of_session = labels.node, labels.session
    row = np.empty(words, np.uint64)
    found = ways.found
    found[2] = 0
    sign = 1 if outward else -1
    if found[1] > 0:
        cost = sign * of_session[ways.sessions[0]]
    else:
        first = ways.node[0]
        for w in range(words):
            if ways.slots[0, w] != NONE:
                cost = sign * of_node[first, 64 * w + lowest(ways.slots[0, w])]
    if cost >= sign * limit:
        return limit
    began, following, met = cost, FAR, False
    origin = ways.sessions[0] if found[1] > 0 else -1
    most_events = ways.node.size - 1
    while True:
        e = 0
        for q in range(found[1]):
            i = ways.sessions[q]
            if i != origin:
                here = sign * met_at_session(net, flow, i, outward)
                if here <= cost:
                    met = True
                else:
                    following = min(following, here)
            v = net.leaf[i]
            for w in range(words):
                row[w] = leave[i, w] & ~ways.seen[v, w]
            following = min(following, sift(row, of_node[v], sign, cost))
            add_event(ways, v, -1 - i, ways.step[i] + 1, row)
        last = FAR
        while e < found[0]:
            v = ways.node[e]
            came = ways.origin[e]
            depth = ways.depth[e] + 1
            if found[0] + (net.session_to[v] - net.session_from[v]) + 1 >= most_events:
                return FAILED
            if v == 0:
                for w in range(words):
                    word = ways.slots[e, w]
                    while word != NONE:
                        slot = 64 * w + lowest(word)
                        word = without_lowest(word)
                        here = sign * met_at_root(net, flow, tiers, slot, outward)
                        if here <= cost:
                            met = True
                        else:
                            following = min(following, here)
            e += 1
            if met:
                # The ends that are as near are met too; nothing is looked for beyond.
                last = min(last, depth)
                if depth > last:
                    break
                continue
            if v > 0:
                u = parent[v]
                if u != came:
                    for w in range(words):
                        row[w] = ways.slots[e - 1, w] & rise[v, w] & ~ways.seen[u, w]
                    following = min(following, sift(row, of_node[u], sign, cost))
                    add_event(ways, u, v, depth, row)
            if end[v] == v + 1:
                for i in range(net.session_from[v], net.session_to[v]):
                    if ways.reached[i] != 0:
                        continue
                    common = NONE
                    for w in range(words):
                        common |= enter[i, w] & ways.slots[e - 1, w]
                    if common == NONE:
                        continue
                    if sign * of_session[i] > cost:
                        following = min(following, sign * of_session[i])
                        continue
                    add_session(ways, i, depth)
                    here = sign * met_at_session(net, flow, i, outward)
                    if here <= cost:
                        met = True
                    else:
                        following = min(following, here)
                    for x in range(words):
                        row[x] = leave[i, x] & ~ways.seen[v, x]
                    following = min(following, sift(row, of_node[v], sign, cost))
                    add_event(ways, v, -1 - i, depth + 1, row)
            else:
                child = v + 1
                while child < end[v]:
                    if child != came:
                        if found[0] + 1 >= most_events:
                            return FAILED
                        some = NONE
                        for w in range(words):
                            row[w] = ways.slots[e - 1, w] & sink[child, w] & ~ways.seen[child, w]
                            some |= row[w]
                        if some != NONE:
                            following = min(following, sift(row, of_node[child], sign, cost))
                            add_event(ways, child, v, depth, row)
                    child = end[child]
        if met or following >= sign * limit:
            break
        cost, following = following, FAR
    found[2] = 1 if met else 0
    if not met:
        cost = max(cost, sign * limit)
    if cost > began:
        relabel(ways, labels, sign, cost)
    end_cost: int = sign * cost
    return end_cost


@compiled
def sift(row: Words, label: Labelled, sign: int, cost: int) -> int:
    """Keep in ``row`` the slots whose label is no worse than a cost; the best of the others."""
    following = FAR
    for w in range(row.size):
        word = row[w]
        kept = word
        while word != NONE:
            slot = lowest(word)
            word = without_lowest(word)
            here = sign * label[64 * w + slot]
            if here > cost:
                kept &= ~bit(slot)
                following = min(following, here)
        row[w] = kept
    return following


@compiled
def relabel(ways: Ways, labels: Labels, sign: int, cost: int) -> None:
    """All that a search has met is as far away as it has come."""
    for e in range(ways.found[0]):
        v = ways.node[e]
        for w in range(ways.seen.shape[1]):
            word = ways.slots[e, w]
            while word != NONE:
                slot = 64 * w + lowest(word)
                word = without_lowest(word)
                labels.node[v, slot] = sign * max(sign * labels.node[v, slot], cost)
    for q in range(ways.found[1]):
        i = ways.sessions[q]
        labels.session[i] = sign * max(sign * labels.session[i], cost)


@compiled
def label_all(net: Net, flow: Flow, ways: Ways, tiers: Tiers, labels: Labels) -> bool:
    """The cost of the cheapest end that each place and session can reach, for an optimal flow."""
    words = flow.can_add.shape[1]
    row = np.empty(words, np.uint64)
    labels.node[:] = FAR
    labels.session[:] = FAR
    begin(ways)
    e = 0
    for level in range(tiers.total.shape[0]):
        for w in range(words):
            row[w] = NONE
        for slot in range(net.cap.shape[1]):
            if met_at_root(net, flow, tiers, slot, OUT) == level:
                row[slot >> 6] |= bit(slot)
        add_event(ways, ROOT, ORIGIN, ROOT, row)
        e = label_from(net, flow, ways, labels, e, level)
        if e < 0:
            return False
    for grade in range(2 * GRADES):
        for i in range(net.base.size):
            if labels.session[i] != FAR or net.owed[i] <= flow.left[i]:
                continue
            if cost_to_take(net, flow, i) == GRADE_COST + grade:
                labels.session[i] = GRADE_COST + grade
                for w in range(words):
                    row[w] = flow.can_cut[i, w]
                add_event(ways, net.leaf[i], -1 - i, ROOT, row)
                e = label_from(net, flow, ways, labels, e, GRADE_COST + grade)
                if e < 0:
                    return False
    return True


@compiled
def label_from(net: Net, flow: Flow, ways: Ways, labels: Labels, e: int, cost: int) -> int:
    """Label what leads to the events from number e on; the number of events, -1: no room."""
    words = flow.can_add.shape[1]
    row = np.empty(words, np.uint64)
    while e < ways.found[0]:
        v = ways.node[e]
        if ways.found[0] + net.end[v] - v + net.session_to[v] - net.session_from[v] >= (
            ways.node.size - 1
        ):
            return -1
        for w in range(words):
            word = ways.slots[e, w]
            while word != NONE:
                labels.node[v, 64 * w + lowest(word)] = cost
                word = without_lowest(word)
        if v > 0:
            for w in range(words):
                row[w] = ways.slots[e, w] & flow.carries[v, w]
            add_event(ways, net.parent[v], v, ROOT, row)
        if net.end[v] == v + 1:
            for i in range(net.session_from[v], net.session_to[v]):
                if labels.session[i] != FAR:
                    continue
                common = NONE
                for w in range(words):
                    common |= flow.can_add[i, w] & ways.slots[e, w]
                if common != NONE:
                    labels.session[i] = cost
                    for w in range(words):
                        row[w] = flow.can_cut[i, w]
                    add_event(ways, v, -1 - i, ROOT, row)
        else:
            child = v + 1
            while child < net.end[v]:
                for w in range(words):
                    row[w] = ways.slots[e, w] & flow.can_rise[child, w]
                add_event(ways, child, v, ROOT, row)
                child = net.end[child]
        e += 1
    return e
