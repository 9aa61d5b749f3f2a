"""Several hands, one optimum: the compiled flow against HiGHS, OR-tools and cvxpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import compare, differs, score
from benchmarks.instances import fleet_problem, random_problem
from scheduler.filling import clip_plan
from scheduler.solution import Solution, SolverError
from scheduler.solvers import cvx, flow, greedy, highs, mincost
from scheduler.solvers.flow_kernel import run
from scheduler.verify import verify

_ALL = 2**31 - 1
_CHUNKS = 16


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_flow_equals_highs_on_random_problems(chunk, monkeypatch):
    """Small blocks make small problems take the way across the tree that large ones take."""
    monkeypatch.setattr(run, "BLOCK_SESSIONS", (128, 1, 3)[chunk % 3])
    seeds = range(100_000 + chunk * 250, 100_000 + (chunk + 1) * 250)
    outcomes = {seed: compare(random_problem(seed), highs.solve) for seed in seeds}
    wrong = {s: o for s, o in outcomes.items() if o not in ("same", "refused")}
    assert not wrong
    assert sum(o == "same" for o in outcomes.values()) > 200


def test_flow_equals_min_cost_flow_on_random_problems():
    outcomes = {s: compare(random_problem(s), mincost.solve) for s in range(200_000, 200_150)}
    assert set(outcomes.values()) <= {"same", "refused"}


def test_cvxpy_equals_highs_on_random_problems():
    for seed in range(300_000, 300_040):
        problem = random_problem(seed)
        one = score(problem, highs.solve(problem, work_limit=_ALL))
        other = score(problem, cvx.solve(problem, work_limit=_ALL))
        assert not differs(problem, one, other, relative=1e-6), seed


@pytest.mark.parametrize("load", ["light", "congested", "short"])
@pytest.mark.parametrize("shape", ["flat", "five-level", "quarter-hourly"])
def test_flow_equals_highs_on_fleets(load, shape):
    for seed, late in ((1, 0), (2, 7)):
        problem = fleet_problem(90, load=load, shape=shape, seed=seed, late_minutes=late)
        one = score(problem, flow.solve(problem, work_limit=_ALL))
        other = score(problem, highs.solve(problem, work_limit=_ALL))
        assert not differs(problem, one, other, relative=1e-8)


def test_stages_and_weights_agree():
    for seed in range(400_000, 400_060):
        problem = dataclasses.replace(random_problem(seed), running_kwh=None)
        fleet = dataclasses.replace(problem.fleet, promised_kwh=np.zeros(problem.fleet.n))
        problem = dataclasses.replace(problem, fleet=fleet)
        one = score(problem, highs.solve_lexicographic(problem))
        other = score(problem, highs.solve(problem, work_limit=_ALL))
        assert not differs(problem, one, other, relative=1e-6), seed


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_greedy_keeps_every_bound_and_never_beats_the_optimum(seed):
    problem = random_problem(seed)
    answer = greedy.solve(problem, work_limit=_ALL)
    assert verify(problem, answer).ok
    best = highs.solve(problem, work_limit=_ALL)
    assert answer.short_kwh(problem).sum() >= best.short_kwh(problem).sum() - 1e-6


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_a_clipped_plan_keeps_every_bound_and_adds_nothing(seed):
    problem = random_problem(seed)
    wild = np.random.default_rng(seed).uniform(-1, 30, problem.upper_kwh.size)
    clipped = clip_plan(problem, wild)
    assert verify(problem, Solution(clipped, "feasible", "", 0.0, 0)).ok
    assert bool(np.all(clipped <= np.maximum(wild, 0) + 1e-12))
    assert np.array_equal(clip_plan(problem, clipped), clipped) or np.allclose(
        clip_plan(problem, clipped), clipped, atol=1e-9
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6))
def test_a_plan_that_is_optimal_is_given_back_unchanged(seed):
    problem = dataclasses.replace(random_problem(seed), running_kwh=None)
    try:
        first = flow.solve(problem, work_limit=_ALL)
    except SolverError:
        return
    again = dataclasses.replace(problem, running_kwh=first.energy_kwh)
    assert np.array_equal(flow.solve(again, work_limit=_ALL).energy_kwh, first.energy_kwh)
