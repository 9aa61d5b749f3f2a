"""The fleet's own problem beside storage, PV and vehicles that give back, left as they are planned.

Minimum powers, steps, starts and even phases are kept by moving sessions alone. What the assets do
is settled then, so limits are what they leave, what they feed back is free to be used, and a peak
is what the whole site reaches.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from scheduler.fewer_starts import with_fewer_starts
from scheduler.holdable import ROUNDING_KWH
from scheduler.node_loads import node_loads
from scheduler.placing import Kernel
from scheduler.problem import FloatArray, PhaseLimit, Problem
from scheduler.repair import gap_to, repaired
from scheduler.solution import Solution

Bools = NDArray[np.bool_]

LOST_SHARE = 0.002
"""Of the energy: assets that stay as they are leave little room under a shortage. A plan that would
lose more is left to dispatch, which rounds it pile by pile."""


def held_beside_assets(
    problem: Problem, answer: Solution, kernel: Kernel | None = None
) -> Solution:
    """The answer as piles can hold and switch it, with all assets as they were.

    Parameters
    ----------
    problem : Problem
        With a microgrid.
    answer : Solution
        A plan of it as if piles held any power.
    kernel : callable, optional
        See :class:`scheduler.placing.Placing`.

    Returns
    -------
    Solution
        The same where nothing is wrong with it, where holding it would lose too much energy, and
        while a demand response event is kept: what is moved could break that. ``gap`` grows by
        what it costs, and ``relaxed_kwh`` is the answer as it was: the next plan begins with it.
        Export limits are left to :func:`scheduler.verify.verify`.
    """
    grid = problem.microgrid
    assert grid is not None
    if grid.calls or (answer.assets_kw is None and grid.n_assets):
        return answer
    gives = np.zeros(problem.fleet.n, dtype=np.bool_)
    gives[problem.entry_session[answer.energy_kwh < -ROUNDING_KWH]] = True
    fleet_alone = _fleet_alone(problem, answer, gives)
    fixed = gives[problem.entry_session]
    relaxed = dataclasses.replace(
        answer, energy_kwh=np.where(fixed, 0.0, np.maximum(answer.energy_kwh, 0.0)), assets_kw=None
    )
    held = with_fewer_starts(fleet_alone, repaired(fleet_alone, relaxed, kernel))
    if held is relaxed:
        return answer
    lost = float(relaxed.energy_kwh.sum() - held.energy_kwh.sum())
    if lost > LOST_SHARE * float(relaxed.energy_kwh.sum()) + ROUNDING_KWH * problem.fleet.n:
        return answer
    energy = np.where(fixed, answer.energy_kwh, held.energy_kwh)
    return dataclasses.replace(
        answer,
        energy_kwh=energy,
        status="gap",
        gap=gap_to(problem, energy, answer),
        relaxed_kwh=answer.energy_kwh,
    )


def _fleet_alone(problem: Problem, answer: Solution, gives: Bools) -> Problem:
    """What is left to the sessions that do not give back; those that do owe nothing in it."""
    fleet, slot_h = problem.fleet, problem.horizon.slot_h
    fixed = np.where(gives[problem.entry_session], answer.energy_kwh, 0.0)
    load, most = node_loads(problem, fixed, answer.assets_kw)
    with np.errstate(invalid="ignore"):
        cap_kw = np.where(np.isfinite(most), np.maximum(most - load, 0.0) / slot_h, np.inf)
    beside = dataclasses.replace(answer, energy_kwh=fixed).root_kw(problem)
    if problem.peaks:
        # The peak is not raised: more than the plan's highest costs for a month.
        highest = max(float(answer.root_kw(problem).max()), 0.0)
        cap_kw[0] = np.minimum(cap_kw[0], np.maximum(highest - beside, 0.0))
    running = problem.running_kwh
    if running is not None:
        running = np.where(gives[problem.entry_session], 0.0, np.maximum(running, 0.0))
    return dataclasses.replace(
        problem,
        cap_kw=cap_kw,
        surplus_kw=np.maximum(-beside, 0.0),
        microgrid=None,
        peaks=(),
        phase_limits=_phases_left(problem, np.maximum(fixed, 0.0)),
        running_kwh=running,
        fleet=dataclasses.replace(
            fleet,
            energy_kwh=np.where(gives, 0.0, fleet.energy_kwh),
            promised_kwh=np.where(gives, 0.0, fleet.promised_kwh),
            min_kw=np.where(gives, 0.0, fleet.min_kw),
            step_kw=np.where(gives, 0.0, fleet.step_kw),
        ),
    )


def _phases_left(problem: Problem, fixed_kwh: FloatArray) -> tuple[PhaseLimit, ...]:
    fleet, slot_h = problem.fleet, problem.horizon.slot_h
    out = []
    for limit in problem.phase_limits:
        on = ((fleet.phases >> limit.phase) & 1) == 1
        on &= (fleet.node >= limit.node) & (fleet.node < problem.subtree_end[limit.node])
        amps = np.where(on, fleet.amps_per_kw, 0.0)[problem.entry_session] * fixed_kwh
        used = np.bincount(problem.entry_slot, weights=amps, minlength=problem.horizon.n)
        cap_a = np.maximum(limit.cap_a - used / slot_h, 0.0)
        out.append(dataclasses.replace(limit, cap_a=cap_a))
    return tuple(out)
