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
from scheduler.solution import Solution, Status, bought_cost, drawn_kwh, peak_money

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
    drawn_kw = drawn_kwh(problem, relaxed.energy_kwh) / problem.horizon.slot_h
    top_kw = smooth.room_kw(problem.buy_per_kwh, drawn_kw)
    cap_kw = problem.cap_kw.copy()
    cap_kw[0] = np.minimum(cap_kw[0], top_kw * problem.fleet.count_factor.max(initial=1.0))
    return dataclasses.replace(problem, cap_kw=cap_kw)


def _held(
    problem: Problem, relaxed: Solution, wrong: NDArray[np.bool_], kernel: Kernel | None
) -> Solution:
    """A plan whose wrong entries are mended, by going on as it runs or by placing them anew."""
    repair = _Repair(problem, relaxed, kernel)
    kept = repair.carried_on()
    if kept is not None and worth_it(problem, relaxed.energy_kwh, kept.energy, repair.above(kept)):
        return repair.told(kept)
    again = np.unique(problem.entry_session[wrong])
    afresh = Placing(problem, relaxed, relaxed.energy_kwh, again, kernel)
    best = repair.evened(repair.topped_up(repair.put_back(afresh, again)))
    if kept is not None:
        more = repair.above(kept) - repair.above(best)
        if worth_it(problem, best.energy, kept.energy, more):
            return repair.told(kept)
    return repair.told(best)


class _Repair:
    """One relaxed plan, with what is asked of it again and again."""

    def __init__(self, problem: Problem, relaxed: Solution, kernel: Kernel | None) -> None:
        self._problem, self._relaxed, self._kernel = problem, relaxed, kernel
        fleet = problem.fleet
        self._given = relaxed.given_kwh(problem)
        self._total_kwh = float(relaxed.energy_kwh.sum())
        self._bound = self._money(drawn_kwh(problem, relaxed.energy_kwh))
        self._slack = (problem.most_kwh - fleet.energy_kwh) / fleet.max_kw
        self._levels = [fleet.priority == level for level in np.unique(fleet.priority)[::-1]]

    def carried_on(self) -> Placing | None:
        """The running plan with those placed anew who have to be; None where too little of it can
        go on.
        """
        found = carried(self._problem, self._relaxed, self._given, self._kernel)
        return None if found is None else self.put_back(*found)

    def put_back(self, placing: Placing, again: IntArray) -> Placing:
        """These sessions, taken out of a plan together, put back one after another, in rounds."""
        order = self._by_urgency(again)
        best, best_score = placing, None
        for k in range(ROUNDS):
            if k:
                placing = best.without(again)
            refused = placing.place_all(order, self._given)
            score = self._score(placing)
            if best_score is not None and score >= best_score:
                break
            best, best_score = placing, score
            if not refused:
                break
            refused = refused[:REFUSED]
            again = placing.neighbours(refused)
            order = self._by_urgency(np.array(refused, dtype=np.int64))
            order += self._by_urgency(np.setdiff1d(again, order))
            again = np.union1d(again, order)
        return best

    def topped_up(self, placing: Placing) -> Placing:
        """Room that others could not hold goes to whoever is short of what is owed."""
        fleet = self._problem.fleet
        short = fleet.energy_kwh - placing.given > np.maximum(0.25 * fleet.step_kw, _SAME_KWH)
        wanting = np.flatnonzero(short & steppy(self._problem))
        if self._total_kwh - float(placing.given.sum()) > _SAME_KWH:
            for i in self._by_urgency(wanting):
                placing.raise_to(i, float(fleet.energy_kwh[i]))
        return placing

    def evened(self, placing: Placing) -> Placing:
        """Who moved may have left a phase emptier than others lean on: those go back once more."""
        for _ in range(ROUNDS):
            wrong = uneven(self._problem, placing.energy)
            if not wrong.any():
                break
            given = placing.given
            again = np.unique(self._problem.entry_session[wrong])
            placing = placing.without(again)
            for i in self._by_urgency(again):
                placing.place(i, float(given[i]))
        return placing

    def told(self, placing: Placing) -> Solution:
        """The repaired plan, with its gap and, where somebody ends short, what was changed."""
        gap = self._relaxed.gap + self.above(placing)
        status: Status = "feasible" if math.isnan(gap) else "gap"
        held = dataclasses.replace(self._relaxed, energy_kwh=placing.energy, status=status, gap=gap)
        short = self._problem.fleet.energy_kwh - placing.given
        if float(short.max(initial=0.0)) <= ROUNDING_KWH:
            return held
        return dataclasses.replace(held, relaxed_kwh=self._relaxed.energy_kwh)

    def above(self, placing: Placing) -> float:
        """What a plan costs more than the relaxed one, as a share of that one's cost."""
        lost = self._total_kwh - float(placing.given.sum())
        return _above(self._problem, self._money(placing.drawn), self._bound, lost)

    def _by_urgency(self, sessions: IntArray) -> list[int]:
        """By priority, then those first that have the least choice."""
        priority = self._problem.fleet.priority
        order = np.lexsort((sessions, self._slack[sessions], -priority[sessions]))
        return [int(i) for i in sessions[order]]

    def _score(self, placing: Placing) -> tuple[float, ...]:
        """What is short of promises and by priority, then what it costs; smaller is better."""
        fleet = self._problem.fleet
        short = fleet.energy_kwh - placing.given
        unkept = float(np.maximum(fleet.promised_kwh - placing.given, 0.0).sum())
        lost = [unkept, *(float(short[level].sum()) for level in self._levels)]
        return (*(round(kwh / _SAME_KWH) for kwh in lost), self._money(placing.drawn))

    def _money(self, drawn: FloatArray) -> float:
        money = bought_cost(self._problem, drawn)
        return money + peak_money(self._problem, drawn / self._problem.horizon.slot_h)


def gap_to(problem: Problem, energy: FloatArray, relaxed: Solution) -> float:
    """What a plan costs more than the relaxed one, as a share of its cost; what is lost counts at
    the dearest price, and the relaxed plan's own gap is added.
    """
    told = dataclasses.replace(relaxed, energy_kwh=energy)
    lost = float(relaxed.energy_kwh.sum()) - float(energy.sum())
    bound = relaxed.cost(problem) + relaxed.peak_cost(problem)
    money = told.cost(problem) + told.peak_cost(problem)
    return relaxed.gap + _above(problem, money, bound, lost)


def _above(problem: Problem, money: float, bound: float, lost_kwh: float) -> float:
    """See :func:`gap_to`, but for the relaxed plan's own gap."""
    worse = money - bound
    worse += max(lost_kwh, 0.0) * max(float(np.abs(problem.buy_per_kwh).max()), 0.0)
    return max(worse, 0.0) / max(abs(bound), _SAME_KWH)
