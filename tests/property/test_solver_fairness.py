"""A shortage is shared fairly: checked against a sequence of linear programs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from benchmarks.fuzz import differs, score
from benchmarks.instances import fleet_problem, random_problem
from scheduler.problem import Problem
from scheduler.rows import Rows, energy_rows, node_rows, phase_rows, stack
from scheduler.solution import SolverError
from scheduler.solvers import flow, flow_fair
from scheduler.verify import verify
from tests.problems import problem_of, session

_ALL = 10**9


def given(problem: Problem, energy: np.ndarray) -> np.ndarray:
    return np.bincount(problem.entry_session, weights=energy, minlength=problem.fleet.n)


def fractions(problem: Problem, energy: np.ndarray) -> np.ndarray:
    fleet = problem.fleet
    done = fleet.asked_kwh - fleet.energy_kwh
    return (done + given(problem, energy)) / np.maximum(fleet.asked_kwh, 1e-12)


def by_linear_programs(problem: Problem, totals: dict[int, float]) -> np.ndarray:
    """Max-min fractions, priority by priority, each level by a linear program of its own."""
    fleet, entries = problem.fleet, problem.entry_slot.size
    limits: Rows = stack([energy_rows(problem), node_rows(problem), phase_rows(problem)])
    base = csr_array((limits.value, (limits.row, limits.entry)), shape=(limits.n, entries + 1))
    sums = csr_array(
        (np.ones(entries), (problem.entry_session, np.arange(entries))),
        shape=(fleet.n, entries + 1),
    )
    done = fleet.asked_kwh - fleet.energy_kwh
    level = csr_array((fleet.asked_kwh, (np.arange(fleet.n), np.full(fleet.n, entries))),
                      shape=(fleet.n, entries + 1))  # fmt: skip
    ranked = vstack([csr_array(sums[fleet.priority == p].sum(axis=0)[None, :]) for p in totals])
    bounds = [(0.0, u) for u in problem.upper_kwh] + [(0.0, 1.0)]
    held = {int(i): 0.0 for i in np.flatnonzero(fleet.energy_kwh < 1e-9)}

    def best(cost: np.ndarray, free: list[int], at_least: float | None) -> np.ndarray:
        upper = [base, -ranked]
        right = [limits.upper, -np.array(list(totals.values())) + 1e-9]
        rest = sums[free]
        if at_least is None:
            upper.append(level[free] - rest)
            right.append(done[free])
        else:
            upper.append(-rest)
            right.append(done[free] - at_least * fleet.asked_kwh[free] + 1e-9)
        if held:
            keys = list(held)
            upper.append(-sums[keys])
            right.append(-np.array([held[k] for k in keys]) + 1e-9)
        found = linprog(
            cost, A_ub=vstack(upper).tocsr(), b_ub=np.concatenate(right), bounds=bounds,
            method="highs",
        )  # fmt: skip
        assert found.status == 0, found.message
        return found.x

    for priority in sorted(totals, reverse=True):
        free = [int(i) for i in np.flatnonzero(fleet.priority == priority) if i not in held]
        while free:
            cost = np.zeros(entries + 1)
            cost[-1] = -1.0
            fraction = float(best(cost, free, None)[-1])
            stuck = []
            for i in free:
                cost = -sums[[i]].toarray()[0]
                most = float(-cost @ best(cost, free, fraction))
                if done[i] + most <= fraction * fleet.asked_kwh[i] + 1e-6:
                    stuck.append(i)
            for i in stuck or free:
                held[i] = max(fraction * fleet.asked_kwh[i] - done[i], 0.0)
            free = [i for i in free if i not in held]
    served = np.array([held[i] for i in range(fleet.n)])
    return (done + served) / np.maximum(fleet.asked_kwh, 1e-12)


def short_problem(seed: int) -> Problem | None:
    problem = dataclasses.replace(random_problem(seed), running_kwh=None)
    rng = np.random.default_rng(seed)
    asked = problem.fleet.energy_kwh * rng.choice([1.0, 1.5, 2.0], problem.fleet.n)
    fleet = dataclasses.replace(
        problem.fleet, promised_kwh=np.zeros(problem.fleet.n), asked_kwh=asked
    )
    problem = dataclasses.replace(problem, fleet=fleet)
    try:
        plain = flow.solve(problem, work_limit=_ALL)
    except SolverError:
        return None
    return problem if plain.short_kwh(problem).sum() > 0.01 else None


def test_equals_a_sequence_of_linear_programs():
    compared = 0
    for seed in range(500_000, 500_030):
        problem = short_problem(seed)
        if problem is None:
            continue
        fair = flow_fair.solve(problem, work_limit=_ALL)
        assert verify(problem, fair).ok
        served = given(problem, fair.energy_kwh)
        priorities = problem.fleet.priority
        totals = {int(p): float(served[priorities == p].sum()) for p in np.unique(priorities)}
        expected = by_linear_programs(problem, totals)
        some = problem.fleet.energy_kwh > 1e-3
        assert fractions(problem, fair.energy_kwh)[some] == pytest.approx(
            expected[some], abs=2e-5
        ), seed
        compared += 1
    assert compared > 8


@pytest.mark.parametrize("seed", [1, 2])
def test_fairness_costs_neither_energy_nor_money(seed):
    problem = fleet_problem(300, load="short", seed=seed)
    plain = flow.solve(problem, work_limit=_ALL)
    fair = flow_fair.solve(problem, work_limit=_ALL)
    assert not differs(problem, score(problem, plain), score(problem, fair), relative=1e-7)
    assert plain.short_kwh(problem).sum() > 1.0
    lowest = {
        p: min(fractions(problem, plan.energy_kwh)[problem.fleet.priority == 1])
        for p, plan in (("plain", plain), ("fair", fair))
    }
    assert lowest["fair"] > lowest["plain"] + 0.05


def test_two_equal_sessions_share_and_what_was_delivered_counts():
    problem = problem_of(
        [session(0, 1, 10, 10), session(0, 1, 10, 5, asked_kwh=10.0)], price=[1.0], cap_kw=9.0
    )
    answer = flow_fair.solve(problem, work_limit=_ALL)
    assert answer.energy_kwh == pytest.approx([7.0, 2.0])


def test_a_promise_is_no_part_of_what_is_shared():
    problem = problem_of(
        [session(0, 1, 10, 10, promised_kwh=8.0), session(0, 1, 10, 10)], price=[1.0], cap_kw=9.0
    )
    assert flow_fair.solve(problem, work_limit=_ALL).energy_kwh == pytest.approx([8.0, 1.0])
