"""The benchmarks answer with rows a machine can read, and their instances are what they claim."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import churn, cli, latency, peers
from benchmarks.fuzz import compare, outcomes
from benchmarks.instances import LOADS, SHAPES, fleet_problem, random_problem
from benchmarks.peer_models import hands
from benchmarks.peer_models.hand import Hand, below
from scheduler.solution import Solution
from scheduler.solvers import flow

_ALL = 10**9


def short_share(load: str, n: int = 1_000) -> float:
    problem = fleet_problem(n, load=load, seed=1)
    answer = flow.solve(problem, work_limit=_ALL)
    return float(answer.short_kwh(problem).sum() / problem.fleet.energy_kwh.sum())


def test_loads_are_as_tight_as_named():
    assert short_share("congested") == pytest.approx(0.0, abs=1e-6)
    assert 0.006 < short_share("short") < 0.05
    assert list(LOADS) == ["light", "medium", "congested", "short"]


@pytest.mark.parametrize(
    ("hand", "module"),
    [
        ("adaptive charging, ECOS", "ecos"),
        ("pulp, HiGHS", "pulp"),
        ("acnportal, least laxity", "acnportal"),
    ],
)
def test_a_peer_that_is_not_installed_is_named_and_how_to_get_it(hand, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    only = {hand: dataclasses.replace(hands()[hand], largest=1_000)}
    monkeypatch.setattr(peers, "hands", lambda: only)
    rows = peers.run(True, lambda _: None)["rows"]
    assert [r["sessions"] for r in rows] == [50, 200]
    assert all(module in r["missing"] and "valleyfill[bench]" in r["missing"] for r in rows)


@pytest.mark.parametrize("name", [n for n, h in hands().items() if h.within and n[:4] != "flow"])
def test_a_hand_that_claims_the_optimum_finds_the_flows(name):
    hand = hands()[name]
    problem = fleet_problem(20, seed=4, by_phase=hand.by_phase)
    best = flow.solve(problem, work_limit=_ALL).energy_kwh
    # Fewer kWh than asked: energy before money has to show.
    assert not hand.by_phase or best.sum() < problem.fleet.energy_kwh.sum() - 1
    energy = hand.plan(problem)
    price = problem.buy_per_kwh[problem.entry_slot]
    assert energy @ price == pytest.approx(best @ price, rel=hand.within)
    assert energy.sum() == pytest.approx(best.sum(), rel=hand.within)


@pytest.mark.parametrize("name", ["acnportal, earliest deadline", "acnportal, least laxity"])
def test_acnportals_days_stay_below_the_limits_of_the_phases(name):
    problem = fleet_problem(20, load="medium", seed=4, by_phase=True)
    energy = hands()[name].plan(problem)
    best = flow.solve(problem, work_limit=_ALL).energy_kwh
    assert 0.95 * best.sum() < energy.sum() <= best.sum() + 1e-3
    assert np.all((energy >= 0) & (energy <= problem.upper_kwh + 1e-6))
    for limit in problem.phase_limits:
        counts = np.zeros(problem.fleet.n)
        counts[below(problem, limit.node)] = problem.fleet.amps_per_kw[0]
        counts *= problem.fleet.phases == 1 << limit.phase
        amps = energy * counts[problem.entry_session] / problem.horizon.slot_h[0]
        total = np.bincount(problem.entry_slot, weights=amps, minlength=problem.horizon.n)
        assert np.all(total <= limit.cap_a + 1e-3)


def test_who_is_ended_at_one_size_is_not_asked_the_next(monkeypatch):
    asked = []

    def slow(problem):
        asked.append(problem.fleet.n)
        return np.zeros(problem.upper_kwh.size)

    monkeypatch.setattr(peers, "hands", lambda: {"slow": Hand("slow", slow)})
    monkeypatch.setattr(peers, "CUT_OFF_S", 0.0)
    rows = peers.run(True, lambda _: None)["rows"]
    assert 50 in asked
    assert 200 not in asked
    assert rows[0]["wall_ms"] > 0
    assert rows[1]["cut_off_s"] == 0.0
    assert rows[1]["cost"] is None


def test_instances_repeat_and_shapes_differ():
    assert fleet_problem(40, seed=3).digest == fleet_problem(40, seed=3).digest
    assert random_problem(7).digest == random_problem(7).digest
    levels = [np.unique(fleet_problem(10, shape=s).buy_per_kwh).size for s in SHAPES]
    assert levels == sorted(levels)
    assert levels[0] == 1
    assert levels[-1] > 80


@pytest.mark.parametrize("feature", ["plain", "partial first slot", "flat tree", "surplus"])
def test_a_latency_row_says_what_was_measured(feature):
    row = latency.measure(latency.Case("flow", 30, feature=feature, repeats=2))
    assert row["sessions"] == 30
    assert row["status"] == "optimal"
    assert row["build_ms_p50"] > 0
    assert 0 < row["verify_ms_p50"] <= row["verify_ms_p99"]
    assert row["slots"] == 96


def test_one_event_is_one_session_of_a_running_plan():
    problem = fleet_problem(30, seed=1)
    after = latency.one_event(problem, 5)
    assert after.running_kwh is not None
    assert int(np.sum(after.fleet.energy_kwh != problem.fleet.energy_kwh)) == 1


def test_churn_counts_sessions_not_slots():
    problem = fleet_problem(10, seed=1)
    plan = np.zeros(problem.entry_slot.size)
    moved = plan.copy()
    moved[problem.entry_session == 4] = 1.0
    assert churn.sessions_changed(problem, plan, moved) == 1


def test_a_wrong_answer_is_found_by_the_comparison():
    def stingy(problem, *, work_limit):
        right = flow.solve(problem, work_limit=work_limit)
        return dataclasses.replace(right, energy_kwh=0.5 * right.energy_kwh)

    seeds = range(900_000, 900_030)
    found = {compare(random_problem(s), stingy)[:5] for s in seeds}
    assert "Score" in found
    counts = outcomes(seeds, "highs")
    assert counts["different"] == 0
    assert isinstance(stingy(random_problem(1), work_limit=_ALL), Solution)


def test_bench_prints_one_document(monkeypatch):
    monkeypatch.setattr(latency, "cases", lambda quick: [latency.Case("flow", 20, repeats=1)])
    result = CliRunner().invoke(cli.app, ["latency", "--json", "--quick"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["rows"][0]["solver"] == "flow"
    assert "20,000 sessions" in document["left_out"]
