"""The general path against an independent formulation with integers, on small random sites."""

from __future__ import annotations

import dataclasses

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.instances import fleet_problem
from benchmarks.microgrids import around, one_changed
from scheduler.cascade import load_solver, run_cascade
from scheduler.microgrid import Giving, Microgrid, Sources, Stores
from scheduler.peak import PeakPrice
from scheduler.problem import Problem
from scheduler.solution import Solution
from scheduler.solvers import general
from scheduler.verify import verify
from tests.problems import problem_of, session

SEED = st.integers(0, 10_000)


def random_site(seed: int) -> Problem:
    """A day of a few slots in which everybody can be served, with odd prices."""
    rng = np.random.default_rng(seed)
    t, n, s = int(rng.integers(2, 7)), int(rng.integers(1, 4)), int(rng.integers(1, 3))
    price = np.round(rng.uniform(-0.5, 1.0, t), 3)
    sell = np.round(rng.uniform(-0.6, 1.2, t), 3) if rng.random() < 0.5 else price - 0.1
    sessions = []
    for _ in range(n):
        first = int(rng.integers(0, t))
        last = int(rng.integers(first + 1, t + 1))
        energy = round(float(rng.uniform(0, 6.0 * (last - first))), 2)
        sessions.append(session(start_h=first, end_h=last, max_kw=7.0, energy_kwh=energy))
    cap = np.round(rng.uniform(0, 7.0 * n, s), 1)
    stores = Stores(
        ids=tuple(f"b{k}" for k in range(s)),
        node=np.zeros(s, dtype=np.int64),
        charge_kw=np.full(s, 5.0),
        discharge_kw=np.full(s, 4.0),
        charge_efficiency=np.full(s, 0.9),
        discharge_efficiency=np.full(s, 0.95),
        energy_kwh=cap * 0.5,
        floor_kwh=cap * 0.1,
        top_kwh=cap,
        wear_per_kwh=np.full(s, 0.02),
        end_value_per_kwh=np.full(s, round(float(rng.uniform(-0.1, 0.3)), 3)),
        pv_only=rng.random(s) < 0.3,
    )
    base = np.round(rng.uniform(-3, 8, (1, t)), 2)
    gives = rng.random(n) < 0.5
    grid = Microgrid(
        stores=stores,
        sources=Sources(("pv",), np.zeros(1, dtype=np.int64), np.round(rng.uniform(0, 9, (1, t)))),
        base_kw=base,
        import_kw=np.full((1, t), 7.0 * n + 20.0),
        export_kw=np.full((1, t), float(rng.choice([0.0, 3.0, 30.0]))),
        giving=Giving(
            discharge_kw=np.where(gives, 6.0, 0.0),
            efficiency=np.full(n, 0.85),
            spare_kwh=np.full(n, 3.0),
            room_kwh=np.full(n, 20.0),
            wear_per_kwh=np.full(n, 0.05),
            budget_kwh=np.full(n, 8.0),
        ),
    )
    slots = np.arange(t)
    peaks: tuple[PeakPrice, ...] = ()
    if rng.random() < 0.5:
        peaks = (PeakPrice(slots, slots, np.ones(t), np.zeros(t), ((4.0, 0.3),)),)
    problem = problem_of(sessions, price=price.tolist(), sell=sell.tolist(), cap_kw=100.0)
    return dataclasses.replace(problem, microgrid=grid, peaks=peaks)


def least_cost(problem: Problem) -> float:
    """Money of serving everybody, by a mixed-integer program written apart from the product."""
    grid = problem.microgrid
    assert grid is not None
    assert grid.giving is not None
    t, n, s, st_ = problem.horizon.n, problem.fleet.n, grid.stores.n, grid.stores
    x, y = cp.Variable((n, t), nonneg=True), cp.Variable((n, t), nonneg=True)
    c, d = cp.Variable((s, t), nonneg=True), cp.Variable((s, t), nonneg=True)
    bought, sold = cp.Variable(t, nonneg=True), cp.Variable(t, nonneg=True)
    u = cp.Variable(t, nonneg=True)
    one, two, three = (
        cp.Variable((s, t), boolean=True),
        cp.Variable((n, t), boolean=True),
        cp.Variable(t, boolean=True),
    )
    inside = np.zeros((n, t))
    inside[problem.entry_session, problem.entry_slot] = 1.0
    net = x - y / 0.85
    rules = [x <= cp.multiply(7.0 * inside, two), y <= cp.multiply(6.0 * inside, 1 - two)]
    rules += [y[i] == 0 for i in range(n) if grid.giving.discharge_kw[i] == 0]
    rules += [cp.sum(net, axis=1) == problem.fleet.energy_kwh, cp.cumsum(net, axis=1) >= -3.0]
    room = np.maximum(problem.fleet.energy_kwh, 20.0)[:, None]
    rules += [cp.cumsum(net, axis=1) <= room, cp.sum(y, axis=1) <= 8.0]
    rules += [c <= 5.0 * one, d <= 4.0 * (1 - one)]
    stored = st_.energy_kwh[:, None] + cp.cumsum(0.9 * c - d / 0.95, axis=1)
    rules += [stored >= st_.floor_kwh[:, None], stored <= st_.top_kwh[:, None]]
    rules += [u <= grid.sources.available_kw[0]]
    if st_.pv_only.any():
        rules += [cp.sum(c[np.flatnonzero(st_.pv_only)], axis=0) <= u]
    rules += [bought <= 200.0 * three, sold <= 200.0 * (1 - three)]
    rules += [sold <= np.maximum(grid.export_kw[0], -grid.base_kw[0])]
    load = cp.sum(x, axis=0) - cp.sum(y, axis=0) + cp.sum(c, axis=0) - cp.sum(d, axis=0) - u
    rules += [bought - sold == grid.base_kw[0] + load]
    money = problem.buy_per_kwh @ bought - problem.sell_per_kwh @ sold
    money += 0.02 * cp.sum(d) + 0.05 * cp.sum(y) - st_.end_value_per_kwh @ stored[:, -1]
    for peak in problem.peaks:
        money += peak.tiers[0][1] * cp.pos(cp.max(bought) - peak.tiers[0][0])
    program = cp.Problem(cp.Minimize(money), rules)
    program.solve(solver=cp.HIGHS)
    assert program.status == "optimal", program.status
    return float(program.value)


