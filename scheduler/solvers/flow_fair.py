"""The exact flow, with a shortage shared fairly inside each priority.

Promises, then energy by priority, as in ``flow``; within a priority the lexicographic max-min of
the served fraction (delivered + planned) / asked; then money, with these energies fixed.
"""

from __future__ import annotations

from scheduler.placing import Kernel
from scheduler.problem import Problem
from scheduler.solution import Solution
from scheduler.solvers.flow_kernel.memory import Memory
from scheduler.solvers.flow_kernel.place import place
from scheduler.solvers.flow_kernel.run import answer, remembering


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """The least cost among the fairest of all plans that deliver most, by priority.

    Parameters
    ----------
    problem : Problem
        A problem that ``flow`` holds.
    work_limit : int
        Most augmentations and searches.

    Returns
    -------
    Solution
        As ``flow``'s; fractions are fair to the watt-second.

    Raises
    ------
    SolverError
        If the problem leaves the flow, or the limit is passed.
    """
    return answer(problem, "flow_fair", work_limit, fair=True)


def solve_again(
    problem: Problem, memory: Memory | None, *, work_limit: int
) -> tuple[Solution, Memory | None]:
    """The same optimum, starting from the flow of the solve before; as ``flow``'s."""
    return remembering(problem, memory, "flow_fair", work_limit, fair=True)


def placing_kernel() -> Kernel | None:
    """What is compiled for the repair of a plan."""
    return place
