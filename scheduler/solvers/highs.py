"""The general linear program, built from arrays and handed to HiGHS in one call.

Energy of each entry is a column; delivery is worth more than any price (``scheduler.weights``),
so what cannot be served is left out of the sum instead of making the program infeasible.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import highspy
import numpy as np
from numpy.typing import NDArray

from scheduler.peak import PeakPrice
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import (
    Rows,
    energy_rows,
    node_rows,
    peak_rows,
    phase_rows,
    stack,
    subtree_sums,
    taper_share,
    tapered_entries,
)
from scheduler.solution import Solution, SolverError
from scheduler.weights import Weights, linear_weights

_KEPT_KWH = 1e-7
_INF = highspy.kHighsInf
_TIGHT: dict[str, str | float] = {
    "presolve": "off",
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-8,
}
_USUAL: dict[str, str | float] = {
    "presolve": "on",
    "primal_feasibility_tolerance": 1e-7,
    "dual_feasibility_tolerance": 1e-7,
}


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """Least cost among the plans that deliver most, by one linear program.

    Parameters
    ----------
    problem : Problem
        Any problem.
    work_limit : int
        Most simplex iterations.

    Returns
    -------
    Solution
        Status ``optimal``.

    Raises
    ------
    SolverError
        If the iterations do not suffice or HiGHS gives up.
    """
    return _solve(problem, linear_weights(problem), work_limit)


def solve_lexicographic(problem: Problem, *, work_limit: int = 2**31 - 1) -> Solution:
    """Most energy by priority first, then least cost with each priority's total kept.

    Two to eleven linear programs, one for each priority that occurs and one for money: the
    reference for perfect foresight, where no weight may decide what is delivered.

    Parameters
    ----------
    problem : Problem
        Any problem; windows of thousands of slots are fine as long as few sessions overlap.
    work_limit : int
        Most simplex iterations of each program.
    """
    n = problem.fleet.n
    base = linear_weights(problem)
    nothing = np.zeros(problem.entry_slot.size)
    kept: list[Rows] = []
    work = 0
    for level in np.unique(problem.fleet.priority)[::-1]:
        members = problem.fleet.priority == level
        stage = Weights(
            money=nothing,
            tie=nothing,
            worth=np.where(members, 1.0, 0.0),
            promise_worth=np.zeros(n),
            free_gain=np.zeros(problem.horizon.n),
        )
        best = _solve(problem, stage, work_limit, kept)
        work += best.work
        entry = np.flatnonzero(members[problem.entry_session])
        total = float(best.energy_kwh[entry].sum())
        kept.append(
            Rows(
                np.zeros(entry.size, dtype=np.int64),
                entry,
                -np.ones(entry.size),
                np.array([-total * (1 - 1e-9)]),
            )
        )
    money = dataclasses.replace(base, worth=np.zeros(n), promise_worth=np.zeros(n))
    last = _solve(problem, money, work_limit, kept)
    return dataclasses.replace(last, work=work + last.work)


def solve_delivering(
    problem: Problem, given_kwh: FloatArray, *, work_limit: int = 2**31 - 1
) -> Solution:
    """Least cost of giving each session a stated energy, kWh, shape (n,)."""
    given = np.asarray(given_kwh, dtype=np.float64)
    fleet = dataclasses.replace(
        problem.fleet, energy_kwh=given, promised_kwh=np.zeros(problem.fleet.n)
    )
    return solve(dataclasses.replace(problem, fleet=fleet), work_limit=work_limit)


def _solve(
    problem: Problem, weights: Weights, work_limit: int, extra: list[Rows] | None = None
) -> Solution:
    entries = problem.entry_slot.size
    if entries == 0:
        return Solution(np.zeros(0), "optimal", "highs", 0.0, 0)
    tapered = tapered_entries(problem)
    if not extra and not tapered.size and not bool(weights.free_gain.any()):
        alone = _each_alone(problem, weights)
        if alone is not None:
            answer = Solution(alone, "optimal", "highs", 0.0, 0)
            if not weights.per_money or answer.peak_cost(problem) <= 0.0:
                return answer
    if not bool(weights.promise_worth.any()):
        return _Program(problem, weights, tapered, extra or []).run(work_limit)
    # What keeps every promise unasked is also the best of the plans that are asked to.
    unasked = dataclasses.replace(weights, promise_worth=np.zeros(problem.fleet.n))
    first = _Program(problem, unasked, tapered, extra or []).run(work_limit)
    given = np.bincount(problem.entry_session, weights=first.energy_kwh, minlength=problem.fleet.n)
    if bool(np.all(given >= problem.fleet.promised_kwh - _KEPT_KWH)):
        return first
    second = _Program(problem, weights, tapered, extra or []).run(work_limit)
    return dataclasses.replace(second, work=first.work + second.work)


def _each_alone(problem: Problem, weights: Weights) -> FloatArray | None:
    """Each session's best plan as if alone, where all of them together fit; else None."""
    session = problem.entry_session
    order = np.lexsort((weights.money + weights.tie, session))
    if bool(np.any(weights.worth[session] <= 0)):
        return None
    upper = problem.upper_kwh[order]
    total = np.cumsum(upper) - upper
    sizes = problem.last - problem.first
    begins = np.repeat(total[np.minimum(problem.offsets[:-1], total.size - 1)], sizes)
    left = problem.fleet.energy_kwh[session] - (total - begins)
    energy = np.empty(upper.size)
    energy[order] = np.clip(left, 0.0, upper)
    slot_h = problem.horizon.slot_h
    load = subtree_sums(problem, energy * problem.fleet.count_factor[session])
    if bool(np.any(load > problem.cap_kw * slot_h * (1 + 1e-12))):
        return None
    phases = phase_rows(problem)
    used = np.bincount(phases.row, weights=phases.value * energy[phases.entry], minlength=phases.n)
    return None if bool(np.any(used > phases.upper * (1 + 1e-12))) else energy


