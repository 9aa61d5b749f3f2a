"""Plans whose phases stay as even as their nodes ask: what the repair reads and keeps.

As minimum powers, it is no constraint of the relaxed plan: what one phase may carry depends on
what the plan puts on the others. Who draws on all three phases makes nothing uneven.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.problem import FloatArray, Problem

SAME_A = 0.01
"""Currents no further apart are the same, A."""


@dataclass(slots=True)
class _Phases:
    """One limit with what its phases carry, in A h: ``load_ah`` of shape (3, T)."""

    first_node: int
    end_node: int
    most_ah: FloatArray
    load_ah: FloatArray


class Evenness:
    """What limits of imbalance leave while sessions are put into a plan one by one.

    Parameters
    ----------
    problem : Problem
        n sessions, E ragged entries.
    energy_kwh : ndarray, shape (E,)
        What is in the plan already.
    """

    def __init__(self, problem: Problem, energy_kwh: FloatArray) -> None:
        self._problem = problem
        fleet, slot_h, t = problem.fleet, problem.horizon.slot_h, problem.horizon.n
        phase_of = {1: 0, 2: 1, 4: 2}
        self._phase = [phase_of.get(int(bits), -1) for bits in fleet.phases]
        amps = fleet.amps_per_kw[problem.entry_session] * energy_kwh
        phase = np.array(self._phase, dtype=np.int64)[problem.entry_session]
        node = fleet.node[problem.entry_session]
        self._limits: list[_Phases] = []
        for limit in problem.imbalances:
            end = int(problem.subtree_end[limit.node])
            below = (node >= limit.node) & (node < end)
            load = np.outer(limit.base_a, slot_h)
            for k in range(3):
                own = np.where(below & (phase == k), amps, 0.0)
                load[k] += np.bincount(problem.entry_slot, weights=own, minlength=t)
            self._limits.append(_Phases(limit.node, end, limit.most_a * slot_h, load))

    def room_kwh(self, i: int, first: int, last: int) -> FloatArray:
        """Energy that session i may still draw in each of its slots; inf where nothing limits."""
        room = np.full(last - first, np.inf)
        k, per_kw = self._phase[i], float(self._problem.fleet.amps_per_kw[i])
        for limit in self._above(i):
            load = limit.load_ah[:, first:last]
            lowest = np.minimum(load[k - 1], load[k - 2])
            room = np.minimum(room, (lowest + limit.most_ah[first:last] - load[k]) / per_kw)
        return np.asarray(np.maximum(room, 0.0), dtype=np.float64)

    def add(self, i: int, first: int, last: int, energy_kwh: FloatArray) -> None:
        """Session i draws so much more in each of its slots."""
        for limit in self._above(i):
            limit.load_ah[self._phase[i], first:last] += (
                energy_kwh * self._problem.fleet.amps_per_kw[i]
            )

    def _above(self, i: int) -> list[_Phases]:
        if self._phase[i] < 0 or self._problem.fleet.amps_per_kw[i] <= 0:
            return []
        node = int(self._problem.fleet.node[i])
        return [li for li in self._limits if li.first_node <= node < li.end_node]

    def beyond(self) -> NDArray[np.bool_]:
        """Entries on a phase that is further above another than its node allows, shape (E,)."""
        problem, slot = self._problem, self._problem.entry_slot
        phase = np.array(self._phase, dtype=np.int64)[problem.entry_session]
        node = problem.fleet.node[problem.entry_session]
        out = np.zeros(slot.size, dtype=np.bool_)
        for limit in self._limits:
            most = limit.load_ah.min(axis=0) + limit.most_ah + SAME_A * problem.horizon.slot_h
            too_full = limit.load_ah > most
            below = (node >= limit.first_node) & (node < limit.end_node) & (phase >= 0)
            out |= below & too_full[phase, slot]
        return out


def uneven(problem: Problem, energy_kwh: FloatArray) -> NDArray[np.bool_]:
    """Entries with energy on a phase that is too full beside another, shape (E,)."""
    if not problem.imbalances:
        return np.zeros(energy_kwh.size, dtype=np.bool_)
    return np.asarray(Evenness(problem, energy_kwh).beyond() & (energy_kwh > 0), dtype=np.bool_)
