"""linopy with HiGHS: dense arrays of sessions by slots, as its vectors want it."""

from __future__ import annotations

import numpy as np

from benchmarks.peer_models.hand import DEAR, Hand, below, upper_by_slot
from scheduler.problem import FloatArray, Problem


def plan(problem: Problem) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`."""
    import linopy
    import xarray as xr

    sessions, slots = np.arange(problem.fleet.n), np.arange(problem.horizon.n)
    coords = {"session": sessions, "slot": slots}
    upper = xr.DataArray(upper_by_slot(problem), coords, ("session", "slot"))
    model = linopy.Model()
    energy = model.add_variables(lower=0, upper=upper, name="energy")
    short = model.add_variables(lower=0, coords=[("session", sessions)], name="short")
    owed = xr.DataArray(problem.fleet.energy_kwh, {"session": sessions}, ("session",))
    model.add_constraints(energy.sum("slot") + short == owed)
    for v in range(len(problem.node_ids)):
        cap = problem.cap_kw[v] * problem.horizon.slot_h
        total = energy.sel(session=below(problem, v)).sum("session")
        model.add_constraints(total <= xr.DataArray(cap, {"slot": slots}, ("slot",)))
    price = xr.DataArray(problem.buy_per_kwh, {"slot": slots}, ("slot",))
    model.add_objective((energy * price).sum() + DEAR * short.sum())
    model.solve(solver_name="highs", io_api="direct", output_flag=False, threads=1)
    found = energy.solution.values
    return np.asarray(found[problem.entry_session, problem.entry_slot])


HANDS = (Hand("linopy, HiGHS", plan),)
