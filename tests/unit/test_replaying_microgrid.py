"""With storage, PV and giving vehicles a solve begins with the last one's basis: the step record
holds it, and each step is made again byte for byte, alone and in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.replaying import replay, solve, what_if
from adapters.solving import RUNGS
from adapters.store.schema import open_store
from adapters.store.steps import Step, read_steps, versions, write_steps
from benchmarks.instances import fleet_problem
from benchmarks.microgrids import around
from scheduler.cascade import load_solver, run_cascade, started_from
from scheduler.problem import Problem
from scheduler.solvers import general

WORK = 2_000_000


def made(problem: Problem, number: int) -> Step:
    """As the solving process makes it, with its memory of the steps before."""
    answer = run_cascade(problem, [(r, load_solver(r)) for r in RUNGS], WORK)
    return Step(
        at=datetime(2026, 7, 1, tzinfo=UTC),
        problem=problem,
        energy_kwh=answer.energy_kwh,
        status=answer.status,
        rung=answer.rung,
        gap=answer.gap,
        work=answer.work,
        rungs=RUNGS,
        work_limit=WORK,
        versions=versions(),
        assets_kw=answer.assets_kw,
        start=started_from(problem, RUNGS),
        number=number,
    )


@pytest.fixture(scope="module")
def chain() -> list[Step]:
    """An afternoon of a microgrid: prices as told, then lower needs, limits and prices."""
    rng = np.random.default_rng(5)
    problem = around(fleet_problem(40, seed=3), giving_share=0.25)
    general.forget()
    steps = [made(problem, 1)]
    for k in range(2, 9):
        fleet = problem.fleet
        need = fleet.energy_kwh * rng.uniform(0.7, 1.0, fleet.n)
        problem = replace(problem, fleet=replace(fleet, energy_kwh=need))
        if k % 3 == 0:
            problem = replace(problem, cap_kw=problem.cap_kw * 0.95)
        if k % 4 == 0:
            problem = replace(problem, buy_per_kwh=np.roll(problem.buy_per_kwh, 3))
        steps.append(made(problem, k))
    return steps


def test_each_step_is_made_again_in_any_order(chain: list[Step], tmp_path: Path) -> None:
    base = open_store(tmp_path / "x.db")
    write_steps(base, chain)
    base.commit()
    stored = list(read_steps(base, newest=99))
    base.close()
    assert [s.rung for s in stored] == ["general"] * len(chain)
    assert sum(bool(s.start) for s in stored) >= len(chain) - 2
    for step in (*stored, *reversed(stored)):
        assert replay(step).identical, step.number


def test_without_what_it_began_with_some_step_would_come_out_otherwise(chain: list[Step]) -> None:
    assert not all(replay(replace(s, start=b"")).identical for s in chain)


def test_a_lower_limit_leaves_less_for_charging_beside_base_load_too(chain: list[Step]) -> None:
    step = chain[0]
    other = what_if(step.problem, "limit=30")
    answer = solve(step, other)
    assert answer.rung == "general"
    assert answer.short_kwh(other).sum() > answer.short_kwh(step.problem).sum() - 1e-6
    grid = other.microgrid
    assert grid is not None
    assert (answer.root_kw(other) - grid.base_kw[0]).max() <= 30.0 + 1e-6
    assert (solve(step, step.problem).root_kw(step.problem) - grid.base_kw[0]).max() > 30.1


def test_what_if_on_another_shape_begins_with_nothing(chain: list[Step]) -> None:
    step = chain[-1]
    other = what_if(step.problem, f"departure={step.problem.fleet.ids[0]}:23:00")
    answers = [solve(step, other).energy_kwh for _ in range(2)]
    assert answers[0].tobytes() == answers[1].tobytes()
