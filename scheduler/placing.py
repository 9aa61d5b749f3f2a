"""Sessions put back into a plan one after another, each as its pile can hold it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.evenness import Evenness
from scheduler.holdable import ROUNDING_KWH, steppy
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import subtree_sums
from scheduler.solution import Solution

NEIGHBOURS = 60
"""Sessions that a refused one takes with it into the next round, at most."""


class Slots(NamedTuple):
    """What one session could hold in each slot of its window: price, energy that the relaxed plan
    gives, least and most other than 0, the step, kWh, and whether it can hold any.
    """

    price: FloatArray
    before: FloatArray
    least: FloatArray
    most: FloatArray
    step: FloatArray
    usable: NDArray[np.bool_]


class Placing:
    """Sessions put back, one after another, into what the others leave."""

    def __init__(
        self, problem: Problem, relaxed: Solution, start: FloatArray, again: IntArray
    ) -> None:
        self._problem = problem
        self._relaxed = relaxed.energy_kwh
        taken_out = np.zeros(problem.fleet.n, dtype=np.bool_)
        taken_out[again] = True
        self.energy: FloatArray = np.where(taken_out[problem.entry_session], 0.0, start)
        slot_h, fleet = problem.horizon.slot_h, problem.fleet
        session = problem.entry_session
        cap = problem.cap_kw * slot_h
        if problem.peaks:
            # The peak is not raised: more than the relaxed plan's highest costs for a month.
            drawn = np.bincount(
                problem.entry_slot, weights=relaxed.energy_kwh, minlength=problem.horizon.n
            )
            cap[0] = np.minimum(cap[0], float(np.max(drawn / slot_h)) * slot_h)
        load = subtree_sums(problem, self.energy * fleet.count_factor[session])
        with np.errstate(invalid="ignore"):
            self._left = np.where(np.isfinite(cap), cap - load, np.inf)
        limited = np.atleast_1d(np.isfinite(cap).any(axis=1))
        self._limited: list[bool] = [bool(v) for v in limited]
        self._phases: list[tuple[int, int, FloatArray]] = []
        for limit in problem.phase_limits:
            on = ((fleet.phases >> limit.phase) & 1) == 1
            on &= (fleet.node >= limit.node) & (fleet.node < problem.subtree_end[limit.node])
            amps = np.where(on, fleet.amps_per_kw, 0.0)[session] * self.energy
            used = np.bincount(problem.entry_slot, weights=amps, minlength=problem.horizon.n)
            self._phases.append((limit.node, limit.phase, limit.cap_a * slot_h - used))
        drawn = np.bincount(problem.entry_slot, weights=self.energy, minlength=problem.horizon.n)
        self._surplus = np.maximum(problem.surplus_kw * slot_h - drawn, 0.0)
        self._evenness = Evenness(problem, self.energy) if problem.imbalances else None
        self._paths: dict[int, IntArray] = {}
        self._refused: dict[int, NDArray[np.bool_]] = {}

    def place(self, i: int, target_kwh: float) -> bool:
        """Give session i what the relaxed plan gave it, as its pile can hold it.

        Returns
        -------
        bool
            Whether all of it found a place.
        """
        slots = self.slots_of(i)
        taken = One(slots).fill(target_kwh)
        self.put(i, taken)
        # Less than a step is lost to rounding, and no turn of the order brings it back.
        rounding = 3 * ROUNDING_KWH + float(slots.step.max(initial=0.0))
        done = float(taken.sum()) >= target_kwh - rounding
        if not done:
            self._refused[i] = ~slots.usable
        return done

    def slots_of(self, i: int) -> Slots:
        """What session i, taken out, could hold in each slot of its window."""
        problem, fleet = self._problem, self._problem.fleet
        own = self.entries(i)
        first, last = int(problem.first[i]), int(problem.last[i])
        hours = problem.entry_s[own] / 3600.0
        room = np.minimum(problem.upper_kwh[own], self._room(i, first, last))
        step = fleet.step_kw[i] * hours
        least = fleet.min_kw[i] * hours
        most = room
        if fleet.step_kw[i] > 0:
            least = math.ceil(fleet.min_kw[i] / fleet.step_kw[i] - 1e-9) * step
            most = np.floor((room + ROUNDING_KWH) / np.maximum(step, 1e-12)) * step
            most = np.minimum(most, room)
        usable = (most >= least - ROUNDING_KWH) & (most > ROUNDING_KWH)
        if bool(fleet.earliest[i]):
            price = np.arange(first, last, dtype=np.float64)
        else:
            price = np.where(
                self._surplus[first:last] > ROUNDING_KWH,
                problem.sell_per_kwh[first:last],
                problem.buy_per_kwh[first:last],
            )
        return Slots(price, self._relaxed[own], least, most, step, usable)

    def fits(self) -> bool:
        """Whether what is in the plan keeps every node's and phase's limit."""
        rooms = [self._left, *(left for _, _, left in self._phases)]
        return all(float(room.min(initial=0.0)) >= -ROUNDING_KWH for room in rooms)

    def entries(self, i: int) -> slice:
        """The entries of session i."""
        return slice(int(self._problem.offsets[i]), int(self._problem.offsets[i + 1]))

    def put(self, i: int, taken: FloatArray) -> None:
        """Put session i, taken out before, back with so much energy in each of its slots."""
        self.energy[self.entries(i)] = taken
        self._take(i, int(self._problem.first[i]), int(self._problem.last[i]), taken)

    def take_out(self, i: int) -> FloatArray:
        """Give session i's room back; what it had in each slot."""
        before = self.energy[self.entries(i)].copy()
        self.put(i, -before)
        self.energy[self.entries(i)] = 0.0
        return before

    def raise_to(self, i: int, target_kwh: float) -> None:
        """Place session i anew with more energy, or leave it as it was where that brings less."""
        before = self.take_out(i)
        self.place(i, target_kwh)
        if float(self.energy[self.entries(i)].sum()) < float(before.sum()):
            self.take_out(i)
            self.put(i, before)

    def neighbours(self, short: list[int]) -> IntArray:
        """Who draws in the slots that short sessions were refused in, behind the same full node."""
        problem = self._problem
        found: set[int] = set()
        for i in short:
            slots = np.zeros(problem.horizon.n, dtype=np.bool_)
            slots[int(problem.first[i]) : int(problem.last[i])] = self._refused[i]
            path = self._path(int(problem.fleet.node[i]))
            if not path.size or not slots.any():
                continue
            tight = int(path[np.argmin(self._left[path][:, slots].sum(axis=1))])
            node = problem.fleet.node[problem.entry_session]
            beside = (node >= tight) & (node < problem.subtree_end[tight])
            beside &= slots[problem.entry_slot] & (self.energy > ROUNDING_KWH)
            beside &= steppy(problem)[problem.entry_session]
            near = np.unique(problem.entry_session[beside])
            found.update(int(j) for j in near[:NEIGHBOURS])
        return np.array(sorted(found), dtype=np.int64)

    def _path(self, node: int) -> IntArray:
        path = self._paths.get(node)
        if path is None:
            found, v = [], node
            while v >= 0:
                if self._limited[v]:
                    found.append(v)
                v = int(self._problem.parent[v])
            path = self._paths[node] = np.array(found, dtype=np.int64)
        return path

    def _room(self, i: int, first: int, last: int) -> FloatArray:
        fleet = self._problem.fleet
        path = self._path(int(fleet.node[i]))
        room = np.full(last - first, np.inf)
        if path.size:
            room = self._left[path, first:last].min(axis=0) / fleet.count_factor[i]
        for node, phase, left in self._phases:
            if self._counts(i, node, phase):
                room = np.minimum(room, left[first:last] / fleet.amps_per_kw[i])
        if self._evenness is not None:
            room = np.minimum(room, self._evenness.room_kwh(i, first, last))
        return np.asarray(np.maximum(room, 0.0), dtype=np.float64)

    def _take(self, i: int, first: int, last: int, taken: FloatArray) -> None:
        fleet = self._problem.fleet
        path = self._path(int(fleet.node[i]))
        if path.size:
            self._left[path, first:last] -= taken * fleet.count_factor[i]
        for node, phase, left in self._phases:
            if self._counts(i, node, phase):
                left[first:last] -= taken * fleet.amps_per_kw[i]
        if self._evenness is not None:
            self._evenness.add(i, first, last, taken)
        self._surplus[first:last] = np.maximum(self._surplus[first:last] - taken, 0.0)

    def _counts(self, i: int, node: int, phase: int) -> bool:
        fleet, end = self._problem.fleet, self._problem.subtree_end
        inside = node <= int(fleet.node[i]) < int(end[node])
        draws = bool((int(fleet.phases[i]) >> phase) & 1) and float(fleet.amps_per_kw[i]) > 0
        return inside and draws


