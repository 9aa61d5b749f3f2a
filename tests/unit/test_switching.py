"""Minimum times on and off and starts a day: kept by plan and dispatch, overridden by limits."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.store.codec import pack_state, unpack_state
from models.errors import ConfigurationError
from models.horizon import epoch_s
from models.switching import SwitchingRule
from scheduler.cascade import load_solver, run_cascade
from scheduler.engine import Engine
from scheduler.fewer_starts import restless, runs_of, with_fewer_starts
from scheduler.problem import Problem
from scheduler.state import Recovered
from scheduler.switching_terms import SwitchingTerms
from scheduler.verify import verify
from tariffs.kinds.flat import Flat
from tariffs.kinds.spot import Spot
from tariffs.series import PriceSeries
from tests.problems import problem_of, session
from tests.unit.test_config_microgrid import FILE
from tests.world import START, World, pile, site

ALL = 2**31 - 1


def prices(*per_quarter: float) -> Spot:
    """Prices by quarter hour from the start, the last one goes on for two days."""
    at = epoch_s(START) + 900 * np.arange(len(per_quarter) + 1, dtype=np.int64)
    at[-1] = epoch_s(START) + 2 * 86_400
    series = PriceSeries(at[:-1], at[1:], np.array(per_quarter), np.zeros(len(per_quarter)))
    return Spot("quarters", "CNY", series, "hold")


def world(rule: SwitchingRule, tariff: Spot | None = None, limit_kw: float = 100.0) -> World:
    w = World(site((pile("P1", switching=rule),), limit_kw=limit_kw), tariff=tariff)
    w.plug("P1")
    return w


def starts(w: World) -> int:
    powers = [0.0, *(s.power_kw for s in w.sent)]
    return sum(a == 0 < b for a, b in pairwise(powers))


def test_a_limit_does_not_wait_for_the_least_time_on() -> None:
    w = world(SwitchingRule(min_on_s=3600))
    w.say(w.request("s1", "P1", 20.0, mode="now"))
    assert w.setpoints["P1"] > 7.0
    w.wait(10)
    w.say(w.limit(0.0))
    assert w.setpoints["P1"] == 0.0


def after_a_later_departure(rule: SwitchingRule, wait_s: float) -> float:
    """Setpoint some time after a driver who charged for five minutes has time until it is cheap."""
    w = world(rule, prices(*[0.5] * 24, 0.1))
    w.say(w.request("s1", "P1", 30.0, hours=5))
    w.wait(300)
    assert w.setpoints["P1"] > 7.0
    w.say(w.request("s1", "P1", 30.0, hours=14))
    w.wait(wait_s)
    return w.setpoints["P1"]


def test_whom_a_new_plan_would_stop_too_soon_is_held_at_the_minimum() -> None:
    assert after_a_later_departure(SwitchingRule(), 60) == 0.0
    assert after_a_later_departure(SwitchingRule(min_on_s=1800), 60) == pytest.approx(1.32)


def test_it_stops_when_the_least_time_on_is_over() -> None:
    assert after_a_later_departure(SwitchingRule(min_on_s=1800), 1560) == 0.0


def test_after_a_stop_it_waits_unless_the_promise_would_be_lost() -> None:
    def seconds_off(hours: float) -> float:
        w = world(SwitchingRule(min_off_s=900))
        w.say(w.request("s1", "P1", 7.0, hours=hours, mode="now"))
        w.wait(60)
        w.say(w.limit(0.0))
        assert w.setpoints["P1"] == 0.0
        w.wait(10)
        w.say(w.limit(100.0))
        off = 10.0
        while w.setpoints["P1"] == 0.0 and off < 2000:
            w.wait(10)
            off += 10.0
        return off

    assert 900 <= seconds_off(6.0) <= 920
    assert seconds_off(1.02) <= 20


def test_one_start_a_day_is_enough_for_a_night_of_moving_prices() -> None:
    moving = prices(*[0.1, 0.1, 0.5, 0.5] * 6, 0.6)
    energies = []
    for rule in (SwitchingRule(), SwitchingRule(starts_per_day=1)):
        w = world(rule, moving)
        w.say(w.request("s1", "P1", 12.0, hours=6))
        w.wait(6 * 3600 - 60, step_s=60)
        energies.append(w.registers["P1"] - 100.0)
        if rule.starts_per_day is None:
            assert starts(w) >= 3
        else:
            assert starts(w) == 1
    assert energies == pytest.approx([12.0, 12.0], abs=0.15)


def test_a_spent_budget_lets_a_promise_start_again() -> None:
    w = world(SwitchingRule(starts_per_day=1))
    w.say(w.request("s1", "P1", 7.0, mode="now"))
    w.wait(60)
    w.say(w.limit(0.0))
    w.wait(60)
    w.say(w.limit(100.0))
    w.wait(60)
    assert w.setpoints["P1"] > 0
    assert w.state.piles["P1"].starts == 2


def test_a_new_day_brings_new_starts() -> None:
    w = world(SwitchingRule(starts_per_day=2))
    w.say(w.request("s1", "P1", 3.0, mode="now", hours=30))
    w.wait(600)
    assert (w.state.piles["P1"].starts, w.setpoints["P1"] > 0) == (1, True)
    day = w.state.piles["P1"].starts_day
    w.wait(17 * 3600, step_s=600)
    w.say(w.request("s1", "P1", 9.0, mode="now", hours=30))
    w.wait(60)
    assert (w.state.piles["P1"].starts, w.state.piles["P1"].starts_day) == (1, day + 1)


def test_a_restart_remembers_the_last_stop_and_the_day_s_starts() -> None:
    w = world(SwitchingRule(min_off_s=1800, starts_per_day=5))
    w.say(w.request("s1", "P1", 7.0, hours=6, mode="now"))
    w.wait(60)
    w.say(w.limit(0.0))
    w.wait(60)
    stored = unpack_state(pack_state(w.state))
    w.now += timedelta(seconds=240)
    w.engine = Engine(w.site, Flat("flat", "CNY", 0.6, 0.0))
    w.mono_s = 5.0
    w.state = w.engine.start(
        now=w.now, mono_s=5.0, epoch=2, recovered=Recovered(state=stored, highest_epoch=1)
    )
    assert w.state.piles["P1"].starts == 1
    w.say(w.limit(100.0))
    off = 300.0
    while w.setpoints["P1"] == 0.0 and off < 4000:
        w.wait(10)
        off += 10.0
    assert 1800 <= off <= 1830


def quarters(price: list[float], energy_kwh: float, **terms: float) -> Problem:
    """One vehicle of 7 kW, 1.4 kW at least, over quarter hours of these prices."""
    car = session(0, len(price) / 4, 7.0, energy_kwh, min_kw=1.4, promised_kwh=energy_kwh)
    problem = problem_of([car], price=price, edges_h=np.arange(len(price) + 1) / 4)
    ruled = SwitchingTerms(
        on=np.zeros(1, dtype=bool),
        starts=np.array([terms.get("starts", np.inf)]),
        starts_later=np.array([terms.get("starts", np.inf)]),
        min_on_s=np.array([terms.get("min_on_s", 0.0)]),
        min_off_s=np.array([terms.get("min_off_s", 0.0)]),
        day=np.zeros(len(price), dtype=np.int64),
    )
    return dataclasses.replace(problem, switching=ruled)


@pytest.mark.parametrize(
    ("terms", "runs"),
    [({}, 3), ({"starts": 2}, 2), ({"starts": 1}, 1), ({"min_off_s": 2000}, 2)],
)
def test_a_plan_keeps_its_budget_at_the_least_cost(terms: dict[str, float], runs: int) -> None:
    problem = quarters([0.1, 0.9, 0.2, 0.9, 0.9, 0.9, 0.1, 0.9], 5.25, **terms)
    answer = run_cascade(problem, [("flow", load_solver("flow"))], ALL)
    assert len(runs_of((answer.energy_kwh > 1e-6).tolist())) == runs
    assert float(answer.energy_kwh.sum()) == pytest.approx(5.25, abs=1e-5)
    assert verify(problem, answer).ok
    assert answer.gap > 0 or not terms
    assert not restless(problem, answer.energy_kwh).size


def test_a_short_run_is_lengthened_or_joined() -> None:
    problem = quarters([0.1, 0.9, 0.5, 0.9, 0.9, 0.2, 0.2, 0.2], 5.25, min_on_s=1800)
    answer = run_cascade(problem, [("flow", load_solver("flow"))], ALL)
    assert not restless(problem, answer.energy_kwh).size
    assert float(answer.energy_kwh.sum()) == pytest.approx(5.25, abs=1e-5)


def test_energy_is_never_lost_for_fewer_starts() -> None:
    """Two slots with room and nothing between: one start cannot give both."""
    problem = quarters([0.1, 0.2, 0.1], 3.5, starts=1)
    problem = dataclasses.replace(problem, cap_kw=np.array([[7.0, 0.0, 7.0]]))
    relaxed = load_solver("flow")(problem, work_limit=ALL)
    calm = with_fewer_starts(problem, relaxed)
    assert calm.energy_kwh.tolist() == pytest.approx(relaxed.energy_kwh.tolist())


RULES = "\n[site.switching]\nmin_on_s = 300\nmin_off_s = 120\nstarts_per_day = 6\n"


def test_a_site_s_rule_holds_for_piles_that_say_nothing_else() -> None:
    text = FILE.replace("\n[site.v2g]", RULES + "\n[site.v2g]")
    own = text.replace("response_s = 5", "response_s = 5\nmin_on_s = 60", 1)
    assert parse_site(text).site.piles[0].switching == SwitchingRule(300, 120, 6)
    assert parse_site(own).site.piles[0].switching == SwitchingRule(60, 120, 6)
    assert parse_site(FILE).site.piles[0].switching == SwitchingRule()
    again = parse_site(site_to_toml(parse_site(own)))
    assert again.site.piles == parse_site(own).site.piles


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("min_on_s = 300", "min_on_s = -1", "site.switching.min_on_s"),
        ("min_off_s = 120", "min_off_s = 9000", "site.switching.min_off_s"),
        ("starts_per_day = 6", "starts_per_day = 0", "site.switching.starts_per_day"),
        ("starts_per_day = 6", "starts_per_day = 1.5", "site.switching.starts_per_day"),
        ("min_on_s = 300", "min_onn_s = 300", "site.switching.min_onn_s"),
    ],
)
def test_what_is_no_rule_is_refused_by_name(old: str, new: str, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_site((FILE.replace("\n[site.v2g]", RULES + "\n[site.v2g]")).replace(old, new))
    assert caught.value.where == where
    assert caught.value.fix or "number" in caught.value.what
