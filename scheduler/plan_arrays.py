"""Between a plan and the arrays of a problem: what runs, on its slots; what an answer means."""

from __future__ import annotations

import dataclasses
from itertools import repeat

import numpy as np

from models.events import Solved
from models.plan import Plan, PlanColumns, PlannedSessions, SessionPlan
from models.units import SECONDS_PER_HOUR
from scheduler.demand import aims_of
from scheduler.problem import FloatArray, IntArray, Problem
from scheduler.solution import drawn_kwh


def running_kwh(problem: Problem, plan: Plan, columns: PlanColumns | None = None) -> FloatArray:
    """The running plan on a problem's slots.

    Parameters
    ----------
    problem : Problem
        n sessions, E ragged entries.
    plan : Plan
        Any plan of the same site; what it says outside the problem's window is left out.
    columns : PlanColumns, optional
        Of this plan; what runs unless given.

    Returns
    -------
    ndarray, shape (E,)
        Energy of each entry, kWh; 0 where the plan knows nothing of a session.
    """
    out = np.zeros(int(problem.offsets[-1]))
    if columns is None:
        columns = plan.columns
    number = np.fromiter(map(columns.row.get, problem.fleet.ids, repeat(-1)), np.int64)
    known = number >= 0
    if not known.any():
        return out
    slot = _slot_in(plan, problem)
    if slot is not None:
        return _slot_by_slot(problem, plan, columns, number, slot)
    begins, knots, power = columns.begins, columns.starts_s, columns.power_kw
    total = knots.size
    last = np.append(begins[1:], total) - 1
    sizes = last + 1 - begins
    inside = np.ones(total, dtype=bool)
    inside[last] = False
    gained = np.zeros(total)
    gained[1:] = (power[:-1] * np.diff(knots) / SECONDS_PER_HOUR) * inside[:-1]
    energy = np.cumsum(gained)
    part = np.repeat(np.arange(begins.size), sizes)
    energy -= energy[begins][part]
    # All knots on one axis, each part in a stretch of its own.
    stretch = int(knots.max() - knots.min()) + 1
    axis = knots - int(knots.min()) + part * stretch

    entry = np.flatnonzero(known[problem.entry_session])
    mine = number[problem.entry_session[entry]]

    def until(seconds: IntArray) -> FloatArray:
        at = np.clip(seconds, knots[begins[mine]], knots[last[mine]])
        k = np.searchsorted(axis, at - int(knots.min()) + mine * stretch, side="right") - 1
        reached = energy[k] + power[k] * (at - knots[k]) / SECONDS_PER_HOUR
        return np.asarray(reached, dtype=np.float64)

    begin = problem.entry_start_s[entry]
    out[entry] = until(begin + problem.entry_s[entry]) - until(begin)
    return out


def going_on(problem: Problem, plan: Plan) -> Problem:
    """The problem with the plan that runs, and with what the solver had before it was repaired.

    Parameters
    ----------
    problem : Problem
        Of the same site.
    plan : Plan
    """
    other = plan.relaxed is not plan.columns
    return dataclasses.replace(
        problem,
        running_kwh=running_kwh(problem, plan),
        relaxed_kwh=running_kwh(problem, plan, plan.relaxed) if other else None,
    )


def _slot_in(plan: Plan, problem: Problem) -> IntArray | None:
    """The plan's slot that each slot of a problem begins in; None where one lies in several, or
    before the plan.
    """
    mine, theirs = problem.horizon.edges_s, np.asarray(plan.edges_s, dtype=np.int64)
    between = theirs[1:-1]
    between = between[(between > mine[0]) & (between < mine[-1])]
    if theirs[0] > mine[0] or not bool(np.isin(between, mine, assume_unique=True).all()):
        return None
    return np.asarray(np.searchsorted(theirs, mine[:-1], side="right") - 1, dtype=np.int64)


def _slot_by_slot(
    problem: Problem, plan: Plan, columns: PlanColumns, number: IntArray, slot: IntArray
) -> FloatArray:
    """:func:`running_kwh` where each slot of the problem lies in one of the plan; ``number`` is
    each session's row of the plan's columns, -1 for one that it does not know.
    """
    edges = np.asarray(plan.edges_s, dtype=np.int64)
    begins, knots = columns.begins, columns.starts_s
    last = np.append(begins[1:], knots.size) - 1
    from_s, until_s = knots[begins][number], knots[last][number]
    shift = begins - (np.searchsorted(edges, knots[begins], side="right") - 1)
    session = problem.entry_session
    at = shift[number][session] + slot[problem.entry_slot]
    power = columns.power_kw.take(at, mode="clip")
    out = power * problem.entry_s / SECONDS_PER_HOUR
    # Whose stay is another one by now, or begins or ends outside the plan, has it cut to both.
    whole = (number >= 0) & (from_s <= problem.fleet.start_s) & (until_s >= problem.fleet.end_s)
    some = problem.entries_of(np.flatnonzero(~whole))
    if some.size:
        mine = session[some]
        begin = problem.entry_start_s[some]
        end = np.minimum(begin + problem.entry_s[some], until_s[mine])
        seconds = np.maximum(end - np.maximum(begin, from_s[mine]), 0)
        out[some] = np.where(number[mine] >= 0, power[some] * seconds / SECONDS_PER_HOUR, 0.0)
    return np.asarray(out, dtype=np.float64)


