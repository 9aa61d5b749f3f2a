"""Every limit that a session counts at: the nodes above it, and the phases that it draws on there.

Rows are the problem's nodes, then its phase limits; a phase is named as ``garage/L1``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.node_loads import full_nodes, node_loads
from scheduler.problem import FloatArray, PhaseLimit, Problem

FULL_AH = 1e-5
"""A phase with less than this left in a slot is full: 1 W s at 4.5 A a kW is a tenth of it."""


def limit_names(problem: Problem) -> tuple[str, ...]:
    """The name of each row."""
    phases = (f"{problem.node_ids[p.node]}/L{p.phase + 1}" for p in problem.phase_limits)
    return (*problem.node_ids, *phases)


class LimitsAbove:
    """The rows that each session counts at; those of one node and the same phases are the same.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._phases: dict[int, list[tuple[int, int]]] = {}
        for k, p in enumerate(problem.phase_limits, start=len(problem.node_ids)):
            self._phases.setdefault(p.node, []).append((k, p.phase))
        self._known: dict[tuple[int, int], tuple[int, ...]] = {}

    def of(self, i: int) -> tuple[int, ...]:
        """Those of session i, lowest first, the root last."""
        fleet = self._problem.fleet
        mask = int(fleet.phases[i]) if fleet.amps_per_kw[i] > 0 else 0
        kind = int(fleet.node[i]), mask
        if kind not in self._known:
            found, v = [], kind[0]
            while v >= 0:
                found += [row for row, phase in self._phases.get(v, ()) if mask >> phase & 1]
                found.append(v)
                v = int(self._problem.parent[v])
            self._known[kind] = tuple(found)
        return self._known[kind]


def limit_rooms(
    problem: Problem, energy_kwh: FloatArray, assets_kw: FloatArray | None = None
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """What each limit has left in each slot, and where it is full.

    Parameters
    ----------
    problem, energy_kwh, assets_kw
        As in :func:`scheduler.node_loads.node_loads`.

    Returns
    -------
    room : ndarray, shape (m + P, T)
        Of nodes in kWh as they count, of phases in A h; inf where nothing limits.
    full : ndarray of bool, shape (m + P, T)
    """
    load, most = node_loads(problem, energy_kwh, assets_kw)
    room, full = most - load, full_nodes(load, most)
    if not problem.phase_limits:
        return room, full
    ah = np.array([_left_ah(problem, p, energy_kwh) for p in problem.phase_limits])
    tight = np.array(
        [FULL_AH + 1e-9 * p.cap_a * problem.horizon.slot_h for p in problem.phase_limits]
    )
    return np.vstack([room, ah]), np.vstack([full, ah <= tight])


def _left_ah(problem: Problem, limit: PhaseLimit, energy_kwh: FloatArray) -> FloatArray:
    fleet = problem.fleet
    below = (fleet.node >= limit.node) & (fleet.node < problem.subtree_end[limit.node])
    amps = np.where(below & (fleet.phases >> limit.phase & 1 == 1), fleet.amps_per_kw, 0.0)
    drawn = np.maximum(energy_kwh, 0.0) * amps[problem.entry_session]
    load = np.bincount(problem.entry_slot, weights=drawn, minlength=problem.horizon.n)
    return np.asarray(limit.cap_a * problem.horizon.slot_h - load, dtype=np.float64)


def uneven_node(problem: Problem, i: int, energy_kwh: FloatArray, least_kw: float) -> str:
    """The node whose phases lie so far apart that session i may not take even its least power.

    Parameters
    ----------
    problem : Problem
    i : int
        A session that draws on one phase, or nothing is said.
    energy_kwh : ndarray, shape (offsets[-1],)
        The plan.
    least_kw : float
        More than 0.

    Returns
    -------
    str
        The lowest one that holds it so in every slot in which it could take more; else empty.
    """
    fleet, t = problem.fleet, problem.horizon.n
    mask, amps = int(fleet.phases[i]), float(fleet.amps_per_kw[i])
    if mask not in (1, 2, 4) or amps <= 0:
        return ""
    own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
    more = problem.entry_slot[own][energy_kwh[own] < problem.upper_kwh[own] - 1e-6]
    phase, place = mask.bit_length() - 1, int(fleet.node[i])
    for limit in sorted(problem.imbalances, key=lambda one: -one.node):
        if not limit.node <= place < problem.subtree_end[limit.node]:
            continue
        below = (fleet.node >= limit.node) & (fleet.node < problem.subtree_end[limit.node])
        load = np.empty((3, t))
        for k in range(3):
            on = np.where(below & (fleet.phases == 1 << k), fleet.amps_per_kw, 0.0)
            drawn = energy_kwh * on[problem.entry_session]
            load[k] = np.bincount(problem.entry_slot, weights=drawn, minlength=t)
        load = load / problem.horizon.slot_h + limit.base_a[:, None]
        apart = load[phase] - np.delete(load, phase, axis=0).min(axis=0) + least_kw * amps
        if more.size and bool(np.all(apart[more] > limit.most_a)):
            return problem.node_ids[limit.node]
    return ""
