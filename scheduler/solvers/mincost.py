"""The same flow by another hand: OR-tools' minimum-cost flow, to check the compiled one against.

Sessions, and each node of the tree in each slot, are nodes; what is owed and not served leaves by
arcs dearer than any price, by priority, and what was promised by a dearer one still.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow

from models.units import WATT_SECONDS_PER_KWH
from scheduler.flowtree import flow_tree, price_levels
from scheduler.problem import Problem
from scheduler.rows import tapered_entries
from scheduler.solution import Solution, SolverError
from scheduler.weights import priority_rank

_WS_PER_KWH = float(WATT_SECONDS_PER_KWH)
_PRICE_STEPS = 1_000_000


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """The least cost among all plans that deliver most, by priority.

    Parameters
    ----------
    problem : Problem
        A problem that is a flow.
    work_limit : int
        Most arcs.

    Returns
    -------
    Solution
        Status ``optimal``; prices are told apart to a millionth of their span.

    Raises
    ------
    SolverError
        If the problem is no flow, or has too many arcs.
    """
    if problem.offsets[-1] == 0:
        return Solution(np.zeros(0), "optimal", "mincost", 0.0, 0)
    if bool(problem.fleet.earliest.any()) or tapered_entries(problem).size:
        raise SolverError("no flow")
    graph = _Graph(problem)
    if graph.arcs > work_limit:
        raise SolverError(f"{graph.arcs} arcs, {work_limit} allowed")
    return Solution(graph.solve() / _WS_PER_KWH, "optimal", "mincost", 0.0, graph.arcs)


class _Graph:
    """Arcs in one list: entries first, then tree, grid and overflow."""

    def __init__(self, problem: Problem) -> None:
        tree = flow_tree(problem)
        if tree.mixed:
            raise SolverError("sessions below one limit count differently")
        fleet, t, m = problem.fleet, problem.horizon.n, tree.parent.size
        n = fleet.n
        slots = np.arange(t)
        self._entries = problem.entry_slot.size
        self._sink = n + m * t
        price, open_w = price_levels(problem)
        steps = _steps(price)
        most = np.floor(problem.upper_kwh * _WS_PER_KWH + 1e-3).astype(np.int64)
        self._owed = np.floor(fleet.energy_kwh * _WS_PER_KWH + 1e-3).astype(np.int64)
        self._parts: list[tuple[NDArray[np.int64], ...]] = []
        total = int(self._owed.sum())
        self._add(
            problem.entry_session,
            n + tree.leaf[problem.entry_session] * t + problem.entry_slot,
            most,
            0,
        )
        cap = np.floor(np.minimum(tree.cap_w * problem.horizon.slot_s, total) + 1e-6)
        for v in range(1, m):
            self._add(n + v * t + slots, n + int(tree.parent[v]) * t + slots, cap[v], 0)
        root = n + np.arange(t)
        grid = n + m * t + 1 + slots
        self._add(root, grid, cap[0], 0)
        for k in range(price.size):
            amount = np.minimum(open_w[k] * problem.horizon.slot_s, total)
            self._add(grid, np.full(t, self._sink), np.floor(amount + 1e-6), int(steps[k]))
        promised = np.floor(fleet.promised_kwh * _WS_PER_KWH + 1e-3).astype(np.int64)
        promised = np.minimum(promised, self._owed)
        rank = priority_rank(problem)
        sink = np.full(n, self._sink)
        self._add(np.arange(n), sink, self._owed - promised, 2 * _PRICE_STEPS * (1 + rank))
        above_all = 2 * _PRICE_STEPS * (2 + int(rank.max()))
        promise_cost = above_all + 2 * _PRICE_STEPS * (1 + rank)
        self._add(np.arange(n), sink, promised, promise_cost)

    @property
    def arcs(self) -> int:
        """Number of arcs."""
        return sum(int(part[0].size) for part in self._parts)

    def _add(
        self,
        tail: NDArray[np.int64],
        head: NDArray[np.int64],
        capacity: NDArray[np.generic],
        cost: int | NDArray[np.int64],
    ) -> None:
        whole = np.asarray(capacity, dtype=np.int64)
        costs = np.broadcast_to(np.asarray(cost, dtype=np.int64), whole.shape)
        self._parts.append((np.asarray(tail), np.asarray(head), whole, costs))

    def solve(self) -> NDArray[np.int64]:
        """Energy of each entry, W s."""
        tail, head, capacity, cost = (
            np.ascontiguousarray(np.concatenate(column))
            for column in zip(*self._parts, strict=True)
        )
        flow = min_cost_flow.SimpleMinCostFlow()
        arcs = flow.add_arcs_with_capacity_and_unit_cost(
            tail.astype(np.int32), head.astype(np.int32), capacity, cost
        )
        supply = np.append(self._owed, -self._owed.sum())
        nodes = np.append(np.arange(self._owed.size), self._sink).astype(np.int32)
        flow.set_nodes_supplies(nodes, supply)
        status = flow.solve()
        if status != flow.OPTIMAL:
            raise SolverError(f"OR-tools ended with {status.name}")
        return np.asarray(flow.flows(arcs[: self._entries]), dtype=np.int64)


def _steps(price: NDArray[np.float64]) -> NDArray[np.int64]:
    """Prices as whole numbers from 0; their order alone where several levels share a price.

    In a flow any costs in the same order have the same optimum.
    """
    if bool(np.any(np.diff(price) == 0)):
        return np.arange(price.size)
    span = float(price[-1] - price[0])
    if span <= 0:
        return np.zeros(price.size, dtype=np.int64)
    steps = np.rint((price - price[0]) / span * _PRICE_STEPS)
    return np.asarray(steps, dtype=np.int64)
