"""From the running plan to the optimum by moves of single sessions."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solvers.general_path.master import Master
from scheduler.solvers.general_path.sessions import Bools, Moves, Sessions

_PRICE = 1e-6
"""A move must win more than so much per kWh, on a scale on which prices span 100."""

_ROUNDS = 60
_MASTERS = 100
_ROOM = 0.2
"""A limit with so large a share of room left, and no asset below it, is not thought of at first."""

_WHOLE = 24
"""So many sessions of whom there is much news take part whole at once: they move in many places."""

_MOST_WHOLE = 120
_NEWS_KWH = 1.0
_BROKEN_KWH = 1e-7


def mended(
    problem: Problem, program: GeneralProgram, running: FloatArray, work_limit: int
) -> tuple[FloatArray, int] | None:
    """The optimum of a program, found from a plan near it.

    Parameters
    ----------
    problem : Problem
        n sessions, E entries.
    program : GeneralProgram
        Its program.
    running : ndarray, shape (E,)
        The plan to start from, kWh, negative where a vehicle gives; ties stay as it has them.
    work_limit : int
        Most simplex iterations.

    Returns
    -------
    (ndarray, int) or None
        Values of the columns (of sessions only what they take and give) and the iterations used;
        None where too many sessions are no case for moves, or the work does not suffice.
    """
    sessions = Sessions(problem, program, running)
    whole = _whole(sessions)
    site = _Site(program)
    awake = site.near(sessions.values())
    work = 0
    for _ in range(_MASTERS):
        if whole.sum() > _MOST_WHOLE:
            return None
        chase = _Chase(program, sessions, site.rows[awake], site.columns(awake), whole)
        value = chase.run(work_limit - work)
        work += chase.work
        if value is None:
            if not chase.broken.any():
                return None
            whole |= chase.broken
            sessions = Sessions(problem, program, sessions.net())
            continue
        over = site.used(value) > site.up + _BROKEN_KWH
        if not (over & ~awake).any():
            return value, work
        awake |= over
        sessions = Sessions(problem, program, program.energy_of(value))
    return None


def _whole(sessions: Sessions) -> Bools:
    """Sessions that take part with all they have: who has most news."""
    whole = np.zeros(sessions.moved.size, dtype=np.bool_)
    news = np.argsort(-sessions.moved, kind="stable")[:_WHOLE]
    whole[news[sessions.moved[news] > _NEWS_KWH]] = True
    return whole


class _Chase:
    """Rounds of moves and prices, until nobody wants to move.

    Parameters
    ----------
    rows, site : ndarray of int64, csc_matrix
        The site's rows that take part.
    whole : ndarray of bool, shape (n,)
        Sessions that take part with all their columns and rows.

    Attributes
    ----------
    work : int
        Simplex iterations so far.
    broken : ndarray of bool, shape (n,)
        Whose moves did not fit together twice, or who is no case for single moves.
    """

    def __init__(
        self,
        program: GeneralProgram,
        sessions: Sessions,
        rows: IntArray,
        site: csc_matrix,
        whole: Bools,
    ) -> None:
        self._program, self._sessions, self._site, self._whole = program, sessions, site, whole
        self._by_column = site.T
        self._base = sessions.values()
        self._master = Master(program, rows, site, whole, self._base)
        self._found: list[Moves] = []
        self._made = np.zeros(0)
        self._once = np.zeros(whole.size, dtype=np.bool_)
        self.broken = np.zeros(whole.size, dtype=np.bool_)

    @property
    def work(self) -> int:
        return self._master.work

    def run(self, work_limit: int) -> FloatArray | None:
        """Values of the columns; None where there is no answer."""
        program, sessions, master = self._program, self._sessions, self._master
        for _ in range(_ROUNDS):
            if not master.solve(work_limit - master.work):
                self.broken = self._once
                return None
            self._make(master.amounts)
            price = program.cost - self._by_column @ master.price
            best, broken, stuck = sessions.best(price, self._whole, _PRICE)
            if broken.any():
                self.broken = broken & self._once
                if self.broken.any():
                    return None
                self._once |= broken
                self._settle(broken)
                continue
            if not best.most.size:
                if stuck.any():
                    self.broken = stuck
                    return None
                if master.broken_kwh > _BROKEN_KWH:
                    return None
                value = sessions.values()
                value[master.free] = master.values
                return value
            self._add(best)
        return None

    def _make(self, amounts: FloatArray) -> None:
        """Let sessions stand where the program has them."""
        change = amounts.copy()
        change[: self._made.size] -= self._made
        self._made = amounts
        begin = 0
        for moves in self._found:
            end = begin + moves.most.size
            self._sessions.make(moves, change[begin:end])
            begin = end

    def _settle(self, broken: Bools) -> None:
        """Whose moves do not fit together stands within his bounds, and begins again from there."""
        self._sessions.settle(broken)
        now = self._sessions.values()
        mine = np.zeros(now.size, dtype=np.bool_)
        mine[self._program.x] = broken[self._program.col_session[self._program.x]]
        mine[self._program.y] = broken[self._program.col_session[self._program.y]]
        change = np.where(mine, now - self._base, 0.0)
        self._base = self._base + change
        gone = np.flatnonzero(broken[np.concatenate([m.session for m in self._found])])
        self._made[gone] = 0.0
        self._master.settle(change, gone)

    def _add(self, best: Moves) -> None:
        """Moves as columns."""
        program = self._program
        column, move, share, cost = self._sessions.columns_of(best)
        shape = (program.cost.size, best.most.size)
        combined = csc_matrix((share, (column, move)), shape=shape)
        cost = cost + program.cost @ combined
        self._master.add(cost, (self._site @ combined).tocsc(), best.most)
        self._found.append(best)


class _Site:
    """The rows of a program that are the site's own.

    Attributes
    ----------
    rows : ndarray of int64, shape (r,)
        Their numbers in the program.
    up : ndarray, shape (r,)
        Their upper bounds.
    """

    def __init__(self, program: GeneralProgram) -> None:
        mine = program.row_session < 0
        row, self._column, self._value = program.site_triplets
        self._row = (np.cumsum(mine) - 1)[row]
        self.rows = np.flatnonzero(mine)
        self.up = program.row_up[self.rows]
        self._program = program

    def used(self, values: FloatArray) -> FloatArray:
        """What stands in each row at these values of the columns."""
        weights = self._value * values[self._column]
        found = np.bincount(self._row, weights=weights, minlength=self.rows.size)
        return np.asarray(found, dtype=np.float64)

    def near(self, values: FloatArray) -> Bools:
        """Rows near their limit, and those of assets; others are looked at when all is done."""
        with np.errstate(invalid="ignore"):
            near = self.up - self.used(values) < _ROOM * np.abs(self.up)
        near[self._row[self._program.col_session[self._column] < 0]] = True
        return np.asarray(near | np.isfinite(self._program.row_low[self.rows]))

    def columns(self, some: Bools) -> csc_matrix:
        """Some of the rows, every column."""
        inside = some[self._row]
        at = ((np.cumsum(some) - 1)[self._row[inside]], self._column[inside])
        shape = (int(some.sum()), self._program.cost.size)
        return coo_matrix((self._value[inside], at), shape=shape).tocsc()
