"""What adacharge hands to a conic solver, stated anew: adacharge itself is in no registry.

Rates in a dense matrix, for each session its bounds and at most what it asks, for each limit the
currents of the piles weighted by the angle of their phase, as a second-order cone in each slot.
Its limits stand still; here each has a value a slot. Without cones the limits are in kW.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.peer_models.hand import DEAR, Hand, below, upper_by_slot
from scheduler.problem import FloatArray, Problem

ANGLE_DEG = np.array([0.0, -120.0, 120.0])
"""Of the current that a single-phase pile draws, by phase."""


def limit_matrix(problem: Problem) -> FloatArray:
    """Adacharge's constraint matrix: who counts at each limit by phase, shape (limits, n)."""
    on = np.zeros((len(problem.phase_limits), problem.fleet.n))
    for j, limit in enumerate(problem.phase_limits):
        on[j, below(problem, limit.node)] = 1.0
        on[j] *= (problem.fleet.phases >> limit.phase) & 1
    return on


def angle_rad(problem: Problem) -> FloatArray:
    """Angle of the current of each session's pile, shape (n,)."""
    return np.asarray(np.deg2rad(ANGLE_DEG[np.log2(problem.fleet.phases).astype(int)]))


def _in_kw(problem: Problem, energy: Any) -> list[Any]:
    bounds = []
    for v in range(len(problem.node_ids)):
        weights = np.zeros((1, problem.fleet.n))
        weights[0, below(problem, v)] = 1.0
        bounds.append(weights @ energy <= (problem.cap_kw[v] * problem.horizon.slot_h)[None, :])
    return bounds


def _cones(problem: Problem, energy: Any) -> list[Any]:
    import cvxpy as cp

    angle, bounds = angle_rad(problem), []
    amps = energy / problem.horizon.slot_h[None, :] * float(problem.fleet.amps_per_kw[0])
    for limit, on in zip(problem.phase_limits, limit_matrix(problem), strict=True):
        both = np.stack([on * np.cos(angle), on * np.sin(angle)])
        bounds.append(cp.norm(both @ amps, axis=0) <= limit.cap_a)
    return bounds


def plan(problem: Problem, solver: str) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`; the solver by cvxpy's name for it."""
    import cvxpy as cp

    # cvxpy itself would say that the solver is missing, and not which package brings it.
    import_module(solver.lower())
    energy, upper = cp.Variable((problem.fleet.n, problem.horizon.n)), upper_by_slot(problem)
    bounds = []
    for i in range(problem.fleet.n):
        bounds += [energy[i, :] >= 0, energy[i, :] <= upper[i]]
        bounds.append(cp.sum(energy[i, :]) <= float(problem.fleet.energy_kwh[i]))
    bounds += _cones(problem, energy) if problem.phase_limits else _in_kw(problem, energy)
    gain = cp.sum(energy @ (DEAR - problem.buy_per_kwh))
    cp.Problem(cp.Maximize(gain), bounds).solve(solver=solver)
    return np.asarray(energy.value[problem.entry_session, problem.entry_slot])


def _cone_hand(solver: str) -> Hand:
    name = f"adaptive charging with cones, {solver}"
    return Hand(name, partial(plan, solver=solver.upper()), by_phase=True)


HANDS = (
    Hand("adaptive charging, ECOS", partial(plan, solver="ECOS")),
    _cone_hand("ECOS"),
    _cone_hand("Clarabel"),
)
