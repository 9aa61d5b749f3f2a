"""What a linear program runs both ways at once: which side to close, and with integers."""

from __future__ import annotations

import highspy
import numpy as np

from scheduler.general_program import GeneralProgram, grid_of
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solvers.general_path.quiet import pass_program, silent_highs

_INF = highspy.kHighsInf
_BOTH_KWH = 2.5e-4
"""1 W for a quarter of an hour: less than this at once is rounding, and is netted."""

_MIP_STORES = 50
_MIP_PAIRS = 48
_MIP_NODES = 60


def open_pairs(program: GeneralProgram, value: FloatArray) -> IntArray:
    """Columns to close: the smaller side of each pair that runs both ways."""
    found: list[IntArray] = []
    for pair in program.pairs:
        into, out = value[pair.into], value[pair.out]
        both = np.flatnonzero((into > _BOTH_KWH) & (out > _BOTH_KWH))
        found.append(np.where(into >= out, pair.out, pair.into)[both])
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def others(program: GeneralProgram, columns: IntArray) -> IntArray:
    """The other side of each pair."""
    into, out = _sides(program)
    other = np.arange(program.cost.size)
    other[into], other[out] = out, into
    return other[columns]


def with_integers(
    problem: Problem,
    program: GeneralProgram,
    opened: FloatArray,
    closed: FloatArray,
    reached: float,
    gap: float,
) -> tuple[FloatArray, float] | None:
    """The mixed-integer program, where it is small enough.

    Parameters
    ----------
    opened, closed : ndarray, shape (columns,)
        Upper bounds before any side was closed, and of the best answer so far.
    reached : float
        Objective of the best answer so far.
    gap : float
        What it may be apart from the optimum, in the objective.

    Returns
    -------
    (ndarray, float) or None
        Values of the columns and their objective; None where nothing better is found.
    """
    into, out = _sides(program)
    risky = _risky(problem, program, closed, into, out)
    if grid_of(problem).stores.n > _MIP_STORES or risky.size > _MIP_PAIRS:
        return None
    highs = silent_highs()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("mip_max_nodes", _MIP_NODES)
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.setOptionValue("mip_abs_gap", gap)
    pass_program(highs, program)
    every = np.arange(opened.size, dtype=np.int32)
    highs.changeColsBounds(every.size, every, program.low, opened)
    most = np.where(np.isfinite(opened), opened, _most_kwh(problem))
    first = int(program.cost.size)
    count = risky.size
    highs.addVars(count, np.zeros(count), np.ones(count))
    for k in range(count):
        highs.changeColIntegrality(first + k, highspy.HighsVarType.kInteger)
        i, o = int(into[risky[k]]), int(out[risky[k]])
        highs.addRow(-_INF, 0.0, 2, np.array([i, first + k]), np.array([1.0, -most[i]]))
        highs.addRow(-_INF, most[o], 2, np.array([o, first + k]), np.array([1.0, most[o]]))
    highs.run()
    if highs.getInfo().primal_solution_status != 2:
        return None
    found = float(highs.getInfo().objective_function_value)
    if found >= reached - 1e-9 * max(abs(reached), 1.0):
        return None
    better = np.array(highs.getSolution().col_value)[:first]
    return None if open_pairs(program, better).size else (better, found)


def _sides(program: GeneralProgram) -> tuple[IntArray, IntArray]:
    into = np.concatenate([pair.into for pair in program.pairs])
    return into, np.concatenate([pair.out for pair in program.pairs])


def _risky(
    problem: Problem, program: GeneralProgram, closed: FloatArray, into: IntArray, out: IntArray
) -> IntArray:
    """Pairs that a linear program has a reason to run both ways: in slots of low prices."""
    end = program.col_key & 0xFFFFFFFF
    slots = problem.horizon.edges_s[1:] & 0xFFFFFFFF
    odd = (problem.buy_per_kwh < 0) | (problem.sell_per_kwh > problem.buy_per_kwh)
    odd |= problem.sell_per_kwh < 0
    slot = np.minimum(np.searchsorted(slots, end[into]), slots.size - 1)
    return np.flatnonzero(odd[slot] | (closed[into] == 0) | (closed[out] == 0))


def _most_kwh(problem: Problem) -> float:
    """More than a slot can ever buy."""
    grid, hours = grid_of(problem), problem.horizon.slot_h
    most = np.abs(grid.base_kw[0]).max() + problem.fleet.max_kw.sum()
    return float((most + grid.stores.charge_kw.sum()) * hours.max() + 1.0)
