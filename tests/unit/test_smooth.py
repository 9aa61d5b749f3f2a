"""A site that asks for even power: the valley does not begin with everybody at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from adapters.solving import EVEN_RUNGS, RUNGS, rungs_of
from models.errors import ConfigurationError
from models.network import Node
from models.storage import PvPlant
from scheduler.cascade import load_solver, run_cascade
from scheduler.effects import Solve
from scheduler.problem import FloatArray, Problem
from scheduler.smooth import smooth_of
from tests import world
from tests.world import World, pile, site

PILES = tuple(pile(f"P{k}") for k in range(6))


def night(monkeypatch: pytest.MonkeyPatch, steps: int) -> tuple[World, list[float]]:
    """Six vehicles for ten hours at one price; the power of all of them, minute by minute."""
    monkeypatch.setattr(world, "RUNGS", [(n, load_solver(n)) for n in ("flow", "greedy")])
    w = World(site(PILES, limit_kw=42.24, smooth_steps=steps))
    w.plug(*(p.id for p in PILES))
    for p in PILES:
        w.say(w.request(f"s{p.id}", p.id, 14.0, hours=10.0))
    power = []
    for _ in range(600):
        before = sum(w.registers.values())
        w.wait(60, step_s=60)
        power.append((sum(w.registers.values()) - before) * 60.0)
    return w, power


def test_the_peak_at_one_price_is_a_fraction_and_all_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early, even = night(monkeypatch, 0), night(monkeypatch, 24)
    for w, _ in (early, even):
        assert sum(w.registers.values()) == pytest.approx(6 * (100 + 14.0), abs=0.3)
    assert max(early[1]) > 40.0
    assert max(even[1]) < 15.0


def asked() -> Problem:
    """The problem of six vehicles for ten hours at one price."""
    w = World(site(PILES, limit_kw=42.24, smooth_steps=24))
    w.plug(*(p.id for p in PILES))
    requests = [w.request(f"s{p.id}", p.id, 14.0, hours=10.0) for p in PILES]
    return next(e.problem for e in w.say(*requests, solve=False) if isinstance(e, Solve))


def test_no_news_changes_nothing_in_an_even_plan() -> None:
    problem = asked()
    rungs = [("flow", load_solver("flow"))]
    first = run_cascade(problem, rungs, 10**9)
    again = run_cascade(problem, rungs, 10**9, running=first.energy_kwh)
    assert np.array_equal(first.energy_kwh, again.energy_kwh)


def test_a_running_plan_of_the_same_cost_that_is_rough_makes_way() -> None:
    problem = asked()
    rungs = [("flow", load_solver("flow"))]
    early = run_cascade(dataclasses.replace(problem, smooth=None), rungs, 10**9)
    assert early.cost(problem) == pytest.approx(run_cascade(problem, rungs, 10**9).cost(problem))
    answer = run_cascade(problem, rungs, 10**9, running=early.energy_kwh)
    assert most_kw(problem, early.energy_kwh) > 40.0
    assert most_kw(problem, answer.energy_kwh) < 15.0


def most_kw(problem: Problem, energy_kwh: FloatArray) -> float:
    slots = problem.horizon.n
    drawn = np.bincount(problem.entry_slot, weights=energy_kwh, minlength=slots)
    return float((drawn / problem.horizon.slot_h).max())


def test_steps_stand_still_while_the_meter_trembles() -> None:
    even = site(PILES, limit_kw=42.24, smooth_steps=24)
    one, other = (smooth_of(even, np.array([base, np.inf])) for base in (10.4, 10.7))
    assert one is not None
    assert other is not None
    assert one.filled.tolist() == other.filled.tolist() == [6, 0]


def test_what_leaves_the_flow_is_given_to_the_quadratic_program_first() -> None:
    assert rungs_of(site(PILES)) == RUNGS
    assert rungs_of(site(PILES, smooth_steps=24)) == EVEN_RUNGS


@pytest.mark.parametrize(
    ("changes", "nodes", "says"),
    [
        ({"smooth_steps": 3}, (), "4 to 64"),
        ({"smooth_steps": 65}, (), "4 to 64"),
        (
            {"smooth_steps": 8, "pv": (PvPlant("pv", "transformer", 10.0),)},
            (),
            "site of piles alone",
        ),
        (
            {"smooth_steps": 8},
            (Node("transformer", limit_kw=None, heartbeat="none"),),
            "no limit to make steps of",
        ),
    ],
)
def test_what_cannot_be_evened_out_is_refused(changes: dict, nodes: tuple, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        site(PILES, *nodes, **changes)
