"""Whatever a solver does, the ladder answers, and what answers has been verified."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.errors import InvalidValueError
from scheduler.cascade import load_solver, run_cascade
from scheduler.solution import Solution, SolverError
from scheduler.verify import verify
from tests.problems import problem_of, session


def problem():
    return problem_of(
        [session(0, 3, 10.0, 12.0), session(0, 3, 10.0, 12.0)],
        price=[3.0, 1.0, 2.0],
        cap_kw=10.0,
    )


def raises(problem, *, work_limit):
    raise SolverError("no")


def crashes(problem, *, work_limit):
    raise ZeroDivisionError


def lies(problem, *, work_limit):
    return Solution(np.full(problem.entry_slot.size, 9.0), "optimal", "lies", 0.0, 1)


def nan(problem, *, work_limit):
    return Solution(np.full(problem.entry_slot.size, np.nan), "optimal", "nan", 0.0, 1)


def test_the_first_good_rung_answers():
    rungs = [("highs", load_solver("highs")), ("greedy", load_solver("greedy"))]
    answer = run_cascade(problem(), rungs, 10**6)
    assert (answer.rung, answer.status) == ("highs", "optimal")


@pytest.mark.parametrize("bad", [raises, crashes, lies, nan])
def test_a_bad_rung_is_passed_over(bad):
    answer = run_cascade(problem(), [("bad", bad), ("highs", load_solver("highs"))], 10**6)
    assert answer.rung == "highs"


@pytest.mark.parametrize("bad", [raises, crashes, lies, nan])
def test_the_running_plan_is_clipped_when_no_rung_answers(bad):
    running = np.array([8.0, 2.0, 0.0, 8.0, 2.0, 0.0])
    answer = run_cascade(problem(), [("bad", bad)], 10**6, running)
    assert answer.rung == "shifted"
    assert answer.energy_kwh == pytest.approx([5.0, 2.0, 0.0, 5.0, 2.0, 0.0])


def test_greedy_answers_without_a_running_plan():
    answer = run_cascade(problem(), [("bad", lies)], 0)
    assert answer.rung == "greedy"
    assert verify(problem(), answer).ok
    assert answer.energy_kwh.sum() == pytest.approx(24.0)


def test_a_running_plan_as_good_as_the_new_one_stays():
    flat = problem_of([session(0, 4, 10.0, 20.0)], price=[1.0] * 4)
    odd = np.array([4.0, 6.0, 3.0, 7.0])
    answer = run_cascade(flat, [("highs", load_solver("highs"))], 10**6, odd)
    assert np.array_equal(answer.energy_kwh, odd)


def test_a_running_plan_that_became_dearer_or_forbidden_goes():
    rungs = [("highs", load_solver("highs"))]
    dearer = problem_of([session(0, 2, 10.0, 10.0)], price=[2.0, 1.0])
    answer = run_cascade(dearer, rungs, 10**6, np.array([10.0, 0.0]))
    assert answer.energy_kwh == pytest.approx([0.0, 10.0])
    cut = problem_of([session(0, 2, 10.0, 10.0)], price=[1.0, 1.0], cap_kw=6.0)
    answer = run_cascade(cut, rungs, 10**6, np.array([10.0, 0.0]))
    assert answer.energy_kwh == pytest.approx([6.0, 4.0])


def test_a_running_plan_is_taken_from_the_problem():
    flat = problem_of([session(0, 4, 10.0, 20.0)], price=[1.0] * 4)
    odd = np.array([4.0, 6.0, 3.0, 7.0])
    again = dataclasses.replace(flat, running_kwh=odd)
    answer = run_cascade(again, [("highs", load_solver("highs"))], 10**6)
    assert np.array_equal(answer.energy_kwh, odd)


@pytest.mark.parametrize("name", ["nowhere", "../etc", "highs.solve", ""])
def test_an_unknown_solver_is_named(name):
    with pytest.raises(InvalidValueError, match="solver"):
        load_solver(name)


def test_a_less_fair_running_plan_goes_and_a_fairer_one_stays():
    rungs = [("flow_fair", load_solver("flow_fair"))]
    scarce = problem_of(
        [session(0, 1, 10.0, 10.0), session(0, 1, 10.0, 10.0)], price=[1.0], cap_kw=10.0
    )
    answer = run_cascade(scarce, rungs, 10**6, np.array([8.0, 2.0]))
    assert answer.energy_kwh == pytest.approx([5.0, 5.0])
    rungs = [("highs", load_solver("highs"))]
    answer = run_cascade(scarce, rungs, 10**6, np.array([5.0, 5.0]))
    assert answer.energy_kwh == pytest.approx([5.0, 5.0])


def test_a_shortage_that_the_flow_finds_is_shared_fairly_and_otherwise_the_flow_answers():
    rungs = [(name, load_solver(name)) for name in ("flow", "flow_fair", "highs")]
    enough = problem_of([session(0, 3, 10.0, 9.0), session(0, 3, 10.0, 9.0)], price=[3.0, 1.0, 2.0])
    assert run_cascade(enough, rungs, 10**6).rung == "flow"
    short = problem_of(
        [session(0, 1, 10.0, 8.0), session(0, 2, 10.0, 8.0), session(0, 2, 10.0, 4.0)],
        price=[1.0, 2.0],
        cap_kw=5.0,
    )
    answer = run_cascade(short, rungs, 10**6)
    assert answer.rung == "flow_fair"
    given = answer.given_kwh(short)
    assert given.sum() == pytest.approx(10.0)
    assert given / short.fleet.energy_kwh == pytest.approx(0.5, abs=1e-6)
