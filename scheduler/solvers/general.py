"""The general path: storage, PV, export, demand charges and vehicles that give back.

A large problem that names its running plan is planned from there by moves of single sessions
(:mod:`scheduler.solvers.general_path`). Any other, and where that does not suffice, is one linear
program in HiGHS, started from the basis of the last one: columns and rows are known by what they
stand for, so a program of the next minute finds most of its basis ready. That basis is all that is
carried over: with it (:func:`started_from`) a solve is made again to the last bit, in another
process too (:func:`start_from`).

A linear program may charge and discharge, or buy and sell, in the same slot where prices are
negative or cross; each such pair is closed on its smaller side and solved again, and where that
costs a gap a small mixed-integer program decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import highspy
import numpy as np

from scheduler.general_program import GeneralProgram, grid_of
from scheduler.placing import Kernel
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solution import Solution, SolverError, Status
from scheduler.solvers.flow_kernel.place import place
from scheduler.solvers.general_path.basis import begin_with, carried, packed, unpacked
from scheduler.solvers.general_path.both_ways import open_pairs, others, with_integers
from scheduler.solvers.general_path.mend import mended
from scheduler.solvers.general_path.quiet import DUAL, PRIMAL, pass_program, run, simplex_highs

_ROUNDS = 6
_GAP = 1e-5
_OWNERS_MAX = 1 << 23
MOVES_FROM_COLUMNS = 7_000
"""A smaller program is solved from its last basis within fewer milliseconds."""


@dataclass
class _Warm:
    """What the last solve leaves to the next: owners' numbers, its program and its basis.

    ``began`` is the basis that the last solve began with and ``digest`` its problem: the same
    problem again begins as it did, and ends the same. ``told`` is the basis that the next is to
    begin with instead of its own. Empty bytes: the running plan, where there is one.
    """

    owners: dict[str, int] = field(default_factory=dict)
    program: GeneralProgram | None = None
    began: bytes = b""
    digest: str = ""
    told: bytes | None = None

    def owner(self, name: str) -> int:
        """A number for a name, kept."""
        return self.owners.setdefault(name, len(self.owners))


@cache
def _warm() -> _Warm:
    """What the process remembers: it solves one problem at a time."""
    return _Warm()


def solve(problem: Problem, *, work_limit: int) -> Solution:
    """Least cost among the plans that deliver most, for a problem with a microgrid.

    Parameters
    ----------
    problem : Problem
        Any problem; one without a microgrid has faster solvers.
    work_limit : int
        Most simplex iterations.

    Returns
    -------
    Solution
        Status ``optimal``, or ``gap`` where closing pairs cost something.

    Raises
    ------
    SolverError
        If the iterations do not suffice, or HiGHS gives up.
    """
    if len(_warm().owners) > _OWNERS_MAX:
        forget()
    solving = _Run(problem, _warm(), work_limit)
    return solving.mended() or solving.answer()


def forget() -> None:
    """Start the next solve cold."""
    _warm.cache_clear()


@dataclass
class _Compiled:
    """Whether compiled functions may be called: True once they are compiled or in their cache."""

    ready: Callable[[], bool] = lambda: True


_COMPILED = _Compiled()


def compiled_when(ready: Callable[[], bool]) -> None:
    """Plan without compiled functions until these are ready: compiling takes longer than a plan
    may.

    Parameters
    ----------
    ready : callable
        Asked before each solve.
    """
    _COMPILED.ready = ready


def placing_kernel() -> Kernel | None:
    """What is compiled for the repair of a plan, once it is ready."""
    return place if _COMPILED.ready() else None


def started_from() -> bytes:
    """The basis that the last solve began with, packed; empty: it began with the running plan."""
    return _warm().began


def start_from(basis: bytes) -> None:
    """Begin the next solve with a basis that :func:`started_from` has told.

    A problem of another shape begins with none.
    """
    _warm().told = basis


class _Run:
    def __init__(self, problem: Problem, warm: _Warm, work_limit: int) -> None:
        self._problem = problem
        self._warm = warm
        self._left = min(max(int(work_limit), 0), 2**31 - 1)
        self._work = 0
        self._program = GeneralProgram(problem, warm.owner)
        self._highs = _highs()

    def mended(self) -> Solution | None:
        """The answer found from the running plan, where there is one and that is enough."""
        problem, running = self._problem, self._problem.relaxed_kwh
        if running is None:
            running = problem.running_kwh
        if running is None or not running.size or problem.microgrid is None or self._warm.told:
            return None
        if self._program.cost.size < MOVES_FROM_COLUMNS or not _COMPILED.ready():
            return None
        found = mended(problem, self._program, running, self._left)
        if found is None or open_pairs(self._program, found[0]).size:
            return None
        self._warm.began, self._warm.digest, self._warm.told = b"", "", None
        self._work = found[1]
        return self._solution(found[0], 0.0)

    def answer(self) -> Solution:
        program, highs = self._program, self._highs
        before = self._warm.program
        self._warm.program = None
        told, self._warm.told = self._warm.told, None
        digest = self._problem.digest
        if told is None and digest == self._warm.digest:
            told = self._warm.began
        self._warm.digest = digest
        basis = carried(highs, before, program) if told is None else unpacked(told, program)
        # One that begins with nothing says so: made again, it must not begin with a running plan.
        self._warm.began = packed(basis)
        # Always passed afresh: what HiGHS keeps beside the basis would decide among equal plans.
        pass_program(highs, program)
        started = basis is not None and begin_with(highs, basis)
        if not started:
            highs.setOptionValue("presolve", "on")
        # Near the end already the primal simplex has few steps to go; the dual one takes many
        # among equal plans. Closing a pair leaves the basis dual feasible.
        highs.setOptionValue("simplex_strategy", PRIMAL if started else DUAL)
        value = self._run()
        highs.setOptionValue("simplex_strategy", DUAL)
        highs.setOptionValue("presolve", "off")
        bound = highs.getInfo().objective_function_value
        closed = first_closed = open_pairs(program, value)
        self._warm.program = program
        opened = program.up
        rounds = 0
        while closed.size:
            rounds += 1
            if rounds > _ROUNDS:
                raise SolverError("charging and discharging at once could not be told apart")
            try:
                value = self._without(closed)
            except SolverError:
                # What flows the smaller way may have nowhere else to go: one pair after another.
                self._reopen(closed, opened)
                for k in range(closed.size):
                    one = closed[k : k + 1]
                    try:
                        value = self._without(one)
                    except SolverError:
                        self._reopen(one, opened)
                        value = self._without(others(program, one))
            closed = open_pairs(program, value)
        gap = 0.0
        if first_closed.size:
            reached = highs.getInfo().objective_function_value
            gap = self._gap(reached, bound)
            if gap > _GAP:
                apart = _GAP * program.scale
                better = with_integers(self._problem, program, opened, program.up, reached, apart)
                if better is not None:
                    value, gap = better[0], self._gap(better[1], bound)
        return self._solution(value, gap)

    def _without(self, closed: IntArray) -> FloatArray:
        """The same program with some columns closed."""
        none = np.zeros(closed.size)
        self._highs.changeColsBounds(closed.size, closed.astype(np.int32), none, none)
        self._program.up = self._program.up.copy()
        self._program.up[closed] = 0.0
        return self._run()

    def _reopen(self, columns: IntArray, opened: FloatArray) -> None:
        self._program.up[columns] = opened[columns]
        low, up = self._program.low[columns], opened[columns]
        self._highs.changeColsBounds(columns.size, columns.astype(np.int32), low, up)

    def _run(self) -> FloatArray:
        highs = self._highs
        highs.setOptionValue("simplex_iteration_limit", self._left)
        status = run(highs)
        if status in (highspy.HighsModelStatus.kUnknown, highspy.HighsModelStatus.kInfeasible):
            # From an alien basis the simplex may lose its way; afresh it does not.
            highs.clearSolver()
            highs.setOptionValue("presolve", "on")
            highs.run()
            highs.setOptionValue("presolve", "off")
            status = highs.getModelStatus()
        done = max(int(highs.getInfo().simplex_iteration_count), 0)
        self._work += done
        self._left = max(self._left - done, 0)
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"HiGHS ended with {highs.modelStatusToString(status)}")
        return np.array(highs.getSolution().col_value)

    def _gap(self, reached: float, bound: float) -> float:
        """Distance to the bound as a share of what the energy of the site costs anyway."""
        problem = self._problem
        price = np.abs(problem.buy_per_kwh)
        usual = np.abs(grid_of(problem).base_kw[0]) * problem.horizon.slot_h @ price
        usual += float(problem.fleet.energy_kwh.sum()) * float(price.mean())
        return max(reached - bound, 0.0) / self._program.scale / max(float(usual), 1.0)

    def _solution(self, value: FloatArray, gap: float) -> Solution:
        problem, program = self._problem, self._program
        grid = grid_of(problem)
        energy = program.energy_of(value)
        low = np.zeros(energy.size)
        if grid.giving is not None:
            low = -grid.giving.discharge_kw[problem.entry_session] * problem.entry_s / 3600.0
        energy = np.clip(energy, low, problem.upper_kwh)
        powers = program.assets_of(value)
        s = grid.stores.n
        powers[:s] = np.clip(
            powers[:s], -grid.stores.discharge_kw[:, None], grid.stores.charge_kw[:, None]
        )
        powers[s:] = np.clip(powers[s:], -grid.sources.available_kw, 0.0)
        status: Status = "optimal" if gap <= _GAP else "gap"
        told = None if problem.microgrid is None else powers
        return Solution(energy, status, "general", gap, self._work, told)


@cache
def _highs() -> highspy.Highs:
    """One for the process."""
    return simplex_highs()
