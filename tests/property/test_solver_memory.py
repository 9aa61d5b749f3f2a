"""A flow that is mended after an event is as good as one found afresh, whatever happened."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.events import anything, cut, halves, leaves, plugs_in
from benchmarks.fuzz import differs, score
from benchmarks.instances import fleet_problem, random_problem
from scheduler.cascade import load_again, load_solver
from scheduler.solution import SolverError
from scheduler.verify import verify

ALL = 2**40


@pytest.mark.parametrize("solver", ["flow", "flow_fair"])
@pytest.mark.parametrize("block", range(5))
def test_random_chains_of_events_end_in_the_optimum(solver: str, block: int) -> None:
    again, afresh = load_again(solver), load_solver(solver)
    assert again is not None
    compared = 0
    for seed in range(1000 * block, 1000 * block + 40):
        rng = np.random.default_rng(seed)
        problem, memory = random_problem(seed), None
        for event in range(8):
            try:
                answer, memory = again(problem, memory, work_limit=ALL)
            except SolverError:
                break
            fresh = afresh(dataclasses.replace(problem), work_limit=ALL)
            mine, theirs = score(problem, answer), score(problem, fresh)
            assert verify(problem, answer).ok, f"seed {seed}, event {event}"
            assert not differs(problem, mine, theirs), f"seed {seed}, event {event}"
            compared += 1
            problem = anything(problem, rng)
            if not problem.fleet.n:
                break
    assert compared > 150


@pytest.mark.parametrize("event", [halves, leaves, plugs_in, cut])
def test_one_event_in_a_congested_fleet_is_mended_not_solved_anew(event) -> None:
    again, afresh = load_again("flow"), load_solver("flow")
    assert again is not None
    problem = fleet_problem(400, load="congested", seed=3)
    before, memory = again(problem, None, work_limit=ALL)
    after = event(problem, np.random.default_rng(1))
    answer, memory = again(after, memory, work_limit=ALL)
    fresh = afresh(dataclasses.replace(after), work_limit=ALL)
    assert not differs(after, score(after, answer), score(after, fresh))
    assert memory is not None
    assert memory.problem is after
    stays = [i for i in after.fleet.ids if i in problem.fleet.ids]
    moved = [i for i in stays if not np.array_equal(_of(problem, before, i), _of(after, answer, i))]
    assert len(moved) < 60


def test_no_news_changes_nothing() -> None:
    again = load_again("flow")
    assert again is not None
    problem = fleet_problem(200, load="short", seed=4)
    first, memory = again(problem, None, work_limit=ALL)
    second, _ = again(dataclasses.replace(problem), memory, work_limit=ALL)
    assert np.array_equal(first.energy_kwh, second.energy_kwh)
    assert second.work == 0


def test_many_who_plug_in_one_after_another_are_all_mended() -> None:
    """Entries of who has left stay laid out until a solve begins anew."""
    again, rng = load_again("flow"), np.random.default_rng(2)
    assert again is not None
    problem = fleet_problem(60, load="congested", seed=4)
    _, memory = again(problem, None, work_limit=ALL)
    problem = leaves(problem, rng)
    for _ in range(50):
        _, memory = again(problem, memory, work_limit=ALL)
        assert memory is not None
        assert memory.used > problem.offsets[-1]
        problem = plugs_in(problem, rng)


def _of(problem, answer, session: str) -> np.ndarray:
    i = problem.fleet.ids.index(session)
    return answer.energy_kwh[int(problem.offsets[i]) : int(problem.offsets[i + 1])]
