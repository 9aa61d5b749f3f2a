"""A repaired plan that goes on: only who changed is placed anew.

What runs was repaired before. Where it still keeps every bound with what each session is now to
have, and costs little more than the relaxed plan, repairing everybody again would only move
sessions to and fro between places that cost the same.
"""

from __future__ import annotations

import numpy as np

from models.units import SECONDS_PER_HOUR
from scheduler.evenness import uneven
from scheduler.holdable import ROUNDING_KWH, last_entry, unholdable
from scheduler.placing import Kernel, Placing
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solution import Solution

FROM_SESSIONS = 200
"""Fewer are repaired afresh within a few milliseconds."""

ANEW_SHARE = 0.1
ANEW_LEAST = 20
"""More sessions than this to be placed anew, and the repair begins afresh."""


KEPT_GAP = 0.004
LOST_SHARE = 5e-4
"""A plan that costs by no more above the relaxed one, and gives by no more less, goes on."""


def carried(
    problem: Problem, relaxed: Solution, given_kwh: FloatArray, kernel: Kernel | None
) -> tuple[Placing, IntArray] | None:
    """The running plan as far as it can go on, and who has to be placed anew.

    Parameters
    ----------
    problem : Problem
        With the plan that runs.
    relaxed : Solution
        A plan of now.
    given_kwh : ndarray, shape (n,)
        What it gives each session.
    kernel : callable, optional
        See :class:`scheduler.placing.Placing`.

    Returns
    -------
    placing : Placing
        The plan as it would go on, without those who are placed anew.
    anew : ndarray of int64
        Sessions.
    None
        Where too little of it can go on.
    """
    running = problem.running_kwh
    if (
        problem.fleet.n < FROM_SESSIONS
        or running is None
        or running.shape != relaxed.energy_kwh.shape
        or not running.any()
    ):
        return None
    fleet, session = problem.fleet, problem.entry_session
    given = given_kwh
    had = problem.session_sums(running)
    energy = running.copy()
    last = last_entry(problem, running)
    ends = np.flatnonzero(last >= 0)
    more = (given - had)[ends]
    # Less than a step was lost to rounding before, and no order of placing brings it back.
    step_kwh = fleet.step_kw[ends] * problem.entry_s[last[ends]] / SECONDS_PER_HOUR
    more[(more > 0) & (more <= step_kwh)] = 0.0
    # A vehicle is done before its last slot is over, so that one holds any remainder.
    energy[last[ends]] += more
    off = (last < 0) & (given > ROUNDING_KWH)
    off[ends] |= energy[last[ends]] < -ROUNDING_KWH
    off[ends] |= energy[last[ends]] > problem.upper_kwh[last[ends]] + ROUNDING_KWH
    energy = np.clip(energy, 0.0, problem.upper_kwh)
    # These are bound by more than room: theirs is what the solver says.
    told = np.isfinite(fleet.taper_per_h) | fleet.earliest | off
    theirs = problem.entries_of(np.flatnonzero(told))
    energy[theirs] = relaxed.energy_kwh[theirs]
    off[session[unholdable(problem, energy)]] = True
    anew = np.flatnonzero(off)
    if anew.size > max(ANEW_LEAST, ANEW_SHARE * fleet.n):
        return None
    placing = Placing(problem, relaxed, energy, anew, kernel)
    return (placing, anew) if placing.fits() else None


def worth_it(problem: Problem, other: FloatArray, energy: FloatArray, costs_more: float) -> bool:
    """Whether a plan that goes on is good enough beside another one.

    Parameters
    ----------
    problem : Problem
    other : ndarray, shape (E,)
        The relaxed plan, or one that was repaired afresh.
    energy : ndarray, shape (E,)
        The plan that goes on.
    costs_more : float
        Than the other, as a share of the relaxed plan's cost.
    """
    total = float(other.sum())
    lost = total - float(energy.sum())
    if costs_more > KEPT_GAP or lost > LOST_SHARE * total + ROUNDING_KWH * problem.fleet.n:
        return False
    return not (unholdable(problem, energy) | uneven(problem, energy)).any()
