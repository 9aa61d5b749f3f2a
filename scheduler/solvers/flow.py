"""The exact solver for orderly charging: a flow in integers, compiled.

Holds a tree of any depth with limits by slot, priorities, promises, soft energy, PV surplus,
unequal and partial slots, and single-phase piles whose phase limits fit into the tree. What
leaves the flow (voltage factors that differ below one limit, three-phase piles below a phase
limit, tapers that bind) is refused, and the next rung answers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.flowtree import FlowTree, flow_tree, price_levels
from scheduler.problem import Problem
from scheduler.rows import taper_share, tapered_entries
from scheduler.solution import Solution, SolverError, Status
from scheduler.solvers.flow_kernel.exchange import settle
from scheduler.solvers.flow_kernel.levels import run_levels
from scheduler.solvers.flow_kernel.prepare import blocks, bound_entries, bound_nodes, empty_flow
from scheduler.solvers.flow_kernel.records import Flow, Ints, Net
from scheduler.solvers.flow_kernel.taper import bend, cut_to_curve, reachable
from scheduler.weights import has_taper

_WS_PER_KWH = 3_600_000.0
_TAPER_ROUNDS = 30
_TAIL_WS = 180_000
"""0.05 kWh."""
_WITHIN_WS = 1
_LOSS = 1e-3
_SAME_KWH = 1e-3
_PROVED = 1e-7
BLOCK_SESSIONS = 128
"""Subtrees up to this size are solved on their own first."""


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """The least cost among all plans that deliver most, by priority.

    Parameters
    ----------
    problem : Problem
        A problem inside the flow (see the module).
    work_limit : int
        Most augmentations and searches.

    Returns
    -------
    Solution
        Status ``optimal``, exact to the watt-second.

    Raises
    ------
    SolverError
        If the problem leaves the flow, or the limit is passed.
    """
    if problem.offsets[-1] == 0:
        return Solution(np.zeros(0), "optimal", "flow", 0.0, 0)
    run = _Run(problem, int(min(work_limit, 2**62)))
    if has_taper(problem) and tapered_entries(problem).size:
        return run.under_taper()
    return run.solve("optimal", 0.0)


class _Run:
    """One problem in the kernel's terms; solved once, or again after bounds have changed."""

    def __init__(self, problem: Problem, limit: int) -> None:
        self._problem, self._limit = problem, limit
        self._net, self._order = _net(problem, flow_tree(problem))
        net = self._net
        self._tops, self._upper, block = blocks(
            net.end, net.session_from, net.session_to, BLOCK_SESSIONS
        )
        fleet, order = problem.fleet, self._order
        start_s = np.maximum(fleet.start_s, problem.horizon.start_s)[order]
        needed_s = fleet.energy_kwh[order] / fleet.max_kw[order] * 3600.0
        net.turn[:] = np.lexsort((fleet.end_s[order] - start_s - needed_s, block))
        self._opens = _opens(problem, net)
        self._running = _running(problem)
        self._early = fleet.earliest[order]
        self._work = 0

    def solve(self, status: Status, gap: float) -> Solution:
        """The flow within the present bounds."""
        self._flow = _flow(self._net, int(self._problem.offsets[-1]))
        net, flow, limit = self._net, self._flow, self._limit
        empty_flow(net, flow)
        opens = self._opens
        if self._early.any():
            opens = self._place_early(net, flow)
        run_levels(net, flow, self._tops, self._upper, opens, self._running, limit)
        if self._early.any() and flow.left.any():
            raise SolverError("not all fits beside a session that charges at once")
        settle(net, flow, self._tops, self._upper.size > 0, limit)
        self._work += int(flow.work.sum())
        if self._work > limit:
            raise SolverError(f"more than {limit} units of work")
        return self._solution(status, gap)

    def _place_early(self, net: Net, flow: Flow) -> Ints:
        """Sessions that charge at once take the earliest slots, as levels of their own, and stay.

        Returns what the price levels still open beside them.
        """
        later = flow.left.copy()
        later[self._early] = 0
        flow.left[~self._early] = 0
        each_slot = np.diag(net.cap[0])
        nothing = np.zeros(0, dtype=np.int64)
        run_levels(net, flow, self._tops, self._upper, each_slot, nothing, self._limit)
        flow.can_add[self._early] = 0
        flow.can_cut[self._early] = 0
        if flow.left.any():
            raise SolverError("a session that charges at once does not fit")
        flow.left[:] = later
        flow.blocked[:] = 0
        drawn = net.cap[0] - flow.room[0]
        opens = self._opens.copy()
        for level in opens:
            used = np.minimum(level, drawn)
            level -= used
            drawn = drawn - used
        return opens

    def _solution(self, status: Status, gap: float) -> Solution:
        return Solution(self._flow.energy / _WS_PER_KWH, status, "flow", gap, self._work)

    def under_taper(self) -> Solution:
        """The flow bent under the tapers, held to the bound of the flow without them.

        Raises
        ------
        SolverError
            If more than a thousandth of the energy is lost on the way.
        """
        problem, net = self._problem, self._net
        share = taper_share(problem)
        room = problem.fleet.taper_room_kwh[self._order] * _WS_PER_KWH
        room[np.isinf(problem.fleet.taper_per_h[self._order])] = np.inf
        reachable(net, share, room, _TAIL_WS)
        relaxed = self.solve("optimal", 0.0)
        level = np.argmax(self._opens > 0, axis=0)
        rounds = 0
        while rounds < _TAPER_ROUNDS and bend(
            net, self._flow, share, room, level, self._early, _WITHIN_WS
        ):
            rounds += 1
            self.solve("feasible", float("nan"))
        cut_to_curve(net, self._flow.energy, share, room)
        found = self._solution("feasible", float("nan"))
        bound_kwh, bound = float(relaxed.energy_kwh.sum()), relaxed.cost(problem)
        missing_kwh = bound_kwh - float(found.energy_kwh.sum())
        if missing_kwh > _LOSS * bound_kwh:
            raise SolverError(f"the tapers cost {missing_kwh:.3f} kWh")
        if missing_kwh > _SAME_KWH or bound <= 0:
            return found
        gap = max(found.cost(problem) / bound - 1.0, 0.0)
        return self._solution("optimal" if gap < _PROVED else "gap", gap)


