"""Minimum powers and steps by a mixed-integer program in HiGHS.

Better than the repair of a relaxed plan, and fast enough for small fleets; it starts from the
running plan where piles can hold it.
"""

from __future__ import annotations

from functools import cache

import highspy
import numpy as np

from scheduler.integer_program import IntegerProgram, integer_program, start_of, within_steps
from scheduler.problem import Problem
from scheduler.solution import Solution, SolverError

_INF = highspy.kHighsInf
_GAP = 1e-6
_NODES = 200
"""Of the search tree at most: more would better the plan by less than a ten-thousandth."""


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """The best plan that piles can hold, as far as the nodes of the search tree last.

    Parameters
    ----------
    problem : Problem
        A fleet under limits; ``running_kwh`` is where the search starts.
    work_limit : int
        Most nodes, 200 at most.

    Returns
    -------
    Solution
        Status ``optimal``, or ``gap`` where the tree was not searched to its end.

    Raises
    ------
    SolverError
        If the problem holds more than a fleet, or no plan was found.
    """
    if work_limit < 1:
        raise SolverError("no work is allowed")
    return search(problem, nodes=min(int(work_limit), _NODES))


def search(problem: Problem, *, nodes: int, time_s: float = float("inf")) -> Solution:
    """The same with its limits said; with a time limit the answer depends on the machine."""
    if problem.offsets[-1] == 0:
        return Solution(np.zeros(0), "optimal", "minimum", 0.0, 0)
    program = integer_program(problem)
    highs = _highs()
    highs.clearModel()
    highs.setOptionValue("mip_max_nodes", max(nodes, 1))
    highs.setOptionValue("time_limit", min(time_s, _INF))
    _pass(highs, program)
    units = start_of(problem, program)
    if units is not None:
        start = np.zeros(program.cost.size)
        start[: units.size] = units
        every = np.arange(start.size, dtype=np.int32)
        highs.setSolution(start.size, every, start)
    if highs.run() == highspy.HighsStatus.kError:
        # Another user of HiGHS in this process has set its one scheduler to more threads.
        highspy.Highs.resetGlobalScheduler(True)
        highs.run()
    info = highs.getInfo()
    if info.primal_solution_status != 2:
        raise SolverError(f"HiGHS ended with {highs.modelStatusToString(highs.getModelStatus())}")
    units = np.array(highs.getSolution().col_value)
    proved = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Solution(
        within_steps(problem, program, units),
        "optimal" if proved else "gap",
        "minimum",
        0.0 if proved else float(info.mip_gap),
        max(int(info.mip_node_count), 1),
    )


def _pass(highs: highspy.Highs, program: IntegerProgram) -> None:
    columns, rows = program.cost.size, program.row_up.size
    order = np.argsort(program.col, kind="stable")
    start = np.zeros(columns + 1, dtype=np.int32)
    np.cumsum(np.bincount(program.col, minlength=columns), out=start[1:])
    kind = np.zeros(columns, dtype=np.int32)
    semi = np.zeros(columns, dtype=bool)
    semi[: program.unit_kwh.size] = program.low[: program.unit_kwh.size] > 0
    kind[program.whole] = int(highspy.HighsVarType.kInteger)
    kind[semi] = int(highspy.HighsVarType.kSemiContinuous)
    kind[semi & program.whole] = int(highspy.HighsVarType.kSemiInteger)
    highs.passModel(
        columns,
        rows,
        int(program.col.size),
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost,
        program.low,
        program.up,
        np.full(rows, -_INF),
        program.row_up,
        start[:-1],
        program.row[order].astype(np.int32),
        program.value[order],
        kind,
    )


class _Silent(highspy.Highs):
    """HiGHS that also keeps its banner to itself: highspy prints it while it is being made."""

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


@cache
def _highs() -> highspy.Highs:
    """One silent, single-threaded HiGHS for the process."""
    highs = _Silent()  # type: ignore[no-untyped-call]
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("mip_rel_gap", _GAP)
    return highs
