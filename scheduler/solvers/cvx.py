"""The general linear program as cvxpy states it, solved by HiGHS: the third hand."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from scipy.sparse import csr_array

from scheduler.problem import Problem
from scheduler.rows import (
    Rows,
    energy_rows,
    node_rows,
    peak_rows,
    phase_rows,
    stack,
    taper_share,
    tapered_entries,
)
from scheduler.solution import Solution, SolverError
from scheduler.weights import linear_weights


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """Least cost among the plans that deliver most, by one linear program.

    Parameters
    ----------
    problem : Problem
        Any problem.
    work_limit : int
        Most entries.

    Raises
    ------
    SolverError
        If there are more entries than that, or HiGHS gives up.
    """
    entries = problem.entry_slot.size
    if entries == 0:
        return Solution(np.zeros(0), "optimal", "cvx", 0.0, 0)
    if entries > work_limit:
        raise SolverError(f"{entries} entries, {work_limit} allowed")
    weights = linear_weights(problem)
    energy = cp.Variable(entries, nonneg=True)
    cost = weights.money + weights.tie - weights.worth[problem.entry_session]
    bounds = [energy <= problem.upper_kwh]
    groups = [energy_rows(problem), node_rows(problem), phase_rows(problem), _taper(problem)]
    rows = stack(groups)
    if rows.n:
        bounds.append(_matrix(rows, entries) @ energy <= rows.upper)
    objective = cost @ energy
    promised = np.flatnonzero(weights.promise_worth > 0)
    if promised.size:
        given = _sums(problem.entry_session, problem.fleet.n) @ energy
        kept = cp.Variable(promised.size)
        bounds += [kept <= given[promised], kept <= problem.fleet.promised_kwh[promised]]
        objective -= weights.promise_worth[promised] @ kept
    slots = np.flatnonzero(weights.free_gain > 0)
    if slots.size:
        drawn = _sums(problem.entry_slot, problem.horizon.n) @ energy
        surplus = (problem.surplus_kw * problem.horizon.slot_h)[slots]
        free = cp.Variable(slots.size)
        bounds += [free <= drawn[slots], free <= surplus]
        objective -= weights.free_gain[slots] @ free
    for peak in problem.peaks:
        limits = peak_rows(problem, peak)
        if limits.n:
            at = np.array([a for a, _ in peak.tiers])
            paid = cp.Variable(at.size, nonneg=True)
            bounds.append(
                _matrix(limits, entries) @ energy - np.ones((1, at.size)) @ paid <= limits.upper
            )
            if at.size > 1:
                bounds.append(paid[:-1] <= np.diff(at))
            objective += weights.per_money * np.array([p for _, p in peak.tiers]) @ paid
    program = cp.Problem(cp.Minimize(objective), bounds)
    try:
        program.solve(solver=cp.HIGHS)  # type: ignore[no-untyped-call]
    except cp.SolverError as error:
        raise SolverError(str(error)) from error
    if program.status != cp.OPTIMAL or energy.value is None:
        raise SolverError(f"cvxpy ended with {program.status}")
    plan = np.clip(energy.value, 0.0, problem.upper_kwh)
    return Solution(plan, "optimal", "cvx", 0.0, int(program.solver_stats.num_iters or 0))


def _sums(group: np.ndarray, count: int) -> csr_array:
    entries = group.size
    return csr_array((np.ones(entries), (group, np.arange(entries))), shape=(count, entries))


def _matrix(rows: Rows, entries: int) -> csr_array:
    return csr_array((rows.value, (rows.row, rows.entry)), shape=(rows.n, entries))


def _taper(problem: Problem) -> Rows:
    """``e_j + share_j (e_0 + ... + e_(j-1)) <= share_j room``, written out."""
    tapered = tapered_entries(problem)
    begin = problem.offsets[problem.entry_session[tapered]]
    length = tapered - begin + 1
    row = np.repeat(np.arange(tapered.size), length)
    place = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    share = taper_share(problem)[tapered]
    room = problem.fleet.taper_room_kwh[problem.entry_session[tapered]]
    value = np.where(place == length[row] - 1, 1.0, share[row])
    return Rows(row, begin[row] + place, value, share * room)
