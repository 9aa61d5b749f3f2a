"""Keeping an optimal flow optimal while one thing after another changes.

Each change leaves energy too much or too little at one place; it is sent out, or fetched, along
cheapest ways. As long as the flow was optimal before, it is optimal again afterwards [1]_. The
cost of a way is that of its end: a price level, or above all levels the grade of the session that
loses.

References
----------
.. [1] R. G. Busacker, P. J. Gowen, "A procedure for determining a family of minimum-cost network
   flow patterns", Operations Research Office, 1960: successive shortest paths.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from scheduler.solvers.flow_kernel.bits import NONE, bit, lowest, put, without_lowest
from scheduler.solvers.flow_kernel.compiling import compiled, inlined
from scheduler.solvers.flow_kernel.push import add_energy, add_load
from scheduler.solvers.flow_kernel.records import Flag, Flow, Ints, Net
from scheduler.solvers.flow_kernel.ways import (
    FAILED,
    FAR,
    GRADE_COST,
    GRADES,
    INWARD,
    OUT,
    ROOT,
    Labels,
    Tiers,
    Ways,
    from_node,
    from_session,
    met_at_root,
    met_at_session,
    next_level,
    spread,
)

NO_SESSION = cast(int, np.int64(-1))
NOWHERE = cast(int, np.int64(-(1 << 40)))
AT_ANY_COST, AT_ANY_GAIN = FAR, cast(int, np.int64(-1))


@inlined
def within(net: Net, flow: Flow, i: int, outward: Flag) -> int:
    """How much session i can lose or get at its present grade."""
    planned = net.owed[i] - flow.left[i]
    some: int = 0
    if outward:
        some = planned if planned <= net.floor[i] else planned - net.floor[i]
    else:
        some = net.floor[i] - planned if planned < net.floor[i] else flow.left[i]
    return some


@compiled
def move(
    net: Net,
    flow: Flow,
    ways: Ways,
    tiers: Tiers,
    labels: Labels,
    origin: int,
    v: int,
    slot: int,
    want: int,
    outward: Flag,
    limit: int,
    work_limit: int,
) -> int:
    """Send ``want`` out from session ``origin`` (or where that is ``NO_SESSION`` from node v in a
    slot) to ends that cost less than ``limit``; or fetch it from ends worth more, if not
    ``outward``. What was left over."""
    row = np.empty(flow.can_add.shape[1], np.uint64)
    while want > 0:
        if flow.work[0] > work_limit:
            return want
        if origin >= 0:
            from_session(ways, origin)
        else:
            from_node(ways, v, slot, row)
        cost = spread(net, flow, ways, tiers, labels, outward, limit)
        flow.work[0] += ways.found[0] + ways.found[1]
        if cost == FAILED:
            flow.work[0] = work_limit + 1
            return want
        if not ways.found[2]:
            return want
        want = push_all(net, flow, ways, tiers, origin, want, cost, outward)
    return 0


@compiled
def push_all(
    net: Net, flow: Flow, ways: Ways, tiers: Tiers, origin: int, want: int, cost: int, outward: Flag
) -> int:
    """Move along the ways of a search, from each end that it has met back to where it began.

    What remains of ``want`` when no way is left.
    """
    if cost >= GRADE_COST:
        for q in range(ways.found[1]):
            j = ways.sessions[q]
            if j != origin and ways.step[j] >= 0:
                while want > 0 and met_at_session(net, flow, j, outward) == cost:
                    depth = trace(net, flow, ways, -1 - j, ROOT, outward)
                    if depth < 0:
                        break
                    want -= push_one(net, flow, tiers, depth, want, cost, outward)
        return want
    for t in range(net.cap.shape[1]):
        if ways.seen[0, t >> 6] & bit(t) == NONE:
            continue
        while want > 0 and met_at_root(net, flow, tiers, t, outward) == cost:
            depth = trace(net, flow, ways, ROOT, t, outward)
            if depth < 0:
                break
            want -= push_one(net, flow, tiers, depth, want, cost, outward)
    return want


@compiled
def trace(net: Net, flow: Flow, ways: Ways, place: int, slot: int, outward: Flag) -> int:
    """Note in the flow a way from an end back to the origin; its length, -1 if there is none.

    A place of a way is a node (its number) or a session (-1 - its number), with the slot in which
    it was come from; each step is one nearer to the origin.
    """
    parent, end, leaf = net.parent, net.end, net.leaf
    rise = flow.can_rise if outward else flow.carries
    sink = flow.carries if outward else flow.can_rise
    enter = flow.can_cut if outward else flow.can_add
    leave = flow.can_add if outward else flow.can_cut
    places, slots = flow.path_node, flow.path_slot
    words = flow.can_add.shape[1]
    places[0], slots[0] = place, slot
    depth = 0
    while True:
        here, at = places[depth], slots[depth]
        nearer = (ways.step[-1 - here] if here < 0 else ways.step_node[here, at]) - 1
        if nearer < 0:
            return depth
        flow.work[0] += 1
        step, step_slot = NOWHERE, at
        if here < 0:
            u = leaf[-1 - here]
            for w in range(words):
                word = enter[-1 - here, w] & ways.seen[u, w] & ~ways.dead[u, w]
                while word != NONE and step == NOWHERE:
                    step_slot = 64 * w + lowest(word)
                    word = without_lowest(word)
                    if ways.step_node[u, step_slot] == nearer:
                        step = u
                if step != NOWHERE:
                    break
        else:
            w, b = at >> 6, bit(at)
            u = parent[here]
            if (
                here > 0
                and sink[here, w] & ways.seen[u, w] & ~ways.dead[u, w] & b != NONE
                and ways.step_node[u, at] == nearer
            ):
                step = u
            elif end[here] == here + 1:
                for j in range(net.session_from[here], net.session_to[here]):
                    if ways.reached[j] and ways.step[j] == nearer and leave[j, w] & b != NONE:
                        step = -1 - j
                        break
            else:
                child = here + 1
                while child < end[here]:
                    if (
                        rise[child, w] & ways.seen[child, w] & ~ways.dead[child, w] & b != NONE
                        and ways.step_node[child, at] == nearer
                    ):
                        step = child
                        break
                    child = end[child]
        if step != NOWHERE:
            depth += 1
            places[depth], slots[depth] = step, step_slot
            continue
        if depth == 0:
            return -1
        if here < 0:
            ways.step[-1 - here] = -2
        else:
            ways.dead[here, at >> 6] |= bit(at)
        depth -= 1


@compiled
def push_one(
    net: Net, flow: Flow, tiers: Tiers, depth: int, want: int, cost: int, outward: Flag
) -> int:
    """Move what fits along the way noted in the flow, from its last place to its first."""
    places, slots = flow.path_node, flow.path_slot
    sign = 1 if outward else -1
    final, final_slot = places[0], slots[0]
    if final >= 0:
        amount = min(want, at_level(net, flow, tiers, final_slot, cost, outward))
    else:
        amount = min(want, within(net, flow, -1 - final, outward))
    for move_now in range(2):
        for s in range(depth, 0, -1):
            here, step = places[s], places[s - 1]
            slot = slots[s] if here >= 0 else slots[s - 1]
            if here < 0 or step < 0:
                grows = (here < 0) == outward
                i = -1 - min(here, step)
                entry = net.base[i] + slot
                held, most = flow.energy[entry], net.most[entry]
                if move_now:
                    add_energy(
                        flow.energy, flow.can_add, flow.can_cut, entry, i, slot, most,
                        amount if grows else -amount,
                    )  # fmt: skip
                else:
                    amount = min(amount, most - held if grows else held)
            else:
                grows = (step < here) == outward
                child = max(here, step)
                room = flow.room[child, slot]
                if move_now:
                    add_load(
                        flow.room, flow.can_rise, flow.carries, net.cap, child, slot,
                        amount if grows else -amount,
                    )  # fmt: skip
                else:
                    amount = min(amount, room if grows else net.cap[child, slot] - room)
    if final >= 0:
        add_load(
            flow.room, flow.can_rise, flow.carries, net.cap, final, final_slot, sign * amount
        )  # fmt: skip
    else:
        flow.left[-1 - final] += sign * amount
    return amount


@compiled
def at_level(net: Net, flow: Flow, tiers: Tiers, slot: int, level: int, outward: Flag) -> int:
    """How much a slot can still be bought at a level, or how much of its load was."""
    load = net.cap[0, slot] - flow.room[0, slot]
    some: int = 0
    if outward:
        some = min(flow.room[0, slot], tiers.total[level, slot] - load)
    else:
        some = load - (tiers.total[level - 1, slot] if level > 0 else 0)
    return some


@compiled
def change_capacity(
    net: Net,
    flow: Flow,
    ways: Ways,
    tiers: Tiers,
    labels: Labels,
    v: int,
    slot: int,
    cap: int,
    limit: int,
) -> None:
    """A node's capacity in a slot becomes ``cap``, and the flow optimal for it."""
    room = flow.room[v, slot]
    load = net.cap[v, slot] - room
    over = max(load - cap, 0)
    kept = load - over
    net.cap[v, slot] = cap
    flow.room[v, slot] = cap - kept
    put(flow.can_rise, v, slot, kept < cap)
    put(flow.carries, v, slot, kept > 0)
    if over > 0:
        move(net, flow, ways, tiers, labels, NO_SESSION, v, slot, over, OUT, AT_ANY_COST, limit)
        if v > 0:
            u = net.parent[v]
            move(
                net, flow, ways, tiers, labels, NO_SESSION, u, slot, over, INWARD, AT_ANY_GAIN,
                limit,
            )  # fmt: skip
    elif room == 0 and cap > load:
        if v == 0:
            attract(net, flow, ways, tiers, labels, slot, limit)
        else:
            open_arc(net, flow, ways, tiers, labels, v, slot, limit)


