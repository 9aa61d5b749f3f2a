"""What a solver answers: energy for each entry, what is short, and how good the answer is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import numpy as np

from models.events import Solved
from scheduler.problem import FloatArray, Problem

Status = Literal["optimal", "gap", "feasible"]


def given_kwh(problem: Problem, energy_kwh: FloatArray) -> FloatArray:
    """Energy that each session of a plan ends with more than it has now, kWh, shape (n,).

    What a vehicle gave back and has to charge again, with the losses, does not count.
    """
    energy = energy_kwh
    grid = problem.microgrid
    if grid is not None and grid.giving is not None:
        back = grid.giving.efficiency[problem.entry_session]
        energy = np.where(energy < 0, energy / back, energy)
    return problem.session_sums(energy)


def drawn_kwh(problem: Problem, energy_kwh: FloatArray) -> FloatArray:
    """What the sessions of a plan draw in each slot, kWh, shape (T,)."""
    t = problem.horizon.n
    drawn = np.bincount(problem.entry_slot, weights=energy_kwh, minlength=t)
    return np.asarray(drawn, dtype=np.float64)


def bought_cost(problem: Problem, drawn: FloatArray) -> float:
    """Money for what a fleet without storage beside it draws in each slot: PV surplus first.

    Parameters
    ----------
    problem : Problem
    drawn : ndarray, shape (T,)
        kWh.
    """
    free = np.minimum(drawn, problem.surplus_kw * problem.horizon.slot_h)
    bought = (drawn - free) * problem.buy_per_kwh
    return float(np.sum(bought + free * problem.sell_per_kwh))


def peak_money(problem: Problem, power_kw: FloatArray) -> float:
    """Money for the peaks of a power at the root, kW, shape (T,), by the demand charges."""
    return sum(p.money(power_kw) for p in problem.peaks if not p.insures)


def answered(
    problem: Problem, answer: Solution, *, now: datetime, mono_s: float, solve_ms: float
) -> Solved:
    """A solution as the engine takes it in.

    Parameters
    ----------
    problem : Problem
        What was asked.
    answer : Solution
        To this problem.
    now, mono_s : datetime, float
        Both clocks when it is taken in.
    solve_ms : float
        How long it took, ms.
    """
    return Solved(
        now=now,
        mono_s=mono_s,
        digest=problem.digest,
        energy_kwh=answer.energy_kwh,
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        work=answer.work,
        solve_ms=solve_ms,
        assets_kw=assets_told(answer),
        relaxed_kwh=answer.relaxed_kwh,
    )


def assets_told(answer: Solution) -> tuple[tuple[float, ...], ...] | None:
    """Powers of a solution's assets as an event carries them."""
    if answer.assets_kw is None:
        return None
    return tuple(tuple(row) for row in answer.assets_kw.tolist())


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
    assets_kw : ndarray, shape (s + p, T), or None
        Power of each storage and PV plant of the problem's microgrid in each slot, kW: positive
        while charging, negative while discharging or generating. None: storage rests, and PV
        gives what it can. Energy of entries is negative where a vehicle gives back.
    relaxed_kwh : ndarray, shape (offsets[-1],), or None
        The plan before it was made holdable, as if any power were possible, where that changed
        it and somebody ends short: what keeps them short is read off this one.
    """

    energy_kwh: FloatArray
    status: Status
    rung: str
    gap: float
    work: int
    assets_kw: FloatArray | None = None
    relaxed_kwh: FloatArray | None = None

    def given_kwh(self, problem: Problem) -> FloatArray:
        """Energy that each session ends with more than it has now, kWh, shape (n,)."""
        return given_kwh(problem, self.energy_kwh)

    def short_kwh(self, problem: Problem) -> FloatArray:
        """Energy owed that the plan does not deliver, kWh, shape (n,)."""
        return np.maximum(problem.fleet.energy_kwh - self.given_kwh(problem), 0.0)

    def root_kw(self, problem: Problem) -> FloatArray:
        """Power at the root in each slot, kW, negative while fed back, shape (T,).

        Without a microgrid: what the sessions draw, since base load is no part of the problem.
        """
        drawn = drawn_kwh(problem, self.energy_kwh)
        power = np.asarray(drawn / problem.horizon.slot_h, dtype=np.float64)
        grid = problem.microgrid
        if grid is None:
            return power
        power = power + grid.base_kw[0]
        if self.assets_kw is not None:
            return np.asarray(power + self.assets_kw.sum(axis=0), dtype=np.float64)
        sun = np.minimum(
            grid.sources.available_kw.sum(axis=0), np.maximum(power + grid.export_kw[0], 0.0)
        )
        return np.asarray(power - sun, dtype=np.float64)

    def cost(self, problem: Problem) -> float:
        """Money for the energy bought, in the tariff's currency: PV surplus first at its price.

        With a microgrid: what is bought less what is sold, base load included, and wear.
        """
        slot_h = problem.horizon.slot_h
        if problem.microgrid is not None:
            net = self.root_kw(problem) * slot_h
            price = np.where(net > 0, problem.buy_per_kwh, problem.sell_per_kwh)
            return float(np.sum(net * price)) + self.wear_cost(problem)
        return bought_cost(problem, drawn_kwh(problem, self.energy_kwh))

    def wear_cost(self, problem: Problem) -> float:
        """Money for the wear of storages and vehicles, and what their drivers are paid."""
        grid = problem.microgrid
        if grid is None:
            return 0.0
        money = 0.0
        if grid.giving is not None:
            rate = grid.giving.wear_per_kwh[problem.entry_session]
            money += float(np.sum(np.maximum(-self.energy_kwh, 0.0) * rate))
        if self.assets_kw is not None:
            out = np.maximum(-self.assets_kw[: grid.stores.n], 0.0) @ problem.horizon.slot_h
            money += float(out @ grid.stores.wear_per_kwh)
        return money

    def stored_value(self, problem: Problem) -> float:
        """What is still stored at the end of the horizon is worth, money."""
        grid = problem.microgrid
        if grid is None or not grid.stores.n:
            return 0.0
        stores = grid.stores
        if self.assets_kw is None:
            return float(stores.energy_kwh @ stores.end_value_per_kwh)
        stored = stores.stored_kwh(self.assets_kw[: stores.n] * problem.horizon.slot_h)
        return float(stored[:, -1] @ stores.end_value_per_kwh)

    def peak_cost(self, problem: Problem) -> float:
        """Money for peaks above what is reached anyway, by the problem's demand charges."""
        if not problem.peaks:
            return 0.0
        power = self.root_kw(problem)
        if problem.microgrid is not None:
            power = np.maximum(power, 0.0)
        return peak_money(problem, power)


class Solver(Protocol):
    """One file of ``scheduler/solvers/`` offers one of these as its ``solve``."""

    def __call__(self, problem: Problem, *, work_limit: int) -> Solution:
        """Answer within ``work_limit`` units of work, or raise :class:`SolverError`."""
        ...


class SolverError(Exception):
    """A solver that has no answer: out of budget, numerical trouble, a case it cannot hold."""
