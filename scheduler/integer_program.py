"""The program with minimum powers and steps as arrays: what mixed-integer solvers are handed.

One column for each entry, in units of its pile's step where it has one: 0, or from ``low`` to
``up``. Objectives weigh as in the linear program (``scheduler.weights``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.holdable import steppy, unholdable
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import energy_rows, node_rows, phase_rows, stack, tapered_entries
from scheduler.solution import SolverError
from scheduler.weights import linear_weights

_NONE_KWH = 1e-9


@dataclass(frozen=True, eq=False)
class IntegerProgram:
    """Columns ``x`` and rows ``row_low <= A x <= row_up``; minimise ``cost x``.

    Parameters
    ----------
    unit_kwh : ndarray, shape (E,)
        Energy of one unit of each entry's column, kWh; 1 where its pile takes any power.
    low, up : ndarray, shape (c,)
        An entry's column is 0, or in [low, up]; those after the entries are in [low, up].
    whole : ndarray of bool, shape (c,)
        Whether the column takes whole numbers alone.
    cost : ndarray, shape (c,)
    row, col, value
        Coefficients as triplets.
    row_up : ndarray, shape (r,)
        Right sides of ``A x <= row_up``.
    """

    unit_kwh: FloatArray
    low: FloatArray
    up: FloatArray
    whole: NDArray[np.bool_]
    cost: FloatArray
    row: IntArray
    col: IntArray
    value: FloatArray
    row_up: FloatArray


def integer_program(problem: Problem) -> IntegerProgram:
    """The program of a problem.

    Raises
    ------
    SolverError
        Where tapers, surplus, a price on the peak or a microgrid are in it: there the repair
        serves.
    """
    more = bool(problem.peaks) or problem.microgrid is not None
    more = more or bool(problem.surplus_kw.any()) or bool(tapered_entries(problem).size)
    if more:
        raise SolverError("more than a fleet under limits")
    fleet, session = problem.fleet, problem.entry_session
    entries = session.size
    hours = problem.entry_s / 3600.0
    weights = linear_weights(problem)
    step = np.where(steppy(problem), fleet.step_kw, 0.0)[session] * hours
    whole = step > _NONE_KWH
    unit = np.where(whole, step, 1.0)
    up = problem.upper_kwh / unit
    least = np.where(steppy(problem), fleet.min_kw, 0.0)[session] * hours / unit
    up = np.where(whole, np.floor(up + 1e-9), up)
    least = np.where(whole, np.ceil(least - 1e-9), least)
    up = np.where(up < least, 0.0, up)
    least = np.minimum(least, up)
    limits = stack([energy_rows(problem), node_rows(problem), phase_rows(problem)])
    cost = [(weights.money + weights.tie - weights.worth[session]) * unit]
    row, col, value = [limits.row], [limits.entry], [limits.value * unit[limits.entry]]
    row_up = [limits.upper]
    low_up = [(least, up)]
    promised = np.flatnonzero(weights.promise_worth > 0)
    if promised.size:
        number = np.full(fleet.n, -1)
        number[promised] = np.arange(promised.size)
        cost.append(-weights.promise_worth[promised])
        low_up.append((np.zeros(promised.size), fleet.promised_kwh[promised]))
        rows = limits.n + np.arange(promised.size)
        mine = np.flatnonzero(number[session] >= 0)
        row += [rows, rows[number[session[mine]]]]
        col += [entries + np.arange(promised.size), mine]
        value += [np.ones(promised.size), -unit[mine]]
        row_up.append(np.zeros(promised.size))
    return IntegerProgram(
        unit_kwh=unit,
        low=np.concatenate([low for low, _ in low_up]),
        up=np.concatenate([up for _, up in low_up]),
        whole=np.concatenate([whole, np.zeros(promised.size, dtype=np.bool_)]),
        cost=np.concatenate(cost),
        row=np.concatenate(row),
        col=np.concatenate(col),
        value=np.concatenate(value),
        row_up=np.concatenate(row_up),
    )


def within_steps(problem: Problem, program: IntegerProgram, units: FloatArray) -> FloatArray:
    """Energy of each entry, kWh, from the units of its column, cleaned of rounding."""
    entries = problem.entry_slot.size
    low, up = program.low[:entries], program.up[:entries]
    x = units[:entries]
    x = np.where(program.whole[:entries], np.rint(x), x)
    x = np.where(x < 0.5 * np.maximum(low, _NONE_KWH), 0.0, np.clip(x, low, up))
    return np.asarray(x * program.unit_kwh, dtype=np.float64)


def start_of(problem: Problem, program: IntegerProgram) -> FloatArray | None:
    """The running plan in units, None where piles cannot hold it; ends of sessions that are less
    than the minimum, or no whole step, are left off."""
    running = problem.running_kwh
    if running is None or bool(unholdable(problem, running).any()):
        return None
    entries = running.size
    low, whole = program.low[:entries], program.whole[:entries]
    units = np.minimum(running / program.unit_kwh, program.up[:entries])
    units = np.where(whole, np.floor(units + 1e-6), units)
    return np.where(units < low, np.where(units < low - 1e-6, 0.0, low), units)
