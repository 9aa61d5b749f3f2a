"""What a session could have at a higher price: its energy sooner, or more of it before others.

Both are read off the running plan. Sooner: what is planned, as early as the room that the plan
leaves allows, whatever the price. More, where the session ends short: what sessions of lower rank
are to have in the same slots and have not been promised, were it asked with the highest priority.
What was promised stays theirs, so a plan of the new request gives at least what is offered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.units import SECONDS_PER_HOUR
from scheduler.limits_above import LimitsAbove
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solution import given_kwh

TOP_PRIORITY = 9

SOONER_S = 900
"""Ready sooner by less than this is no offer."""

DEARER_BY = 0.005
"""Nor is a difference of less than this in money."""

MORE_KWH = 0.1
"""Nor this much more energy, kWh."""

_LEAST_KWH = 1e-6
_ROUND_S = 60


@dataclass(frozen=True)
class Dearer:
    """An offer at a higher price.

    Parameters
    ----------
    mode : str
        "now" where it is had by asking for that; else empty.
    priority : int or None
        The priority it is had by.
    energy_kwh : float
        What would be given from now on, kWh.
    ready_s : int
        When, epoch seconds.
    cost : float
        Money for it.
    """

    mode: str
    priority: int | None
    energy_kwh: float
    ready_s: int
    cost: float


class Offers:
    """The offers of one plan, session by session.

    Parameters
    ----------
    problem : Problem
    energy_kwh : ndarray, shape (offsets[-1],)
        Its plan.
    room : ndarray, shape (m + P, T)
        What each limit has left, as :func:`scheduler.limits_above.limit_rooms` says.
    above : LimitsAbove
        The limits that each session counts at.
    """

    def __init__(
        self, problem: Problem, energy_kwh: FloatArray, room: FloatArray, above: LimitsAbove
    ) -> None:
        self._problem, self._energy = problem, energy_kwh
        self._room, self._above = room, above
        self._least: dict[tuple[int, ...], tuple[FloatArray, ...]] = {}

    def sooner(self, i: int) -> Dearer | None:
        """The planned energy of session i as early as it fits; None where that is no offer."""
        problem, fleet = self._problem, self._problem.fleet
        own, slots = self._own(i)
        energy = self._energy[own]
        planned = float(energy.sum())
        if planned <= _LEAST_KWH or not self._can_be_moved(i, energy):
            return None
        most = np.minimum(problem.upper_kwh[own], self._free_kwh(i)[slots] + energy)
        least = float(fleet.min_kw[i]) / SECONDS_PER_HOUR * problem.entry_s[own]
        most[most < least - _LEAST_KWH] = 0.0
        until = np.minimum(np.cumsum(np.maximum(most, 0.0)), planned)
        if float(until[-1]) < planned - _LEAST_KWH:
            return None
        early = until.copy()
        early[1:] -= until[:-1]
        cost = self._cost(i, early)
        if cost <= self._cost(i, energy) + DEARER_BY:
            return None
        ready_s = self._ready_s(i, early)
        if ready_s > self._ready_s(i, energy) - SOONER_S:
            return None
        return Dearer("now", None, planned, ready_s, cost)

    def more(self, i: int) -> Dearer | None:
        """What session i could have as the first of all; None where that is no more."""
        problem, fleet = self._problem, self._problem.fleet
        own, slots = self._own(i)
        energy = self._energy[own]
        if int(fleet.priority[i]) >= TOP_PRIORITY or not self._can_be_moved(i, energy):
            return None
        left = float(fleet.energy_kwh[i]) - float(energy.sum())
        given = given_kwh(problem, self._energy)
        spare = np.maximum(given - fleet.promised_kwh, 0.0)
        spare[fleet.priority >= TOP_PRIORITY] = 0.0
        spare[i] = 0.0
        lent = energy.copy()
        room, counts = self._room.copy(), self._counts(i)
        # Cheapest first: what is offered is what the plan would choose.
        for k in np.argsort(problem.buy_per_kwh[slots], kind="stable").tolist():
            most = min(float(problem.upper_kwh[own][k]) - float(lent[k]), left)
            if most <= _LEAST_KWH:
                continue
            got = self._lent(int(slots[k]), most, spare, room, counts, i)
            lent[k] += got
            left -= got
        least = fleet.min_kw[i] * problem.entry_s[own] / SECONDS_PER_HOUR
        lent = np.where(lent < least - _LEAST_KWH, energy, lent)
        if float(lent.sum()) < float(energy.sum()) + MORE_KWH:
            return None
        kwh, ready_s = float(lent.sum()), self._ready_s(i, lent)
        return Dearer("", TOP_PRIORITY, kwh, ready_s, self._cost(i, lent))

    def _lent(
        self,
        t: int,
        most_kwh: float,
        spare: FloatArray,
        room: FloatArray,
        counts: dict[int, FloatArray],
        i: int,
    ) -> float:
        """Energy that session i can have in a slot if others lend theirs, kWh; it is taken from
        ``spare``, shape (n,), and ``room``. ``counts``: what each session counts at each limit
        above i.
        """
        there = np.flatnonzero((self._problem.entry_slot == t) & (self._energy > _LEAST_KWH))
        who = self._problem.entry_session[there]
        lend = np.minimum(self._energy[there], spare[who])
        got = most_kwh
        for v, each in counts.items():
            got = min(got, (float(room[v, t]) + float(lend @ each[who])) / float(each[i]))
        if got <= _LEAST_KWH:
            return 0.0
        taken = np.zeros(who.size)
        # Lowest limit first: who lends there lends at every limit above it as well.
        for v, each in counts.items():
            weight = each[who]
            lacks = got * float(each[i]) - float(room[v, t]) - float(taken @ weight)
            could = (lend - taken) * weight
            more = np.clip(lacks - (np.cumsum(could) - could), 0.0, could)
            taken += np.divide(more, weight, out=np.zeros(who.size), where=weight > 0)
        spare[who] -= taken
        for v, each in counts.items():
            room[v, t] += float(taken @ each[who]) - got * float(each[i])
        return got

    def _counts(self, i: int) -> dict[int, FloatArray]:
        """What 1 kWh of each session counts at each limit above session i, lowest limit first."""
        problem, fleet, m = self._problem, self._problem.fleet, len(self._problem.node_ids)
        found: dict[int, FloatArray] = {}
        for v in self._above.of(i):
            limit = None if v < m else problem.phase_limits[v - m]
            node = v if limit is None else limit.node
            below = (fleet.node >= node) & (fleet.node < problem.subtree_end[node])
            if limit is None:
                found[v] = np.where(below, fleet.count_factor, 0.0)
            else:
                on = below & (fleet.phases >> limit.phase & 1 == 1)
                found[v] = np.where(on, fleet.amps_per_kw, 0.0)
        return found

    def _own(self, i: int) -> tuple[slice, IntArray]:
        own = slice(int(self._problem.offsets[i]), int(self._problem.offsets[i + 1]))
        return own, self._problem.entry_slot[own]

    def _can_be_moved(self, i: int, energy: FloatArray) -> bool:
        """Where nothing but its own bounds and the limits hold a session: no taper, no gift."""
        fleet, problem = self._problem.fleet, self._problem
        tapers = math.isfinite(fleet.taper_per_h[i]) and math.isfinite(fleet.taper_room_kwh[i])
        ruled = problem.switching is not None or bool(problem.imbalances)
        return not (tapers or ruled or fleet.earliest[i] or bool((energy < 0).any()))

    def _free_kwh(self, i: int) -> FloatArray:
        """Energy that still fits for session i in each slot, kWh, shape (T,)."""
        fleet, m, above = self._problem.fleet, len(self._problem.node_ids), self._above.of(i)
        if above not in self._least:
            rooms = [[v for v in above if v < m], [v for v in above if v >= m]]
            empty = np.full(self._problem.horizon.n, np.inf)
            self._least[above] = tuple(
                self._room[rows].min(axis=0) if rows else empty for rows in rooms
            )
        nodes, phases = self._least[above]
        free = nodes / float(fleet.count_factor[i])
        if float(fleet.amps_per_kw[i]) > 0:
            free = np.minimum(free, phases / float(fleet.amps_per_kw[i]))
        return free

    def _cost(self, i: int, energy: FloatArray) -> float:
        _, slots = self._own(i)
        return float(energy @ self._problem.buy_per_kwh[slots])

    def _ready_s(self, i: int, energy: FloatArray) -> int:
        """When the last of it is given, at full power in the slot it ends in; rounded up."""
        problem = self._problem
        own, _ = self._own(i)
        last = int(np.flatnonzero(energy > _LEAST_KWH)[-1])
        share = float(energy[last]) / float(problem.upper_kwh[own][last])
        end = int(problem.entry_start_s[own][last]) + share * int(problem.entry_s[own][last])
        return math.ceil((end - 1e-6) / _ROUND_S) * _ROUND_S