class One:
    """One session's slots, filled cheapest first."""

    def __init__(self, slots: Slots) -> None:
        at = np.arange(slots.price.size)
        # Cheapest first; among equals where it was, so that little moves; then the earliest.
        order = np.lexsort((at, -slots.before, slots.price))
        self._order = [int(j) for j in order if slots.usable[j]]
        self._price, self._step = slots.price.tolist(), slots.step.tolist()
        self._least, self._most = slots.least.tolist(), slots.most.tolist()
        self._taken = [0.0] * slots.price.size

    def fill(self, target_kwh: float) -> FloatArray:
        """Energy of each slot: the target as far as the slots can hold it."""
        taken, left = self._taken, target_kwh
        for k, j in enumerate(self._order):
            if left <= ROUNDING_KWH:
                break
            if left >= self._least[j] - ROUNDING_KWH:
                whole = min(self._on_grid(j, left), self._most[j])
                taken[j] = whole
                left -= whole
            else:
                left = self._remainder(k, left)
                break
        if left > ROUNDING_KWH:
            self._to_the_end(left)
        return np.array(taken)

    def _on_grid(self, j: int, energy: float) -> float:
        step = self._step[j]
        return energy if step <= 0 else math.floor((energy + ROUNDING_KWH) / step) * step

    def _remainder(self, k: int, left: float) -> float:
        """Less than the next slot's minimum is left: open it with energy of others, or go on to
        one that holds so little, or leave it for the session's end. What is left over.
        """
        taken, price = self._taken, self._price
        latest = max((j for j, e in enumerate(taken) if e > 0), default=-1)
        ways: list[tuple[float, int, str]] = []
        lenders = sorted((j for j in self._order[:k] if taken[j] > 0), key=lambda j: -price[j])
        spare = sum(max(taken[j] - self._least[j], 0.0) for j in lenders)
        for j in self._order[k:]:
            lacks = self._least[j] - left
            if lacks <= ROUNDING_KWH:
                ways.append((left * price[j], j, "whole"))
            elif lacks <= spare:
                ways.append((left * price[j] + self._lent(lenders, lacks, price[j]), j, "lend"))
            if j > latest:
                ways.append((left * price[j], j, "end"))
            if len(ways) > 6:
                break
        if not ways:
            return left
        _, j, way = min(ways, key=lambda w: (round(w[0], 9), w[2] == "end", w[1]))
        if way == "whole":
            taken[j] = min(self._on_grid(j, left), self._most[j])
            return left - taken[j]
        if way == "end":
            taken[j] = left
            return 0.0
        lacks = self._least[j] - left
        got = 0.0
        for lender in lenders:
            if got >= lacks - ROUNDING_KWH:
                break
            most = taken[lender] - self._least[lender]
            give = min(most, lacks - got)
            if self._step[lender] > 0:
                give = min(math.ceil(give / self._step[lender] - 1e-9) * self._step[lender], most)
            taken[lender] -= give
            got += give
        taken[j] = min(self._on_grid(j, left + got), self._most[j])
        return left + got - taken[j]

    def _lent(self, lenders: list[int], lacks: float, price: float) -> float:
        """What it costs more to draw so much in a slot of this price than in the lenders'."""
        cost = 0.0
        for j in lenders:
            give = min(max(self._taken[j] - self._least[j], 0.0), lacks)
            cost += give * (price - self._price[j])
            lacks -= give
            if lacks <= 0:
                break
        return cost

    def _to_the_end(self, left: float) -> None:
        """What no slot holds as a whole: on top of the last one, else in one after it."""
        taken = self._taken
        latest = max((j for j, e in enumerate(taken) if e > 0), default=-1)
        if latest >= 0 and taken[latest] + left <= self._most[latest] + ROUNDING_KWH:
            taken[latest] = min(taken[latest] + left, self._most[latest])
            return
        after = [j for j in self._order if j > latest]
        if after:
            taken[after[0]] = min(left, self._most[after[0]])
