"""What a planner would notice: limits kept, cheap hours used, priorities and promises first."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scheduler.problem import Fleet, PhaseLimit, Problem
from scheduler.solvers import first_come, flow, greedy, highs, uncontrolled
from scheduler.verify import verify
from tests.problems import problem_of, session

ALL = 10**9


def given(problem: Problem, energy: np.ndarray) -> np.ndarray:
    return np.bincount(problem.entry_session, weights=energy, minlength=problem.fleet.n)


@pytest.mark.parametrize("solver", [highs, greedy, flow])
def test_charges_in_the_cheapest_hours(solver):
    problem = problem_of([session(0, 4, 10.0, 20.0)], price=[3.0, 1.0, 2.0, 1.0])
    energy = solver.solve(problem, work_limit=ALL).energy_kwh
    assert energy == pytest.approx([0.0, 10.0, 0.0, 10.0])


@pytest.mark.parametrize("solver", [highs, greedy, flow])
def test_equal_prices_mean_early(solver):
    problem = problem_of([session(0, 4, 10.0, 20.0)], price=[1.0, 1.0, 1.0, 1.0])
    energy = solver.solve(problem, work_limit=ALL).energy_kwh
    assert energy == pytest.approx([10.0, 10.0, 0.0, 0.0])


def test_a_shared_limit_moves_the_patient_session():
    problem = problem_of(
        [session(0, 2, 10.0, 10.0), session(0, 3, 10.0, 10.0)],
        price=[1.0, 2.0, 3.0],
        cap_kw=10.0,
    )
    energy = highs.solve(problem, work_limit=ALL).energy_kwh
    assert given(problem, energy) == pytest.approx([10.0, 10.0])
    by_slot = np.bincount(problem.entry_slot, weights=energy)
    assert by_slot == pytest.approx([10.0, 10.0, 0.0])


@pytest.mark.parametrize("solver", [highs, greedy, flow])
def test_the_larger_priority_is_served_when_both_do_not_fit(solver):
    problem = problem_of(
        [session(0, 1, 10.0, 10.0, priority=2), session(0, 1, 10.0, 10.0, priority=7)],
        price=[1.0],
        cap_kw=12.0,
    )
    energy = solver.solve(problem, work_limit=ALL).energy_kwh
    assert given(problem, energy) == pytest.approx([2.0, 10.0])


def test_a_promise_stands_before_a_larger_priority():
    problem = problem_of(
        [
            session(0, 1, 10.0, 10.0, priority=1, promised_kwh=6.0),
            session(0, 1, 10.0, 10.0, priority=9),
        ],
        price=[1.0],
        cap_kw=12.0,
    )
    energy = highs.solve(problem, work_limit=ALL).energy_kwh
    assert given(problem, energy) == pytest.approx([6.0, 6.0])


@pytest.mark.parametrize("solver", [highs, greedy, flow])
def test_who_wants_power_now_gets_it_whatever_the_price(solver):
    problem = problem_of([session(0, 4, 10.0, 20.0, earliest=True)], price=[9.0, 8.0, 1.0, 1.0])
    energy = solver.solve(problem, work_limit=ALL).energy_kwh
    assert energy == pytest.approx([10.0, 10.0, 0.0, 0.0])


@pytest.mark.parametrize("solver", [highs, greedy, flow, first_come, uncontrolled])
def test_the_taper_is_kept_and_known(solver):
    k, room = 1.0, 20.0
    problem = problem_of(
        [session(0, 4, 15.0, 20.0, taper_per_h=k, taper_room_kwh=room)], price=[1.0] * 4
    )
    solution = solver.solve(problem, work_limit=ALL)
    assert verify(problem, solution).ok
    share = 1 - np.exp(-k)
    first = share * room
    assert solution.energy_kwh[0] == pytest.approx(first)
    assert solution.energy_kwh[1] == pytest.approx(share * (room - first))


def test_the_taper_moves_energy_ahead_of_a_cheap_last_hour():
    problem = problem_of(
        [session(0, 2, 15.0, 18.0, taper_per_h=2.0, taper_room_kwh=20.0)], price=[2.0, 1.0]
    )
    energy = highs.solve(problem, work_limit=ALL).energy_kwh
    share = 1 - np.exp(-2.0)
    before = (18.0 - share * 20.0) / (1 - share)
    assert energy == pytest.approx([before, 18.0 - before])


def test_pv_surplus_is_used_before_a_cheaper_looking_hour():
    problem = problem_of(
        [session(0, 2, 10.0, 10.0)],
        price=[2.0, 1.0],
        sell=[0.5, 0.5],
        surplus_kw=[4.0, 0.0],
    )
    for solver in (highs, greedy):
        solution = solver.solve(problem, work_limit=ALL)
        assert solution.energy_kwh == pytest.approx([4.0, 6.0])
        assert solution.cost(problem) == pytest.approx(4 * 0.5 + 6 * 1.0)


@pytest.mark.parametrize("solver", [highs, greedy, flow, first_come])
def test_a_phase_limit_binds_only_piles_on_that_phase(solver):
    base = problem_of(
        [
            session(0, 1, 7.0, 7.0, phases=1, amps_per_kw=1000 / 230),
            session(0, 1, 7.0, 7.0, phases=1, amps_per_kw=1000 / 230),
            session(0, 1, 7.0, 7.0, phases=2, amps_per_kw=1000 / 230),
        ],
        price=[1.0],
    )
    problem = dataclasses.replace(base, phase_limits=(PhaseLimit(0, 0, np.array([46.0])),))
    solution = solver.solve(problem, work_limit=ALL)
    served = given(problem, solution.energy_kwh)
    assert verify(problem, solution).ok
    assert served[0] + served[1] == pytest.approx(46 * 0.23)
    assert served[2] == pytest.approx(7.0)


def test_a_departure_inside_a_slot_counts_pro_rata():
    problem = problem_of([session(0, 1.5, 10.0, 15.0)], price=[1.0, 1.0])
    energy = highs.solve(problem, work_limit=ALL).energy_kwh
    assert energy == pytest.approx([10.0, 5.0])


def test_uncontrolled_ignores_the_limit_and_first_come_does_not():
    problem = problem_of(
        [session(0, 2, 10.0, 10.0), session(0, 2, 10.0, 10.0)], price=[1.0, 1.0], cap_kw=10.0
    )
    wild = uncontrolled.solve(problem, work_limit=ALL)
    tame = first_come.solve(problem, work_limit=ALL)
    assert not verify(problem, wild).ok
    assert verify(problem, tame).ok
    assert tame.energy_kwh == pytest.approx([10.0, 0.0, 0.0, 10.0])


def test_the_running_plan_is_kept_among_equals():
    problem = problem_of([session(0, 4, 10.0, 20.0)], price=[1.0] * 4)
    running = np.array([0.0, 10.0, 0.0, 10.0])
    again = dataclasses.replace(problem, running_kwh=running)
    assert highs.solve(again, work_limit=ALL).energy_kwh == pytest.approx(running)


def test_stages_deliver_first_and_save_second():
    problem = problem_of(
        [session(0, 2, 10.0, 15.0, priority=3), session(0, 3, 10.0, 15.0, priority=3)],
        price=[5.0, 1.0, 3.0],
        cap_kw=10.0,
    )
    staged = highs.solve_lexicographic(problem)
    plain = highs.solve(problem, work_limit=ALL)
    assert given(problem, staged.energy_kwh).sum() == pytest.approx(30.0)
    assert staged.cost(problem) == pytest.approx(plain.cost(problem))


def test_least_cost_of_a_stated_delivery():
    problem = problem_of([session(0, 3, 10.0, 30.0)], price=[5.0, 1.0, 3.0])
    cheap = highs.solve_delivering(problem, np.array([12.0]))
    assert cheap.energy_kwh == pytest.approx([0.0, 10.0, 2.0])


def test_a_budget_of_no_pivots_is_an_error_not_an_answer():
    problem = problem_of(
        [session(0, 3, 10.0, 12.0), session(0, 3, 10.0, 12.0)], price=[1, 2, 3], cap_kw=9.0
    )
    from scheduler.solution import SolverError

    with pytest.raises(SolverError):
        highs.solve(problem, work_limit=0)


def test_no_sessions_no_plan():
    problem = problem_of([], price=[1.0, 2.0])
    assert isinstance(problem.fleet, Fleet)
    for solver in (highs, greedy, first_come, uncontrolled):
        assert solver.solve(problem, work_limit=ALL).energy_kwh.size == 0
