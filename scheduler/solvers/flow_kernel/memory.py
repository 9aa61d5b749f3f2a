"""What one solve leaves for the next: its problem, and its flow with all capacities as they are.

A value that is passed in and out: the next solve uses it up and hands back its successor.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.flowtree import FlowTree, price_levels
from scheduler.problem import Problem
from scheduler.solvers.flow_kernel.compiling import compiled
from scheduler.solvers.flow_kernel.records import Bools, Floats, Flow, Ints, Net
from scheduler.solvers.flow_kernel.ways import Labels, Tiers, Ways, label_all

NO_LIMIT_WS = 1 << 50
"""More than any site draws in a slot."""

_EVENTS_PER_NODE = 8
_MOST_TIMES = 2


@dataclass(frozen=True, eq=False)
class Memory:
    """An optimal flow and the problem that it answers.

    Parameters
    ----------
    problem : Problem
        What was solved; the memory is good for its neighbours only.
    net, flow
        The kernel's records, with capacities as the limits state them and priorities as ranks.
    row : ndarray of int64, shape (n,)
        The kernel's row of each session of the problem.
    vacant : ndarray of bool
        Rows that hold no session any more.
    used : int
        Entries of the flow that are laid out.
    place, home : ndarray of int64
        As in :class:`scheduler.flowtree.FlowTree`.
    """

    problem: Problem
    net: Net
    flow: Flow
    tiers: Tiers
    ways: Ways
    labels: Labels
    row: Ints
    vacant: Bools
    used: int
    place: Ints
    home: Ints

    @property
    def digest(self) -> str:
        """Digest of the problem that was solved."""
        return self.problem.digest


@compiled
def unbound(cap_w: Floats, slot_s: Ints, net: Net, flow: Flow) -> None:
    """Capacities as the limits state them, however little the sessions of today can take."""
    one = np.uint64(1)
    for v in range(net.cap.shape[0]):
        for t in range(net.cap.shape[1]):
            load = net.cap[v, t] - flow.room[v, t]
            allowed = cap_w[v, t] * slot_s[t] + 1e-6
            cap = NO_LIMIT_WS if allowed > NO_LIMIT_WS else np.int64(allowed)
            net.cap[v, t] = cap
            flow.room[v, t] = cap - load
            if cap > load:
                flow.can_rise[v, t >> 6] |= one << np.uint64(t & 63)


def remember(
    problem: Problem, tree: FlowTree, net: Net, flow: Flow, order: NDArray[np.intp]
) -> Memory | None:
    """The memory of a flow just found; it takes the records over. None where it gets too large."""
    n, m = net.base.size, net.parent.size
    unbound(tree.cap_w, problem.horizon.slot_s, net, flow)
    row = np.empty(n, dtype=np.int64)
    row[order] = np.arange(n)
    flow.work[:] = 0
    net = net._replace(rank=problem.fleet.priority[order])
    tiers, ways = _tiers(problem), _ways(n, m, flow.can_add.shape[1])
    labels = Labels(
        node=np.empty(net.cap.shape, dtype=np.int32), session=np.empty(n, dtype=np.int32)
    )
    if not label_all(net, flow, ways, tiers, labels):
        return None
    return Memory(
        problem=problem,
        net=net,
        flow=flow,
        tiers=tiers,
        ways=ways,
        labels=labels,
        row=row,
        vacant=np.zeros(n, dtype=np.bool_),
        used=int(problem.offsets[-1]),
        place=tree.place,
        home=tree.home,
    )


def _tiers(problem: Problem) -> Tiers:
    _, open_w = price_levels(problem)
    amount = open_w * problem.horizon.slot_s
    grid = np.isinf(amount)
    whole = np.floor(np.where(grid, 0.0, amount) + 1e-6).astype(np.int64)
    return Tiers(np.cumsum(np.where(grid, 2 * NO_LIMIT_WS, whole), axis=0))


def _ways(n: int, m: int, words: int) -> Ways:
    events = _EVENTS_PER_NODE * m + 4 * n + 64
    return Ways(
        seen=np.zeros((m, words), dtype=np.uint64),
        dead=np.zeros((m, words), dtype=np.uint64),
        node=np.empty(events, dtype=np.int64),
        origin=np.empty(events, dtype=np.int64),
        depth=np.empty(events, dtype=np.int64),
        slots=np.empty((events, words), dtype=np.uint64),
        step_node=np.empty((m, 64 * words), dtype=np.int32),
        step=np.empty(n, dtype=np.int32),
        reached=np.zeros(n, dtype=np.int8),
        sessions=np.empty(n, dtype=np.int64),
        found=np.zeros(4, dtype=np.int64),
    )


def with_row(memory: Memory, leaf: int) -> tuple[Memory, int]:
    """A vacant row under a leaf for one more session; where none is left, every leaf gets one."""
    begin, stop = int(memory.net.session_from[leaf]), int(memory.net.session_to[leaf])
    free = np.flatnonzero(memory.vacant[begin:stop])
    if free.size:
        row = begin + int(free[0])
        memory.vacant[row] = False
        return memory, row
    memory = _with_gaps(memory)
    row = int(memory.net.session_to[leaf]) - 1
    memory.vacant[row] = False
    return memory, row


def _with_gaps(memory: Memory) -> Memory:
    """The memory with one more row, a vacant one, at the end of every leaf."""
    net, flow, ways = memory.net, memory.flow, memory.ways
    m = net.parent.size
    leaves = np.flatnonzero(net.end == np.arange(1, m + 1))
    before = np.zeros(m + 1, dtype=np.int64)
    before[leaves + 1] = 1
    np.cumsum(before, out=before)
    n = net.base.size + leaves.size
    place = np.arange(net.base.size) + before[net.leaf]
    begins, ends = net.session_from + before[:m], net.session_to + before[net.end]
    columns = {
        name: _moved(getattr(net, name), place, n)
        for name in ("base", "first", "last", "owed", "floor", "rank", "leaf", "turn")
    }
    columns["leaf"][ends[leaves] - 1] = leaves
    rows = {
        name: _moved(getattr(flow, name), place, n)
        for name in ("left", "can_add", "can_cut", "distance", "blocked", "front", "next_front")
    }
    longer = np.empty(flow.path_node.size + leaves.size, dtype=np.int64)
    vacant = np.ones(n, dtype=np.bool_)
    vacant[place] = memory.vacant
    return dataclasses.replace(
        memory,
        net=net._replace(**columns, session_from=begins, session_to=ends),
        flow=flow._replace(**rows, path_node=longer, path_slot=longer.copy()),
        ways=_ways(n, m, ways.seen.shape[1]),
        labels=memory.labels._replace(session=_moved(memory.labels.session, place, n)),
        row=np.where(memory.row >= 0, place[memory.row], -1),
        vacant=vacant,
    )


def with_room(memory: Memory, entries: int) -> Memory | None:
    """The memory with room for so many more entries; None where half of it is of no use."""
    needed = memory.used + entries
    here = memory.row[memory.row >= 0]
    in_use = int((memory.net.last[here] - memory.net.first[here]).sum()) + entries
    if needed > _MOST_TIMES * in_use:
        return None
    if needed <= memory.net.most.size:
        return memory
    longer = np.zeros((2, needed + needed // 4), dtype=np.int64)
    longer[0, : memory.used] = memory.net.most[: memory.used]
    longer[1, : memory.used] = memory.flow.energy[: memory.used]
    return dataclasses.replace(
        memory,
        net=memory.net._replace(most=longer[0]),
        flow=memory.flow._replace(energy=longer[1]),
    )


def _moved(rows: NDArray[Any], place: Ints, n: int) -> NDArray[Any]:
    """Rows at new places, zeros between them."""
    out = np.zeros((n, *rows.shape[1:]), dtype=rows.dtype)
    out[place] = rows
    return out
