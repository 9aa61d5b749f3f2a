"""Putting one session after another into what room is left: the arithmetic of simple rules."""

from __future__ import annotations

import numpy as np

from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solution import SolverError

_LEAST_KWH = 1e-9


def check_work(problem: Problem, work_limit: int) -> None:
    """Refuse to place more sessions than the limit.

    Raises
    ------
    SolverError
        If there are more.
    """
    n = problem.fleet.n
    if n > work_limit:
        raise SolverError(f"{n} sessions to place, {work_limit} allowed")


class Room:
    """What nodes, phases and PV surplus still hold, while sessions are put in one by one.

    Parameters
    ----------
    problem : Problem
        The problem; its capacities are copied.
    obey_limits : bool
        False: nodes and phases do not bind (uncontrolled charging).
    """

    def __init__(self, problem: Problem, *, obey_limits: bool = True) -> None:
        self._problem = problem
        self._obey = obey_limits
        slot_h = problem.horizon.slot_h
        self._nodes = problem.cap_kw * slot_h
        self._phases = [limit.cap_a * slot_h for limit in problem.phase_limits]
        self._surplus = problem.surplus_kw * slot_h
        self._paths: dict[int, IntArray] = {}
        limited = np.isfinite(problem.cap_kw.min(axis=1))
        for v in np.unique(problem.fleet.node):
            path, u = [], int(v)
            while u >= 0:
                if limited[u]:
                    path.append(u)
                u = int(problem.parent[u])
            self._paths[int(v)] = np.array(path, dtype=np.int64)

    def place(self, i: int, *, cheapest: bool) -> FloatArray:
        """Give session i what it is owed as far as there is room, and take the room.

        Parameters
        ----------
        i : int
            The session.
        cheapest : bool
            True: the cheapest slots first, earlier first among equals. False: as early as
            possible.

        Returns
        -------
        ndarray
            Energy of each of the session's entries, kWh.
        """
        problem, fleet = self._problem, self._problem.fleet
        first, last = int(problem.first[i]), int(problem.last[i])
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        most = self._most(i, first, last, problem.upper_kwh[own])
        owed = float(fleet.energy_kwh[i])
        if cheapest:
            taken = self._cheapest(most, owed, first, last)
        else:
            taken = _earliest(most, owed)
        rate = float(fleet.taper_per_h[i])
        room = float(fleet.taper_room_kwh[i])
        if np.isfinite(rate) and np.isfinite(room):
            share = -np.expm1(-rate * problem.entry_s[own] / 3600.0)
            taken = _under_taper(taken, most, owed, share, room)
        self._take(i, first, last, taken)
        return taken

    def _most(self, i: int, first: int, last: int, upper: FloatArray) -> FloatArray:
        if not self._obey:
            return upper
        fleet = self._problem.fleet
        most = upper
        path = self._paths[int(fleet.node[i])]
        if path.size:
            left = self._nodes[path, first:last].min(axis=0)
            most = np.minimum(most, left / fleet.count_factor[i])
        for limit, left in zip(self._problem.phase_limits, self._phases, strict=True):
            if self._counts(i, limit.node, limit.phase):
                most = np.minimum(most, left[first:last] / fleet.amps_per_kw[i])
        return np.maximum(most, 0.0)

    def _cheapest(self, most: FloatArray, owed: float, first: int, last: int) -> FloatArray:
        buy = self._problem.buy_per_kwh[first:last]
        surplus = self._surplus[first:last]
        if not bool(surplus.any()):
            order = np.argsort(buy, kind="stable")
            taken = np.empty(most.size)
            taken[order] = _earliest(most[order], owed)
            return taken
        free = np.minimum(most, surplus)
        both = np.concatenate([free, most - free])
        price = np.concatenate([self._problem.sell_per_kwh[first:last], buy])
        order = np.argsort(price, kind="stable")
        taken = np.empty(both.size)
        taken[order] = _earliest(both[order], owed)
        return taken[: most.size] + taken[most.size :]

    def _take(self, i: int, first: int, last: int, taken: FloatArray) -> None:
        fleet = self._problem.fleet
        path = self._paths[int(fleet.node[i])]
        if path.size:
            self._nodes[path, first:last] -= taken * fleet.count_factor[i]
        for limit, left in zip(self._problem.phase_limits, self._phases, strict=True):
            if self._counts(i, limit.node, limit.phase):
                left[first:last] -= taken * fleet.amps_per_kw[i]
        self._surplus[first:last] = np.maximum(self._surplus[first:last] - taken, 0.0)

    def _counts(self, i: int, node: int, phase: int) -> bool:
        fleet = self._problem.fleet
        inside = node <= int(fleet.node[i]) < int(self._problem.subtree_end[node])
        draws = bool((int(fleet.phases[i]) >> phase) & 1) and float(fleet.amps_per_kw[i]) > 0
        return inside and draws


