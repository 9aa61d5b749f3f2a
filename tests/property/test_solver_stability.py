"""Planning again without news changes nothing; a small change of input changes little."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.instances import fleet_problem
from scheduler.cascade import load_solver, run_cascade
from scheduler.problem import Problem
from scheduler.verify import verify

_ALL = 10**9
_WATT = 1e-3


def a_minute_later(problem: Problem, plan: np.ndarray, later: Problem) -> Problem:
    """The later problem after a minute of the plan at constant power within each entry."""
    kept = np.flatnonzero(np.isin(_keys(problem), _keys(later)))
    assert kept.size == later.entry_slot.size
    share = np.divide(
        later.entry_s, problem.entry_s[kept], out=np.zeros(kept.size), where=later.entry_s > 0
    )
    running = plan[kept] * share
    given = np.bincount(problem.entry_session, weights=plan, minlength=problem.fleet.n)
    left = np.bincount(later.entry_session, weights=running, minlength=problem.fleet.n)
    owed = np.maximum(problem.fleet.energy_kwh - (given - left), 0.0)
    fleet = dataclasses.replace(later.fleet, energy_kwh=owed)
    return dataclasses.replace(later, fleet=fleet, running_kwh=running)


def _keys(problem: Problem) -> np.ndarray:
    """Session and end of slot, which stays while the first slot gets shorter."""
    end = problem.horizon.edges_s[problem.entry_slot + 1] - problem.horizon.edges_s[-1]
    return problem.entry_session * 10**7 + end


@pytest.mark.parametrize("name", ["flow", "flow_fair", "highs"])
@pytest.mark.parametrize(("load", "shape"), [("congested", "five-level"), ("short", "two-level")])
def test_every_minute_without_news_no_power_changes(name, load, shape):
    rungs = [(name, load_solver(name))]
    problem = fleet_problem(60, load=load, shape=shape, seed=1)
    plan = run_cascade(problem, rungs, _ALL).energy_kwh
    for minute in range(1, 40):
        later = fleet_problem(60, load=load, shape=shape, seed=1, late_minutes=minute)
        later = a_minute_later(problem, plan, later)
        answer = run_cascade(later, rungs, _ALL)
        assert verify(later, answer).ok
        hours = np.maximum(later.entry_s, 1) / 3600.0
        change_kw = np.abs(answer.energy_kwh - later.running_kwh) / hours
        assert float(change_kw.max()) < _WATT, minute
        problem, plan = later, answer.energy_kwh


def test_a_lower_limit_in_one_hour_leaves_other_feeders_alone():
    problem = fleet_problem(100, load="light", seed=3)
    solve = load_solver("flow")
    plan = solve(problem, work_limit=_ALL).energy_kwh
    cap = problem.cap_kw.copy()
    feeder = int(problem.fleet.node[0])
    busy = np.bincount(
        problem.entry_slot[problem.fleet.node[problem.entry_session] == feeder],
        weights=plan[problem.fleet.node[problem.entry_session] == feeder],
        minlength=problem.horizon.n,
    )
    cap[feeder, int(np.argmax(busy))] *= 0.5
    cut = dataclasses.replace(problem, cap_kw=cap, running_kwh=plan)
    after = solve(cut, work_limit=_ALL).energy_kwh
    moved = np.unique(problem.entry_session[np.abs(after - plan) > 1e-6])
    assert moved.size
    assert set(problem.fleet.node[moved].tolist()) == {feeder}
