"""From the running plan to the optimum by moves of single sessions."""

from __future__ import annotations

import numpy as np

from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, Problem
from scheduler.solvers.general_path.master import Master
from scheduler.solvers.general_path.sessions import Bools, Moves, Sessions
from scheduler.solvers.general_path.site import Site

_PRICE = 1e-6
"""A move must win more than so much per kWh, on a scale on which prices span 100."""

_ROUNDS = 60
_MASTERS = 100
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
    site = Site(program)
    awake = site.near(sessions.values())
    work = 0
    for _ in range(_MASTERS):
        if whole.sum() > _MOST_WHOLE:
            return None
        chase = _Chase(program, sessions, site, awake, whole)
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
    site : Site
        Its rows.
    awake : ndarray of bool, shape (r,)
        Those that take part.
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
        site: Site,
        awake: Bools,
        whole: Bools,
    ) -> None:
        self._program, self._sessions, self._site, self._whole = program, sessions, site, whole
        self._base = sessions.values()
        self._master = Master(program, site, awake, whole, self._base)
        self._found: list[Moves] = []
        self._made = np.zeros(0)
        self._once = np.zeros(whole.size, dtype=np.bool_)
        self.broken = np.zeros(whole.size, dtype=np.bool_)

    @property
    def work(self) -> int:
        return self._master.work

    def run(self, work_limit: int) -> FloatArray | None:
        """Values of the columns; None where there is no answer."""
        sessions, master = self._sessions, self._master
        for _ in range(_ROUNDS):
            if not master.solve(work_limit - master.work):
                self.broken = self._once
                return None
            self._make(master.amounts)
            price = self._site.charged(master.price)
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
        self._master.add(best.most, *self._site.moved(self._sessions, best, self._master.number))
        self._found.append(best)