@compiled
def change_capacities(
    net: Net,
    flow: Flow,
    ways: Ways,
    tiers: Tiers,
    labels: Labels,
    node: Ints,
    slot: Ints,
    cap: Ints,
    limit: int,
) -> None:
    """Several nodes' capacities change: what falls first, so that what rises finds all that is
    waiting."""
    for falls in range(1, -1, -1):
        for q in range(node.size):
            if flow.work[0] > limit:
                return
            v, t = node[q], slot[q]
            if (cap[q] < net.cap[v, t]) == (falls == 1) and cap[q] != net.cap[v, t]:
                change_capacity(net, flow, ways, tiers, labels, v, t, cap[q], limit)


@compiled
def attract(
    net: Net, flow: Flow, ways: Ways, tiers: Tiers, labels: Labels, slot: int, work_limit: int
) -> None:
    """Draw into a slot that has opened at the root what is dearer elsewhere, or not served."""
    while flow.room[0, slot] > 0 and flow.work[0] <= work_limit:
        level = next_level(tiers, slot, net.cap[0, slot] - flow.room[0, slot])
        if labels.node[0, slot] <= level:
            return
        amount = at_level(net, flow, tiers, slot, level, OUT)
        left = move(
            net, flow, ways, tiers, labels, NO_SESSION, ROOT, slot, amount, INWARD, level,
            work_limit,
        )  # fmt: skip
        add_load(flow.room, flow.can_rise, flow.carries, net.cap, 0, slot, amount - left)


