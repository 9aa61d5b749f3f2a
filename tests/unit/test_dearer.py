"""What is offered at a higher price is what a plan of the changed request gives, or less."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scheduler.effects import SessionStatus
from scheduler.problem import Problem
from scheduler.reasons import Reasons
from scheduler.solvers import flow, highs
from tests.problems import problem_of, session
from tests.world import World, pile, site


def planned(problem: Problem) -> np.ndarray:
    return flow.solve(problem, work_limit=10**9).energy_kwh


def given(problem: Problem, energy: np.ndarray, i: int) -> float:
    return float(energy[problem.offsets[i] : problem.offsets[i + 1]].sum())


def asked_again(problem: Problem, i: int, **changes: object) -> Problem:
    """The problem as it is once session i asks differently."""
    columns = {}
    for name, value in changes.items():
        column = getattr(problem.fleet, name).copy()
        column[i] = value
        columns[name] = column
    return dataclasses.replace(problem, fleet=dataclasses.replace(problem.fleet, **columns))


def drawn(seed: int) -> Problem:
    """Sessions of different ranks and promises, too many for two nodes."""
    rng = np.random.default_rng(seed)
    sessions = []
    for _ in range(int(rng.integers(3, 9))):
        start = float(rng.integers(0, 4))
        kwh = float(rng.uniform(2, 25))
        sessions.append(
            session(
                start,
                start + float(rng.integers(1, 6)),
                float(rng.uniform(3, 11)),
                kwh,
                node=int(rng.integers(0, 3)),
                priority=int(rng.integers(0, 9)),
                promised_kwh=kwh * float(rng.choice([0.0, 0.0, 0.1])),
            )
        )
    caps = [[float(rng.uniform(low, 3 * low)) for _ in range(9)] for low in (8, 4, 4)]
    price = rng.choice([0.3, 0.6, 1.2], size=9).tolist()
    return problem_of(sessions, price=price, parent=[-1, 0, 0], cap_kw=caps)


def test_a_plan_of_the_highest_priority_gives_at_least_what_was_offered() -> None:
    offers = 0
    for seed in range(60):
        problem = drawn(seed)
        energy = planned(problem)
        reasons = Reasons(problem, energy)
        for i in range(problem.fleet.n):
            reason = reasons.of(i, reasons.cuts.of(i) if reasons.of(i).kind == "short" else None)
            offer = reason.dearer
            if offer is None or offer.priority is None:
                continue
            offers += 1
            again = asked_again(problem, i, priority=offer.priority)
            assert given(again, planned(again), i) >= offer.energy_kwh - 1e-4, (seed, i)
            assert offer.energy_kwh > reason.planned_kwh + 0.05
    assert offers > 10


def test_a_plan_of_at_once_is_ready_by_what_was_offered() -> None:
    offers = 0
    for seed in range(60):
        problem = drawn(seed)
        reasons = Reasons(problem, planned(problem))
        for i in range(problem.fleet.n):
            reason = reasons.of(i)
            offer = reason.dearer
            if offer is None or not offer.mode:
                continue
            offers += 1
            again = asked_again(problem, i, earliest=True)
            energy = highs.solve(again, work_limit=10**9).energy_kwh
            assert given(again, energy, i) >= offer.energy_kwh - 1e-4
            at = np.flatnonzero(energy[again.offsets[i] : again.offsets[i + 1]] > 1e-4)[-1]
            slot = again.entry_slot[again.offsets[i] + at]
            assert again.horizon.edges_s[slot] <= offer.ready_s, (seed, i)
            assert offer.cost > reason.cost
    assert offers > 10


def test_what_was_promised_to_others_is_not_for_sale() -> None:
    others = session(0, 2, 10, 20, promised_kwh=20.0)
    problem = problem_of([others, session(0, 2, 10, 10)], price=[1.0, 1.0], cap_kw=10.0)
    assert Reasons(problem, planned(problem)).of(1).dearer is None
    again = asked_again(problem, 1, priority=9)
    assert given(again, planned(again), 1) == pytest.approx(0.0, abs=1e-6)


def test_the_answer_to_a_request_that_cannot_be_met_names_the_higher_price() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")
    effects = w.say(
        w.request("a", "A", 7.0, hours=1.0, priority=6), w.request("b", "B", 7.0, hours=1.0)
    )
    told = {e.session: e for e in effects if isinstance(e, SessionStatus)}
    price = told["b"].counter_price
    assert price is not None
    assert (price.priority, price.mode) == (9, None)
    assert price.energy_kwh == pytest.approx(7.0, abs=0.05)
    assert price.cost == pytest.approx(7.0 * 0.6, abs=0.05)
    assert told["b"].why.endswith("asked with priority 9 it would get 7.0 kWh for 4.20 yuan")
    assert told["b"].why_zh.endswith("以优先级 9 申请可充 7.0 kWh，费用 4.20 元")
    assert told["a"].counter_price is None
