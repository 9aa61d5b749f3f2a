"""Every file of scheduler/solvers/ that offers solve() keeps the same contract."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import scheduler.solvers
from benchmarks.instances import fleet_problem
from scheduler.cascade import load_solver
from scheduler.solution import SolverError
from scheduler.verify import verify
from tests.problems import problem_of, session

_ALL = 10**9
_BREAKS_LIMITS = {"uncontrolled"}


def _names() -> list[str]:
    found = []
    for module in pkgutil.iter_modules(scheduler.solvers.__path__):
        source = inspect.getsource(__import__(f"scheduler.solvers.{module.name}", fromlist=["x"]))
        if "\ndef solve(" in source:
            found.append(module.name)
    return found


NAMES = _names()


def test_the_known_solvers_are_there():
    assert {"flow", "mincost", "highs", "cvx", "greedy", "first_come", "uncontrolled"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_sessions_no_energy(name):
    answer = load_solver(name)(problem_of([], price=[1.0, 2.0]), work_limit=_ALL)
    assert answer.energy_kwh.shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_a_window_outside_the_horizon_is_no_trouble(name):
    problem = problem_of([session(-3, -1, 5.0, 4.0), session(7, 9, 5.0, 4.0)], price=[1.0, 2.0])
    answer = load_solver(name)(problem, work_limit=_ALL)
    assert answer.energy_kwh.sum() == 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("load", ["light", "short"])
def test_every_answer_can_be_verified_and_says_what_it_is(name, load):
    problem = fleet_problem(30, load=load, seed=3)
    answer = load_solver(name)(problem, work_limit=_ALL)
    assert answer.energy_kwh.shape == (problem.offsets[-1],)
    assert answer.status in {"optimal", "gap", "feasible"}
    assert answer.rung == name
    assert verify(problem, answer).ok or name in _BREAKS_LIMITS


@pytest.mark.parametrize("name", NAMES)
def test_the_same_problem_has_the_same_answer(name):
    """To the last bit from the same memory, and within rounding from its own."""
    forget = getattr(importlib.import_module(f"scheduler.solvers.{name}"), "forget", lambda: None)
    problem = fleet_problem(25, load="congested", seed=5)
    solve = load_solver(name)
    answers = []
    for _ in range(2):
        forget()
        answers.append(solve(dataclasses.replace(problem), work_limit=_ALL))
    assert np.array_equal(answers[0].energy_kwh, answers[1].energy_kwh)
    again = solve(dataclasses.replace(problem), work_limit=_ALL)
    np.testing.assert_allclose(again.energy_kwh, answers[0].energy_kwh, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_too_small_a_budget_is_an_error(name):
    problem = fleet_problem(40, load="short", seed=1)
    with pytest.raises(SolverError):
        load_solver(name)(problem, work_limit=0)
