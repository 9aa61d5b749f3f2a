"""The exact solver for orderly charging: a flow in integers, compiled.

Holds a tree of any depth with limits by slot, priorities, promises, soft energy, PV surplus,
unequal and partial slots, and single-phase piles whose phase limits fit into the tree. Tapers
that bind are met by bending the flow, its own optimum without them being the bound. What
leaves the flow (voltage factors that differ below one limit, three-phase piles below a phase
limit) is refused, and the next rung answers.
"""

from __future__ import annotations

from scheduler.placing import Kernel
from scheduler.problem import Problem
from scheduler.solution import Solution
from scheduler.solvers.flow_kernel.memory import Memory
from scheduler.solvers.flow_kernel.place import place
from scheduler.solvers.flow_kernel.run import answer, remembering


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


def solve_again(
    problem: Problem, memory: Memory | None, *, work_limit: int
) -> tuple[Solution, Memory | None]:
    """The same optimum, starting from the flow of the solve before: what differs is mended.

    Parameters
    ----------
    problem, work_limit
        As in :func:`solve`.
    memory : Memory, optional
        What the solve before handed back. Used up: pass it once.

    Returns
    -------
    Solution, Memory or None
        The answer, and what to pass to the next solve.

    Raises
    ------
    SolverError
        As in :func:`solve`.
    """
    return remembering(problem, memory, "flow", work_limit, fair=False)


def placing_kernel() -> Kernel | None:
    """What is compiled for the repair of a plan."""
    return place
