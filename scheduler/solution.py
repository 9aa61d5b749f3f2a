"""What a solver answers: energy for each entry, what is short, and how good the answer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from scheduler.problem import FloatArray, Problem

Status = Literal["optimal", "gap", "feasible"]


@dataclass(frozen=True, eq=False)
class Solution:
    """An answer to one problem.

    Parameters
    ----------
    energy_kwh : ndarray, shape (offsets[-1],)
        Energy of each ragged entry of the problem, kWh >= 0.
    status : {"optimal", "gap", "feasible"}
        Proved optimal; within ``gap`` of a bound; feasible with nothing proved.
    rung : str
        Which rung of the ladder answered: the solver's file name, or ``shifted``.
    gap : float
        Relative distance to the bound, nan where no bound is known.
    work : int
        Units of work spent: pivots, augmentations, passes.
    """

    energy_kwh: FloatArray
    status: Status
    rung: str
    gap: float
    work: int

    def short_kwh(self, problem: Problem) -> FloatArray:
        """Energy owed that the plan does not deliver, kWh, shape (n,)."""
        given = np.bincount(
            problem.entry_session, weights=self.energy_kwh, minlength=problem.fleet.n
        )
        return np.maximum(problem.fleet.energy_kwh - given, 0.0)

    def cost(self, problem: Problem) -> float:
        """Money for the energy bought, in the tariff's currency: PV surplus first at its price."""
        drawn = np.bincount(
            problem.entry_slot, weights=self.energy_kwh, minlength=problem.horizon.n
        )
        free = np.minimum(drawn, problem.surplus_kw * problem.horizon.slot_h)
        bought = (drawn - free) * problem.buy_per_kwh
        return float(np.sum(bought + free * problem.sell_per_kwh))

    def peak_cost(self, problem: Problem) -> float:
        """Money for peaks above what is reached anyway, by the problem's demand charges."""
        drawn = np.bincount(
            problem.entry_slot, weights=self.energy_kwh, minlength=problem.horizon.n
        )
        return sum(p.money(drawn / problem.horizon.slot_h) for p in problem.peaks)


class Solver(Protocol):
    """One file of ``scheduler/solvers/`` offers one of these as its ``solve``."""

    def __call__(self, problem: Problem, *, work_limit: int) -> Solution:
        """Answer within ``work_limit`` units of work, or raise :class:`SolverError`."""
        ...


class SolverError(Exception):
    """A solver that has no answer: out of budget, numerical trouble, a case it cannot hold."""
