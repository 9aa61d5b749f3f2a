"""Even power at one price: two exact hands and a quadratic program beside each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.instances import fleet_problem, random_problem
from scheduler.flowtree import price_levels
from scheduler.smooth import Smooth
from scheduler.solution import SolverError
from scheduler.solvers import cvx, flow, mincost
from scheduler.verify import verify

_ALL = 2**31 - 1


def in_steps(problem, steps, rng):
    """The same problem evened out above a base load that differs by slot."""
    most = float(problem.fleet.max_kw.sum())
    filled = rng.integers(0, steps, problem.horizon.n)
    return dataclasses.replace(problem, smooth=Smooth(most / steps, steps, filled))


def by_level(problem, energy_kwh):
    """Energy that a plan buys in each level, kWh: what it draws, the cheapest levels first."""
    _, open_w = price_levels(problem)
    slots = problem.horizon.n
    left = np.bincount(problem.entry_slot, weights=energy_kwh, minlength=slots)
    out = []
    for opens in open_w * problem.horizon.slot_h / 1000.0:
        out.append(np.minimum(left, opens).sum())
        left = left - np.minimum(left, opens)
    return np.array(out)


def test_two_exact_hands_fill_the_same_steps_and_money_stays():
    compared = 0
    for seed in range(600_000, 600_120):
        rng = np.random.default_rng(seed)
        plain = dataclasses.replace(random_problem(seed), running_kwh=None)
        problem = in_steps(plain, int(rng.integers(4, 12)), rng)
        try:
            ours = flow.solve(problem, work_limit=_ALL)
            theirs = mincost.solve(problem, work_limit=_ALL)
            early = flow.solve(plain, work_limit=_ALL)
        except SolverError:
            continue
        compared += 1
        assert verify(problem, ours).ok, seed
        one, other = by_level(problem, ours.energy_kwh), by_level(problem, theirs.energy_kwh)
        assert one == pytest.approx(other, abs=1e-4), seed
        assert ours.cost(plain) == pytest.approx(early.cost(plain), abs=1e-6), seed
        assert ours.short_kwh(plain).sum() == pytest.approx(early.short_kwh(plain).sum(), abs=1e-6)
    assert compared > 80


@pytest.mark.parametrize(("load", "shape"), [("congested", "five-level"), ("medium", "flat")])
def test_steps_come_as_near_to_the_quadratic_program_as_they_can_tell(load, shape):
    problem = fleet_problem(60, load=load, shape=shape, seed=3)
    rng = np.random.default_rng(3)
    problem = in_steps(problem, 20, rng)
    smooth, slot_h = problem.smooth, problem.horizon.slot_h
    ours = flow.solve(problem, work_limit=_ALL)
    early = flow.solve(dataclasses.replace(problem, smooth=None), work_limit=_ALL)
    least = cvx.Evening(problem, smooth).of(ours.energy_kwh)

    def square(energy_kwh):
        return smooth.square(problem.entry_slot, slot_h, energy_kwh)

    assert verify(problem, dataclasses.replace(ours, energy_kwh=least)).ok
    assert square(least) <= square(ours.energy_kwh) + 1e-6
    assert square(ours.energy_kwh) <= square(least) + smooth.resolution(slot_h)
    assert square(early.energy_kwh) > square(least) + smooth.resolution(slot_h)


def test_what_leaves_the_flow_is_evened_out_by_the_quadratic_program():
    problem = in_steps(fleet_problem(20, shape="flat", seed=5), 20, np.random.default_rng(5))
    smooth, slot_h = problem.smooth, problem.horizon.slot_h
    early = cvx.solve(dataclasses.replace(problem, smooth=None), work_limit=_ALL)
    even = cvx.solve(problem, work_limit=_ALL)
    assert verify(problem, even).ok
    assert even.cost(problem) == pytest.approx(early.cost(problem), rel=1e-6)
    assert smooth.square(problem.entry_slot, slot_h, even.energy_kwh) < 0.99 * smooth.square(
        problem.entry_slot, slot_h, early.energy_kwh
    )
