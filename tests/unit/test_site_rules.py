"""Own energy first, a green share, a cycle budget, a swap rack: what a site asks beside price."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.simulator.series import constant
from adapters.simulator.virtual_assets import VirtualStorage
from benchmarks.instances import fleet_problem
from benchmarks.microgrids import around
from models.errors import ConfigurationError
from models.site_rules import EnergyRule
from scheduler.problem import Problem
from scheduler.solution import Solution
from scheduler.solvers import general
from scheduler.verify import verify
from tests.unit.test_config_microgrid import FILE
from tests.unit.test_engine_microgrid import bess, played, site_of, two_prices


def exchanged(**rule: Any) -> tuple[float, float]:
    """Bought and fed back, kWh, on a day on which selling by day pays more than buying by night."""
    problem = around(fleet_problem(12, load="light", seed=1), demand=False)
    assert problem.microgrid is not None
    sun = problem.microgrid.sources.available_kw[0] > 0
    sell = np.where(sun, 0.9 * problem.buy_per_kwh.max(), 0.0)
    buy = np.where(sun, problem.buy_per_kwh.max(), problem.buy_per_kwh.min())
    plants = problem.microgrid.sources
    grid = replace(
        problem.microgrid,
        energy=EnergyRule(**rule),
        sources=replace(plants, available_kw=4.0 * plants.available_kw),
        export_kw=np.full_like(problem.microgrid.export_kw, np.inf),
    )
    asked = replace(problem, buy_per_kwh=buy, sell_per_kwh=sell, microgrid=grid)
    answer = general.solve(asked, work_limit=10**6)
    assert verify(asked, answer).ok
    root = answer.root_kw(asked) * asked.horizon.slot_h
    return float(np.maximum(root, 0.0).sum()), float(np.maximum(-root, 0.0).sum())


def test_own_energy_first_uses_and_stores_what_would_else_be_sold() -> None:
    bought, fed = exchanged()
    first_bought, first_fed = exchanged(own_first=True)
    assert first_fed < fed - 20.0
    assert first_bought < bought - 5.0


def test_a_green_share_is_kept_before_money() -> None:
    bought, _ = exchanged()
    less, _ = exchanged(green_share=0.6)
    goal, _ = exchanged(green_per_kwh=5.0)
    assert less < bought - 20.0
    assert goal < bought - 20.0


def test_no_more_cycles_in_a_day_than_the_budget() -> None:
    tariff = two_prices(valley=0.1, peak=1.2, peak_from_h=4.0, peak_to_h=10.0)
    for budget, most in ((None, 76.5), (0.3, 30.0)):
        site = site_of(limit_kw=100.0, storages=(bess(cycles_per_day=budget),))
        _, depot = played(site, tariff, hours=11.0, base=constant(30.0), soc=0.9)
        storage = depot.assets["bess"]
        assert isinstance(storage, VirtualStorage)
        assert storage.discharged_kwh == pytest.approx(most, abs=1.5)


def test_a_swap_rack_holds_what_it_promised_at_its_hour() -> None:
    tariff = two_prices(valley=0.3, peak=0.9, peak_from_h=0.25, peak_to_h=8.0)
    site = site_of(limit_kw=100.0, storages=(bess(promises=((7.0, 80.0),)),))
    _, depot = played(site, tariff, hours=7.0, base=constant(20.0), soc=0.3)
    storage = depot.assets["bess"]
    assert isinstance(storage, VirtualStorage)
    assert storage.stored_kwh == pytest.approx(80.0, abs=1.0)


def test_a_promise_out_of_reach_is_come_near_to_and_breaks_no_plan() -> None:
    tariff = two_prices(valley=0.3, peak=0.9, peak_from_h=0.25, peak_to_h=8.0)
    rack = bess(promises=((1.0, 90.0),), max_kw=20.0)
    site = site_of(limit_kw=100.0, storages=(rack,))
    trace, depot = played(site, tariff, hours=1.0, base=constant(20.0), soc=0.3)
    storage = depot.assets["bess"]
    assert isinstance(storage, VirtualStorage)
    assert storage.stored_kwh == pytest.approx(30.0 + 19.0, abs=1.0)
    assert set(trace.rungs) == {"general"}


def negative(seed: int) -> Problem:
    problem = around(fleet_problem(12, seed=seed), seed=seed, demand=False, giving_share=0.5)
    rng = np.random.default_rng(seed)
    buy = problem.buy_per_kwh.copy()
    buy[rng.random(buy.size) < 0.3] = -0.4
    return replace(problem, buy_per_kwh=buy, sell_per_kwh=np.minimum(buy, 0.2) - 0.05)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_runs_both_ways_at_once_at_negative_prices(seed: int) -> None:
    problem = negative(seed)
    answer: Solution = general.solve(problem, work_limit=10**6)
    assert verify(problem, answer).ok


def test_the_rules_are_read_written_and_refused_by_their_keys() -> None:
    text = FILE.replace(
        "[nodes.transformer]", "[site.energy]\nown_first = true\n\n[nodes.transformer]"
    )
    text = text.replace("wear_per_cycle = 40", "cycles_per_day = 1.5\npromises = [[7, 300]]")
    read = parse_site(text).site
    assert read.energy == EnergyRule(own_first=True)
    assert (read.storages[0].cycles_per_day, read.storages[0].promises) == (1.5, ((7.0, 300.0),))
    again = parse_site(site_to_toml(parse_site(text))).site
    assert (again.energy, again.storages) == (read.energy, read.storages)
    with pytest.raises(ConfigurationError, match="promises"):
        parse_site(text.replace("[[7, 300]]", "[[7, 900]]"))
    with pytest.raises(ConfigurationError, match="green_share"):
        parse_site(text.replace("own_first = true", "green_share = 2"))
