"""The small program: assets, limits and peaks, some sessions whole, and moves of the others."""

from __future__ import annotations

from functools import cache

import highspy
import numpy as np

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.general_path.coefficients import by_column
from scheduler.solvers.general_path.quiet import DUAL, PRIMAL, run, simplex_highs
from scheduler.solvers.general_path.sessions import Bools
from scheduler.solvers.general_path.site import Site

_BROKEN_TIMES = 2.0
_OVER_KWH = 1e-9


@cache
def _highs() -> highspy.Highs:
    return simplex_highs()


class Master:
    """One small program, solved again after each round of moves.

    Parameters
    ----------
    program : GeneralProgram
        The whole.
    site : Site
        Its rows.
    awake : ndarray of bool, shape (r,)
        Those that take part.
    whole : ndarray of bool, shape (n,)
        Sessions that take part with all their columns and rows.
    values : ndarray, shape (columns,)
        The plan that the others stand at.

    Attributes
    ----------
    number : ndarray of int64, shape (r,)
        Where each of the site's rows stands here, -1: it does not take part.
    price : ndarray, shape (r,)
        Of the site's rows, 0 where they do not take part.
    work : int
        Simplex iterations so far.
    """

    def __init__(
        self,
        program: GeneralProgram,
        site: Site,
        awake: Bools,
        whole: Bools,
        values: FloatArray,
    ) -> None:
        self._site, self._awake = site, np.flatnonzero(awake)
        self.work = 0
        self.number = np.where(awake, np.cumsum(awake) - 1, -1)
        self.price = np.zeros(awake.size)
        free = (program.col_session < 0) | whole[program.col_session]
        own = (program.row_session >= 0) & whole[program.row_session]
        self.free = np.flatnonzero(free)
        rows = np.concatenate([site.rows[self._awake], np.flatnonzero(own)])
        start, row, value = self._part(program, own)
        used = np.zeros(rows.size)
        used[: self._awake.size] = site.used(np.where(free, 0.0, values))[self._awake]
        self._low, self._up = program.row_low[rows], program.row_up[rows]
        self._used = used
        low, up = self._low - used, self._up - used
        over = np.flatnonzero(up < -_OVER_KWH)
        over = over[~np.isfinite(low[over])]
        highs = self._solver = _highs()
        highs.clearModel()
        highs.passModel(
            self.free.size,
            rows.size,
            int(row.size),
            int(highspy.MatrixFormat.kColwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            program.cost[self.free],
            program.low[self.free],
            program.up[self.free],
            low,
            up,
            start[:-1].astype(np.int32),
            row.astype(np.int32),
            value,
            np.zeros(self.free.size, dtype=np.int32),
        )
        # A limit that the plan breaks may stay broken until moves have mended it, at a price
        # above everything that a kWh less can cost.
        dearest = _BROKEN_TIMES * float(np.abs(program.cost).max() + program.promise.max(initial=0))
        self._over = over.size
        none = np.zeros(over.size)
        self._add(none + dearest, none + highspy.kHighsInf, over, np.arange(over.size), none - 1.0)
        highs.setOptionValue("simplex_strategy", DUAL)

    def _part(self, program: GeneralProgram, own: Bools) -> tuple[IntArray, IntArray, FloatArray]:
        """The site's rows, then those of whole sessions, in the free columns."""
        row, column, value = self._site.part(self.free)
        inside = self.number[row] >= 0
        below, theirs, own_value = program.own_of(own)
        place = np.cumsum(own) - 1 + self._awake.size
        return by_column(
            np.concatenate([self.number[row[inside]], place[below]]),
            np.concatenate([column[inside], np.searchsorted(self.free, theirs)]),
            np.concatenate([value[inside], own_value]),
            self.free.size,
        )

    def _add(
        self,
        cost: FloatArray,
        up: FloatArray,
        row: np.ndarray,
        start: np.ndarray,
        value: FloatArray,
    ) -> None:
        if cost.size:
            self._solver.addCols(
                cost.size,
                cost,
                np.zeros(cost.size),
                up,
                int(row.size),
                start.astype(np.int32),
                row.astype(np.int32),
                value,
            )

    def add(
        self, most: FloatArray, cost: FloatArray, start: IntArray, row: IntArray, value: FloatArray
    ) -> None:
        """Moves: how far they go, and what a kWh changes: its cost and the rows, by column."""
        self._add(cost, most, row, start[:-1], value)

    def settle(self, change: FloatArray, moves: IntArray) -> None:
        """Let go of some moves, and take note of where their sessions stand instead.

        Parameters
        ----------
        change : ndarray, shape (columns,)
            Where they stand, less where they stood when the program was made or settled last.
        moves : ndarray of int64
            Numbers of the moves, in the order in which they were added.
        """
        self._used[: self._awake.size] += self._site.used(change)[self._awake]
        rows = np.arange(self._used.size, dtype=np.int32)
        low, up = self._low - self._used, self._up - self._used
        self._solver.changeRowsBounds(rows.size, rows, low, up)  # type: ignore[attr-defined]
        columns = (self.free.size + self._over + moves).astype(np.int32)
        none = np.zeros(columns.size)
        self._solver.changeColsBounds(columns.size, columns, none, none)
        self._solver.setOptionValue("simplex_strategy", DUAL)

    def solve(self, work_limit: int) -> bool:
        """Whether it has an optimum within so many iterations."""
        highs = self._solver
        highs.setOptionValue("simplex_iteration_limit", min(work_limit, 2**31 - 1))
        status = run(highs)
        self.work += max(int(highs.getInfo().simplex_iteration_count), 0)
        # Columns that come in leave the basis primal feasible.
        highs.setOptionValue("simplex_strategy", PRIMAL)
        if status != highspy.HighsModelStatus.kOptimal:
            return False
        solution = highs.getSolution()
        self._value = np.array(solution.col_value)
        self.price[self._awake] = np.array(solution.row_dual)[: self._awake.size]
        return True

    @property
    def values(self) -> FloatArray:
        """Values of the columns in ``free``."""
        return self._value[: self.free.size]

    @property
    def broken_kwh(self) -> float:
        """How much limits are still broken."""
        return float(self._value[self.free.size :][: self._over].sum())

    @property
    def amounts(self) -> FloatArray:
        """How far each move goes, kWh."""
        return self._value[self.free.size + self._over :]
