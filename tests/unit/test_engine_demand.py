"""A demand charge in the plan: the month's peak so far, the interval that runs, what must come."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.store.codec import pack_state, unpack_state
from benchmarks.instances import random_problem
from models.horizon import Horizon, epoch_s
from scheduler.cascade import load_solver, run_cascade
from scheduler.drawn import counted
from scheduler.effects import PlanSummary
from scheduler.peak import PeakPrice
from scheduler.problem import Problem, plain_fleet
from scheduler.solution import SolverError
from scheduler.verify import verify
from tariffs.demand import Always, DemandTerm, month_bounds, peak_of
from tariffs.kinds.flat import Flat
from tests.world import START, ZONE, World, pile, site


@dataclasses.dataclass(frozen=True, eq=False)
class WithDemand(Flat):
    """A flat price and a demand charge."""

    price_per_kw: float = 40.0
    interval_s: int = 900
    slide_s: int = 900

    def demand_terms(self, start: datetime, end: datetime, *, zone: ZoneInfo) -> Any:
        local = start.astimezone(zone)
        bounds = month_bounds(local.year, local.month, zone)
        return (
            DemandTerm(
                "demand", *bounds, 0.0, ((0.0, self.price_per_kw),), self.interval_s, self.slide_s
            ),
        )


def tariff(**changes: Any) -> WithDemand:
    return WithDemand("two-part", "CNY", 0.6, 0.0, **changes)


def problem(peaks: tuple[PeakPrice, ...], n: int = 4, energy_kwh: float = 5.0) -> Problem:
    """Two cars for an hour of quarter hours, the first half at half the price."""
    t0 = epoch_s(START)
    horizon = Horizon(t0 + 900 * np.arange(n + 1, dtype=np.int64), ZONE)
    two = np.zeros(2, dtype=np.int64)
    fleet = plain_fleet(
        ("a", "b"),
        two,
        two + t0,
        two + horizon.end_s,
        np.full(2, 20.0),
        np.full(2, energy_kwh),
    )
    price = np.where(np.arange(n) < n // 2, 0.5, 1.0)
    return Problem(
        horizon=horizon,
        node_ids=("root",),
        parent=np.array([-1]),
        cap_kw=np.full((1, n), 100.0),
        fleet=fleet,
        buy_per_kwh=price,
        sell_per_kwh=np.zeros(n),
        surplus_kw=np.zeros(n),
        peaks=peaks,
    )


def blocks(
    n: int, *tiers: tuple[float, float], offset_kw: tuple[float, ...] | None = None
) -> PeakPrice:
    each = np.arange(n, dtype=np.int64)
    return PeakPrice(each, each, np.ones(n), np.array(offset_kw or np.zeros(n)), tiers)


@pytest.mark.parametrize("name", ["highs", "cvx"])
def test_a_dear_peak_spreads_the_power_and_never_costs_energy(name: str) -> None:
    solve = load_solver(name)
    posed = problem((blocks(4, (0.0, 50.0)),))
    answer = solve(posed, work_limit=10**6)
    by_slot = np.bincount(posed.entry_slot, weights=answer.energy_kwh, minlength=4)
    assert by_slot == pytest.approx([2.5] * 4, abs=1e-4)
    assert answer.peak_cost(posed) == pytest.approx(500.0, rel=1e-4)


@pytest.mark.parametrize("name", ["highs", "cvx"])
def test_up_to_the_free_level_only_energy_counts(name: str) -> None:
    """15 kW are reached anyway: 7.5 kWh in the cheap half, the rest is cheaper later."""
    posed = problem((blocks(4, (15.0, 50.0)),))
    answer = load_solver(name)(posed, work_limit=10**6)
    by_slot = np.bincount(posed.entry_slot, weights=answer.energy_kwh, minlength=4)
    assert by_slot[:2].sum() == pytest.approx(7.5, abs=1e-4)
    assert answer.peak_cost(posed) == pytest.approx(0.0, abs=1e-6)


def test_tiers_are_paid_one_after_another() -> None:
    """5 kW at a price that the cheap half is worth, beyond that one that it is not."""
    posed = problem((blocks(4, (10.0, 0.1), (12.0, 50.0)),))
    answer = load_solver("highs")(posed, work_limit=10**6)
    power = np.bincount(posed.entry_slot, weights=answer.energy_kwh, minlength=4) * 4
    assert power[:2] == pytest.approx([12.0, 12.0], abs=1e-4)
    assert answer.peak_cost(posed) == pytest.approx(0.2, abs=1e-4)


def test_what_the_running_interval_has_drawn_leaves_less_room() -> None:
    posed = problem((blocks(4, (15.0, 50.0), offset_kw=(15.0, 0.0, 0.0, 0.0)),))
    answer = load_solver("highs")(posed, work_limit=10**6)
    by_slot = np.bincount(posed.entry_slot, weights=answer.energy_kwh, minlength=4)
    assert by_slot[0] == pytest.approx(0.0, abs=1e-6)
    assert by_slot.sum() == pytest.approx(10.0)


def test_the_flow_leaves_a_price_on_the_peak_to_the_next_rung() -> None:
    posed = problem((blocks(4, (0.0, 50.0)),))
    with pytest.raises(SolverError, match="peak"):
        load_solver("flow")(posed, work_limit=10**6)
    rungs = [(name, load_solver(name)) for name in ("flow", "highs")]
    assert run_cascade(posed, rungs, 10**6).rung == "highs"


def test_a_running_plan_with_a_higher_peak_is_not_kept() -> None:
    posed = problem((blocks(4, (0.0, 50.0)),))
    flat = dataclasses.replace(posed, buy_per_kwh=np.ones(4))
    running = np.array([2.5, 2.5, 0.0, 0.0] * 2)
    rungs = [("highs", load_solver("highs"))]
    answer = run_cascade(flat, rungs, 10**6, running)
    assert answer.peak_cost(flat) == pytest.approx(500.0, rel=1e-4)
    free = dataclasses.replace(flat, peaks=())
    assert run_cascade(free, rungs, 10**6, running).energy_kwh.tolist() == running.tolist()


@pytest.mark.parametrize("seed", range(12))
def test_two_hands_find_the_same_bill_for_random_problems_with_peaks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    posed = random_problem(seed)
    t = posed.horizon.n
    row = np.arange(t, dtype=np.int64) // 2
    offset = rng.uniform(0.0, 5.0, int(row[-1]) + 1)
    tiers = ((float(rng.uniform(0, 10)), 0.5), (20.0, float(rng.uniform(1, 30))))
    peak = PeakPrice(row, np.arange(t, dtype=np.int64), rng.uniform(0.1, 1.0, t), offset, tiers)
    posed = dataclasses.replace(posed, peaks=(peak,), running_kwh=None)
    answers = [load_solver(name)(posed, work_limit=10**6) for name in ("highs", "cvx")]
    assert all(verify(posed, a).ok for a in answers)
    short = [float(a.short_kwh(posed).sum()) for a in answers]
    assert short[0] == pytest.approx(short[1], abs=1e-4)
    free = load_solver("highs")(dataclasses.replace(posed, peaks=()), work_limit=10**6)
    assert short[0] == pytest.approx(float(free.short_kwh(posed).sum()), abs=1e-4)
    if not posed.fleet.earliest.any():
        cost = [a.cost(posed) + a.peak_cost(posed) for a in answers]
        assert cost[0] == pytest.approx(cost[1], abs=1e-3, rel=1e-4)


def test_the_digest_tells_problems_with_other_peaks_apart() -> None:
    one, two = problem((blocks(4, (0.0, 50.0)),)), problem((blocks(4, (1.0, 50.0)),))
    assert len({one.digest, two.digest, problem(()).digest}) == 3


def test_the_engine_spreads_two_cars_and_keeps_the_peak_through_a_restart() -> None:
    w = World(site((pile("p1"), pile("p2"))), tariff=tariff())
    w.plug("p1", "p2")
    w.say(w.request("s1", "p1", 7.0, hours=2.0), w.request("s2", "p2", 7.0, hours=2.0))
    assert w.total_kw() == pytest.approx(7.0, abs=0.3)
    w.wait(3600, step_s=60)
    assert w.state.drawn is not None
    peak = w.state.drawn.peaks_kw["0:demand"]
    assert peak == pytest.approx(7.0, abs=0.3)
    again = unpack_state(pack_state(w.state))
    assert again.drawn == w.state.drawn


def test_a_car_more_may_draw_what_the_month_has_reached_already() -> None:
    """14 kW were reached in the morning, so an hour later a car need not go slow."""
    w = World(site((pile("p1"), pile("p2"))), tariff=tariff())
    w.plug("p1", "p2")
    w.say(w.request("s1", "p1", 7.04, hours=1.0), w.request("s2", "p2", 7.04, hours=1.0))
    w.wait(3600, step_s=60)
    w.vehicles.update(p1=False, p2=False)
    w.say(w.end("s1"), w.end("s2"))
    w.wait(1200, step_s=60)
    w.plug("p1")
    w.say(w.request("s3", "p1", 7.0, hours=3.0))
    assert w.power_kw("p1") > 6.9


def test_a_new_month_is_expected_to_come_as_high_as_most_of_the_one_before() -> None:
    """14 kW in August: on 1 September one car draws 7 at once, and two draw 11 together."""
    late = datetime(2026, 8, 31, 22, 0, tzinfo=ZONE)
    w = World(site((pile("p1"), pile("p2"))), tariff=tariff(), now=late)
    w.plug("p1", "p2")
    w.say(w.request("s1", "p1", 7.04, hours=1.0), w.request("s2", "p2", 7.04, hours=1.0))
    w.wait(3600, step_s=60)
    w.vehicles.update(p1=False, p2=False)
    w.say(w.end("s1"), w.end("s2"))
    w.wait(3900, step_s=60)
    w.plug("p1")
    w.say(w.request("s3", "p1", 7.0, hours=4.0))
    assert w.power_kw("p1") > 6.9
    w.plug("p2")
    w.say(w.request("s4", "p2", 7.0, hours=4.0))
    w.wait(3600, step_s=60)
    assert w.state.drawn is not None
    assert w.state.drawn.peaks_kw["0:demand"] == pytest.approx(0.8 * 14.08, rel=0.01)


def test_without_a_demand_charge_nothing_is_counted() -> None:
    w = World(site((pile("p1"),)))
    w.plug("p1")
    w.say(w.request("s1", "p1", 7.0))
    assert w.state.drawn is None
    assert any(isinstance(e, PlanSummary) for e in w.effects)


@pytest.mark.parametrize(("interval_s", "slide_s"), [(900, 900), (900, 60), (1800, 1800)])
def test_the_peak_counted_minute_by_minute_is_the_bills(interval_s: int, slide_s: int) -> None:
    rng = np.random.default_rng(7)
    lo, hi = month_bounds(2026, 9, ZONE)
    term = DemandTerm("demand", lo, hi, 0.0, ((0.0, 1.0),), interval_s, slide_s, Always())
    at = lo + 60 * np.cumsum(rng.integers(1, 20, 200))
    power = rng.uniform(-5.0, 90.0, 200)
    drawn = None
    for instant, kw in zip(at.tolist(), power.tolist(), strict=True):
        drawn = counted(drawn, float(instant), kw, (term,), ZONE)
    assert drawn is not None
    last = counted(drawn, float(at[-1]) + 60.0, 0.0, (term,), ZONE)
    found = peak_of(at[:-1], at[1:], power[:-1], term, ZONE)
    assert found is not None
    assert last.peaks_kw["0:demand"] == pytest.approx(found.power_kw, abs=1e-9)


def test_a_month_begins_with_no_peak_and_a_long_silence_counts_as_nothing() -> None:
    lo, hi = month_bounds(2026, 9, ZONE)
    later_lo, later_hi = month_bounds(2026, 10, ZONE)
    september = DemandTerm("demand", lo, hi, 0.0, ((0.0, 1.0),))
    october = DemandTerm("demand", later_lo, later_hi, 0.0, ((0.0, 1.0),))
    at = float(hi - 3600)
    drawn = counted(None, at, 50.0, (september,), ZONE)
    for k in range(1, 60):
        drawn = counted(drawn, at + 60 * k, 50.0, (september,), ZONE)
    assert drawn.peaks_kw["0:demand"] == pytest.approx(50.0)
    drawn = counted(drawn, at + 3600, 0.0, (october,), ZONE)
    assert drawn.peaks_kw == {}
    assert drawn.before_kw["0:demand"] == pytest.approx(50.0)
    away = counted(drawn, at + 4 * 3600, 10.0, (october,), ZONE)
    assert away.peaks_kw == {}
    assert away.before_kw == drawn.before_kw
    december = DemandTerm("demand", *month_bounds(2026, 12, ZONE), 0.0, ((0.0, 1.0),))
    assert counted(away, december.month_start_s + 60.0, 10.0, (december,), ZONE).before_kw == {}
    assert sum(away.kwh) == 0.0
