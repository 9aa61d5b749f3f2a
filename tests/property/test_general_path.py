"""The general program from the running plan: as good as from nothing, and few sessions move."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.events import cut, goes_on, halves, leaves, plugs_in, with_sessions
from benchmarks.instances import SHAPES, Load, fleet_problem
from benchmarks.microgrids import around
from models.site_rules import EnergyRule
from scheduler.general_program import GeneralProgram
from scheduler.problem import FloatArray, PhaseLimit, Problem
from scheduler.solution import Solution
from scheduler.solvers import general
from scheduler.solvers.general_path.mend import mended
from scheduler.verify import verify

ALL = 10**9
LOADS: tuple[Load, ...] = ("light", "congested", "short")


@pytest.fixture(autouse=True)
def always_by_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small programs are solved from their last basis else."""
    monkeypatch.setattr(general, "MOVES_FROM_COLUMNS", 0)


def site(seed: int) -> Problem:
    """A small fleet of any load around storage and PV: who gives, who was promised, a peak."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 60))
    problem = fleet_problem(
        n,
        load=LOADS[int(rng.integers(3))],
        shape=SHAPES[int(rng.integers(len(SHAPES)))],
        seed=seed,
        slot_minutes=int(rng.choice([15, 30, 60])),
    )
    share = float(rng.choice([0.0, 0.3, 1.0]))
    problem = around(problem, seed=seed, demand=bool(rng.random() < 0.6), giving_share=share)
    if rng.random() < 0.5:
        return problem
    promised = np.where(rng.random(n) < 0.6, problem.fleet.energy_kwh * rng.choice([0.3, 1], n), 0)
    return dataclasses.replace(
        problem, fleet=dataclasses.replace(problem.fleet, promised_kwh=promised)
    )


def cloudier(problem: Problem, rng: np.random.Generator) -> Problem:
    """Load and sun come otherwise than foreseen."""
    grid = problem.microgrid
    assert grid is not None
    sun = grid.sources.available_kw * rng.uniform(0.7, 1.1)
    return dataclasses.replace(
        problem,
        microgrid=dataclasses.replace(
            grid,
            base_kw=grid.base_kw * rng.uniform(0.9, 1.1),
            sources=dataclasses.replace(grid.sources, available_kw=sun),
        ),
    )


def program_of(problem: Problem) -> GeneralProgram:
    owners: dict[str, int] = {}
    return GeneralProgram(problem, lambda name: owners.setdefault(name, len(owners)))


def afresh(problem: Problem) -> Solution:
    general.forget()
    return general.solve(dataclasses.replace(problem, running_kwh=None), work_limit=ALL)


def money(problem: Problem, answer: Solution) -> float:
    return answer.cost(problem) + answer.peak_cost(problem) - answer.stored_value(problem)


def lacking(problem: Problem, answer: Solution) -> FloatArray:
    """What each priority ends short of, kWh."""
    short = answer.short_kwh(problem)
    return np.bincount(problem.fleet.priority, weights=short, minlength=11)


@pytest.mark.parametrize("seed", range(30))
def test_a_chain_of_events_ends_in_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = site(seed)
    answer = afresh(problem)
    for event in (halves, leaves, plugs_in, cut, cloudier):
        after = goes_on(problem, answer.energy_kwh, event(problem, rng))
        assert after.running_kwh is not None
        assert mended(after, program_of(after), after.running_kwh, ALL) is not None, event
        found, fresh = general.solve(after, work_limit=ALL), afresh(after)
        assert verify(after, found).ok, f"{event}: {verify(after, found)}"
        assert lacking(after, found) == pytest.approx(lacking(after, fresh), abs=1e-5)
        assert money(after, found) == pytest.approx(money(after, fresh), rel=1e-8, abs=1e-6)
        problem, answer = after, found


@pytest.mark.parametrize("giving", [0.0, 1.0])
def test_without_news_nothing_moves(giving: float) -> None:
    problem = around(fleet_problem(80, seed=2), giving_share=giving)
    answer = afresh(problem)
    again = general.solve(goes_on(problem, answer.energy_kwh, problem), work_limit=ALL)
    assert np.abs(again.energy_kwh - answer.energy_kwh).max() < 1e-6


def test_far_from_the_optimum_it_comes_to_it_all_the_same() -> None:
    """From a plan in which nobody gives: sessions break their bounds together, and are settled."""
    problem = around(fleet_problem(40, seed=4), giving_share=1.0)
    fresh = afresh(problem)
    drawn = np.maximum(fresh.energy_kwh, 0.0)
    found = mended(problem, program_of(problem), drawn, ALL)
    assert found is not None
    answer = general.solve(dataclasses.replace(problem, running_kwh=drawn), work_limit=ALL)
    assert verify(problem, answer).ok
    assert money(problem, answer) == pytest.approx(money(problem, fresh), rel=1e-8)


def tapering(problem: Problem, share: float, room_kwh: float) -> Problem:
    """Some vehicles' batteries take less and less, so much above what they ask for."""
    fleet = problem.fleet
    some = np.arange(fleet.n) % round(1 / share) == 0
    room = fleet.energy_kwh + room_kwh
    grid = problem.microgrid
    assert grid is not None
    giving = grid.giving
    if giving is not None:
        giving = dataclasses.replace(giving, room_kwh=np.where(some, room, giving.room_kwh))
    return dataclasses.replace(
        problem,
        microgrid=dataclasses.replace(grid, giving=giving),
        fleet=dataclasses.replace(
            fleet,
            taper_per_h=np.where(some, 1.2, np.inf),
            taper_room_kwh=np.where(some, room, np.inf),
        ),
    )


