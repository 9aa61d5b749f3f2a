"""A plan with fewer starts: gaps are bridged, short runs lengthened or dropped.

One session after another, into the room that the others leave, and only where its energy stays
whole: the cheapest of all single changes first, until its pile's rule is kept or nothing helps.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scheduler.holdable import ROUNDING_KWH
from scheduler.one_stay import Slots
from scheduler.placing import Placing
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.repair import gap_to
from scheduler.solution import Solution
from scheduler.switching import KEEP_ON_SHARE

CHANGES = 40
"""Single changes that are tried for one session, at most."""


class Run(NamedTuple):
    """Slots in a row with power, [first, last)."""

    first: int
    last: int


def runs_of(active: list[bool]) -> list[Run]:
    """The runs of a session's slots."""
    edges = np.diff(np.array([0, *map(int, active), 0]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [Run(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def restless(problem: Problem, energy_kwh: FloatArray) -> IntArray:
    """Sessions whose plan breaks their pile's switching rule; tapering ones are left out."""
    terms = problem.switching
    if terms is None:
        return np.zeros(0, dtype=np.int64)
    ruled = np.isfinite(terms.starts_later) | (terms.min_on_s > 0) | (terms.min_off_s > 0)
    ruled &= ~np.isfinite(problem.fleet.taper_per_h)
    found = []
    for i in np.flatnonzero(ruled):
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        if _Rule(problem, int(i)).broken((energy_kwh[own] > ROUNDING_KWH).tolist()):
            found.append(int(i))
    return np.array(found, dtype=np.int64)


def with_fewer_starts(problem: Problem, answer: Solution) -> Solution:
    """The plan with its piles' switching rules kept where that loses no energy.

    Parameters
    ----------
    problem : Problem
        Any problem without a microgrid.
    answer : Solution
        A plan that piles can hold.

    Returns
    -------
    Solution
        The same where no rule is broken. ``gap`` grows by what the starts saved cost;
        ``relaxed_kwh`` is the plan before, where somebody ends short.
    """
    broken = restless(problem, answer.energy_kwh)
    if not broken.size:
        return answer
    placing = Placing(problem, answer, answer.energy_kwh, np.zeros(0, dtype=np.int64))
    for i in broken.tolist():
        before = placing.take_out(i)
        slots = placing.slots_of(i)
        least = KEEP_ON_SHARE * problem.upper_kwh[placing.entries(i)]
        slots = slots._replace(least=np.where(slots.least > 0, slots.least, least))
        found = _calmer(_Rule(problem, i), slots, before)
        placing.put(i, before if found is None else found)
    gap = gap_to(problem, placing.energy, answer)
    calm = dataclasses.replace(answer, energy_kwh=placing.energy, gap=gap, status="gap")
    if calm.relaxed_kwh is not None or not (calm.short_kwh(problem) > ROUNDING_KWH).any():
        return calm
    return dataclasses.replace(calm, relaxed_kwh=answer.energy_kwh)


class _Rule:
    """One session's rule on the slots of its window."""

    def __init__(self, problem: Problem, i: int) -> None:
        terms = problem.switching
        assert terms is not None
        own = slice(int(problem.offsets[i]), int(problem.offsets[i + 1]))
        self._begin = problem.entry_start_s[own]
        self._end = self._begin + problem.entry_s[own]
        self._day = terms.day[problem.entry_slot[own]].tolist()
        began = bool(own.stop > own.start and self._begin[0] <= problem.horizon.start_s)
        self._on = bool(terms.on[i]) and began
        # Who is off and was promised more must start once more at the least.
        must = 0.0 if self._on or problem.fleet.promised_kwh[i] <= ROUNDING_KWH else 1.0
        self._starts = max(float(terms.starts[i]), must)
        self._later = float(terms.starts_later[i])
        self._min_on_s, self._min_off_s = float(terms.min_on_s[i]), float(terms.min_off_s[i])

    def broken(self, active: list[bool]) -> int:
        """How often the rule is broken: starts beyond the budget, short runs, short gaps."""
        runs = runs_of(active)
        new = runs[1:] if self._on and runs and runs[0].first == 0 else runs
        starts = Counter(self._day[r.first] for r in new)
        count = sum(
            max(n - (self._starts if day == 0 else self._later), 0.0) for day, n in starts.items()
        )
        return int(count) + len(self.short(runs)) + len(self.narrow(runs))

    def short(self, runs: list[Run]) -> list[Run]:
        """Runs that end before the least time on; the last one ends since the vehicle is done."""
        return [
            r
            for r in runs[:-1]
            if self._end[r.last - 1] - self._begin[r.first] < self._min_on_s
            and not (self._on and r.first == 0)
        ]

    def narrow(self, runs: list[Run]) -> list[Run]:
        """Gaps between runs that are shorter than the least time off."""
        return [
            Run(a.last, b.first)
            for a, b in pairwise(runs)
            if self._begin[b.first] - self._end[a.last - 1] < self._min_off_s
        ]


def _calmer(rule: _Rule, slots: Slots, before: FloatArray) -> FloatArray | None:
    """Energy by slot that keeps the rule better and is as much as before; None: there is none."""
    target = float(before.sum())
    active = (before > ROUNDING_KWH).tolist()
    best: FloatArray | None = None
    least = broken = rule.broken(active)
    for _ in range(CHANGES):
        if not broken:
            break
        ways = [
            (rule.broken(way), float(slots.price @ filled), way, filled)
            for way in _ways(active, slots, target)
            if (filled := _filled(way, slots, target)) is not None
        ]
        if not ways:
            break
        # The cheapest of those that mend something, else of all: a run may have to grow twice.
        mending = [w for w in ways if w[0] < broken] or ways
        broken, _, active, filled = min(mending, key=lambda w: (round(w[1], 9), w[0]))
        if broken < least:
            least, best = broken, filled
    return best


def _ways(active: list[bool], slots: Slots, target: float) -> list[list[bool]]:
    """Every single change: a gap bridged, a run dropped, a run one slot longer."""
    runs, usable = runs_of(active), slots.usable
    ways = [
        _set(active, a.last, b.first, on=True)
        for a, b in pairwise(runs)
        if usable[a.last : b.first].all()
    ]
    if len(runs) > 1:
        without = (_set(active, r.first, r.last, on=False) for r in runs)
        ways += [_grown(way, slots, target) for way in without]
    for r in runs:
        if r.last < len(active) and usable[r.last]:
            ways.append(_set(active, r.last, r.last + 1, on=True))
        if r.first > 0 and usable[r.first - 1]:
            ways.append(_set(active, r.first - 1, r.first, on=True))
    return ways


def _set(active: list[bool], first: int, last: int, *, on: bool) -> list[bool]:
    return [on if first <= j < last else a for j, a in enumerate(active)]


def _grown(active: list[bool], slots: Slots, target: float) -> list[bool]:
    """The runs lengthened by their cheapest neighbours until they hold the target."""
    out = list(active)
    left = target - float(slots.most[np.array(out)].sum())
    while left > ROUNDING_KWH:
        beside = [
            j
            for j in range(len(out))
            if not out[j]
            and slots.usable[j]
            and ((j > 0 and out[j - 1]) or (j + 1 < len(out) and out[j + 1]))
        ]
        if not beside:
            break
        j = min(beside, key=lambda k: (float(slots.price[k]), k))
        out[j] = True
        left -= float(slots.most[j])
    return out


def _filled(active: list[bool], slots: Slots, target: float) -> FloatArray | None:
    """The target on these slots, each on throughout, the cheapest at most; None: it cannot be."""
    at = np.flatnonzero(active)
    if not at.size or not slots.usable[at].all():
        return None
    taken = np.zeros(len(active))
    taken[at] = slots.least[at]
    left = target - float(taken.sum())
    if left < 0:
        # The vehicle is done before its last slot is over.
        last = int(at[-1])
        if taken[last] + left < ROUNDING_KWH:
            return None
        taken[last] += left
        return taken
    for j in at[np.lexsort((at, slots.price[at]))].tolist():
        more = min(float(slots.most[j] - taken[j]), left)
        step = float(slots.step[j])
        if step > 0 and more < slots.most[j] - taken[j]:
            more = np.floor((more + ROUNDING_KWH) / step) * step
        if more > 0:
            taken[j] += more
            left -= more
    if left > ROUNDING_KWH:
        last = int(at[-1])
        if taken[last] + left > slots.most[last] + ROUNDING_KWH:
            return None
        taken[last] = min(taken[last] + left, float(slots.most[last]))
    return taken
