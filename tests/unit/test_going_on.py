"""The plan of a microgrid goes on: the next problem names what runs and what the solver had."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from adapters.replaying import replay
from adapters.store.records import pack, unpack
from benchmarks.replan import MicrogridLoop
from models.events import Event
from scheduler.cascade import load_solver, run_cascade, started_from
from scheduler.effects import Solve
from scheduler.plan_arrays import going_on, plan_of
from scheduler.problem import Problem
from scheduler.solution import Solution, answered
from scheduler.solvers import general
from tests.unit.test_replaying_microgrid import made

RUNGS = [("general", load_solver("general"))]
ALL = 10**9


class Small(MicrogridLoop):
    """Thirty piles; keeps each problem and its answer."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        super().__init__(30, 3, 0.5)

    def step(self, events: list[Event]) -> float:
        self.state, effects, _ = self.engine.receive(self.state, events)
        for problem in [e.problem for e in effects if isinstance(e, Solve)]:
            self.problems.append(problem)
            self._plan(effects, {})
        return 0.0


@pytest.fixture(scope="module")
def chain() -> list[Problem]:
    general.forget()
    loop = Small()
    for _ in range(4):
        loop.step(loop.change())
    return loop.problems


def test_the_next_problem_names_the_plan_that_runs(chain: list[Problem]) -> None:
    first, *later = chain
    assert first.running_kwh is None
    assert later
    for problem in later:
        assert problem.running_kwh is not None
        assert problem.running_kwh.any()


def test_what_was_repaired_goes_on_as_the_solver_had_it(chain: list[Problem]) -> None:
    """Ten minutes later, in other slots: energy by energy what both plans say of that time."""
    before = chain[1]
    rng = np.random.default_rng(1)
    relaxed = before.upper_kwh * rng.uniform(0.0, 1.0, before.upper_kwh.size)
    held = np.where(rng.random(relaxed.size) < 0.2, 0.0, relaxed)
    answer = Solution(held, "gap", "general", 0.0, 0, relaxed_kwh=relaxed)
    now = before.horizon.start_s
    loop = Small()
    event = answered(before, answer, now=loop.now, mono_s=0.0, solve_ms=0.0)
    plan = plan_of(before, event)
    edges = before.horizon.edges_s.copy()
    edges[0] = now + int(timedelta(minutes=1).total_seconds())
    horizon = dataclasses.replace(before.horizon, edges_s=edges)
    start = np.maximum(before.fleet.start_s, edges[0])
    fleet = dataclasses.replace(before.fleet, start_s=start)
    after = dataclasses.replace(before, horizon=horizon, fleet=fleet, running_kwh=None)
    found = going_on(after, plan)
    share = after.entry_s / before.entry_s
    assert found.running_kwh == pytest.approx(held * share, abs=1e-9)
    assert found.relaxed_kwh == pytest.approx(relaxed * share, abs=1e-9)
    assert going_on(after, dataclasses.replace(plan)).relaxed_kwh is None


def test_what_the_solver_begins_with_is_part_of_the_problem(chain: list[Problem]) -> None:
    problem = chain[-1]
    assert problem.running_kwh is not None
    other = dataclasses.replace(problem, relaxed_kwh=problem.running_kwh)
    twice = dataclasses.replace(other, relaxed_kwh=0.5 * problem.running_kwh)
    assert len({problem.digest, other.digest, twice.digest}) == 3
    assert unpack(pack(twice)).digest == twice.digest


@pytest.mark.parametrize("ready", [True, False])
def test_a_plan_is_made_again_whether_compiled_or_not(
    chain: list[Problem], monkeypatch: pytest.MonkeyPatch, ready: bool
) -> None:
    """What was planned before anything was compiled is not planned from what runs at a replay."""
    monkeypatch.setattr(general, "MOVES_FROM_COLUMNS", 0)
    general.forget()
    general.compiled_when(lambda: ready)
    try:
        assert (general.placing_kernel() is not None) == ready
        step = made(chain[-1], 1)
    finally:
        general.compiled_when(lambda: True)
    assert bool(step.start) != ready
    general.forget()
    assert replay(step).identical


def test_from_the_plan_that_runs_it_costs_no_more(
    chain: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(general, "MOVES_FROM_COLUMNS", 0)
    for problem in chain[1:]:
        found = run_cascade(problem, RUNGS, ALL)
        assert started_from(problem, ["general"]) == b""
        alone = dataclasses.replace(problem, running_kwh=None, relaxed_kwh=None)
        general.forget()
        whole = run_cascade(alone, RUNGS, ALL)
        money = [
            a.cost(problem) + a.peak_cost(problem) - a.stored_value(problem)
            for a in (_relaxed(found), _relaxed(whole))
        ]
        assert money[0] == pytest.approx(money[1], rel=1e-8)


def _relaxed(answer: Solution) -> Solution:
    if answer.relaxed_kwh is None:
        return answer
    return dataclasses.replace(answer, energy_kwh=answer.relaxed_kwh)
