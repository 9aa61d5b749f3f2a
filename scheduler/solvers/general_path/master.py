"""The small program: assets, limits and peaks, some sessions whole, and moves of the others."""

from __future__ import annotations

from functools import cache

import highspy
import numpy as np
from scipy.sparse import coo_matrix, csc_matrix, vstack

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.general_path.quiet import DUAL, PRIMAL, run, simplex_highs
from scheduler.solvers.general_path.sessions import Bools

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
    rows : ndarray of int64, shape (r,)
        The site's rows that take part.
    site : csc_matrix
        These rows, every column.
    whole : ndarray of bool, shape (n,)
        Sessions that take part with all their columns and rows.
    values : ndarray, shape (columns,)
        The plan that the others stand at.

    Attributes
    ----------
    work : int
        Simplex iterations so far.
    """

    def __init__(
        self,
        program: GeneralProgram,
        rows: IntArray,
        site: csc_matrix,
        whole: Bools,
        values: FloatArray,
    ) -> None:
        self._site, self._rows = site, int(site.shape[0])
        self.work = 0
        free = (program.col_session < 0) | whole[program.col_session]
        own = (program.row_session >= 0) & whole[program.row_session]
        self.free = np.flatnonzero(free)
        rows = np.concatenate([rows, np.flatnonzero(own)])
        number = np.full(program.row_up.size, -1)
        number[rows] = np.arange(rows.size)
        part = self._part(program, own, number)
        used = np.zeros(rows.size)
        used[: self._rows] = site @ np.where(free, 0.0, values)
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
            int(part.nnz),
            int(highspy.MatrixFormat.kColwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            program.cost[self.free],
            program.low[self.free],
            program.up[self.free],
            low,
            up,
            part.indptr[:-1].astype(np.int32),
            part.indices.astype(np.int32),
            part.data,
            np.zeros(self.free.size, dtype=np.int32),
        )
        # A limit that the plan breaks may stay broken until moves have mended it, at a price
        # above everything that a kWh less can cost.
        dearest = _BROKEN_TIMES * float(np.abs(program.cost).max() + program.promise.max(initial=0))
        self._over = over.size
        none = np.zeros(over.size)
        self._add(none + dearest, none + highspy.kHighsInf, over, np.arange(over.size), none - 1.0)
        highs.setOptionValue("simplex_strategy", DUAL)

    def _part(self, program: GeneralProgram, own: Bools, number: IntArray) -> csc_matrix:
        """The site's rows, then those of whole sessions, in the free columns."""
        row, column, value = program.own_triplets
        inside = np.flatnonzero(own[row])
        place = np.zeros(program.cost.size, dtype=np.int64)
        place[self.free] = np.arange(self.free.size)
        at = (number[row[inside]] - self._rows, place[column[inside]])
        shape = (int(own.sum()), self.free.size)
        below = coo_matrix((value[inside], at), shape=shape)
        return vstack([self._site[:, self.free], below], format="csc")

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

    def add(self, cost: FloatArray, rows: csc_matrix, most: FloatArray) -> None:
        """Moves: their cost, what a kWh of each changes in the site's rows, and how far they go."""
        self._add(cost, most, rows.indices, rows.indptr[:-1], rows.data)

    def settle(self, change: FloatArray, moves: IntArray) -> None:
        """Let go of some moves, and take note of where their sessions stand instead.

        Parameters
        ----------
        change : ndarray, shape (columns,)
            Where they stand, less where they stood when the program was made or settled last.
        moves : ndarray of int64
            Numbers of the moves, in the order in which they were added.
        """
        self._used[: self._rows] += self._site @ change
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
        self.price = np.array(solution.row_dual)[: self._rows]
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
