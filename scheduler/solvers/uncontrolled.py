"""Everyone at full power from plug-in, whatever the limits: the baseline that needs none of us.

Its answers break node and phase limits on purpose, so no ladder may hold this rung.
"""

from __future__ import annotations

import numpy as np

from scheduler.filling import Room, check_work
from scheduler.problem import Problem
from scheduler.solution import Solution


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """Each session as early as its own power, window and taper allow.

    Parameters
    ----------
    problem : Problem
        Any problem.
    work_limit : int
        Most sessions placed.

    Raises
    ------
    SolverError
        If there are more sessions than the limit.
    """
    fleet = problem.fleet
    check_work(problem, work_limit)
    room = Room(problem, obey_limits=False)
    parts = [room.place(i, cheapest=False) for i in range(fleet.n)]
    energy = np.concatenate(parts) if parts else np.zeros(0)
    return Solution(energy, "feasible", "uncontrolled", float("nan"), fleet.n)
