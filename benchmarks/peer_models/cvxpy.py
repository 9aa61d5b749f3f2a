"""cvxpy as its users write it: a matrix of energies, one vector inequality a node."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.peer_models.hand import DEAR, Hand, below, upper_by_slot
from scheduler.problem import FloatArray, Problem


def plan(problem: Problem, solver: str) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`; the solver by cvxpy's name for it."""
    import cvxpy as cp

    energy = cp.Variable((problem.fleet.n, problem.horizon.n))
    short = cp.Variable(problem.fleet.n)
    bounds = [energy >= 0, energy <= upper_by_slot(problem), short >= 0]
    bounds.append(cp.sum(energy, axis=1) + short == problem.fleet.energy_kwh)
    for v in range(len(problem.node_ids)):
        total = cp.sum(energy[below(problem, v), :], axis=0)
        bounds.append(total <= problem.cap_kw[v] * problem.horizon.slot_h)
    cost = cp.sum(energy @ problem.buy_per_kwh) + DEAR * cp.sum(short)
    cp.Problem(cp.Minimize(cost), bounds).solve(solver=solver)
    return np.asarray(energy.value[problem.entry_session, problem.entry_slot])


HANDS = (
    Hand("cvxpy, HiGHS", partial(plan, solver="HIGHS")),
    Hand("cvxpy, Clarabel", partial(plan, solver="CLARABEL")),
)
