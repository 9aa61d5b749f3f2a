"""Least laxity first into the cheapest slots that still fit: no library, always an answer.

A session's laxity is the time to its departure less the time it still needs at full power.
"""

from __future__ import annotations

import numpy as np

from scheduler.filling import Room, check_work
from scheduler.problem import Problem
from scheduler.solution import Solution


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """Promised energy first, then by priority, least laxity and id.

    Parameters
    ----------
    problem : Problem
        Any problem.
    work_limit : int
        Most sessions placed.

    Returns
    -------
    Solution
        Status ``feasible``: nothing is proved about its cost.

    Raises
    ------
    SolverError
        If there are more sessions than the limit.
    """
    fleet = problem.fleet
    check_work(problem, work_limit)
    room = Room(problem)
    start = np.maximum(fleet.start_s, problem.horizon.start_s)
    laxity_s = (fleet.end_s - start) - 3600.0 * fleet.energy_kwh / fleet.max_kw
    order = np.lexsort((np.arange(fleet.n), laxity_s, -fleet.priority))
    energy = np.zeros(problem.entry_slot.size)
    for i in order:
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        energy[own] = room.place(int(i), cheapest=not bool(fleet.earliest[i]))
    return Solution(energy, "feasible", "greedy", float("nan"), fleet.n)
