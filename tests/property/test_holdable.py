"""Minimum powers and steps: plans that piles can hold, within the same bounds, at a stated gap."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.churn import sessions_changed
from benchmarks.fuzz import score
from benchmarks.instances import fleet_problem, random_problem
from benchmarks.latency import one_event
from benchmarks.minimum import with_minimum
from scheduler.cascade import load_solver, run_cascade
from scheduler.holdable import unholdable
from scheduler.problem import Problem
from scheduler.repair import gap_to, repaired
from scheduler.verify import verify
from tests.problems import problem_of, session

ALL = 2**31 - 1


def stepped(seed: int) -> Problem:
    """A random problem whose piles have a minimum, and some of them steps."""
    rng = np.random.default_rng(seed)
    problem = random_problem(seed)
    fleet = problem.fleet
    step = np.where(rng.random(fleet.n) < 0.5, 0.23, 0.0)
    least = np.round(fleet.max_kw * rng.choice([0.0, 0.19, 0.3, 1.0], fleet.n), 3)
    changed = dataclasses.replace(fleet, min_kw=least, step_kw=step)
    return dataclasses.replace(problem, fleet=changed)


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_a_repaired_plan_can_be_held_and_keeps_every_bound(first: int) -> None:
    flow = load_solver("flow")
    tried = 0
    for seed in range(first, first + 50):
        problem = stepped(seed)
        try:
            relaxed = flow(problem, work_limit=ALL)
        except Exception:
            continue
        tried += 1
        held = repaired(problem, relaxed)
        assert verify(problem, held).ok, seed
        assert not unholdable(problem, held.energy_kwh).any(), seed
        assert held.gap >= relaxed.gap
        again = repaired(problem, held)
        assert again.energy_kwh is held.energy_kwh
    assert tried > 25


def test_a_plan_without_faults_is_left_alone() -> None:
    problem = problem_of([session(0, 3, 7.0, 14.0, min_kw=1.4)], price=[0.2, 0.1, 0.3])
    relaxed = load_solver("flow")(problem, work_limit=ALL)
    assert repaired(problem, relaxed) is relaxed


def test_two_piles_that_cannot_both_hold_a_share_take_turns() -> None:
    """2 kW for two piles of 1.4 kW at least: one kW each cannot be held, one after another can."""
    cars = [session(0, 2, 7.0, 2.0, min_kw=1.4), session(0, 2, 7.0, 2.0, min_kw=1.4)]
    problem = problem_of(cars, price=[0.5, 0.5], cap_kw=2.0)
    halves = np.array([1.0, 1.0, 1.0, 1.0])
    relaxed = dataclasses.replace(load_solver("flow")(problem, work_limit=ALL), energy_kwh=halves)
    held = repaired(problem, relaxed)
    assert sorted(held.energy_kwh.tolist()) == [0.0, 0.0, 2.0, 2.0]
    assert held.gap == 0.0


def test_the_ladder_plans_nothing_between_zero_and_the_minimum() -> None:
    problem = with_minimum(fleet_problem(60, load="congested", seed=2), whole_amps=True)
    rungs = [("flow", load_solver("flow"))]
    relaxed = load_solver("flow")(problem, work_limit=ALL)
    assert unholdable(problem, relaxed.energy_kwh).any()
    answer = run_cascade(problem, rungs, ALL)
    assert not unholdable(problem, answer.energy_kwh).any()
    assert answer.status == "gap"
    assert 0.0 <= answer.gap < 0.02
    kept = run_cascade(dataclasses.replace(problem, running_kwh=answer.energy_kwh), rungs, ALL)
    assert kept.energy_kwh.tobytes() == answer.energy_kwh.tobytes()


@pytest.mark.parametrize("load", ["congested", "short"])
def test_the_repair_loses_little_of_the_energy(load) -> None:
    problem = with_minimum(fleet_problem(200, load=load, seed=1), whole_amps=False)
    relaxed = load_solver("flow")(problem, work_limit=ALL)
    held = repaired(problem, relaxed)
    assert held.energy_kwh.sum() >= 0.985 * relaxed.energy_kwh.sum()
    assert held.gap == pytest.approx(gap_to(problem, held.energy_kwh, relaxed))
    assert held.gap < 0.02


@pytest.mark.parametrize("seed", range(6))
def test_both_integer_programs_find_the_same_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cars = [
        session(int(b), int(b) + 3, 7.2, float(rng.choice([2.4, 4.8, 7.2])), min_kw=2.4, step_kw=s)
        for b, s in zip(rng.integers(0, 3, 5), [0.0, 2.4, 0.0, 2.4, 1.2], strict=True)
    ]
    price = np.round(rng.uniform(0.1, 1.0, 6), 2).tolist()
    problem = problem_of(cars, price=price, cap_kw=[[7.2] * 6])
    one = load_solver("minimum")(problem, work_limit=ALL)
    other = load_solver("cpsat")(problem, work_limit=ALL)
    assert one.status == other.status == "optimal"
    for answer in (one, other):
        assert verify(problem, answer).ok
        assert not unholdable(problem, answer.energy_kwh).any()
    mine, theirs = score(problem, one), score(problem, other)
    assert mine.short_kwh == pytest.approx(theirs.short_kwh, abs=0.01)
    assert mine.cost == pytest.approx(theirs.cost, abs=0.01)
    held = repaired(problem, load_solver("flow")(problem, work_limit=ALL))
    assert score(problem, held).short_kwh[-1] >= mine.short_kwh[-1] - 2.4


def test_of_a_large_fleet_one_driver_s_change_moves_few_others_and_loses_nothing() -> None:
    problem = with_minimum(fleet_problem(400, load="congested", seed=2), whole_amps=False)
    rungs = [("flow", load_solver("flow"))]
    plan = run_cascade(problem, rungs, ALL).energy_kwh
    for seed in range(4):
        after = dataclasses.replace(one_event(problem, seed), running_kwh=plan)
        answer = run_cascade(after, rungs, ALL)
        afresh = repaired(after, load_solver("flow")(dataclasses.replace(after), work_limit=ALL))
        assert verify(after, answer).ok
        assert not unholdable(after, answer.energy_kwh).any()
        assert sessions_changed(after, plan, answer.energy_kwh) <= 5
        assert float(answer.energy_kwh.sum()) >= 0.9995 * float(afresh.energy_kwh.sum())
        assert answer.gap <= 0.005


def test_with_whole_steps_a_plan_goes_on_where_one_made_afresh_is_no_better() -> None:
    """Steps lose a little of every session, each time anew: that is no reason to move everybody."""
    problem = with_minimum(fleet_problem(1000, load="congested", seed=2), whole_amps=True)
    rungs = [("flow", load_solver("flow"))]
    plan = run_cascade(problem, rungs, ALL).energy_kwh
    after = dataclasses.replace(one_event(problem, 1), running_kwh=plan)
    answer = run_cascade(after, rungs, ALL)
    afresh = repaired(
        dataclasses.replace(after, running_kwh=None), load_solver("flow")(after, work_limit=ALL)
    )
    assert verify(after, answer).ok
    assert not unholdable(after, answer.energy_kwh).any()
    assert sessions_changed(after, plan, answer.energy_kwh) <= 0.1 * problem.fleet.n
    assert sessions_changed(after, plan, afresh.energy_kwh) > 0.4 * problem.fleet.n
    assert float(answer.energy_kwh.sum()) >= 0.9995 * float(afresh.energy_kwh.sum())
    assert answer.gap <= afresh.gap + 0.004


def test_a_cut_limit_is_kept_whatever_runs() -> None:
    problem = with_minimum(fleet_problem(400, load="congested", seed=2), whole_amps=False)
    rungs = [("flow", load_solver("flow"))]
    plan = run_cascade(problem, rungs, ALL).energy_kwh
    cap = problem.cap_kw.copy()
    cap[0, :40] *= 0.5
    cut = dataclasses.replace(problem, cap_kw=cap, running_kwh=plan)
    answer = run_cascade(cut, rungs, ALL)
    assert answer.rung == "flow"
    assert verify(cut, answer).ok
    assert not unholdable(cut, answer.energy_kwh).any()