def _earliest(most: FloatArray, owed: float) -> FloatArray:
    """Fill in order until nothing is owed."""
    before = np.cumsum(most) - most
    return np.clip(owed - before, 0.0, most)


def _under_taper(
    taken: FloatArray, most: FloatArray, owed: float, share: FloatArray, room: float
) -> FloatArray:
    """Cut to what the taper allows, and make up for it in the earliest slots with room."""
    for _ in range(3):
        taken = _clip_taper(taken, share, room)
        missing = owed - float(taken.sum())
        if missing <= _LEAST_KWH:
            break
        taken = taken + _earliest(most - taken, missing)
    return _clip_taper(taken, share, room)


def _clip_taper(taken: FloatArray, share: FloatArray, room: float) -> FloatArray:
    out = taken.copy()
    total = 0.0
    for j in range(out.size):
        out[j] = min(out[j], max(share[j] * (room - total), 0.0))
        total += out[j]
    return out


def clip_plan(problem: Problem, energy_kwh: FloatArray) -> FloatArray:
    """The most of a plan that keeps every bound: cut pro rata below each node that is full.

    Parameters
    ----------
    problem : Problem
        The problem whose bounds count.
    energy_kwh : ndarray, shape (offsets[-1],)
        A plan on its entries that may break them; nan counts as 0.

    Returns
    -------
    ndarray, shape (offsets[-1],)
        Nowhere more than the plan given.
    """
    session, slot, fleet = problem.entry_session, problem.entry_slot, problem.fleet
    energy = np.clip(np.nan_to_num(energy_kwh, nan=0.0), 0.0, problem.upper_kwh)
    total = np.cumsum(energy) - energy
    starts = np.zeros(fleet.n)
    some = problem.last > problem.first
    starts[some] = total[problem.offsets[:-1][some]]
    left = fleet.energy_kwh[session] - (total - starts[session])
    energy = np.clip(left, 0.0, energy)
    slot_h, t = problem.horizon.slot_h, problem.horizon.n
    node = fleet.node[session]
    for v in range(len(problem.node_ids) - 1, -1, -1):
        cap = problem.cap_kw[v] * slot_h
        if bool(np.all(np.isinf(cap))):
            continue
        below = (node >= v) & (node < problem.subtree_end[v])
        weight = np.where(below, energy * fleet.count_factor[session], 0.0)
        energy = energy * _shares(weight, cap, slot, below, t)
    for limit in problem.phase_limits:
        below = (node >= limit.node) & (node < problem.subtree_end[limit.node])
        below &= ((fleet.phases[session] >> limit.phase) & 1) == 1
        weight = np.where(below, energy * fleet.amps_per_kw[session], 0.0)
        energy = energy * _shares(weight, limit.cap_a * slot_h, slot, below, t)
    tapers = np.isfinite(fleet.taper_per_h) & np.isfinite(fleet.taper_room_kwh)
    for i in np.flatnonzero(tapers & some):
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        share = -np.expm1(-fleet.taper_per_h[i] * problem.entry_s[own] / 3600.0)
        energy[own] = _clip_taper(energy[own], share, float(fleet.taper_room_kwh[i]))
    return energy


def _shares(
    weight: FloatArray, cap: FloatArray, slot: IntArray, below: np.ndarray, t: int
) -> FloatArray:
    """What share of its plan each entry keeps so that its node's slots fit."""
    load = np.bincount(slot, weights=weight, minlength=t)
    share = np.ones(t)
    over = load > cap
    share[over] = cap[over] / load[over]
    return np.where(below, share[slot], 1.0)
