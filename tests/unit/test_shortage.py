"""A short session is told what binds, and no more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.instances import random_problem
from scheduler.cascade import run_cascade
from scheduler.limits_above import limit_names
from scheduler.problem import PhaseLimit, Problem
from scheduler.shortage import Cut, Cuts, explain
from scheduler.solution import SolverError, given_kwh
from scheduler.solvers import flow, highs
from tests.problems import problem_of, session

_ALL = 10**9


def cuts(problem):
    return explain(problem, flow.solve(problem, work_limit=_ALL).energy_kwh)


def test_a_full_feeder_is_named_and_its_idle_neighbour_is_not():
    problem = problem_of(
        [
            session(0, 2, 10, 20, node=1),
            session(0, 2, 10, 10, node=1),
            session(0, 2, 10, 10, node=2),
        ],
        price=[1.0, 1.0],
        parent=[-1, 0, 0],
        cap_kw=[[100.0, 100.0], [12.0, 12.0], [20.0, 20.0]],
    )
    (cut,) = cuts(problem)
    assert cut.short_kwh == pytest.approx(6.0)
    assert cut.nodes == (("n1", (0, 1)),)
    assert set(cut.sessions) == {"s0", "s1"}
    assert cut.more_kw == pytest.approx(3.0)


def test_a_limit_of_no_whole_watt_seconds_is_named_too():
    """A plan in whole watt-seconds leaves a part of one below it, as meters' limits do."""
    limit_kw = 12.0 + 0.7 / 3_600_000.0
    problem = problem_of(
        [session(0, 2, 10, 20), session(0, 2, 10, 10)], price=[1.0, 1.0], cap_kw=limit_kw
    )
    (cut,) = cuts(problem)
    assert cut.nodes == (("n0", (0, 1)),)
    assert set(cut.sessions) == {"s0", "s1"}


def test_a_full_transformer_behind_a_full_feeder_is_named_with_it():
    problem = problem_of(
        [
            session(0, 2, 10, 20, node=1),
            session(0, 2, 10, 20, node=1),
            session(0, 2, 10, 20, node=2),
        ],
        price=[1.0, 1.0],
        parent=[-1, 0, 0],
        cap_kw=[[16.0, 16.0], [10.0, 10.0], [20.0, 20.0]],
    )
    plan = np.array([5.0, 5.0, 5.0, 5.0, 6.0, 6.0])
    cut = explain(problem, plan)[0]
    assert cut.nodes == (("n0", (0, 1)), ("n1", (0, 1)))


def test_a_stay_too_short_for_the_pile_names_no_node():
    (cut,) = cuts(problem_of([session(0, 1, 10, 15)], price=[1.0, 1.0], cap_kw=50.0))
    assert cut.nodes == ()
    assert cut.sessions == ("s0",)
    assert np.isnan(cut.more_kw)


def test_who_could_make_way_but_has_no_other_hour_is_behind_the_cut():
    problem = problem_of(
        [session(0, 1, 10, 10), session(0, 2, 10, 20), session(1, 2, 10, 5)],
        price=[1.0, 1.0],
        cap_kw=10.0,
    )
    plan = np.array([10.0, 0.0, 10.0, 0.0])
    last = explain(problem, plan)[-1]
    assert last.session == "s2"
    assert last.nodes == (("n0", (0, 1)),)
    assert set(last.sessions) == {"s0", "s1", "s2"}
    assert last.more_kw == pytest.approx(15.0 / 2)


def test_raising_what_binds_helps_and_raising_the_rest_does_not():
    helped = tried = 0
    for seed in range(600_000, 600_150):
        problem = dataclasses.replace(random_problem(seed), running_kwh=None, phase_limits=())
        try:
            plan = flow.solve(problem, work_limit=_ALL)
        except SolverError:
            continue
        short = plan.short_kwh(problem).sum()
        found = explain(problem, plan.energy_kwh)
        inside = np.zeros(problem.cap_kw.shape, dtype=bool)
        for cut in found:
            for name, slots in cut.nodes:
                inside[problem.node_ids.index(name), list(slots)] = True
        if not inside.any():
            continue
        tried += 1
        outside = np.where(inside, problem.cap_kw, problem.cap_kw + 50.0)
        elsewhere = dataclasses.replace(problem, cap_kw=outside)
        still = flow.solve(elsewhere, work_limit=_ALL).short_kwh(elsewhere).sum()
        assert still == pytest.approx(short, abs=1e-5), seed
        raised = np.where(inside, problem.cap_kw + 50.0, problem.cap_kw)
        better = dataclasses.replace(problem, cap_kw=raised)
        helped += flow.solve(better, work_limit=_ALL).short_kwh(better).sum() < short - 1e-4
    assert tried > 50
    assert helped == tried


def lifted(problem: Problem, rows: np.ndarray) -> Problem:
    """The problem with some limits raised, by row of nodes and then phases, and slot."""
    m = len(problem.node_ids)
    phases = tuple(
        dataclasses.replace(p, cap_a=np.where(rows[m + k], p.cap_a + 500.0, p.cap_a))
        for k, p in enumerate(problem.phase_limits)
    )
    cap = np.where(rows[:m], problem.cap_kw + 50.0, problem.cap_kw)
    return dataclasses.replace(problem, cap_kw=cap, phase_limits=phases)