class _Program:
    """One linear program in HiGHS's columns: entries, promises, surplus, taper states."""

    def __init__(
        self, problem: Problem, weights: Weights, tapered: IntArray, extra: list[Rows]
    ) -> None:
        self._problem = problem
        session = problem.entry_session
        self._cost = [weights.money + weights.tie - weights.worth[session]]
        self._upper = [problem.upper_kwh]
        self._columns = problem.entry_slot.size
        limits = stack([energy_rows(problem), node_rows(problem), phase_rows(problem), *extra])
        self._row, self._col, self._value = [limits.row], [limits.entry], [limits.value]
        self._row_upper = [limits.upper]
        self._row_lower = [np.full(limits.n, -_INF)]
        self._rows = limits.n
        self._add_promises(weights)
        self._add_surplus(weights)
        for peak in problem.peaks if weights.per_money else ():
            self._add_peak(peak, weights.per_money)
        if tapered.size:
            self._add_taper(tapered)

    def _new_columns(self, cost: FloatArray, upper: FloatArray) -> IntArray:
        columns = self._columns + np.arange(cost.size)
        self._cost.append(cost)
        self._upper.append(upper)
        self._columns += cost.size
        return columns

    def _new_rows(self, lower: FloatArray, upper: FloatArray) -> IntArray:
        rows = self._rows + np.arange(upper.size)
        self._row_lower.append(lower)
        self._row_upper.append(upper)
        self._rows += upper.size
        return rows

    def _put(self, row: IntArray, col: IntArray, value: FloatArray) -> None:
        self._row.append(row)
        self._col.append(col)
        self._value.append(value)

    def _at_most_the_sum(self, columns: IntArray, group: IntArray) -> None:
        """Rows ``column - sum of its group's entries <= 0``; group -1 belongs to none."""
        rows = self._new_rows(np.full(columns.size, -_INF), np.zeros(columns.size))
        entry = np.flatnonzero(group >= 0)
        self._put(rows, columns, np.ones(columns.size))
        self._put(rows[group[entry]], entry, -np.ones(entry.size))

    def _add_promises(self, weights: Weights) -> None:
        promised = np.flatnonzero(weights.promise_worth > 0)
        if promised.size:
            most = self._problem.fleet.promised_kwh[promised]
            columns = self._new_columns(-weights.promise_worth[promised], most)
            number = np.full(self._problem.fleet.n, -1)
            number[promised] = np.arange(promised.size)
            self._at_most_the_sum(columns, number[self._problem.entry_session])

    def _add_surplus(self, weights: Weights) -> None:
        slots = np.flatnonzero(weights.free_gain > 0)
        if slots.size:
            surplus = (self._problem.surplus_kw * self._problem.horizon.slot_h)[slots]
            columns = self._new_columns(-weights.free_gain[slots], surplus)
            number = np.full(self._problem.horizon.n, -1)
            number[slots] = np.arange(slots.size)
            self._at_most_the_sum(columns, number[self._problem.entry_slot])

    def _add_peak(self, peak: PeakPrice, per_money: float) -> None:
        """Rows ``mean - sum of what is paid for <= free level``, each tier paid for one column."""
        limits = peak_rows(self._problem, peak)
        if not limits.n:
            return
        at = np.array([a for a, _ in peak.tiers])
        price = np.array([p for _, p in peak.tiers])
        columns = self._new_columns(price * per_money, np.append(np.diff(at), _INF))
        rows = self._new_rows(np.full(limits.n, -_INF), limits.upper)
        self._put(rows[limits.row], limits.entry, limits.value)
        self._put(
            np.repeat(rows, columns.size),
            np.tile(columns, rows.size),
            -np.ones(rows.size * columns.size),
        )

    def _add_taper(self, tapered: IntArray) -> None:
        """``e_j <= share_j (room - c_j)`` with the state ``c_(j+1) = c_j + e_j``, ``c_0 = 0``."""
        problem = self._problem
        share = taper_share(problem)
        session = problem.entry_session
        room = problem.fleet.taper_room_kwh[session]
        begin = problem.offsets[session]
        final = np.full(problem.fleet.n, -1)
        np.maximum.at(final, session[tapered], tapered)
        entry = np.arange(session.size)
        has_state = (entry > begin) & (entry <= final[session])
        stated = np.flatnonzero(has_state)
        state = np.full(session.size, -1)
        state[stated] = self._new_columns(np.zeros(stated.size), np.full(stated.size, _INF))
        rows = self._new_rows(np.zeros(stated.size), np.zeros(stated.size))
        self._put(rows, state[stated], np.ones(stated.size))
        self._put(rows, stated - 1, -np.ones(stated.size))
        older = stated - 1 > begin[stated] - 1
        older &= state[stated - 1] >= 0
        self._put(rows[older], state[stated - 1][older], -np.ones(int(older.sum())))
        limit = (share * room)[tapered]
        rows = self._new_rows(np.full(tapered.size, -_INF), limit)
        self._put(rows, tapered, np.ones(tapered.size))
        later = state[tapered] >= 0
        self._put(rows[later], state[tapered][later], share[tapered][later])

    def run(self, work_limit: int) -> Solution:
        cost, upper = np.concatenate(self._cost), np.concatenate(self._upper)
        start, index, value = self._by_column()
        highs = _highs()
        highs.clearModel()
        highs.setOptionValue("simplex_iteration_limit", min(max(int(work_limit), 0), 2**31 - 1))
        highs.passModel(
            self._columns,
            self._rows,
            int(index.size),
            int(highspy.MatrixFormat.kColwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            cost,
            np.zeros(self._columns),
            upper,
            np.concatenate(self._row_lower),
            np.concatenate(self._row_upper),
            start,
            index,
            value,
            np.zeros(self._columns, dtype=np.int32),
        )
        if highs.run() == highspy.HighsStatus.kError:
            # Another user of HiGHS in this process has set its one scheduler to more threads.
            highspy.Highs.resetGlobalScheduler(True)
            highs.run()
        status = highs.getModelStatus()
        if status == highspy.HighsModelStatus.kUnknown:
            status = _second_try(highs)
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"HiGHS ended with {highs.modelStatusToString(status)}")
        energy = np.array(highs.getSolution().col_value[: self._problem.entry_slot.size])
        work = int(highs.getInfo().simplex_iteration_count)
        clean = np.clip(energy, 0.0, self._problem.upper_kwh)
        return Solution(clean, "optimal", "highs", 0.0, work)

    def _by_column(self) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
        row, col = np.concatenate(self._row), np.concatenate(self._col)
        value = np.concatenate(self._value)
        order = np.argsort(col, kind="stable")
        start = np.zeros(self._columns + 1, dtype=np.int32)
        np.cumsum(np.bincount(col, minlength=self._columns), out=start[1:])
        return start[:-1], row[order].astype(np.int32), value[order]


def _second_try(highs: highspy.Highs) -> highspy.HighsModelStatus:
    """Solve afresh with presolve and HiGHS's own tolerances, where the tight ones stall."""
    highs.clearSolver()
    for option, value in _USUAL.items():
        highs.setOptionValue(option, value)
    highs.run()
    for option, value in _TIGHT.items():
        highs.setOptionValue(option, value)
    return highs.getModelStatus()


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
    highs.setOptionValue("solver", "simplex")
    for option, value in _TIGHT.items():
        highs.setOptionValue(option, value)
    return highs
