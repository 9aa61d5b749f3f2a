"""Why a session ends short: the nodes and slots that bind together, and what would help.

In the residual graph of a plan, everything that a short session could still reach by moving
others' energy is on its side of a cut; what closes the cut is full, and nothing else matters:
raising a limit outside it helps nobody inside [1]_.

References
----------
.. [1] L. R. Ford, D. R. Fulkerson, "Maximal flow through a network", Canadian J. Math. 8, 1956.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.problem import FloatArray, Problem
from scheduler.rows import subtree_sums

_LEAST_KWH = 1e-6
_FULL = 1e-9

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    """What keeps one session short.

    Parameters
    ----------
    session : str
        The session.
    short_kwh : float
        Energy owed that the plan does not deliver, kWh.
    nodes : tuple of (str, tuple of int)
        Nodes that bind, root first, each with the slots in which it does; one behind another
        where both are full. Empty: only the session's own power and stay bind.
    sessions : tuple of str
        Sessions behind the same cut, itself among them; energy more for one of them is energy
        less for another.
    more_kw : float
        Power by which the nodes named would have to be raised in all their slots to serve
        everyone behind the cut, kW, nan where no node binds. What a pile's own power forbids in
        the end is not looked into, so it may not be enough.
    """

    session: str
    short_kwh: float
    nodes: tuple[tuple[str, tuple[int, ...]], ...]
    sessions: tuple[str, ...]
    more_kw: float


def explain(problem: Problem, energy_kwh: FloatArray) -> tuple[Cut, ...]:
    """The cut of every session that ends short.

    Parameters
    ----------
    problem : Problem
        The problem; phase limits are not looked at.
    energy_kwh : ndarray, shape (offsets[-1],)
        A plan in which no session can be given more without another losing.

    Returns
    -------
    tuple of Cut
        In the order of the sessions.
    """
    graph = _Residual(problem, energy_kwh)
    short = graph.short_kwh
    return tuple(graph.cut(int(i)) for i in np.flatnonzero(short > _LEAST_KWH))


def cut_of(problem: Problem, energy_kwh: FloatArray, i: int) -> Cut:
    """The cut of session i alone; parameters as in :func:`explain`."""
    return _Residual(problem, energy_kwh).cut(i)


class _Residual:
    """Where a plan leaves room, by node and slot and by entry."""

    def __init__(self, problem: Problem, energy_kwh: FloatArray) -> None:
        self._problem = problem
        fleet = problem.fleet
        given = np.bincount(problem.entry_session, weights=energy_kwh, minlength=fleet.n)
        self.short_kwh = np.maximum(fleet.energy_kwh - given, 0.0)
        load = subtree_sums(problem, energy_kwh * fleet.count_factor[problem.entry_session])
        cap = problem.cap_kw * problem.horizon.slot_h
        with np.errstate(invalid="ignore"):
            self._full: Bools = np.isfinite(cap) & (load >= cap - _FULL * (1.0 + cap))
        self._carries: Bools = load > _LEAST_KWH
        self._can_add: Bools = energy_kwh < problem.upper_kwh - _LEAST_KWH
        self._can_cut: Bools = energy_kwh > _LEAST_KWH
        self._by_node = [np.flatnonzero(fleet.node == v) for v in range(len(problem.node_ids))]

    def cut(self, i: int) -> Cut:
        """Everything that session i reaches, and what is full around it.

        Where what lies behind a full node is full as well, raising the one alone would help
        nobody: the next cut is named with it, until raising all that is named does help.
        """
        problem = self._problem
        reached, sessions = self._reach(i, self._full)
        binding = reached & self._full
        fresh = binding
        while fresh.any():
            left = self._full & ~binding
            further, _ = self._reach(i, left)
            if bool(np.any(further[0] & ~left[0])):
                break
            fresh = further & left
            binding = binding | fresh
        nodes = tuple(
            (problem.node_ids[v], tuple(int(t) for t in np.flatnonzero(binding[v])))
            for v in np.flatnonzero(binding.any(axis=1))
        )
        behind = np.flatnonzero(sessions)
        short = float(self.short_kwh[behind].sum())
        hours = float(problem.horizon.slot_h[binding.any(axis=0)].sum())
        return Cut(
            session=problem.fleet.ids[i],
            short_kwh=float(self.short_kwh[i]),
            nodes=nodes,
            sessions=tuple(problem.fleet.ids[int(j)] for j in behind),
            more_kw=short / hours if nodes else float("nan"),
        )

    def _reach(self, i: int, full: Bools) -> tuple[Bools, Bools]:
        """Nodes and slots, and sessions, that energy of session i could be moved through."""
        problem = self._problem
        m, t = problem.cap_kw.shape
        reached = np.zeros((m, t), dtype=np.bool_)
        sessions = np.zeros(problem.fleet.n, dtype=np.bool_)
        sessions[i] = True
        waiting = [i]
        while waiting:
            fresh: list[tuple[int, Bools]] = []
            for j in waiting:
                own = slice(int(problem.offsets[j]), int(problem.offsets[j + 1]))
                slots = np.zeros(t, dtype=np.bool_)
                slots[int(problem.first[j]) : int(problem.last[j])] = self._can_add[own]
                fresh.append((int(problem.fleet.node[j]), slots))
            waiting = self._spread(fresh, full, reached, sessions)
        return reached, sessions

    def _spread(
        self, fresh: list[tuple[int, Bools]], full: Bools, reached: Bools, sessions: Bools
    ) -> list[int]:
        """Follow the tree up through room and down through load; the sessions newly met."""
        problem, met = self._problem, []
        while fresh:
            v, slots = fresh.pop()
            slots = slots & ~reached[v]
            if not slots.any():
                continue
            reached[v] |= slots
            if v:
                fresh.append((int(problem.parent[v]), slots & ~full[v]))
            children = np.flatnonzero(problem.parent == v)
            fresh += [(int(c), slots & self._carries[c]) for c in children]
            for j in self._by_node[v]:
                if sessions[j]:
                    continue
                first, last = int(problem.first[j]), int(problem.last[j])
                own = slice(int(problem.offsets[j]), int(problem.offsets[j + 1]))
                if bool(np.any(self._can_cut[own] & slots[first:last])):
                    sessions[j] = True
                    met.append(int(j))
        return met
