"""Minimum powers and steps by OR-tools CP-SAT: the second hand beside HiGHS.

Energy is counted in watt-hours, or in steps of the pile; limits are rounded down, so what comes
out keeps them.
"""

from __future__ import annotations

import numpy as np
from ortools.sat.python import cp_model

from scheduler.integer_program import integer_program, start_of, within_steps
from scheduler.problem import Problem
from scheduler.solution import Solution, SolverError

_WH = 1000.0
_SCALE = 1e6
_COST_SCALE = 1e3
_DETERMINISTIC_PER_WORK = 0.01


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """The best plan that piles can hold, as far as the work lasts.

    Parameters
    ----------
    problem : Problem
        A fleet under limits; ``running_kwh`` is a hint.
    work_limit : int
        Hundredths of CP-SAT's deterministic seconds, 400 at most.

    Returns
    -------
    Solution
        Status ``optimal`` (of the rounded program), or ``gap``.

    Raises
    ------
    SolverError
        If the problem holds more than a fleet, or no plan was found.
    """
    if work_limit < 1:
        raise SolverError("no work is allowed")
    return search(problem, work=min(int(work_limit), 400))


def search(problem: Problem, *, work: int, time_s: float = float("inf")) -> Solution:
    """The same with its limits said; with a time limit the answer depends on the machine."""
    if problem.offsets[-1] == 0:
        return Solution(np.zeros(0), "optimal", "cpsat", 0.0, 0)
    program = integer_program(problem)
    model = cp_model.CpModel()
    entries = program.unit_kwh.size
    scale = np.where(program.whole, 1.0, _WH)
    low = np.ceil(program.low * scale - 1e-6).astype(np.int64)
    up = np.floor(program.up * scale + 1e-6).astype(np.int64)
    columns = []
    for k in range(program.cost.size):
        if k >= entries or low[k] <= 0:
            columns.append(model.new_int_var(0, int(max(up[k], 0)), ""))
            continue
        domain = cp_model.Domain.from_intervals([[0, 0], [int(low[k]), int(max(up[k], low[k]))]])
        columns.append(model.new_int_var_from_domain(domain, ""))
    coefficient = np.ceil(program.value * _SCALE / scale[program.col] - 1e-6).astype(np.int64)
    right = np.floor(program.row_up * _SCALE + 1e-6).astype(np.int64)
    order = np.argsort(program.row, kind="stable")
    ends = np.cumsum(np.bincount(program.row, minlength=right.size))
    begin = 0
    for r, end in enumerate(ends.tolist()):
        mine = order[begin:end]
        begin = end
        model.add(
            cp_model.LinearExpr.weighted_sum(
                [columns[int(program.col[j])] for j in mine], [int(coefficient[j]) for j in mine]
            )
            <= int(right[r])
        )
    cost = np.rint(program.cost * _COST_SCALE * _WH / scale).astype(np.int64)
    model.minimize(cp_model.LinearExpr.weighted_sum(columns, [int(c) for c in cost]))
    start = start_of(problem, program)
    if start is not None:
        whole = np.floor(start * scale[:entries] + 1e-6).astype(np.int64)
        for column, value in zip(columns[:entries], whole.tolist(), strict=True):
            model.add_hint(column, value)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = max(work, 1) * _DETERMINISTIC_PER_WORK
    if np.isfinite(time_s):
        solver.parameters.max_time_in_seconds = time_s
        solver.parameters.max_deterministic_time = 1e9
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise SolverError(f"CP-SAT ended with {solver.status_name(status)}")
    found = np.array([solver.value(c) for c in columns[:entries]], dtype=np.float64)
    energy = within_steps(problem, program, found / scale[:entries])
    proved = status == cp_model.OPTIMAL
    bound, value = solver.best_objective_bound, solver.objective_value
    gap = 0.0 if proved else abs(value - bound) / max(abs(value), 1.0)
    return Solution(energy, "optimal" if proved else "gap", "cpsat", gap, max(int(work), 1))
