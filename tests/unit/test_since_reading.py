"""Between two readings a plan counts what vehicles have drawn meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.session import Request
from scheduler.effects import Solve
from scheduler.since_reading import LEAST_OWED_KWH, since_reading_kwh, with_drawn
from scheduler.state import PileState, SessionRecord
from tests.world import START, World, pile, site

PERIOD_S = 900.0
PLACE = site((pile("A"), pile("B")), telemetry_period_s=PERIOD_S, lease_s=7200.0)


def charging(asked_kwh: float, had_kwh: float, **changes: object) -> SessionRecord:
    request = Request("a", "A", START, START + timedelta(hours=8), asked_kwh)
    return SessionRecord(replace(request, **changes), "charging", delivered_kwh=had_kwh)


def passed(world: World, seconds: float) -> None:
    """Time in which the piles charge and no register is read."""
    for name in world.registers:
        world.registers[name] += world.power_kw(name) * seconds / 3600
    world.now += timedelta(seconds=seconds)
    world.mono_s += seconds


def test_a_plan_between_two_readings_knows_what_was_drawn_since() -> None:
    w = World(PLACE)
    w.plug("A", "B")
    w.say(w.request("a", "A", 10.0, hours=8.0))
    w.wait(60.0)
    passed(w, 600.0)
    said = w.say(w.request("b", "B", 5.0))
    problem = next(e.problem for e in said if isinstance(e, Solve))
    owed = dict(zip(problem.fleet.ids, problem.fleet.energy_kwh.tolist(), strict=True))
    assert owed["a"] == pytest.approx(10.0 - (w.registers["A"] - 100.0), abs=0.01)
    assert owed["b"] == pytest.approx(5.0)


def test_nobody_is_short_for_what_only_the_reading_has_not_told() -> None:
    """It needs every minute of its stay; half way a plan is made before the register is read."""
    w = World(PLACE)
    w.plug("A", "B")
    w.say(w.request("a", "A", 7.0, hours=1.0))
    w.wait(60.0)
    passed(w, 800.0)
    w.say(w.request("b", "B", 5.0))
    assert w.state.sessions["a"].short_kwh == pytest.approx(0.0, abs=0.01)
    assert w.state.sessions["a"].promised_kwh == pytest.approx(7.0, abs=0.01)


@settings(max_examples=200, deadline=None)
@given(
    asked=st.floats(0.5, 80),
    share=st.floats(0, 1),
    power_kw=st.floats(-8, 8),
    passed_s=st.floats(-10, 10_000),
)
def test_it_is_at_most_power_times_three_periods_and_never_the_whole_request(
    asked: float, share: float, power_kw: float, passed_s: float
) -> None:
    record = charging(asked, share * asked)
    at = PileState(measured_mono_s=50_000.0, power_kw=power_kw)
    (drawn,) = since_reading_kwh([at], [record], PLACE, 50_000.0 + passed_s).tolist()
    assert 0.0 <= drawn <= max(power_kw, 0.0) * 3.0 * PERIOD_S / 3600.0 + 1e-9
    left = asked - with_drawn(record, drawn).delivered_kwh
    assert left >= min(LEAST_OWED_KWH, asked - record.delivered_kwh) - 1e-9


def test_who_did_not_charge_or_was_never_read_drew_nothing() -> None:
    fresh = PileState(measured_mono_s=100.0, power_kw=7.0)
    waits = replace(charging(9.0, 1.0), state="waiting")
    for at, record in ((fresh, waits), (PileState(power_kw=7.0), charging(9.0, 1.0))):
        assert since_reading_kwh([at], [record], PLACE, 400.0).tolist() == [0.0]


def test_the_state_of_charge_rises_with_it() -> None:
    record = replace(charging(20.0, 5.0, battery_kwh=50.0, soc=0.3), soc=0.4)
    assert with_drawn(record, 2.5).soc == pytest.approx(0.45)
