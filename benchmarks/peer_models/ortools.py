"""OR-tools' linear solvers by ``pywraplp``: GLOP's simplex, and PDLP's first-order method."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.peer_models.hand import DEAR, Hand, below, keys
from scheduler.problem import FloatArray, Problem


def plan(problem: Problem, solver: str) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`; the solver by OR-tools' name for it.

    Raises
    ------
    RuntimeError
        If it ends without an optimum.
    """
    from ortools.linear_solver import pywraplp

    model = pywraplp.Solver.CreateSolver(solver)
    fleet, price = problem.fleet, problem.buy_per_kwh.tolist()
    energy = {
        (i, t): model.NumVar(0.0, most, f"e_{i}_{t}")
        for (i, t), most in zip(keys(problem), problem.upper_kwh.tolist(), strict=True)
    }
    short = [model.NumVar(0.0, owed, f"s_{i}") for i, owed in enumerate(fleet.energy_kwh.tolist())]
    for i, owed in enumerate(fleet.energy_kwh.tolist()):
        stay = range(int(problem.first[i]), int(problem.last[i]))
        model.Add(model.Sum([energy[i, t] for t in stay]) + short[i] == owed)
    for v in range(len(problem.node_ids)):
        inside = below(problem, v)
        for t in range(problem.horizon.n):
            terms = [energy[i, t] for i in inside if (i, t) in energy]
            if terms:
                model.Add(model.Sum(terms) <= problem.cap_kw[v, t] * problem.horizon.slot_h[t])
    cost = model.Sum([price[t] * e for (_, t), e in energy.items()])
    model.Minimize(cost + DEAR * model.Sum(short))
    status = model.Solve()
    if status != pywraplp.Solver.OPTIMAL:
        raise RuntimeError(f"{solver} ended with status {status}")
    return np.array([e.solution_value() for e in energy.values()])


HANDS = (
    Hand("OR-tools GLOP", partial(plan, solver="GLOP")),
    Hand("OR-tools PDLP", partial(plan, solver="PDLP"), within=1e-3),
)
