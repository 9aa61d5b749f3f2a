"""The whole program."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.general_program.assets import add_assets
from scheduler.general_program.layout import Layout, OwnerOf, Triplets, joined
from scheduler.general_program.limits import add_limits
from scheduler.general_program.sessions import add_sessions
from scheduler.general_program.site import add_balance, add_calls, add_peaks
from scheduler.problem import FloatArray, IntArray, Problem


class GeneralProgram:
    """Arrays of one linear program: ``minimise cost x, row_low <= A x <= row_up``.

    Parameters
    ----------
    problem : Problem
        Any; see :func:`scheduler.general_program.layout.grid_of`.
    owner_of : callable
        See :data:`scheduler.general_program.layout.OwnerOf`.

    Attributes
    ----------
    cost, low, up : ndarray, shape (columns,)
        Cost and bounds of the columns.
    row_low, row_up : ndarray, shape (rows,)
        Bounds of the rows.
    col_session, row_session : ndarray of int64
        The session whose own each column and row is, -1 where it is the site's.
    x, y, y_entry, w, w_entry, tapered, promise
        See :class:`scheduler.general_program.sessions.SessionColumns`.
    c, d, e, u
        See :class:`scheduler.general_program.assets.AssetColumns`.
    bought, sold : ndarray of int64, shape (T,)
        Columns of what is bought and sold.
    pairs : list of Pair
        What must not run both ways at once.
    scale : float
        Weight of one unit of money.
    """

    def __init__(self, problem: Problem, owner_of: OwnerOf) -> None:
        layout = self._layout = Layout(problem, owner_of)
        sessions = add_sessions(layout)
        assets = add_assets(layout)
        grid = add_balance(layout, sessions, assets)
        add_limits(layout, sessions, assets)
        add_peaks(layout, grid)
        add_calls(layout, grid)
        self.x, self.y, self.y_entry = sessions.x, sessions.y, sessions.y_entry
        self.w, self.w_entry = sessions.w, sessions.w_entry
        self.tapered, self.promise = sessions.tapered, sessions.promise
        self.c, self.d, self.e, self.u = assets.c, assets.d, assets.e, assets.u
        self.bought, self.sold = grid.bought, grid.sold
        self.pairs, self.scale = layout.pairs, layout.scale
        self._hours = layout.hours
        self.low, self.up = layout.columns.bounds()
        self.cost, self.col_session = layout.columns.costs(), layout.columns.sessions()
        self.row_low, self.row_up = layout.rows.bounds()
        self.row_session = layout.rows.sessions()

    @cached_property
    def col_key(self) -> IntArray:
        """Keys of the columns, unique among them."""
        return self._layout.columns.keys()

    @cached_property
    def row_key(self) -> IntArray:
        """Keys of the rows, unique among them."""
        return self._layout.rows.keys()

    @cached_property
    def site_triplets(self) -> Triplets:
        """Row, column and value of the coefficients in rows of the site."""
        return joined(self._layout.site)

    def own_of(self, rows: NDArray[np.bool_]) -> Triplets:
        """Row, column and value of the coefficients in some rows of single sessions."""
        some = []
        for row, column, value in self._layout.own:
            inside = np.flatnonzero(rows[row])
            some.append((row[inside], column[inside], value[inside]))
        return joined(some)

    @cached_property
    def by_column(self) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray]:
        """All coefficients by column: where each column begins, rows and values."""
        row, col, value = joined([*self._layout.own, *self._layout.site])
        order = np.argsort(col, kind="stable")
        start = np.zeros(self.cost.size + 1, dtype=np.int32)
        np.cumsum(np.bincount(col, minlength=self.cost.size), out=start[1:])
        return start, row[order].astype(np.int32), value[order]

    def energy_of(self, x: FloatArray) -> FloatArray:
        """Energy of each entry, kWh, negative where a vehicle gives back."""
        energy = x[self.x].copy()
        energy[self.y_entry] -= x[self.y]
        return np.asarray(energy, dtype=np.float64)

    def assets_of(self, x: FloatArray) -> FloatArray:
        """Power of each asset in each slot, kW."""
        stores = (x[self.c] - x[self.d]) / self._hours
        return np.asarray(np.concatenate([stores, -x[self.u] / self._hours]), dtype=np.float64)
