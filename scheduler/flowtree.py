"""Whether a problem is a network flow, and the tree and price levels that it flows through.

A flow needs that a kWh of every session below a limit counts the same there, and that any two
limits hold either nested or separate sets of sessions. Limits that can never bind do not count.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from scheduler.problem import FloatArray, IntArray, PhaseLimit, Problem
from scheduler.rows import reach_kwh, subtree_sums
from scheduler.smooth import in_steps
from scheduler.solution import SolverError
from scheduler.weights import slot_price

_LARGE_ENTRIES = 15_000
"""From here on a linear program takes long enough for an answer close to it to be worth more."""


@dataclass(frozen=True, eq=False)
class FlowTree:
    """Limits as a tree whose sessions hang under leaves only.

    Parameters
    ----------
    parent : ndarray of int64, shape (m,)
        Nodes in preorder, -1 for the root.
    leaf : ndarray of int64, shape (n,)
        Each session's leaf.
    cap_w : ndarray, shape (m, T)
        Power that each node lets pass, W; inf where it sets no limit.
    count : ndarray, shape (n,)
        What a W planned counts in the flow: 1, except where sessions that count differently
        share a limit and the flow runs in counted power.
    place, home : ndarray of int64, shape (nodes of the problem,) or (0,)
        Each node's place in the tree, and the leaf for sessions that hang right under it, -1
        where the tree has none; empty where the tree is made of more than the problem's nodes.
    """

    parent: IntArray
    leaf: IntArray
    cap_w: FloatArray
    count: FloatArray
    place: IntArray
    home: IntArray

    @property
    def mixed(self) -> bool:
        """Whether a kWh of one session displaces more or less than a kWh of another."""
        return bool(np.any(self.count != 1.0))


def flow_tree(problem: Problem) -> FlowTree:
    """The tree of a problem that is a flow.

    Raises
    ------
    SolverError
        If the problem is none, with the reason.
    """
    if problem.peaks:
        raise SolverError("a price on the peak is no flow")
    binding = _binding(problem) if problem.phase_limits else []
    shared = _shared_by_different(problem)
    if shared and (binding or problem.offsets[-1] < _LARGE_ENTRIES):
        raise SolverError(f"sessions below {shared} count differently")
    if shared:
        factor = problem.fleet.count_factor
        tree = _sessions_at_leaves(problem.parent, problem.fleet.node, problem.cap_kw * 1000.0)
        return dataclasses.replace(tree, count=factor)
    cap_w = _planned_cap_w(problem)
    if binding:
        return _with_phases(problem, cap_w, binding)
    return _sessions_at_leaves(problem.parent, problem.fleet.node, cap_w)


def price_levels(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Prices in rising order and the power that each opens beyond the cheaper ones.

    Returns
    -------
    price : ndarray, shape (L,)
        Price per kWh; the same for several where the power is evened out in steps.
    open_w : ndarray, shape (L, T)
        Power that may be drawn at that price, W; inf for the grid.
    """
    buy = slot_price(problem)
    free = np.where(problem.sell_per_kwh < buy, problem.surplus_kw, 0.0)
    some = free > 0
    price = np.unique(np.concatenate([buy, problem.sell_per_kwh[some]]))
    open_w = np.zeros((price.size, buy.size))
    slots = np.arange(buy.size)
    open_w[np.searchsorted(price, problem.sell_per_kwh[some]), slots[some]] = free[some] * 1000.0
    open_w[np.searchsorted(price, buy), slots] = np.inf
    if problem.smooth is not None:
        return in_steps(price, open_w, problem.smooth)
    return price, open_w


def _planned_cap_w(problem: Problem) -> FloatArray:
    """Capacities in planned power: divided by what a kW of the sessions below counts."""
    factor = problem.fleet.count_factor
    if not factor.size or bool(np.all(factor == factor[0])):
        whole = 1000.0 / float(factor[0]) if factor.size else 1000.0
        return problem.cap_kw * whole
    low, high = _factors(problem)
    mixed = high > low
    scale = np.where(mixed | (high == 0), 1.0, high)
    cap = np.asarray(problem.cap_kw * 1000.0 / scale[:, None], dtype=np.float64)
    cap[mixed] = np.inf
    return cap


