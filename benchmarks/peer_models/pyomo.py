"""Pyomo with HiGHS through APPSI, rules by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peer_models.hand import DEAR, Hand, below, keys
from scheduler.problem import FloatArray, Problem


def plan(problem: Problem) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`."""
    import pyomo.environ as pyo
    from pyomo.contrib.appsi.solvers import Highs

    entries = keys(problem)
    upper = dict(zip(entries, problem.upper_kwh.tolist(), strict=True))
    price = problem.buy_per_kwh.tolist()
    n, t_all = problem.fleet.n, range(problem.horizon.n)
    model = pyo.ConcreteModel()
    model.e = pyo.Var(entries, bounds=lambda _, i, t: (0, upper[i, t]))
    model.s = pyo.Var(range(n), bounds=(0, None))
    model.cost = pyo.Objective(
        expr=sum(price[t] * model.e[i, t] for i, t in entries)
        + DEAR * sum(model.s[i] for i in range(n))
    )
    of: dict[int, list[int]] = {i: [] for i in range(n)}
    for i, t in entries:
        of[i].append(t)
    model.owed = pyo.Constraint(
        range(n),
        rule=lambda m, i: (
            sum(m.e[i, t] for t in of[i]) + m.s[i] == float(problem.fleet.energy_kwh[i])
        ),
    )
    inside = [below(problem, v) for v in range(len(problem.node_ids))]
    present = set(entries)

    def limit(m: Any, v: int, t: int) -> Any:
        terms = [m.e[i, t] for i in inside[v] if (i, t) in present]
        cap = float(problem.cap_kw[v, t] * problem.horizon.slot_h[t])
        return sum(terms) <= cap if terms else pyo.Constraint.Skip

    model.limit = pyo.Constraint(range(len(problem.node_ids)), t_all, rule=limit)
    solver = Highs()
    solver.highs_options = {"threads": 1}
    solver.solve(model)
    return np.array([model.e[k].value for k in entries])


HANDS = (Hand("pyomo, HiGHS", plan),)
