"""A relaxed plan made holdable: nothing or at least the minimum, in whole steps, jointly.

All sessions that hold what their pile cannot are taken out together, so that the room they had is
there for all of them, and put back one after another: the cheapest slots first, each with at least
the minimum, the remainder where it costs least. Who ends with less than before goes first in the
next round, together with those that share the slots it was refused in [1]_. What a plan costs more
than the relaxed one is the gap.

References
----------
.. [1] D. E. Joslin, D. P. Clements, "Squeaky wheel optimization", J. Artificial Intelligence
   Research 10, 1999.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from scheduler.carried import carried, worth_it
from scheduler.evenness import uneven
from scheduler.holdable import ROUNDING_KWH, steppy, unholdable
from scheduler.placing import Kernel, Placing
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.smooth import Smooth
from scheduler.solution import Solution, Status

ROUNDS = 4
REFUSED = 200
"""Refused sessions that a round looks after, at most: the work stays in proportion."""

_SAME_KWH = 1e-6


def repaired(problem: Problem, relaxed: Solution, kernel: Kernel | None = None) -> Solution:
    """A plan that every pile can hold, with phases as even as they have to be, at little more than
    the relaxed one costs.

    Parameters
    ----------
    problem : Problem
        Any problem without a microgrid.
    relaxed : Solution
        A plan within all bounds but minimum and steps.
    kernel : callable, optional
        See :class:`scheduler.placing.Placing`.

    Returns
    -------
    Solution
        The same where nothing is wrong with it. Else within the same bounds; no session has more
        than it is owed. ``gap``: what it costs more, as a share of the relaxed plan's cost, with
        each kWh that is lost counted at the dearest price; the relaxed plan's own gap is added.
        ``relaxed_kwh``: what was changed, where somebody ends short.
    """
    if not steppy(problem).any() and not problem.imbalances:
        return relaxed
    wrong = unholdable(problem, relaxed.energy_kwh) | uneven(problem, relaxed.energy_kwh)
    if not wrong.any():
        return relaxed
    if problem.smooth is not None:
        even = _held(_below_stairs(problem, problem.smooth, relaxed), relaxed, wrong, kernel)
        if float(even.short_kwh(problem).sum()) <= float(relaxed.short_kwh(problem).sum()) + 1e-3:
            return even
    return _held(problem, relaxed, wrong, kernel)


def _below_stairs(problem: Problem, smooth: Smooth, relaxed: Solution) -> Problem:
    """The same problem, whose root may rise one step above an even plan within hours of a price."""
    slots = problem.horizon.n
    drawn = np.bincount(problem.entry_slot, weights=relaxed.energy_kwh, minlength=slots)
    top_kw = smooth.room_kw(problem.buy_per_kwh, drawn / problem.horizon.slot_h)
    cap_kw = problem.cap_kw.copy()
    cap_kw[0] = np.minimum(cap_kw[0], top_kw * problem.fleet.count_factor.max(initial=1.0))
    return dataclasses.replace(problem, cap_kw=cap_kw)


def _held(
    problem: Problem, relaxed: Solution, wrong: NDArray[np.bool_], kernel: Kernel | None
) -> Solution:
    """A plan whose wrong entries are mended, by going on as it runs or by placing them anew."""
    kept = _carried_on(problem, relaxed, kernel)
    if kept is not None and worth_it(
        problem, relaxed.energy_kwh, kept, _above(problem, kept, relaxed)
    ):
        return _told(problem, relaxed, kept)
    again = np.unique(problem.entry_session[wrong])
    best = _put_back(problem, relaxed, relaxed.energy_kwh, again, kernel)
    best = _evened(problem, relaxed, _topped_up(problem, relaxed, best))
    if kept is not None:
        more = _above(problem, kept, relaxed) - _above(problem, best, relaxed)
        if worth_it(problem, best, kept, more):
            return _told(problem, relaxed, kept)
    return _told(problem, relaxed, best)


def _carried_on(problem: Problem, relaxed: Solution, kernel: Kernel | None) -> FloatArray | None:
    """The running plan with those placed anew who have to be; None where too little can go on."""
    found = carried(problem, relaxed)
    return None if found is None else _put_back(problem, relaxed, *found, kernel)


def _above(problem: Problem, energy: FloatArray, relaxed: Solution) -> float:
    """The gap of a repaired plan to the relaxed one alone."""
    return gap_to(problem, energy, relaxed) - relaxed.gap


def _put_back(
    problem: Problem,
    relaxed: Solution,
    start: FloatArray,
    again: IntArray,
    kernel: Kernel | None,
) -> FloatArray:
    """These sessions taken out of a plan together and put back one after another, in rounds."""
    given = relaxed.given_kwh(problem)
    order = _by_urgency(problem, again)
    best, best_score = start, None
    for _ in range(ROUNDS):
        placing = Placing(problem, relaxed, best, again, kernel)
        refused = placing.place_all(order, given)
        score = _score(problem, placing.energy, relaxed)
        if best_score is not None and score >= best_score:
            break
        best, best_score = placing.energy, score
        if not refused:
            break
        refused = refused[:REFUSED]
        again = placing.neighbours(refused)
        order = _by_urgency(problem, np.array(refused, dtype=np.int64))
        order += _by_urgency(problem, np.setdiff1d(again, order))
        again = np.union1d(again, order)
    return best


def _told(problem: Problem, relaxed: Solution, best: FloatArray) -> Solution:
    """The repaired plan, with its gap and, where somebody ends short, what was changed."""
    gap = gap_to(problem, best, relaxed)
    status: Status = "feasible" if math.isnan(gap) else "gap"
    held = dataclasses.replace(relaxed, energy_kwh=best, status=status, gap=gap)
    if float(held.short_kwh(problem).max(initial=0.0)) <= ROUNDING_KWH:
        return held
    return dataclasses.replace(held, relaxed_kwh=relaxed.energy_kwh)


def _topped_up(problem: Problem, relaxed: Solution, energy: FloatArray) -> FloatArray:
    """Room that others could not hold goes to whoever is short of what is owed."""
    fleet = problem.fleet
    given = np.bincount(problem.entry_session, weights=energy, minlength=fleet.n)
    lost = float(relaxed.energy_kwh.sum() - energy.sum())
    short = fleet.energy_kwh - given > np.maximum(0.25 * fleet.step_kw, _SAME_KWH)
    wanting = np.flatnonzero(short & steppy(problem))
    if lost <= _SAME_KWH or not wanting.size:
        return energy
    placing = Placing(problem, relaxed, energy, np.zeros(0, dtype=np.int64))
    for i in _by_urgency(problem, wanting):
        placing.raise_to(i, float(fleet.energy_kwh[i]))
    return placing.energy


def _evened(problem: Problem, relaxed: Solution, energy: FloatArray) -> FloatArray:
    """Who moved may have left a phase emptier than others lean on: those go back once more."""
    for _ in range(ROUNDS):
        wrong = uneven(problem, energy)
        if not wrong.any():
            break
        given = np.bincount(problem.entry_session, weights=energy, minlength=problem.fleet.n)
        again = np.unique(problem.entry_session[wrong])
        placing = Placing(problem, relaxed, energy, again)
        for i in _by_urgency(problem, again):
            placing.place(i, float(given[i]))
        energy = placing.energy
    return energy


def _by_urgency(problem: Problem, sessions: IntArray) -> list[int]:
    """By priority, then those first that have the least choice."""
    fleet = problem.fleet
    most = np.bincount(problem.entry_session, weights=problem.upper_kwh, minlength=fleet.n)
    slack = (most - fleet.energy_kwh) / fleet.max_kw
    order = np.lexsort((sessions, slack[sessions], -fleet.priority[sessions]))
    return [int(i) for i in sessions[order]]


def _score(problem: Problem, energy: FloatArray, relaxed: Solution) -> tuple[float, ...]:
    """What is short of promises and by priority, then what it costs; smaller is better."""
    fleet = problem.fleet
    given = np.bincount(problem.entry_session, weights=energy, minlength=fleet.n)
    short = fleet.energy_kwh - given
    unkept = float(np.maximum(fleet.promised_kwh - given, 0.0).sum())
    levels = np.unique(fleet.priority)[::-1]
    lost = [unkept, *(float(short[fleet.priority == level].sum()) for level in levels)]
    told = dataclasses.replace(relaxed, energy_kwh=energy)
    money = told.cost(problem) + told.peak_cost(problem)
    return (*(round(kwh / _SAME_KWH) for kwh in lost), money)


def gap_to(problem: Problem, energy: FloatArray, relaxed: Solution) -> float:
    """What a plan costs more than the relaxed one, as a share of its cost; what is lost counts at
    the dearest price, and the relaxed plan's own gap is added.
    """
    told = dataclasses.replace(relaxed, energy_kwh=energy)
    lost = max(float(relaxed.energy_kwh.sum()) - float(energy.sum()), 0.0)
    bound = relaxed.cost(problem) + relaxed.peak_cost(problem)
    worse = told.cost(problem) + told.peak_cost(problem) - bound
    worse += lost * max(float(np.abs(problem.buy_per_kwh).max()), 0.0)
    scale = max(abs(bound), _SAME_KWH)
    return relaxed.gap + max(worse, 0.0) / scale
