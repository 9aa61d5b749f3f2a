"""Plans around storage, PV and vehicles that give back: as piles can hold and switch them too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.instances import Load, fleet_problem
from benchmarks.microgrids import around
from benchmarks.minimum import with_minimum
from scheduler.calls import CallTerm
from scheduler.cascade import load_solver, run_cascade
from scheduler.evenness import uneven
from scheduler.fewer_starts import restless
from scheduler.holdable import unholdable
from scheduler.problem import ImbalanceLimit, Problem
from scheduler.switching_terms import SwitchingTerms
from scheduler.verify import verify

WORK = 10**9
RUNGS = [("general", load_solver("general"))]


def site(sessions: int, load: Load, *, giving: float = 0.0, demand: bool = False) -> Problem:
    alone = fleet_problem(sessions, load=load, seed=2)
    return around(with_minimum(alone, whole_amps=False), demand=demand, giving_share=giving)


@pytest.mark.parametrize("demand", [False, True])
@pytest.mark.parametrize("giving", [0.0, 0.3])
def test_who_does_not_give_back_is_planned_nothing_that_a_pile_cannot_hold(
    demand: bool, giving: float
) -> None:
    problem = site(60, "congested", giving=giving, demand=demand)
    relaxed = load_solver("general")(problem, work_limit=WORK)
    gives = np.bincount(problem.entry_session, weights=relaxed.energy_kwh < 0) > 0
    kept = ~gives[problem.entry_session]
    answer = run_cascade(problem, RUNGS, WORK)
    assert (unholdable(problem, relaxed.energy_kwh) & kept).any()
    assert not (unholdable(problem, answer.energy_kwh) & kept).any()
    np.testing.assert_array_equal(answer.energy_kwh[~kept], relaxed.energy_kwh[~kept])
    assert answer.assets_kw is not None
    assert relaxed.assets_kw is not None
    np.testing.assert_array_equal(answer.assets_kw, relaxed.assets_kw)
    assert verify(problem, answer).ok
    assert answer.peak_cost(problem) <= relaxed.peak_cost(problem) + 1e-6
    assert answer.energy_kwh.sum() >= 0.998 * relaxed.energy_kwh.sum()
    assert answer.status == "gap"
    assert 0.0 < answer.gap < 0.05


def test_energy_is_not_given_up_for_a_plan_that_piles_can_hold() -> None:
    """All that grid and storage give is needed: rounding every pile would lose a fiftieth."""
    problem = site(40, "short")
    relaxed = load_solver("general")(problem, work_limit=WORK)
    answer = run_cascade(problem, RUNGS, WORK)
    assert answer.energy_kwh.sum() >= 0.998 * relaxed.energy_kwh.sum()


def test_the_switching_rule_is_kept_around_storage() -> None:
    problem = site(40, "congested")
    n = problem.fleet.n
    day = np.zeros(problem.horizon.n, dtype=np.int64)
    terms = SwitchingTerms(
        min_on_s=np.full(n, 1800.0),
        min_off_s=np.full(n, 1800.0),
        starts=np.full(n, 2.0),
        starts_later=np.full(n, 2.0),
        on=np.zeros(n, dtype=bool),
        day=day,
    )
    free = run_cascade(problem, RUNGS, WORK)
    ruled = dataclasses.replace(problem, switching=terms)
    answer = run_cascade(ruled, RUNGS, WORK)
    before = restless(ruled, free.energy_kwh).size
    assert before > 5
    assert restless(ruled, answer.energy_kwh).size <= before // 3
    assert answer.energy_kwh.sum() >= free.energy_kwh.sum() - 0.01


def test_phases_are_kept_even_around_storage() -> None:
    problem = site(40, "congested")
    fleet = problem.fleet
    single = dataclasses.replace(
        fleet, phases=1 << (np.arange(fleet.n) % 3), amps_per_kw=np.full(fleet.n, 1000 / 230)
    )
    problem = dataclasses.replace(problem, fleet=single)
    free = run_cascade(problem, RUNGS, WORK)
    limits = (ImbalanceLimit(0, 80.0, np.zeros(3)),)
    even = dataclasses.replace(problem, imbalances=limits)
    answer = run_cascade(even, RUNGS, WORK)
    assert uneven(even, free.energy_kwh).sum() > 10
    assert not uneven(even, answer.energy_kwh).any()
    assert verify(even, answer).ok


def test_while_a_demand_response_event_is_kept_sessions_stay_where_they_are() -> None:
    problem = site(40, "congested")
    assert problem.microgrid is not None
    t = problem.horizon.n
    endless = np.full(t, np.inf)
    call = CallTerm("reduce", np.full(t, 40.0), 0.0, endless, 0.01, endless)
    grid = dataclasses.replace(problem.microgrid, calls=(call,))
    problem = dataclasses.replace(problem, microgrid=grid)
    relaxed = load_solver("general")(problem, work_limit=WORK)
    answer = run_cascade(problem, RUNGS, WORK)
    np.testing.assert_array_equal(answer.energy_kwh, relaxed.energy_kwh)