@pytest.mark.parametrize("seed", range(12))
def test_tapers_are_kept_and_the_optimum_is_reached(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    problem = around(fleet_problem(30, seed=seed), giving_share=float(rng.choice([0.3, 1.0])))
    problem = tapering(problem, float(rng.choice([0.2, 1.0])), float(rng.choice([0.2, 1.0, 5.0])))
    answer = afresh(problem)
    for event in (halves, leaves, cut, cloudier):
        after = goes_on(problem, answer.energy_kwh, event(problem, rng))
        assert after.running_kwh is not None
        assert mended(after, program_of(after), after.running_kwh, ALL) is not None, event
        found = general.solve(after, work_limit=ALL)
        assert verify(after, found).ok, f"{event}: {verify(after, found)}"
        assert money(after, found) == pytest.approx(money(after, afresh(after)), rel=1e-8)
        problem, answer = after, found


@pytest.mark.parametrize("seed", range(8))
def test_who_has_given_all_he_may_still_moves_when_he_gives(seed: int) -> None:
    """His budget is spent before and after: less at one time, more at another."""
    rng = np.random.default_rng(200 + seed)
    problem = around(fleet_problem(30, seed=seed), giving_share=1.0)
    grid = problem.microgrid
    assert grid is not None
    assert grid.giving is not None
    budget = rng.uniform(0.5, 4.0, problem.fleet.n)
    giving = dataclasses.replace(grid.giving, budget_kwh=budget)
    problem = dataclasses.replace(problem, microgrid=dataclasses.replace(grid, giving=giving))
    answer = afresh(problem)
    for event in (cloudier, cut):
        after = goes_on(problem, answer.energy_kwh, event(problem, rng))
        assert after.running_kwh is not None
        assert mended(after, program_of(after), after.running_kwh, ALL) is not None
        found = general.solve(after, work_limit=ALL)
        given = np.bincount(
            after.entry_session, weights=np.maximum(-found.energy_kwh, 0.0), minlength=30
        )
        assert (given > budget - 1e-6).any()
        assert verify(after, found).ok
        assert money(after, found) == pytest.approx(money(after, afresh(after)), rel=1e-8)
        problem, answer = after, found


def test_the_same_problem_gives_the_same_plan_to_the_last_bit() -> None:
    problem = around(fleet_problem(60, seed=8), giving_share=1.0)
    answer = afresh(problem)
    after = goes_on(problem, answer.energy_kwh, plugs_in(problem, np.random.default_rng(3)))
    first = general.solve(after, work_limit=ALL)
    general.solve(problem, work_limit=ALL)
    second = general.solve(after, work_limit=ALL)
    assert first.energy_kwh.tobytes() == second.energy_kwh.tobytes()
    assert first.assets_kw is not None
    assert second.assets_kw is not None
    assert first.assets_kw.tobytes() == second.assets_kw.tobytes()


def test_work_that_does_not_suffice_is_left_to_the_whole_program() -> None:
    problem = around(fleet_problem(30, seed=9), giving_share=1.0)
    assert mended(problem, program_of(problem), np.zeros(problem.upper_kwh.size), 20) is None


def test_a_site_without_vehicles_is_planned_too() -> None:
    problem = with_sessions(around(fleet_problem(5, seed=1)), np.zeros(0, dtype=np.int64))
    after = dataclasses.replace(problem, running_kwh=np.zeros(0))
    answer = general.solve(after, work_limit=ALL)
    assert verify(after, answer).ok
    assert money(after, answer) == pytest.approx(money(after, afresh(after)), rel=1e-9)


def crowded(problem: Problem, rng: np.random.Generator) -> Problem:
    """Rows of every kind: phases, factors, limits to export inside the site, and a green share."""
    fleet, grid, t = problem.fleet, problem.microgrid, problem.horizon.n
    assert grid is not None
    base = grid.base_kw.copy()
    v = len(problem.node_ids) - 1
    # More than the node lets pass for a while: what is given beside it is a relief.
    base[v, t // 2 : t // 2 + 4] = grid.import_kw[v, t // 2 : t // 2 + 4] + 5.0
    back = grid.export_kw.copy()
    back[v] = 2.0
    amps = 0.35 * float(fleet.max_kw.sum()) * 4.0 / 3.0
    return dataclasses.replace(
        problem,
        fleet=dataclasses.replace(
            fleet,
            count_factor=rng.choice([1.0, 1.1], fleet.n),
            phases=rng.choice([1, 2, 4, 7], fleet.n),
            amps_per_kw=rng.choice([1.45, 4.35], fleet.n),
        ),
        phase_limits=tuple(PhaseLimit(0, p, np.full(t, amps)) for p in range(3)),
        microgrid=dataclasses.replace(
            grid,
            base_kw=base,
            export_kw=back,
            energy=EnergyRule(green_share=0.5, green_per_kwh=0.01, own_first=True),
        ),
    )


@pytest.mark.parametrize("seed", range(12))
def test_rows_of_every_kind_end_in_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(300 + seed)
    problem = around(fleet_problem(30, seed=seed), giving_share=float(rng.choice([0.3, 1.0])))
    problem = crowded(problem, rng)
    answer, moved = afresh(problem), 0
    for event in (halves, leaves, plugs_in, cut, cloudier):
        after = goes_on(problem, answer.energy_kwh, event(problem, rng))
        assert after.running_kwh is not None
        moved += mended(after, program_of(after), after.running_kwh, ALL) is not None
        found, fresh = general.solve(after, work_limit=ALL), afresh(after)
        assert verify(after, found).ok, f"{event}: {verify(after, found)}"
        assert lacking(after, found) == pytest.approx(lacking(after, fresh), abs=1e-5)
        assert money(after, found) == pytest.approx(money(after, fresh), rel=1e-9)
        problem, answer = after, found
    assert moved >= 4
