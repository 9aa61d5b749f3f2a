"""From a problem to the kernel's records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.units import WATT_SECONDS_PER_KWH
from scheduler.flowtree import FlowTree, price_levels
from scheduler.problem import Problem
from scheduler.solvers.flow_kernel.prepare import bound_entries, bound_nodes
from scheduler.solvers.flow_kernel.records import Floats, Flow, Ints, Net

WS_PER_KWH = float(WATT_SECONDS_PER_KWH)

SPARE_WINDOWS = 16
"""So many vehicles may still plug in before the entries have to be laid out anew."""


def network(problem: Problem, tree: FlowTree) -> tuple[Net, NDArray[np.intp]]:
    """The kernel's network; sessions in the order of their leaves, entries as in the problem."""
    fleet, m = problem.fleet, tree.parent.size
    order = np.argsort(tree.leaf, kind="stable")
    leaf, count = tree.leaf[order], tree.count[order]
    end = _subtree_end(tree.parent)
    below = np.zeros(m + 1, dtype=np.int64)
    np.cumsum(np.bincount(leaf, minlength=m), out=below[1:])
    first, last = problem.first[order], problem.last[order]
    base = problem.offsets[:-1][order] - first
    most = np.empty(int(problem.offsets[-1]) + SPARE_WINDOWS * problem.horizon.n, dtype=np.int64)
    edges_s = problem.horizon.edges_s
    bound_entries(
        edges_s, fleet.start_s[order], fleet.end_s[order], first, last, base,
        fleet.max_kw[order] * 1000.0 * count, most,
    )  # fmt: skip
    owed = watt_seconds(fleet.energy_kwh[order] * count)
    cap = np.empty((m, problem.horizon.n), dtype=np.int64)
    slot_s = problem.horizon.slot_s
    bound_nodes(tree.cap_w, slot_s, tree.parent, leaf, first, last, base, most, owed, cap)
    _, rank = np.unique(fleet.priority[order], return_inverse=True)
    floor = np.minimum(watt_seconds(fleet.promised_kwh[order] * count), owed)
    return (
        Net(
            base=base,
            first=first,
            last=last,
            most=most,
            owed=owed,
            floor=floor,
            rank=np.asarray(rank, dtype=np.int64),
            leaf=leaf,
            turn=np.empty(fleet.n, dtype=np.int64),
            parent=tree.parent,
            end=end,
            session_from=below[:m].copy(),
            session_to=below[end],
            cap=cap,
        ),
        order,
    )


def no_flow(net: Net) -> Flow:
    """Room for a flow, with nothing in it."""
    n, (m, slots) = net.base.size, net.cap.shape
    words = (slots + 63) // 64
    return Flow(
        energy=np.zeros(net.most.size, dtype=np.int64),
        left=np.empty(n, dtype=np.int64),
        room=np.empty((m, slots), dtype=np.int64),
        can_add=np.zeros((n, words), dtype=np.uint64),
        can_cut=np.zeros((n, words), dtype=np.uint64),
        can_rise=np.zeros((m, words), dtype=np.uint64),
        carries=np.zeros((m, words), dtype=np.uint64),
        distance=np.empty(n, dtype=np.int64),
        blocked=np.zeros(n, dtype=np.int8),
        front=np.empty(n, dtype=np.int64),
        next_front=np.empty(n, dtype=np.int64),
        path_node=np.empty(n + m * slots + 2, dtype=np.int64),
        path_slot=np.empty(n + m * slots + 2, dtype=np.int64),
        work=np.zeros(m, dtype=np.int64),
    )


def opened(problem: Problem, net: Net) -> Ints:
    """What each price level opens at the root, W s; the grid opens all that can be used."""
    _, open_w = price_levels(problem)
    amount = open_w * problem.horizon.slot_s
    grid = np.isinf(amount)
    whole = np.floor(np.where(grid, 0.0, amount) + 1e-6).astype(np.int64)
    return np.asarray(np.where(grid, net.cap[0], np.minimum(whole, net.cap[0])), dtype=np.int64)


def running(problem: Problem, count: Floats) -> Ints:
    """The running plan in W s; empty where there is none."""
    if problem.running_kwh is None:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(np.rint(problem.running_kwh * count * WS_PER_KWH), dtype=np.int64)


def watt_seconds(energy_kwh: NDArray[np.float64]) -> Ints:
    return np.asarray(np.floor(energy_kwh * WS_PER_KWH + 1e-3), dtype=np.int64)


def _subtree_end(parent: Ints) -> Ints:
    """One past the last node of each subtree, nodes in preorder."""
    end = np.arange(1, parent.size + 1, dtype=np.int64)
    for v in range(parent.size - 1, 0, -1):
        end[parent[v]] = max(end[parent[v]], end[v])
    return end