@compiled
def open_arc(
    net: Net,
    flow: Flow,
    ways: Ways,
    tiers: Tiers,
    labels: Labels,
    v: int,
    slot: int,
    work_limit: int,
) -> None:
    """Use a way up from node v that has opened, as long as something is won by it."""
    row = np.empty(flow.can_add.shape[1], np.uint64)
    u = net.parent[v]
    while flow.room[v, slot] > 0 and labels.node[v, slot] > labels.node[u, slot]:
        if flow.work[0] > work_limit:
            return
        from_node(ways, v, slot, row)
        gain = spread(net, flow, ways, tiers, labels, INWARD, int(labels.node[u, slot]))
        flow.work[0] += ways.found[0] + ways.found[1]
        if gain == FAILED:
            flow.work[0] = work_limit + 1
            return
        if not ways.found[2]:
            return
        amount = min(flow.room[v, slot], at_first_end(net, flow, ways, tiers, gain))
        left = move(
            net, flow, ways, tiers, labels, NO_SESSION, u, slot, amount, OUT, gain, work_limit
        )  # fmt: skip
        sent = amount - left
        add_load(flow.room, flow.can_rise, flow.carries, net.cap, v, slot, sent)
        move(
            net, flow, ways, tiers, labels, NO_SESSION, v, slot, sent, INWARD, AT_ANY_GAIN,
            work_limit,
        )  # fmt: skip


