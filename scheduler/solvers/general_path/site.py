"""The rows of a program that are the site's own, and what its columns put into them."""

from __future__ import annotations

import numpy as np

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, IntArray
from scheduler.solvers.general_path import coefficients
from scheduler.solvers.general_path.sessions import Bools, Moves, Sessions

_ROOM = 0.2
"""A limit with so large a share of room left, and no asset below it, is not thought of at first."""


class Site:
    """Coefficients by column.

    Attributes
    ----------
    rows : ndarray of int64, shape (r,)
        Their numbers in the program.
    up : ndarray, shape (r,)
        Their upper bounds.
    """

    def __init__(self, program: GeneralProgram) -> None:
        mine = program.row_session < 0
        self.rows = np.flatnonzero(mine)
        self.up = program.row_up[self.rows]
        self._program = program
        row, column, value = program.site_triplets
        place = np.cumsum(mine) - 1
        self._start, self._row, self._value = coefficients.by_column(
            place[row], column, value, program.cost.size
        )
        self._of_assets = np.zeros(self.rows.size, dtype=np.bool_)
        self._of_assets[place[row[program.col_session[column] < 0]]] = True

    def used(self, values: FloatArray) -> FloatArray:
        """What stands in each row at these values of the columns."""
        out = np.zeros(self.rows.size)
        coefficients.add_used(self._start, self._row, self._value, values, out)
        return out

    def near(self, values: FloatArray) -> Bools:
        """Rows near their limit, and those of assets; others are looked at when all is done."""
        with np.errstate(invalid="ignore"):
            near = self.up - self.used(values) < _ROOM * np.abs(self.up)
        return np.asarray(near | self._of_assets | np.isfinite(self._program.row_low[self.rows]))

    def charged(self, price: FloatArray) -> FloatArray:
        """Cost of each column less what the rows charge for it at these prices."""
        out = np.empty(self._program.cost.size)
        cost = self._program.cost
        coefficients.charge(cost, self._start, self._row, self._value, price, out)
        return out

    def part(self, columns: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Coefficients of some columns: row, place of the column among them, value."""
        count = np.diff(self._start)[columns]
        place = np.repeat(np.arange(columns.size), count)
        at = np.arange(place.size) + np.repeat(
            self._start[columns] - np.cumsum(count) + count, count
        )
        return self._row[at], place, self._value[at]

    def moved(
        self, sessions: Sessions, moves: Moves, number: IntArray
    ) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
        """What a kWh of each move changes: its cost, and the rows by column.

        Parameters
        ----------
        number : ndarray of int64, shape (r,)
            Where each row stands in the small program, -1: not in it.
        """
        cost = sessions.end_cost(moves)
        eta = sessions.efficiency[moves.session]
        start, row, value = coefficients.of_moves(
            moves.where, eta, self._program.x, sessions.give_column, self._program.cost,
            self._start, self._row, self._value, number, cost,
        )  # fmt: skip
        return cost, start, row, value
