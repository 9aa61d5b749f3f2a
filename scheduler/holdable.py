"""Whether piles can hold a plan: nothing or at least their minimum, in whole steps.

A pile that must give 6 A at least cannot hold a mean of 2 A for a quarter of an hour, and one that
takes whole amps cannot hold 7.4. The one exception is the end of a session: in its last slot with
power the pile holds the next power that it can, and the vehicle is done before the slot is over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.problem import FloatArray, IntArray, Problem

ROUNDING_KWH = 2e-6
"""Plans of the flow are whole watt-seconds, by entry and by session."""

Bools = NDArray[np.bool_]


def steppy(problem: Problem) -> Bools:
    """Sessions whose pile has a minimum or steps, shape (n,).

    A vehicle on its taper draws what it takes, whatever is offered: it is left out.
    """
    fleet = problem.fleet
    some = (fleet.min_kw > 0) | (fleet.step_kw > 0)
    return np.asarray(some & ~np.isfinite(fleet.taper_per_h), dtype=np.bool_)


def last_entry(problem: Problem, energy_kwh: FloatArray) -> IntArray:
    """Entry of each session's last slot with power, -1 where there is none, shape (n,)."""
    out = np.full(problem.fleet.n, -1, dtype=np.int64)
    active = np.flatnonzero(energy_kwh > ROUNDING_KWH)
    # Entries of a session come in the order of time: the last one written stays.
    out[problem.entry_session[active]] = active
    return out


def unholdable(problem: Problem, energy_kwh: FloatArray) -> Bools:
    """Entries that their pile cannot hold.

    Parameters
    ----------
    problem : Problem
        E ragged entries.
    energy_kwh : ndarray, shape (E,)
        A plan.

    Returns
    -------
    ndarray of bool, shape (E,)
        Power above 0 and below the minimum, or between two steps; never a session's last.
    """
    fleet, out = problem.fleet, np.zeros(energy_kwh.size, dtype=np.bool_)
    # Of a plan one entry in five or so draws anything.
    active = np.flatnonzero(energy_kwh > ROUNDING_KWH)
    session, energy = problem.entry_session[active], energy_kwh[active]
    hours = problem.entry_s[active] / 3600.0
    wrong = energy < fleet.min_kw[session] * hours - ROUNDING_KWH
    step = fleet.step_kw[session] * hours
    stepped = step > 0
    if stepped.any():
        over = np.zeros(energy.size)
        np.divide(energy, step, out=over, where=stepped)
        off = np.abs(over - np.rint(over)) * step
        wrong |= stepped & (off > ROUNDING_KWH)
    out[active] = wrong & steppy(problem)[session]
    last = np.full(fleet.n, -1, dtype=np.int64)
    last[session] = active
    out[last[last >= 0]] = False
    return out