def test_full_phases_are_named_and_raising_them_helps_and_raising_the_rest_does_not():
    """Nearly so where phases and nodes cross, and no tree holds them."""
    rungs = [("flow", flow.solve), ("highs", highs.solve)]
    named: set[str] = set()
    tried = by_tree = 0
    for seed in range(620_000, 620_500):
        problem = dataclasses.replace(random_problem(seed), running_kwh=None)
        if not problem.phase_limits:
            continue
        answer = run_cascade(problem, rungs, _ALL)
        cuts = Cuts(problem, answer.energy_kwh)
        index = {name: v for v, name in enumerate(limit_names(problem))}
        for i in np.flatnonzero(cuts.short_kwh > 0.1)[:3]:
            cut = cuts.of(int(i))
            if not any("/L" in name for name, _ in cut.nodes):
                continue
            tried += 1
            by_tree += answer.rung == "flow"
            named |= {name for name, _ in cut.nodes}
            inside = np.zeros((len(index), problem.horizon.n), dtype=bool)
            for name, slots in cut.nodes:
                inside[index[name], list(slots)] = True
            short = owed(problem, answer.energy_kwh, cut)
            raised = lifted(problem, inside)
            helped = owed(raised, run_cascade(raised, rungs, _ALL).energy_kwh, cut)
            assert helped < short - 1e-4, seed
            elsewhere = lifted(problem, ~inside)
            still = owed(elsewhere, run_cascade(elsewhere, rungs, _ALL).energy_kwh, cut)
            # Where limits cross, what three and more could do together is not looked into.
            unseen = 1e-6 if answer.rung == "flow" else 5e-3
            assert still >= short * (1 - unseen) - 1e-4, seed
    assert tried > 50
    assert by_tree not in (0, tried)
    assert len(named) > 3


def test_who_is_short_for_a_phase_is_told_of_it_and_who_is_on_another_is_not_behind_it():
    on_first = {"phases": 1, "amps_per_kw": 5.0, "node": 1}
    problem = problem_of(
        [
            session(0, 2, 10, 20, **on_first),
            session(0, 2, 10, 10, **on_first),
            session(0, 2, 10, 20, **{**on_first, "phases": 2}),
        ],
        price=[1.0, 1.0],
        parent=[-1, 0],
        cap_kw=100.0,
    )
    limits = tuple(PhaseLimit(1, phase, np.array([60.0, 60.0])) for phase in range(3))
    problem = dataclasses.replace(problem, phase_limits=limits)
    (cut,) = cuts(problem)
    assert cut.nodes == (("n1/L1", (0, 1)),)
    assert set(cut.sessions) == {"s0", "s1"}
    # A pile on three phases is held by the one that is full.
    three = session(0, 2, 10, 20, **{**on_first, "phases": 7})
    fleet = problem_of([session(0, 2, 10, 20, **on_first), three], price=[1.0, 1.0]).fleet
    other = problem_of(
        [session(0, 2, 10, 20, **on_first), three], price=[1.0, 1.0], parent=[-1, 0], cap_kw=100.0
    )
    other = dataclasses.replace(other, phase_limits=limits, fleet=fleet)
    plan = np.array([8.0, 8.0, 4.0, 4.0])
    assert [c.nodes for c in explain(other, plan)] == [(("n1/L1", (0, 1)),)] * 2


def holdable(seed: int) -> Problem:
    """A random problem whose piles hold nothing or at least 40 % of their power."""
    problem = dataclasses.replace(random_problem(seed), running_kwh=None, phase_limits=())
    fleet = dataclasses.replace(problem.fleet, min_kw=0.4 * problem.fleet.max_kw)
    return dataclasses.replace(problem, fleet=fleet)


def owed(problem: Problem, energy_kwh: np.ndarray, cut: Cut) -> float:
    """What those behind a cut are short of, kWh."""
    short = np.maximum(problem.fleet.energy_kwh - given_kwh(problem, energy_kwh), 0.0)
    return float(short[[problem.fleet.ids.index(s) for s in cut.sessions]].sum())


def test_what_piles_cannot_hold_leaves_every_explanation_right():
    """The plan told about is not the one in which nothing can be moved: a cut is still a cut."""
    named = by_minimum = 0
    for seed in range(610_000, 610_400):
        problem = holdable(seed)
        answer = run_cascade(problem, [("flow", flow.solve)], _ALL)
        if answer.rung != "flow" or answer.relaxed_kwh is None:
            continue
        cuts = Cuts(problem, answer.energy_kwh, relaxed_kwh=answer.relaxed_kwh)
        for i in np.flatnonzero(cuts.short_kwh > 0.1):
            cut = cuts.of(int(i))
            inside = np.zeros(problem.cap_kw.shape, dtype=bool)
            for name, slots in cut.nodes:
                inside[problem.node_ids.index(name), list(slots)] = True
            short = owed(problem, answer.relaxed_kwh, cut)
            by_minimum += cut.relaxed
            assert cut.relaxed == (short <= 1e-6), seed
            outside = np.where(inside, problem.cap_kw, problem.cap_kw + 50.0)
            elsewhere = dataclasses.replace(problem, cap_kw=outside)
            still = owed(elsewhere, flow.solve(elsewhere, work_limit=_ALL).energy_kwh, cut)
            assert still >= short - 1e-5, seed
            if not cut.nodes:
                continue
            named += 1
            raised = np.where(inside, problem.cap_kw + 50.0, problem.cap_kw)
            better = dataclasses.replace(problem, cap_kw=raised)
            helped = owed(better, flow.solve(better, work_limit=_ALL).energy_kwh, cut)
            assert helped < short - 1e-4, seed
    assert named > 100
    assert by_minimum > 5
