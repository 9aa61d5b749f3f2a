"""Who came first charges first, at full power, as far as the limits allow: a baseline."""

from __future__ import annotations

import numpy as np

from scheduler.filling import Room, check_work
from scheduler.problem import Problem
from scheduler.solution import Solution


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """By start of the window, then id; prices and priorities play no part.

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
    room = Room(problem)
    energy = np.zeros(problem.entry_slot.size)
    for i in np.lexsort((np.arange(fleet.n), fleet.start_s)):
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        energy[own] = room.place(int(i), cheapest=False)
    return Solution(energy, "feasible", "first_come", float("nan"), fleet.n)
