"""PuLP with HiGHS: one named variable an entry, sums by ``lpSum``."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peer_models.hand import DEAR, Hand, below, keys
from scheduler.problem import FloatArray, Problem


def plan(problem: Problem) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`."""
    import pulp

    entries = keys(problem)
    upper = dict(zip(entries, problem.upper_kwh.tolist(), strict=True))
    model = pulp.LpProblem("charging", pulp.LpMinimize)
    energy = {k: pulp.LpVariable(f"e_{k[0]}_{k[1]}", 0, upper[k]) for k in entries}
    short = [pulp.LpVariable(f"s_{i}", 0) for i in range(problem.fleet.n)]
    price = problem.buy_per_kwh.tolist()
    model += pulp.lpSum(price[t] * e for (_, t), e in energy.items()) + DEAR * pulp.lpSum(short)
    of: dict[int, list[Any]] = {i: [] for i in range(problem.fleet.n)}
    for (i, _), e in energy.items():
        of[i].append(e)
    for i in range(problem.fleet.n):
        model += pulp.lpSum(of[i]) + short[i] == float(problem.fleet.energy_kwh[i])
    for v in range(len(problem.node_ids)):
        inside = below(problem, v)
        for t in range(problem.horizon.n):
            terms = [energy[i, t] for i in inside if (i, t) in energy]
            if terms:
                cap = float(problem.cap_kw[v, t] * problem.horizon.slot_h[t])
                model += pulp.lpSum(terms) <= cap
    model.solve(pulp.HiGHS(msg=False, threads=1))
    return np.array([energy[k].value() for k in entries])


HANDS = (Hand("pulp, HiGHS", plan),)
