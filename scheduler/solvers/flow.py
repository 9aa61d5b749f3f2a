"""The exact solver for orderly charging: a flow in integers, compiled.

Holds a tree of any depth with limits by slot, priorities, promises, soft energy, PV surplus,
unequal and partial slots, and single-phase piles whose phase limits fit into the tree. Tapers
that bind are met by bending the flow, its own optimum without them being the bound. What
leaves the flow (voltage factors that differ below one limit, three-phase piles below a phase
limit) is refused, and the next rung answers.
"""

from __future__ import annotations

from scheduler.problem import Problem
from scheduler.solution import Solution
from scheduler.solvers.flow_kernel.run import answer


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """The least cost among all plans that deliver most, by priority.

    Parameters
    ----------
    problem : Problem
        A problem inside the flow (see the module).
    work_limit : int
        Most augmentations and searches.

    Returns
    -------
    Solution
        Status ``optimal``, exact to the watt-second; under tapers ``gap`` or ``feasible`` where
        the bound is not met.

    Raises
    ------
    SolverError
        If the problem leaves the flow, or the limit is passed.
    """
    return answer(problem, "flow", work_limit, fair=False)
