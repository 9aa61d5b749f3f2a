"""The compiled form of the repair places every session as the plain one does, to the last bit."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.instances import fleet_problem
from scheduler.cascade import load_solver
from scheduler.placing import Placing
from scheduler.problem import Problem
from scheduler.repair import repaired
from scheduler.solvers import flow


def problem_of(seed: int) -> Problem:
    """A depot whose piles have minimum powers, some steps, and some vehicles in a hurry."""
    rng = np.random.default_rng(seed)
    load = str(rng.choice(["medium", "congested", "short"]))
    late = int(rng.choice([0, 7]))
    problem = fleet_problem(60, load=load, seed=seed, late_minutes=late)  # type: ignore[arg-type]
    n, fleet = problem.fleet.n, problem.fleet
    step = np.where(rng.random(n) < 0.5, 0.23, 0.0)
    fleet = dataclasses.replace(
        fleet,
        min_kw=np.minimum(rng.choice([0.0, 1.38, 2.76, 4.1], n), fleet.max_kw),
        step_kw=step,
        count_factor=np.full(n, 1.07),
    )
    sun = np.where(rng.random(problem.horizon.n) < 0.3, rng.uniform(0, 60), 0.0)
    return dataclasses.replace(
        problem, fleet=fleet, surplus_kw=sun, sell_per_kwh=np.full(problem.horizon.n, 0.1)
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_compiled_repair_is_the_plain_one(seed: int) -> None:
    problem = problem_of(seed)
    relaxed = load_solver("flow")(problem, work_limit=10**9)
    rng = np.random.default_rng(seed)
    in_a_hurry = dataclasses.replace(problem.fleet, earliest=rng.random(problem.fleet.n) < 0.1)
    problem = dataclasses.replace(problem, fleet=in_a_hurry)
    again = np.flatnonzero(rng.random(problem.fleet.n) < 0.6)
    target = relaxed.given_kwh(problem) * rng.uniform(0.5, 1.3, problem.fleet.n)
    mine = Placing(problem, relaxed, relaxed.energy_kwh, again)
    theirs = Placing(problem, relaxed, relaxed.energy_kwh, again, flow.placing_kernel())
    order = rng.permutation(again).tolist()
    refused = mine.place_all(order, target)
    assert refused == theirs.place_all(order, target)
    assert mine.energy.tobytes() == theirs.energy.tobytes()
    assert mine.neighbours(refused).tolist() == theirs.neighbours(refused).tolist()
    whole, compiled = repaired(problem, relaxed), repaired(problem, relaxed, flow.placing_kernel())
    assert whole.energy_kwh.tobytes() == compiled.energy_kwh.tobytes()
    assert whole.gap == compiled.gap


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_plan_without_some_is_the_plan_of_the_others(seed: int) -> None:
    """Whether they are taken out of a plan that others were placed in, or never were in it."""
    problem = problem_of(seed)
    relaxed = load_solver("flow")(problem, work_limit=10**9)
    rng = np.random.default_rng(seed)
    again = np.flatnonzero(rng.random(problem.fleet.n) < 0.5)
    kernel = flow.place if rng.random() < 0.5 else None
    placing = Placing(problem, relaxed, relaxed.energy_kwh, again, kernel)
    placing.place_all(again.tolist(), relaxed.given_kwh(problem))
    before = placing.energy.copy()
    some = np.flatnonzero(rng.random(problem.fleet.n) < 0.3)
    mine = placing.without(some)
    theirs = Placing(problem, relaxed, placing.energy, some)
    assert placing.energy.tobytes() == before.tobytes()
    assert mine.energy.tobytes() == theirs.energy.tobytes()
    for name in ("given", "drawn"):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), atol=1e-9)
    for i in some.tolist():
        for here, there in zip(mine.slots_of(i), theirs.slots_of(i), strict=True):
            np.testing.assert_allclose(here, there, atol=1e-9)