def plan_of(problem: Problem, answer: Solved) -> Plan:
    """The plan that a solver's answer means."""
    energy = answer.planned_kwh
    edges = tuple(problem.horizon.edges_s.tolist())
    power_kw = _power_kw(problem, energy)
    begins, ends = _windows(problem)
    sessions = PlannedSessions(
        problem.fleet.ids, problem.offsets, problem.first, begins, ends, edges, power_kw
    )
    connection_kw = _connection_kw(problem, answer)
    site_kw, aims = aims_of(problem, energy, connection_kw)
    plan = Plan(
        digest=problem.digest,
        made_s=problem.horizon.start_s,
        end_s=problem.horizon.end_s,
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        edges_s=edges,
        sessions=sessions,
        site_kw=site_kw,
        aims=aims,
        assets=_assets_of(problem, answer),
        curtailed=_curtailed(problem, answer),
        connection_kw=connection_kw,
    )
    object.__setattr__(plan, "columns", _columns(problem, power_kw))
    if problem.microgrid is not None and answer.relaxed_kwh is not None:
        relaxed = np.array(answer.relaxed_kwh, dtype=np.float64)
        if relaxed.shape == energy.shape:
            columns = _columns(problem, _power_kw(problem, relaxed))
            object.__setattr__(plan, "relaxed", columns)
    return plan


def _power_kw(problem: Problem, energy_kwh: FloatArray) -> FloatArray:
    """Mean power of each entry, kW."""
    seconds = problem.entry_s
    kw_s = energy_kwh * SECONDS_PER_HOUR
    return np.divide(kw_s, seconds, out=np.zeros_like(energy_kwh), where=seconds > 0)


def _columns(problem: Problem, power_kw: FloatArray) -> PlanColumns:
    """What :attr:`Plan.columns` would gather from the sessions one by one."""
    lo, hi = problem.offsets[:-1], problem.offsets[1:]
    some = np.flatnonzero(hi > lo)
    sizes = (hi - lo)[some] + 1
    begins = np.cumsum(sizes) - sizes
    ends = begins + sizes - 1
    starts = np.empty(int(sizes.sum()), dtype=np.int64)
    power = np.zeros(starts.size)
    inside = np.ones(starts.size, dtype=bool)
    inside[ends] = False
    last = hi[some] - 1
    starts[inside], starts[ends] = (
        problem.entry_start_s,
        (problem.entry_start_s + problem.entry_s)[last],
    )
    power[inside] = power_kw
    ids = problem.fleet.ids
    return PlanColumns({ids[i]: k for k, i in enumerate(some.tolist())}, begins, starts, power)


def _windows(problem: Problem) -> tuple[IntArray, IntArray]:
    """Where each session begins and ends inside its window, epoch seconds."""
    lo, hi = problem.offsets[:-1], problem.offsets[1:]
    begin, end = np.zeros_like(lo), np.zeros_like(lo)
    some = hi > lo
    begin[some] = problem.entry_start_s[lo[some]]
    last = hi[some] - 1
    end[some] = problem.entry_start_s[last] + problem.entry_s[last]
    return begin, end


CURTAILED_SHARE = 0.01
"""A plan that leaves less than this share of what the sun gives leaves it by rounding."""


def _curtailed(problem: Problem, answer: Solved) -> dict[str, tuple[bool, ...]]:
    grid = problem.microgrid
    if grid is None or answer.assets_kw is None:
        return {}
    told = answer.assets_kw[grid.stores.n :]
    given = -np.asarray(told, dtype=np.float64).reshape(grid.sources.available_kw.shape)
    less = given < grid.sources.available_kw * (1.0 - CURTAILED_SHARE)
    return {name: tuple(row) for name, row in zip(grid.sources.ids, less.tolist(), strict=True)}


def _connection_kw(problem: Problem, answer: Solved) -> tuple[float, ...]:
    grid = problem.microgrid
    if grid is None or answer.assets_kw is None:
        return ()
    energy = answer.planned_kwh
    drawn = drawn_kwh(problem, energy)
    assets = np.asarray(answer.assets_kw, dtype=np.float64).reshape(-1, problem.horizon.n)
    return tuple((drawn / problem.horizon.slot_h + grid.base_kw[0] + assets.sum(axis=0)).tolist())


def _assets_of(problem: Problem, answer: Solved) -> dict[str, SessionPlan]:
    if problem.microgrid is None or answer.assets_kw is None:
        return {}
    edges = tuple(problem.horizon.edges_s.tolist())
    return {
        asset: SessionPlan(starts_s=edges, power_kw=tuple(powers))
        for asset, powers in zip(problem.microgrid.asset_ids, answer.assets_kw, strict=True)
    }
