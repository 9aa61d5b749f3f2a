"""The general linear program as cvxpy states it, solved by HiGHS: the third hand.

A problem that asks for even power gets a second, quadratic program (Clarabel): each session keeps
its energy and each price its total, so delivery and money stay as they are. It serves what leaves
the flow; the flow evens out by its price levels (:mod:`scheduler.smooth`), and this is what those
are measured by.
"""

from __future__ import annotations

import dataclasses

import cvxpy as cp
import numpy as np
from scipy.sparse import csr_array

from scheduler.problem import FloatArray, Problem
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
from scheduler.smooth import Smooth
from scheduler.solution import Solution, SolverError
from scheduler.verify import verify
from scheduler.weights import linear_weights, slot_price

EVEN_ENTRIES = 50_000
"""A larger plan is left as it is: the manner comes last, and the deadline first."""


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """Least cost among the plans that deliver most; of those the evenest where that is asked for.

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
    answer = Solution(plan, "optimal", "cvx", 0.0, int(program.solver_stats.num_iters or 0))
    return _evened(problem, answer)


class Evening:
    """The program of one problem's rows; the plan to even out is its parameter.

    Parameters
    ----------
    problem : Problem
        A problem with ``smooth``.
    smooth : Smooth
        The problem's.
    """

    def __init__(self, problem: Problem, smooth: Smooth) -> None:
        self._problem = problem
        entries, slots = problem.entry_slot.size, problem.horizon.n
        slot_h = problem.horizon.slot_h
        _, level = np.unique(slot_price(problem), return_inverse=True)
        self._of_session = _sums(problem.entry_session, problem.fleet.n)
        self._of_level = _sums(level[problem.entry_slot], int(level.max()) + 1)
        self._energy = cp.Variable(entries, nonneg=True)
        self._given = cp.Parameter(problem.fleet.n)
        self._bought = cp.Parameter(int(level.max()) + 1)
        base_kwh = cp.Parameter(slots)
        base_kwh.value = smooth.filled * smooth.step_kw * slot_h
        drawn = _sums(problem.entry_slot, slots) @ self._energy + base_kwh
        rows = stack([node_rows(problem), phase_rows(problem)])
        bounds = [
            self._energy <= problem.upper_kwh,
            self._of_session @ self._energy == self._given,
            self._of_level @ self._energy == self._bought,
        ]
        if rows.n:
            matrix = csr_array((rows.value, (rows.row, rows.entry)), shape=(rows.n, entries))
            bounds.append(matrix @ self._energy <= rows.upper)
        weight = csr_array((1.0 / np.sqrt(slot_h), (range(slots), range(slots))))
        square = cp.sum_squares(weight @ drawn)  # type: ignore[attr-defined]
        self._program = cp.Problem(cp.Minimize(square), bounds)

    def of(self, energy_kwh: FloatArray, solver: str = cp.CLARABEL) -> FloatArray:
        """The evenest plan with the same energies and the same money.

        Parameters
        ----------
        energy_kwh : ndarray, shape (offsets[-1],)
            A plan that keeps every bound.
        solver : str
            A solver of quadratic programs that cvxpy knows.

        Returns
        -------
        ndarray, shape (offsets[-1],)
            The plan as it was where the solver gives up.
        """
        self._given.value = self._of_session @ energy_kwh
        self._bought.value = self._of_level @ energy_kwh
        try:
            self._program.solve(solver=solver)  # type: ignore[no-untyped-call]
        except cp.SolverError:
            return energy_kwh
        if self._program.status != cp.OPTIMAL or self._energy.value is None:
            return energy_kwh
        plan: FloatArray = np.clip(self._energy.value, 0.0, self._problem.upper_kwh)
        return plan


def _evened(problem: Problem, answer: Solution) -> Solution:
    """The same answer, evened out where the problem asks for it and nothing stands against it.

    Peaks that have a price are even by that price, and a taper ties each slot to those before:
    such plans stay as they are.
    """
    if problem.smooth is None or problem.peaks or bool(problem.surplus_kw.any()):
        return answer
    if problem.entry_slot.size > EVEN_ENTRIES:
        return answer
    if tapered_entries(problem).size:
        return answer
    plan = Evening(problem, problem.smooth).of(answer.energy_kwh)
    even = dataclasses.replace(answer, energy_kwh=plan)
    return even if verify(problem, even).ok else answer


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
