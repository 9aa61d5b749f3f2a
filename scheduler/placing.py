"""Sessions put back into a plan one after another, each as its pile can hold it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scheduler.evenness import Evenness
from scheduler.holdable import ROUNDING_KWH, steppy
from scheduler.one_stay import One, Slots
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.rows import subtree_sums
from scheduler.solution import Solution, drawn_kwh, given_kwh

NEIGHBOURS = 60
"""Sessions that a refused one takes with it into the next round, at most."""

_LOOKED_AT_ONCE = 256

Kernel = Callable[..., None]
"""See :func:`scheduler.solvers.flow_kernel.place.place`."""


class Placing:
    """Sessions put back, one after another, into what the others leave.

    Parameters
    ----------
    problem : Problem
        n sessions, E ragged entries.
    relaxed : Solution
        Where each session goes back to among slots of one price.
    start : ndarray, shape (E,)
        What the others have.
    again : ndarray of int64
        Sessions that are taken out of it.
    kernel : callable, optional
        A compiled form of :meth:`place` for many sessions, which gives the same to the last bit.

    Attributes
    ----------
    energy : ndarray, shape (E,)
        The plan as it stands, kWh.
    given, drawn : ndarray, shape (n,), shape (T,)
        What it gives each session, and what all draw in each slot, kWh.
    """

    def __init__(
        self,
        problem: Problem,
        relaxed: Solution,
        start: FloatArray,
        again: IntArray,
        kernel: Kernel | None = None,
    ) -> None:
        plain = not problem.phase_limits and not problem.imbalances
        self._kernel = kernel if plain else None
        self._problem, self._solution = problem, relaxed
        self._relaxed = relaxed.energy_kwh
        self.energy: FloatArray = np.array(start, dtype=np.float64)
        self.energy[problem.entries_of(again)] = 0.0
        slot_h, fleet = problem.horizon.slot_h, problem.fleet
        session = problem.entry_session
        cap = problem.cap_kw * slot_h
        if problem.peaks:
            # The peak is not raised: more than the relaxed plan's highest costs for a month.
            drawn = np.bincount(
                problem.entry_slot, weights=relaxed.energy_kwh, minlength=problem.horizon.n
            )
            cap[0] = np.minimum(cap[0], float(np.max(drawn / slot_h)) * slot_h)
        load = subtree_sums(problem, self.energy * problem.entry_factor)
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
        self.given = given_kwh(problem, self.energy)
        self.drawn = drawn_kwh(problem, self.energy)
        self._surplus = np.maximum(problem.surplus_kw * slot_h - self.drawn, 0.0)
        self._evenness = Evenness(problem, self.energy) if problem.imbalances else None
        self._paths: dict[int, IntArray] = {}
        self._refused: dict[int, NDArray[np.bool_]] = {}

    def without(self, again: IntArray) -> Placing:
        """The same plan with these sessions taken out, in a copy of its own."""
        problem, t = self._problem, self._problem.horizon.n
        if self._phases or self._evenness is not None:
            return Placing(problem, self._solution, self.energy, again)
        entry = problem.entries_of(again)
        gone, slot = self.energy[entry], problem.entry_slot[entry]
        new = copy.copy(self)
        new.energy, new.given, new._refused = self.energy.copy(), self.given.copy(), {}
        new.energy[entry], new.given[again] = 0.0, 0.0
        new.drawn = self.drawn - np.bincount(slot, weights=gone, minlength=t)
        factor = problem.fleet.count_factor[problem.entry_session[entry]]
        new._left = self._left + subtree_sums(problem, gone * factor, entry)
        new._surplus = np.maximum(problem.surplus_kw * problem.horizon.slot_h - new.drawn, 0.0)
        return new

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
        total: float = sum(taken.tolist())
        done = total >= target_kwh - rounding
        if not done:
            self._refused[i] = ~slots.usable
        return done

    def place_all(self, sessions: list[int], target_kwh: FloatArray) -> list[int]:
        """Place sessions one after another; who did not find a place for all of its target.

        Parameters
        ----------
        sessions : list of int
            In this order.
        target_kwh : ndarray, shape (n,)
            Of every session of the problem.
        """
        if self._kernel is None or not sessions:
            return [i for i in sessions if not self.place(i, float(target_kwh[i]))]
        problem, fleet = self._problem, self._problem.fleet
        order = np.array(sessions, dtype=np.int64)
        refused = np.zeros((order.size, problem.horizon.n), dtype=np.bool_)
        done = np.zeros(order.size, dtype=np.bool_)
        self._kernel(
            order,
            np.ascontiguousarray(target_kwh[order], dtype=np.float64),
            problem.offsets,
            problem.first,
            fleet.node,
            fleet.count_factor,
            fleet.min_kw,
            fleet.step_kw,
            fleet.earliest,
            np.ascontiguousarray(problem.parent),
            np.array(self._limited, dtype=np.bool_),
            problem.entry_s,
            problem.upper_kwh,
            np.ascontiguousarray(self._relaxed),
            np.ascontiguousarray(problem.buy_per_kwh),
            np.ascontiguousarray(problem.sell_per_kwh),
            self._left,
            self._surplus,
            self.energy,
            refused,
            done,
        )
        entry = problem.entries_of(order)
        placed, slot = self.energy[entry], problem.entry_slot[entry]
        whose = np.repeat(np.arange(order.size), (problem.last - problem.first)[order])
        self.given[order] = np.bincount(whose, weights=placed, minlength=order.size)
        np.add.at(self.drawn, slot, placed)
        left_out = np.flatnonzero(~done).tolist()
        for k in left_out:
            i = sessions[k]
            self._refused[i] = refused[k, int(problem.first[i]) : int(problem.last[i])]
        return [sessions[k] for k in left_out]

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
        # Added up one after another, as of many sessions at once: the same to the last bit.
        self.given[i] = float(np.cumsum(taken)[-1]) if taken.size else 0.0
        self._take(i, int(self._problem.first[i]), int(self._problem.last[i]), taken)

    def take_out(self, i: int) -> FloatArray:
        """Give session i's room back; what it had in each slot."""
        before = self.energy[self.entries(i)].copy()
        self.put(i, -before)
        self.energy[self.entries(i)] = self.given[i] = 0.0
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
        problem, fleet = self._problem, self._problem.fleet
        n, t = fleet.n, problem.horizon.n
        draws = np.zeros((n, t), dtype=np.bool_)
        some = self.energy > ROUNDING_KWH
        draws[problem.entry_session[some], problem.entry_slot[some]] = True
        draws &= steppy(problem)[:, None]
        behind: dict[int, IntArray] = {}
        looked: set[tuple[int, bytes]] = set()
        found: set[int] = set()
        for i in short:
            slots = np.zeros(t, dtype=np.bool_)
            slots[int(problem.first[i]) : int(problem.last[i])] = self._refused[i]
            path = self._path(int(fleet.node[i]))
            if not path.size or not slots.any():
                continue
            tight = int(path[np.argmin(self._left[path][:, slots].sum(axis=1))])
            if (tight, slots.tobytes()) in looked:
                continue
            looked.add((tight, slots.tobytes()))
            if tight not in behind:
                end = problem.subtree_end[tight]
                behind[tight] = np.flatnonzero((fleet.node >= tight) & (fleet.node < end))
            found.update(_first_drawing(draws, behind[tight], np.flatnonzero(slots)))
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
        self.drawn[first:last] += taken
        self._surplus[first:last] = np.maximum(self._surplus[first:last] - taken, 0.0)

    def _counts(self, i: int, node: int, phase: int) -> bool:
        fleet, end = self._problem.fleet, self._problem.subtree_end
        inside = node <= int(fleet.node[i]) < int(end[node])
        draws = bool((int(fleet.phases[i]) >> phase) & 1) and float(fleet.amps_per_kw[i]) > 0
        return inside and draws


def _first_drawing(draws: NDArray[np.bool_], sessions: IntArray, slots: IntArray) -> list[int]:
    """The first of these sessions that draw in any of the slots, at most ``NEIGHBOURS`` of them."""
    near: list[int] = []
    # Behind a site's own limit stand all of its sessions: mostly the first few are enough.
    for k in range(0, sessions.size, _LOOKED_AT_ONCE):
        few = sessions[k : k + _LOOKED_AT_ONCE]
        near += few[draws[few][:, slots].any(axis=1)].tolist()
        if len(near) >= NEIGHBOURS:
            break
    return near[:NEIGHBOURS]