def _factors(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Least and largest count factor below each node."""
    m = len(problem.node_ids)
    low, high = np.full(m, np.inf), np.zeros(m)
    np.minimum.at(low, problem.fleet.node, problem.fleet.count_factor)
    np.maximum.at(high, problem.fleet.node, problem.fleet.count_factor)
    for v in range(m - 1, 0, -1):
        p = int(problem.parent[v])
        low[p], high[p] = min(low[p], low[v]), max(high[p], high[v])
    return low, high


def _shared_by_different(problem: Problem) -> str:
    """A node that can bind below which sessions count differently; empty if there is none."""
    factor = problem.fleet.count_factor
    if bool(np.all(factor == factor[:1])):
        return ""
    low, high = _factors(problem)
    counted = reach_kwh(problem) * factor[problem.entry_session]
    binds = subtree_sums(problem, counted) > problem.cap_kw * problem.horizon.slot_h
    found = np.flatnonzero((high > low) & binds.any(axis=1))
    return problem.node_ids[int(found[0])] if found.size else ""


def _binding(problem: Problem) -> list[PhaseLimit]:
    """The phase limits that the piles below, all at once, can pass."""
    phases = problem.fleet.phases[problem.entry_session]
    drawn = reach_kwh(problem) * problem.fleet.amps_per_kw[problem.entry_session]
    most = [subtree_sums(problem, np.where((phases >> p) & 1, drawn, 0.0)) for p in range(3)]
    limits = problem.phase_limits
    room = np.array([limit.cap_a for limit in limits]) * problem.horizon.slot_h * (1 + 1e-12)
    reach = np.stack(most)[[limit.phase for limit in limits], [limit.node for limit in limits]]
    return [limits[k] for k in np.flatnonzero((reach > room).any(axis=1)).tolist()]


def _sessions_at_leaves(parent: IntArray, node: IntArray, cap_w: FloatArray) -> FlowTree:
    """Give each inner node that has sessions of its own a leaf for them."""
    m = parent.size
    inner = np.zeros(m, dtype=bool)
    inner[parent[1:]] = True
    own = np.zeros(m, dtype=bool)
    own[node] = True
    both = inner & own
    place = np.arange(m) + np.cumsum(both) - both
    home = np.where(both | ~inner, place + both, -1)
    if not bool(both.any()):
        return FlowTree(parent, node, cap_w, np.ones(node.size), place, home)
    total = m + int(both.sum())
    new_parent = np.full(total, -1, dtype=np.int64)
    new_parent[place[1:]] = place[parent[1:]]
    new_parent[place[both] + 1] = place[both]
    new_cap = np.full((total, cap_w.shape[1]), np.inf)
    new_cap[place] = cap_w
    leaf = place[node] + both[node]
    return FlowTree(new_parent, leaf, new_cap, np.ones(node.size), place, home)


def _with_phases(problem: Problem, cap_w: FloatArray, limits: list[PhaseLimit]) -> FlowTree:
    """One tree of the nodes and phases that can bind, where their sets are nested."""
    fleet = problem.fleet
    reach = subtree_sums(problem, reach_kwh(problem) * 1000.0)
    binds = (reach > cap_w * problem.horizon.slot_h).any(axis=1)
    binds = np.asarray(binds, dtype=np.bool_)
    binds[0] = True
    by_node = np.argsort(fleet.node, kind="stable")
    below = _Below(problem, by_node)
    sets = [below.of(v) for v in np.flatnonzero(binds).tolist()]
    caps = list(cap_w[binds])
    draws = [(fleet.phases >> p) & 1 == 1 for p in range(3)]
    drawing = [_Below(problem, by_node[(d & (fleet.amps_per_kw > 0))[by_node]]) for d in draws]
    alike = bool((np.sum(draws, axis=0) <= 1).all() and np.ptp(fleet.amps_per_kw) == 0.0)
    for limit in limits:
        members = drawing[limit.phase].of(limit.node)
        amps = fleet.amps_per_kw[members]
        if not alike:
            name = f"{problem.node_ids[limit.node]}/L{limit.phase + 1}"
            if bool(np.any(fleet.phases[members] != 1 << limit.phase)):
                raise SolverError(f"a pile on more than one phase counts at {name}")
            if bool(np.any(amps != amps[0])):
                raise SolverError(f"sessions below {name} count differently")
        sets.append(members)
        caps.append(limit.cap_a * 1000.0 / float(amps[0]))
    return _nested(sets, caps)


class _Below:
    """Some sessions, in the order of their nodes, and which of them hang below each node."""

    def __init__(self, problem: Problem, sessions: IntArray) -> None:
        node = problem.fleet.node[sessions]
        self._sessions = sessions
        self._first = np.searchsorted(node, np.arange(len(problem.node_ids))).tolist()
        self._after = np.searchsorted(node, problem.subtree_end).tolist()

    def of(self, v: int) -> IntArray:
        """Those below node v."""
        return self._sessions[self._first[v] : self._after[v]]


def _nested(sets: list[IntArray], caps: list[FloatArray]) -> FlowTree:
    """The tree of sets of sessions of which any two are nested or separate; the first holds all."""
    order = np.argsort([-found.size for found in sets], kind="stable")
    k = len(sets)
    above = np.full(k, -1, dtype=np.int64)
    smallest = np.zeros(sets[0].size, dtype=np.int64)
    for j in range(1, k):
        members = sets[order[j]]
        # Larger sets came before: who is inside lies in the same smallest of them.
        holds = smallest[members]
        if bool((holds != holds[:1]).any()):
            raise SolverError("phase limits and nodes cross: no tree")
        above[j] = holds[0] if holds.size else 0
        smallest[members] = j
    children: list[list[int]] = [[] for _ in range(k)]
    for j in range(1, k):
        children[int(above[j])].append(j)
    preorder: list[int] = []
    pending = [0]
    while pending:
        v = pending.pop()
        preorder.append(v)
        pending.extend(reversed(children[v]))
    place = np.empty(k, dtype=np.int64)
    place[preorder] = np.arange(k)
    parent = np.array([-1] + [int(place[above[v]]) for v in preorder[1:]], dtype=np.int64)
    cap_w = np.array([caps[int(order[v])] for v in preorder])
    none = np.zeros(0, dtype=np.int64)
    tree = _sessions_at_leaves(parent, place[smallest], cap_w)
    return dataclasses.replace(tree, place=none, home=none)