@compiled
def at_first_end(net: Net, flow: Flow, ways: Ways, tiers: Tiers, gain: int) -> int:
    """At most so much can be fetched from one of the ends that a search inward has met."""
    if gain < GRADE_COST:
        for t in range(net.cap.shape[1]):
            seen = ways.seen[0, t >> 6] & bit(t) != NONE
            if seen and met_at_root(net, flow, tiers, t, INWARD) == gain:
                return at_level(net, flow, tiers, t, gain, INWARD)
    for q in range(ways.found[1]):
        if met_at_session(net, flow, ways.sessions[q], INWARD) == gain:
            return within(net, flow, ways.sessions[q], INWARD)
    return 0


@compiled
def place(
    net: Net, flow: Flow, ways: Ways, tiers: Tiers, labels: Labels, i: int, work_limit: int
) -> None:
    """Plan what session i still wants: what was promised first, then the rest."""
    for promised in range(1, -1, -1):
        planned = net.owed[i] - flow.left[i]
        want = flow.left[i] if promised == 0 else min(net.floor[i] - planned, flow.left[i])
        if want > 0:
            limit = GRADE_COST + net.rank[i] + (GRADES if promised else 0)
            rest = move(
                net, flow, ways, tiers, labels, i, ROOT, ROOT, want, OUT, limit, work_limit
            )  # fmt: skip
            flow.left[i] -= want - rest


@compiled
def set_owed(
    net: Net,
    flow: Flow,
    ways: Ways,
    tiers: Tiers,
    labels: Labels,
    i: int,
    owed: int,
    floor: int,
    rank: int,
    work_limit: int,
) -> None:
    """Session i owes another energy, promise or priority; its window stays."""
    planned = net.owed[i] - flow.left[i]
    keeps = owed
    if (floor != net.floor[i] or rank != net.rank[i]) and (
        flow.left.any() or labels.session[i] >= GRADE_COST
    ):
        # Its standing against the others has changed: it gives all back and asks again.
        keeps = 0
    if planned > keeps:
        over = planned - keeps
        net.owed[i] = keeps
        net.floor[i] = min(net.floor[i], keeps)
        flow.left[i] = 0
        move(
            net, flow, ways, tiers, labels, i, ROOT, ROOT, over, INWARD, AT_ANY_GAIN, work_limit
        )  # fmt: skip
        planned = keeps
    net.owed[i] = owed
    net.floor[i] = floor
    net.rank[i] = rank
    flow.left[i] = owed - planned
    if planned == 0:
        label_session(net, flow, labels, i)
    place(net, flow, ways, tiers, labels, i, work_limit)


@compiled
def label_session(net: Net, flow: Flow, labels: Labels, i: int) -> None:
    """The label of a session that holds nothing: the least of where it can begin."""
    labels.session[i] = FAR
    for t in range(net.first[i], net.last[i]):
        entry = net.base[i] + t
        put(flow.can_add, i, t, net.most[entry] > 0)
        if net.most[entry] > 0:
            labels.session[i] = min(labels.session[i], labels.node[net.leaf[i], t])


@compiled
def set_window(
    net: Net,
    flow: Flow,
    i: int,
    used: int,
    first: int,
    last: int,
    start_s: int,
    end_s: int,
    max_w: float,
    edges_s: Ints,
) -> None:
    """Session i, which holds nothing, gets a window and a power; its entries begin at ``used``."""
    net.base[i] = used - first
    net.first[i] = first
    net.last[i] = last
    for w in range(flow.can_add.shape[1]):
        flow.can_add[i, w] = NONE
        flow.can_cut[i, w] = NONE
    for t in range(first, last):
        seconds = min(edges_s[t + 1], end_s) - max(edges_s[t], start_s)
        net.most[net.base[i] + t] = np.int64(max_w * max(seconds, 0) + 1e-6)
        flow.energy[net.base[i] + t] = 0
