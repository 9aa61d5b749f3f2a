"""What the exact flow takes, what it refuses and why, and that it leaves a good plan alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.instances import fleet_problem
from scheduler.flowtree import flow_tree, price_levels
from scheduler.problem import PhaseLimit
from scheduler.solution import SolverError
from scheduler.solvers import flow, highs
from scheduler.verify import verify
from tests.problems import problem_of, session

ALL = 10**9


def test_cheapest_hours_first_and_early_among_equals():
    problem = problem_of([session(0, 5, 10.0, 25.0)], price=[3.0, 1.0, 2.0, 1.0, 2.0])
    assert flow.solve(problem, work_limit=ALL).energy_kwh == pytest.approx([0, 10, 5, 10, 0])


def test_one_makes_way_for_another_through_a_third():
    problem = problem_of(
        [session(0, 2, 10, 10, node=1), session(1, 3, 10, 10, node=1), session(2, 3, 10, 10)],
        price=[1.0, 1.0, 1.0],
        parent=[-1, 0],
        cap_kw=[[10.0] * 3, [10.0] * 3],
    )
    answer = flow.solve(problem, work_limit=ALL)
    assert answer.short_kwh(problem) == pytest.approx([0, 0, 0])
    assert verify(problem, answer).ok


def test_what_was_promised_is_kept_before_a_larger_priority():
    problem = problem_of(
        [session(0, 1, 10, 10, priority=1, promised_kwh=6.0), session(0, 1, 10, 10, priority=9)],
        price=[1.0],
        cap_kw=12.0,
    )
    assert flow.solve(problem, work_limit=ALL).energy_kwh == pytest.approx([6, 6])


def test_surplus_is_one_more_price_level():
    problem = problem_of(
        [session(0, 2, 10.0, 12.0)], price=[2.0, 1.0], sell=[0.5, 0.5], surplus_kw=[4.0, 0.0]
    )
    price, open_w = price_levels(problem)
    assert price.tolist() == [0.5, 1.0, 2.0]
    assert open_w[0].tolist() == [4000.0, 0.0]
    assert flow.solve(problem, work_limit=ALL).energy_kwh == pytest.approx([4, 8])


def test_the_same_factor_below_a_limit_is_still_a_flow():
    problem = problem_of([session(0, 1, 10.0, 10.0, count_factor=1.25)], price=[1.0], cap_kw=10.0)
    assert flow.solve(problem, work_limit=ALL).energy_kwh == pytest.approx([8.0])


def phased(*phases: int, cap_a: float = 40.0):
    base = problem_of(
        [session(0, 1, 7, 7, node=1, phases=p, amps_per_kw=4.0) for p in phases],
        price=[1.0],
        parent=[-1, 0],
    )
    limits = tuple(PhaseLimit(1, k, np.array([cap_a])) for k in range(3))
    return dataclasses.replace(base, phase_limits=limits)


def test_single_phase_piles_hang_under_phase_nodes():
    problem = phased(1, 1, 2)
    assert flow_tree(problem).parent.size > 2
    answer = flow.solve(problem, work_limit=ALL)
    assert answer.energy_kwh.sum() == pytest.approx(10.0 + 7.0)
    assert verify(problem, answer).ok


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (phased(1, 7), "more than one phase"),
        (
            problem_of(
                [session(0, 1, 9, 9, count_factor=1.1), session(0, 1, 9, 9)],
                price=[1.0],
                cap_kw=10.0,
            ),
            "count differently",
        ),
    ],
)
def test_what_leaves_the_flow_is_refused_with_the_reason(problem, reason):
    with pytest.raises(SolverError, match=reason):
        flow.solve(problem, work_limit=ALL)


def test_limits_that_cannot_bind_do_not_make_it_refuse():
    problem = phased(1, 7, cap_a=400.0)
    assert flow.solve(problem, work_limit=ALL).energy_kwh == pytest.approx([7, 7])


def test_one_changed_session_changes_few_others():
    problem = fleet_problem(200, load="congested", seed=4)
    before = flow.solve(problem, work_limit=ALL).energy_kwh
    energy = problem.fleet.energy_kwh.copy()
    energy[17] *= 0.5
    changed = dataclasses.replace(
        problem,
        fleet=dataclasses.replace(problem.fleet, energy_kwh=energy, asked_kwh=energy),
        running_kwh=before,
    )
    after = flow.solve(changed, work_limit=ALL).energy_kwh
    moved = np.unique(problem.entry_session[np.abs(after - before) > 1e-6])
    assert 17 in moved
    assert moved.size <= 20
    best = highs.solve(dataclasses.replace(changed, running_kwh=None), work_limit=ALL)
    assert flow.solve(changed, work_limit=ALL).cost(changed) == pytest.approx(
        best.cost(changed), rel=1e-7
    )


def tapering_fleet(n: int, share_of_room: float):
    rng = np.random.default_rng(11)
    room = rng.uniform(80, 300, n)
    rows = [
        session(a, d, 120.0, share_of_room * r, taper_per_h=1.5, taper_room_kwh=r)
        for a, d, r in zip(rng.uniform(0, 8, n), rng.uniform(13, 17, n), room, strict=True)
    ]
    price = [0.7] * 8 + [1.2] * 16 + [0.3] * 40 + [0.7] * 8
    return problem_of(rows, price=price, cap_kw=n * 40.0, edges_h=np.arange(73) / 4)


def test_a_fleet_that_ends_below_its_taper_s_tail_is_proved_optimal():
    problem = tapering_fleet(20, 0.9)
    answer = flow.solve(problem, work_limit=ALL)
    best = highs.solve(problem, work_limit=ALL)
    assert answer.status == "optimal"
    assert verify(problem, answer).ok
    assert answer.cost(problem) == pytest.approx(best.cost(problem), rel=1e-6)


def test_a_fleet_that_fills_up_stays_under_its_tapers_close_to_the_optimum():
    problem = tapering_fleet(20, 1.0)
    answer = flow.solve(problem, work_limit=ALL)
    best = highs.solve(problem, work_limit=ALL)
    assert answer.status == "feasible"
    assert verify(problem, answer).ok
    assert answer.short_kwh(problem).sum() <= best.short_kwh(problem).sum() + 20 * 0.05
    assert answer.cost(problem) <= best.cost(problem) * 1.015


def test_who_charges_at_once_does_so_beside_others():
    problem = problem_of(
        [session(0, 4, 10.0, 15.0, earliest=True), session(0, 4, 10.0, 20.0)],
        price=[4.0, 3.0, 2.0, 1.0],
        cap_kw=10.0,
        sell=[0.5] * 4,
        surplus_kw=[12.0, 0.0, 0.0, 0.0],
    )
    answer = flow.solve(problem, work_limit=ALL)
    assert answer.energy_kwh == pytest.approx([10, 5, 0, 0, 0, 0, 10, 10])
    assert answer.cost(problem) == pytest.approx(highs.solve(problem, work_limit=ALL).cost(problem))


def test_who_charges_at_once_leaves_a_shortage_to_the_next_rung():
    problem = problem_of(
        [session(0, 1, 10.0, 10.0, earliest=True), session(0, 1, 10.0, 10.0, priority=9)],
        price=[1.0],
        cap_kw=10.0,
    )
    with pytest.raises(SolverError, match="at once"):
        flow.solve(problem, work_limit=ALL)


def test_many_piles_that_count_differently_are_served_close_to_the_optimum():
    base = fleet_problem(450, load="congested", seed=2)
    factor = np.where(base.fleet.max_kw > 20, 1.0, 1.07)
    mixed = dataclasses.replace(base, fleet=dataclasses.replace(base.fleet, count_factor=factor))
    answer = flow.solve(mixed, work_limit=ALL)
    best = highs.solve(mixed, work_limit=ALL)
    assert verify(mixed, answer).ok
    assert answer.status == "feasible"
    assert answer.short_kwh(mixed).sum() == pytest.approx(0.0, abs=1e-3)
    assert answer.cost(mixed) <= best.cost(mixed) * 1.002
