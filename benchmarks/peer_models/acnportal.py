"""acnportal's sorting algorithms, slot after slot through its own interface.

They are asked what they answer: the currents of the coming slot, for who is plugged in, under the
cones of the limits by phase. They know departures and what is still owed, but no price, and of
later slots nothing: the plan of the day is what 96 such answers add up to.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.peer_models.adaptive_charging import angle_rad, limit_matrix
from benchmarks.peer_models.hand import Hand
from scheduler.problem import FloatArray, Problem

_ENOUGH_KWH = 1e-6


def plan(problem: Problem, order: str) -> FloatArray:
    """See :data:`benchmarks.peer_models.hand.Peer`; the order by acnportal's name for it."""
    from acnportal import algorithms

    interface = _interface(problem)
    algorithm = algorithms.SortedSchedulingAlgo(getattr(algorithms, order))
    algorithm.register_interface(interface)
    energy = np.zeros(problem.upper_kwh.size)
    left = problem.fleet.energy_kwh.copy()
    for slot in range(problem.horizon.n):
        entries = np.flatnonzero(problem.entry_slot == slot)
        entries = entries[left[problem.entry_session[entries]] > _ENOUGH_KWH]
        interface.begin(slot, entries, left)
        found = algorithm.schedule(interface.active_sessions())
        for entry in entries.tolist():
            i = int(problem.entry_session[entry])
            energy[entry] = found[problem.fleet.ids[i]][0] * interface.kwh_per_amp
            left[i] -= energy[entry]
    return energy


def _interface(problem: Problem) -> Any:
    """The problem seen through ``acnsim.Interface``, whose subclasses stand for real sites too."""
    from acnportal.acnsim.interface import InfrastructureInfo, Interface, SessionInfo

    hours = float(problem.horizon.slot_h[0])
    ids, n = list(problem.fleet.ids), problem.fleet.n
    volts = 1e3 / problem.fleet.amps_per_kw
    most_a = problem.fleet.max_kw * problem.fleet.amps_per_kw
    matrix, degrees = limit_matrix(problem), np.rad2deg(angle_rad(problem))
    names = [f"{limit.node}/{limit.phase}" for limit in problem.phase_limits]

    class OurSite(Interface):  # type: ignore[misc]
        period = 60.0 * hours
        kwh_per_amp = hours / float(problem.fleet.amps_per_kw[0])
        current_time = 0

        def __init__(self) -> None:
            super().__init__(None)

        def begin(self, slot: int, entries: FloatArray, left: FloatArray) -> None:
            """Stand at the beginning of a slot: limits, and who may charge."""
            self.current_time = slot
            cap_a = np.array([limit.cap_a[slot] for limit in problem.phase_limits])
            self._site = InfrastructureInfo(
                matrix, cap_a, degrees, volts, names, ids, most_a, np.zeros(n)
            )
            self._plugged_in = [
                SessionInfo(
                    station_id=ids[i],
                    session_id=ids[i],
                    requested_energy=float(left[i]),
                    energy_delivered=0.0,
                    arrival=int(problem.first[i]),
                    departure=int(problem.last[i]),
                    current_time=slot,
                    max_rates=float(problem.upper_kwh[entry]) / self.kwh_per_amp,
                )
                for entry, i in zip(
                    entries.tolist(), problem.entry_session[entries].tolist(), strict=True
                )
            ]

        def infrastructure_info(self) -> InfrastructureInfo:
            return self._site

        _infrastructure_info = infrastructure_info

        def active_sessions(self) -> list[SessionInfo]:
            return self._plugged_in

    return OurSite()


_ASKED = "each slot for itself, no prices"

HANDS = tuple(
    Hand(f"acnportal, {name}", partial(plan, order=order), _ASKED, True, 50, None)
    for name, order in (
        ("earliest deadline", "earliest_deadline_first"),
        ("least laxity", "least_laxity_first"),
    )
)
