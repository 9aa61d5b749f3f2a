"""The sessions of a general program as arrays of entries, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import taper_share
from scheduler.solvers.general_path import moves
from scheduler.solvers.general_path.kinds import END, NEAR_KWH

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Moves:
    """Moves of sessions; see :mod:`scheduler.solvers.general_path.kinds`.

    Parameters
    ----------
    where : ndarray of int64, shape (k, 4)
        Entry and kind out, entry and kind in.
    session : ndarray of int64, shape (k,)
        Whose they are.
    most : ndarray, shape (k,)
        How far each can go alone, kWh.
    """

    where: IntArray
    session: IntArray
    most: FloatArray


class Sessions:
    """Bounds of every entry, and the plan as it stands.

    Parameters
    ----------
    problem : Problem
        n sessions, E entries.
    program : GeneralProgram
        Its program.
    running : ndarray, shape (E,)
        The plan to start from, negative where a vehicle gives.

    Attributes
    ----------
    take, give, held : ndarray, shape (E,)
        Energy taken and given in each entry, and gained since now at its end, kWh.
    give_column : ndarray of int64, shape (E,)
        Column of what each entry gives, where it may.
    moved : ndarray, shape (n,)
        How far the start is from ``running``, and from what is owed, kWh.
    """

    def __init__(self, problem: Problem, program: GeneralProgram, running: FloatArray) -> None:
        fleet, session = problem.fleet, problem.entry_session
        entries = int(session.size)
        self._problem, self._program = problem, program
        self.take_most = program.up[program.x]
        self.give_most = np.zeros(entries)
        self.give_most[program.y_entry] = program.up[program.y]
        self._budget = np.full(fleet.n, np.inf)
        self.efficiency = np.ones(fleet.n)
        grid = problem.microgrid
        if grid is not None and grid.giving is not None:
            self._budget = np.array(grid.giving.budget_kwh)
            self.efficiency = np.array(grid.giving.efficiency)
        final = problem.offsets[1:][problem.last > problem.first] - 1
        self.low, self.high = np.full(entries, -np.inf), np.full(entries, np.inf)
        self.high[final] = fleet.energy_kwh[session[final]]
        self.low[program.w_entry] = program.low[program.w]
        self.high[program.w_entry] = program.up[program.w]
        self._final = final
        self._worth = np.zeros(fleet.n)
        is_final = np.zeros(entries, dtype=np.bool_)
        is_final[final] = True
        ends = is_final[program.w_entry]
        self._worth[session[program.w_entry[ends]]] = -program.cost[program.w[ends]]
        self._taper_share = np.zeros(entries)
        self._taper_share[program.tapered] = taper_share(problem)[program.tapered]
        self._taper_full = np.array(fleet.taper_room_kwh)
        self._promised = np.where(program.promise > 0, fleet.promised_kwh, -np.inf)
        self.give_column = np.zeros(entries, dtype=np.int64)
        self.give_column[program.y_entry] = program.y
        self.take, self.give, self.held = (np.zeros(entries) for _ in range(3))
        self.moved = np.zeros(fleet.n)
        # Copies, where arrays may be read-only: numba would compile once more for them.
        self._fit(np.array(running))
        self.moved[session[final]] += np.maximum(
            np.minimum(self.high[final], fleet.energy_kwh[session[final]]) - self.held[final], 0.0
        )

    def _fit(self, running: FloatArray) -> None:
        moves.settle(
            self._problem.offsets, running, self.take_most, self.give_most, self._budget,
            self.efficiency, self.low, self.high, self._taper_share, self._taper_full, self.take,
            self.give, self.held, self.moved,
        )  # fmt: skip

    def settle(self, whose: Bools) -> None:
        """Bring some sessions back within their bounds."""
        kept = ~whose[self._problem.entry_session]
        before = [(a, a[kept]) for a in (self.take, self.give, self.held)]
        self._fit(self.net())
        for array, values in before:
            array[kept] = values

    def values(self) -> FloatArray:
        """The plan on the program's columns; what follows from taking and giving is left at 0."""
        out = np.zeros(self._program.cost.size)
        out[self._program.x] = self.take
        out[self._program.y] = self.give[self._program.y_entry]
        return out

    def net(self) -> FloatArray:
        """What each entry takes less what it gives, kWh."""
        return np.asarray(self.take - self.give, dtype=np.float64)

    def best(self, price: FloatArray, still: Bools, tolerance: float) -> tuple[Moves, Bools, Bools]:
        """The best move of every session that has one and is not ``still``.

        Parameters
        ----------
        price : ndarray, shape (columns,)
            Cost of each column less what the site's rows charge for it.
        still : ndarray of bool, shape (n,)
        tolerance : float
            What a move must win per kWh.

        Returns
        -------
        moves : Moves
        broken : ndarray of bool, shape (n,)
            Whose plan does not hold: moves that fit one by one do not fit together.
        stuck : ndarray of bool, shape (n,)
            Who is no case for moves any more.
        """
        problem, program, n = self._problem, self._program, self._problem.fleet.n
        where, most = np.zeros((n, 4), dtype=np.int64), np.zeros(n)
        broken, stuck = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        count = moves.best_moves(
            problem.offsets, still, price, program.x, self.give_column, self._worth,
            program.promise, self._promised, self.take, self.take_most, self.give, self.give_most,
            self._budget, self.efficiency, self.held, self.low, self.high, self._taper_share,
            self._taper_full, tolerance, where, most, broken, stuck,
        )  # fmt: skip
        where = where[:count]
        return Moves(where, problem.entry_session[where[:, 0]], most[:count]), broken, stuck

    def make(self, found: Moves, amount: FloatArray) -> None:
        """Make moves, each as far as told, kWh."""
        eta = self.efficiency[found.session]
        moves.apply_moves(found.where, amount, eta, self.take, self.give, self.held)

    def end_cost(self, found: Moves) -> FloatArray:
        """What a kWh of each move changes at its session's end, shape (k,)."""
        cost = np.zeros(found.most.size)
        for at, sign in ((0, 1.0), (2, -1.0)):
            entry, kind = found.where[:, at], found.where[:, at + 1]
            ends = np.flatnonzero(kind == END)
            who = found.session[ends]
            step = self._promised[who] + (-sign) * NEAR_KWH
            below = self.held[entry[ends]] < step if sign > 0 else self.held[entry[ends]] <= step
            worth = self._worth[who] + np.where(below, self._program.promise[who], 0.0)
            cost[ends] -= sign * worth
        return cost