def _net(problem: Problem, tree: FlowTree) -> tuple[Net, NDArray[np.intp]]:
    """The kernel's network; sessions in the order of their leaves, entries as in the problem."""
    fleet, m = problem.fleet, tree.parent.size
    order = np.argsort(tree.leaf, kind="stable")
    leaf = tree.leaf[order]
    end = _subtree_end(tree.parent)
    below = np.zeros(m + 1, dtype=np.int64)
    np.cumsum(np.bincount(leaf, minlength=m), out=below[1:])
    first, last = problem.first[order], problem.last[order]
    base = problem.offsets[:-1][order] - first
    most = np.empty(int(problem.offsets[-1]), dtype=np.int64)
    edges_s = problem.horizon.edges_s
    bound_entries(
        edges_s, fleet.start_s[order], fleet.end_s[order], first, last, base,
        fleet.max_kw[order] * 1000.0, most,
    )  # fmt: skip
    owed = _watt_seconds(fleet.energy_kwh[order])
    cap = np.empty((m, problem.horizon.n), dtype=np.int64)
    slot_s = problem.horizon.slot_s
    bound_nodes(tree.cap_w, slot_s, tree.parent, leaf, first, last, base, most, owed, cap)
    _, rank = np.unique(fleet.priority[order], return_inverse=True)
    floor = np.minimum(_watt_seconds(fleet.promised_kwh[order]), owed)
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


def _flow(net: Net, entries: int) -> Flow:
    """Room for a flow, with nothing in it."""
    n, (m, slots) = net.base.size, net.cap.shape
    words = (slots + 63) // 64
    return Flow(
        energy=np.zeros(entries, dtype=np.int64),
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


def _opens(problem: Problem, net: Net) -> Ints:
    """What each price level opens at the root, W s; the grid opens all that can be used."""
    _, open_w = price_levels(problem)
    amount = open_w * problem.horizon.slot_s
    grid = np.isinf(amount)
    whole = np.floor(np.where(grid, 0.0, amount) + 1e-6).astype(np.int64)
    return np.asarray(np.where(grid, net.cap[0], np.minimum(whole, net.cap[0])), dtype=np.int64)


def _running(problem: Problem) -> Ints:
    """The running plan in W s; empty where there is none."""
    if problem.running_kwh is None:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(np.rint(problem.running_kwh * _WS_PER_KWH), dtype=np.int64)


def _watt_seconds(energy_kwh: NDArray[np.float64]) -> Ints:
    return np.asarray(np.floor(energy_kwh * _WS_PER_KWH + 1e-3), dtype=np.int64)


def _subtree_end(parent: Ints) -> Ints:
    """One past the last node of each subtree, nodes in preorder."""
    end = np.arange(1, parent.size + 1, dtype=np.int64)
    for v in range(parent.size - 1, 0, -1):
        end[parent[v]] = max(end[parent[v]], end[v])
    return end