def money_of(problem: Problem, answer: Solution) -> float:
    """What a plan costs, less what is stored at its end."""
    return answer.cost(problem) + answer.peak_cost(problem) - answer.stored_value(problem)


@settings(max_examples=60, deadline=None)
@given(seed=SEED)
@example(seed=1328)  # who may not flow the smaller way has nowhere to go
@example(seed=1533)
@example(seed=3040)
def test_as_cheap_as_the_mixed_integer_program(seed: int) -> None:
    problem = random_site(seed)
    general.forget()
    answer = general.solve(problem, work_limit=10**9)
    assert verify(problem, answer).ok, str(verify(problem, answer))
    assert answer.short_kwh(problem).max(initial=0.0) < 1e-6
    best = least_cost(problem)
    reached = money_of(problem, answer)
    assert reached >= best - 2e-3
    assert reached <= best + 2e-3


@settings(max_examples=40, deadline=None)
@given(seed=SEED)
def test_a_plan_that_does_both_at_once_is_caught(seed: int) -> None:
    """Net power alone is told; energy lost by doing both would be missing from the books."""
    problem = random_site(seed)
    answer = general.solve(problem, work_limit=10**9)
    assert answer.assets_kw is not None
    grid = problem.microgrid
    assert grid is not None
    shifted = answer.assets_kw.copy()
    room = grid.stores.high_kwh[0] - grid.stores.stored_kwh(shifted[: grid.stores.n])[0]
    shifted[0, 0] += room[:].min() / 0.9 + 1.0
    broken = dataclasses.replace(answer, assets_kw=shifted)
    assert not verify(problem, broken).ok


def test_started_from_the_last_plan_it_ends_at_the_same_cost() -> None:
    problem = around(fleet_problem(60, seed=3), giving_share=0.25)
    general.forget()
    general.solve(problem, work_limit=10**9)
    changed = one_changed(problem, seed=5)
    warm = general.solve(changed, work_limit=10**9)
    general.forget()
    cold = general.solve(changed, work_limit=10**9)
    assert warm.work < cold.work / 4
    assert money_of(changed, warm) == pytest.approx(money_of(changed, cold), rel=1e-5)


def test_the_ladder_sends_each_problem_to_its_rung() -> None:
    rungs = [(name, load_solver(name)) for name in ("flow", "general", "highs")]
    fleet = fleet_problem(20)
    assert run_cascade(fleet, rungs, 10**9).rung == "flow"
    assert run_cascade(around(fleet), rungs, 10**9).rung == "general"


def test_scarcity_is_shared_by_priority_and_promise() -> None:
    """With too little for all, the storage empties itself for the cars, larger priority first."""
    rows = [
        session(start_h=0, end_h=2, max_kw=10.0, energy_kwh=10.0, priority=p, promised_kwh=0.0)
        for p in (5, 6)
    ]
    problem = problem_of(rows, price=[1.0, 1.0], cap_kw=100.0)
    stores = dataclasses.replace(
        random_site(1).microgrid.stores,  # type: ignore[union-attr]
        ids=("b0",),
        **{
            name: np.array([value])
            for name, value in {
                "node": 0,
                "charge_kw": 5.0,
                "discharge_kw": 5.0,
                "charge_efficiency": 1.0,
                "discharge_efficiency": 1.0,
                "energy_kwh": 4.0,
                "floor_kwh": 1.0,
                "top_kwh": 10.0,
                "wear_per_kwh": 5.0,
                "end_value_per_kwh": 9.0,
                "pv_only": False,
            }.items()
        },
    )
    grid = Microgrid(
        stores=stores,
        sources=Sources((), np.zeros(0, dtype=np.int64), np.zeros((0, 2))),
        base_kw=np.zeros((1, 2)),
        import_kw=np.full((1, 2), 4.0),
        export_kw=np.zeros((1, 2)),
    )
    answer = general.solve(dataclasses.replace(problem, microgrid=grid), work_limit=10**9)
    given = answer.given_kwh(problem)
    assert given[1] == pytest.approx(10.0, abs=1e-6)
    assert given[0] == pytest.approx(1.0, abs=1e-6)
