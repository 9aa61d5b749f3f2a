"""The virtual depot is exact between events, and its piles behave as piles do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.series import StepSeries
from adapters.simulator.vehicle import Quirk
from models.battery import Battery
from models.errors import InvalidValueError
from models.events import (
    Heartbeat,
    LimitPushed,
    NodeMeasured,
    PileAcked,
    PileBorn,
    PileMeasured,
    SessionEnded,
    SessionRequested,
)
from models.network import Node, network_of
from models.pile import ac_pile
from tests.unit.simulated import START, START_S, at, pile, run_out, setpoint, site_of, vehicle


def of_kind(facts: list[Any], kind: type) -> list[Any]:
    return [f for f in facts if isinstance(f, kind)]


def test_a_car_comes_charges_is_full_at_the_exact_second_and_leaves() -> None:
    depot = VirtualDepot(site_of([pile("A")]), [vehicle("s", "A", (1, 5), 15.0)], start_s=START_S)
    facts = depot.advance(at(1))
    assert [f.pile for f in of_kind(facts, PileBorn)] == ["A"]
    assert of_kind(facts, SessionRequested)[0].request.energy_kwh == 15.0
    said = depot.obey(setpoint("A", 10.0, 1))
    assert of_kind(said, PileAcked)[0].applied_kw == 10.0
    assert of_kind(said, PileMeasured)[0].power_kw == 10.0

    facts = run_out(depot, at(6))

    full = next(f for f in of_kind(facts, PileMeasured) if f.power_kw == 0 and f.vehicle)
    assert full.now.timestamp() == pytest.approx(at(2.5), abs=1e-3)
    assert full.energy_kwh == pytest.approx(15.0, abs=1e-9)
    assert of_kind(facts, SessionEnded)[0].now.timestamp() == at(5)
    trace = depot.trace()
    assert trace.sessions[0].delivered_kwh == pytest.approx(15.0, abs=1e-9)
    assert trace.sessions[0].short_kwh == pytest.approx(0.0, abs=1e-9)


def test_a_lease_that_runs_out_drops_the_pile_to_its_fallback_by_itself() -> None:
    depot = VirtualDepot(
        site_of([pile("A", fallback_kw=2.0)]), [vehicle("s", "A", (0, 5), 50.0)], start_s=START_S
    )
    depot.advance(at(0))
    held = setpoint("A", 10.0, 1, lease_s=60.0)
    depot.obey(held)
    facts = run_out(depot, at(1))
    dropped = [f for f in of_kind(facts, PileMeasured) if f.power_kw < 10.0]
    assert dropped[0].now.timestamp() == pytest.approx(START_S + 60.0)
    assert dropped[0].power_kw == held.fallback_kw
    assert depot.piles["A"].register_kwh == pytest.approx(10.0 * 60 / 3600)


def test_before_its_first_setpoint_a_pile_gives_its_nameplate_fallback() -> None:
    depot = VirtualDepot(
        site_of([pile("A", fallback_kw=2.0)]), [vehicle("s", "A", (0, 5), 50.0)], start_s=START_S
    )
    depot.advance(at(1))
    assert depot.piles["A"].power_kw == 2.0


def test_an_older_setpoint_never_replaces_a_newer_one() -> None:
    depot = VirtualDepot(site_of([pile("A")]), [vehicle("s", "A", (0, 5), 50.0)], start_s=START_S)
    depot.advance(at(0))
    depot.obey(setpoint("A", 3.0, 2))
    depot.obey(setpoint("A", 9.0, 1))
    assert depot.piles["A"].power_kw == 3.0


def test_an_ac_pile_gives_nothing_below_its_minimum_and_follows_the_voltage() -> None:
    ac = ac_pile(
        id="A",
        node="transformer",
        phases=(1,),
        volts=220.0,
        max_a=32,
        min_a=6,
        fallback_kw=0,
        offline_kw=0,
        response_s=0,
    )
    depot = VirtualDepot(
        site_of([ac]),
        [vehicle("s", "A", (0, 9), 50.0)],
        start_s=START_S,
        voltage=StepSeries((START_S, at(1)), (1.0, 1.05)),
    )
    depot.advance(at(0))
    depot.obey(setpoint("A", 1.0, 1))
    assert depot.piles["A"].power_kw == 0.0
    depot.obey(setpoint("A", 4.0, 2))
    assert depot.piles["A"].power_kw == 4.0
    run_out(depot, at(2))
    assert depot.piles["A"].power_kw == pytest.approx(4.2)
    depot.trace()
    assert depot.piles["A"].register_kwh == pytest.approx(4.0 + 4.2)


def test_slow_refusing_and_deaf_piles_do_what_they_are_known_for() -> None:
    cars = [vehicle(n, n, (0, 5), 50.0) for n in ("slow", "refuses", "deaf", "greedy")]
    depot = VirtualDepot(
        site_of([pile(c.pile) for c in cars]),
        cars,
        start_s=START_S,
        quirks={
            "slow": Quirk(delay_s=10.0),
            "refuses": Quirk(refuses=True),
            "deaf": Quirk(ignores=True),
            "greedy": Quirk(draws_factor=1.1),
        },
    )
    depot.advance(at(0))
    answers = {n: depot.obey(setpoint(n, 4.0, 1)) for n in depot.piles}
    assert not answers["slow"]
    assert of_kind(answers["refuses"], PileAcked)[0].refused
    assert of_kind(answers["deaf"], PileAcked)[0].applied_kw == 4.0
    assert {n: p.power_kw for n, p in depot.piles.items()} == pytest.approx(
        {"slow": 0.0, "refuses": 0.0, "deaf": 10.0, "greedy": 4.4}
    )
    later = depot.advance(START_S + 10.0)
    assert of_kind(later, PileAcked)[0].pile == "slow"
    assert depot.piles["slow"].power_kw == 4.0


def test_late_meters_report_what_was() -> None:
    depot = VirtualDepot(
        site_of([pile("A")]),
        [vehicle("s", "A", (0, 5), 50.0)],
        start_s=START_S,
        quirks={"A": Quirk(meter_lag_s=30.0)},
    )
    depot.advance(at(0))
    assert not of_kind(depot.obey(setpoint("A", 10.0, 1)), PileMeasured)
    facts = of_kind(run_out(depot, START_S + 30.0), PileMeasured)
    assert facts[-1].power_kw == 10.0
    assert facts[-1].energy_kwh == 0.0
    assert facts[-1].issued_at.timestamp() == START_S
    assert facts[-1].now.timestamp() == START_S + 30.0


def test_a_car_that_sleeps_after_a_pause_wakes_at_the_second_start() -> None:
    car = vehicle("s", "A", (0, 5), 50.0, starts_needed=2)
    depot = VirtualDepot(site_of([pile("A")]), [car], start_s=START_S)
    depot.advance(at(0))
    powers = []
    for seq, power in enumerate((5.0, 0.0, 5.0, 0.0, 5.0, 5.0), start=1):
        depot.obey(setpoint("A", power, seq))
        powers.append(depot.piles["A"].power_kw)
    assert powers[:3] == [5.0, 0.0, 0.0]
    depot.obey(setpoint("A", 0.0, 8))
    assert depot.piles["A"].power_kw == 0.0


def test_a_tapering_battery_gets_the_energy_of_the_closed_form() -> None:
    battery = Battery(50.0, 10.0, taper_soc=0.8)
    car = vehicle("s", "A", (0, 9), 50.0, battery=battery, stored_kwh=30.0, says_soc=True)
    depot = VirtualDepot(site_of([pile("A")]), [car], start_s=START_S)
    depot.advance(at(0))
    depot.obey(setpoint("A", 10.0, 1))
    facts = run_out(depot, at(2))
    depot.trace()
    assert depot.piles["A"].stored_kwh == pytest.approx(battery.after(30.0, 10.0, 2.0), abs=1e-9)
    shown = [f.power_kw for f in of_kind(facts, PileMeasured)]
    assert shown == sorted(shown, reverse=True)
    assert of_kind(facts, PileMeasured)[-1].soc == pytest.approx(
        battery.after(30.0, 10.0, 2.0) / 50.0, abs=0.02
    )
    run_out(depot, at(9))
    trace = depot.trace()
    assert trace.sessions[0].short_kwh == pytest.approx(0.0, abs=1e-6)


def test_base_load_and_sun_are_in_the_node_meters_reading() -> None:
    site = site_of([pile("A")], base_load="meter")
    depot = VirtualDepot(
        site,
        [vehicle("s", "A", (0, 5), 50.0)],
        start_s=START_S,
        base_kw={"transformer": StepSeries((START_S, at(1)), (20.0, 40.0))},
        pv_kw={"transformer": StepSeries((START_S,), (-5.0,))},
    )
    depot.advance(at(0))
    depot.obey(setpoint("A", 10.0, 1))
    facts = of_kind(run_out(depot, at(1)), NodeMeasured)
    assert [f.power_kw for f in facts[:1]] == [25.0]
    assert facts[-1].power_kw == pytest.approx(45.0)


def test_two_cars_on_one_pile_at_once_are_refused() -> None:
    cars = [vehicle("one", "A", (0, 5), 5.0), vehicle("two", "A", (4, 6), 5.0)]
    with pytest.raises(InvalidValueError, match="while one still does"):
        VirtualDepot(site_of([pile("A")]), cars, start_s=START_S)


def limit(node: str, import_kw: float, **other: Any) -> LimitPushed:
    keys: dict[str, Any] = {
        "now": START,
        "mono_s": 0.0,
        "stamp": (1, 1),
        "issued_at": START,
        "node": node,
        "limit": "cut",
        "valid_from": START,
        "valid_until": None,
        "import_kw": import_kw,
        "export_kw": None,
        "source": "grid",
    }
    return LimitPushed(**keys | other)


def test_the_grid_script_speaks_in_time_and_the_meter_judges_by_it() -> None:
    site = site_of([pile("A", response_s=5.0)])
    depot = VirtualDepot(
        site,
        [vehicle("s", "A", (0, 5), 50.0)],
        start_s=START_S,
        grid=GridScript([(at(1), limit("transformer", 4.0))]),
    )
    depot.advance(at(0))
    depot.obey(setpoint("A", 10.0, 1))
    facts = run_out(depot, at(1))
    assert [f.import_kw for f in of_kind(facts, LimitPushed)] == [4.0]
    depot.advance(at(1) + 20)
    depot.obey(setpoint("A", 4.0, 2))
    run_out(depot, at(2))
    verdict = depot.trace().verdicts[0]
    assert verdict.raw_s == 20
    assert verdict.judged_s == 15


def test_silence_of_the_grid_company_brings_the_failsafe_to_the_meter() -> None:
    root = Node(
        "transformer", limit_kw=100.0, contract_kw=80.0, failsafe_kw=5.0, heartbeat="required"
    )
    site = site_of([pile("A")], network=network_of([root]))
    grid = GridScript(heartbeat_s=10.0, silences=((at(0.5), at(1)),))
    depot = VirtualDepot(site, [vehicle("s", "A", (0, 5), 50.0)], start_s=START_S, grid=grid)
    facts = run_out(depot, at(2))
    assert len(of_kind(facts, Heartbeat)) == pytest.approx(720 - 180, abs=2)
    limits = depot.trace().limits["transformer"]
    assert [kw for _, kw in limits] == [80.0, 5.0]
    assert limits[1][0] == pytest.approx(at(0.5) - 10 + 120)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_stopping_the_clock_anywhere_changes_nothing(data: st.DataObject) -> None:
    """Energy, registers and verdicts do not depend on where a host happens to look."""
    taper = data.draw(st.sampled_from([1.0, 0.8]))
    kwh = data.draw(st.floats(5.0, 60.0))
    battery = Battery(kwh, 12.0, taper_soc=taper)
    plan = data.draw(
        st.lists(st.tuples(st.floats(0.01, 5.9), st.floats(0.0, 10.0)), min_size=1, max_size=6)
    )
    looks = data.draw(st.lists(st.floats(0.0, 6.0), max_size=20))

    def result(stops: list[float]) -> tuple[float, int]:
        car = vehicle("s", "A", (0, 5), kwh, battery=battery)
        depot = VirtualDepot(site_of([pile("A")], limit_kw=6.0), [car], start_s=START_S)
        orders = sorted(plan)
        for seq, (hours, power) in enumerate(orders, start=1):
            for stop in sorted(s for s in stops if depot.at_s < at(s) < at(hours)):
                depot.advance(at(stop))
            depot.advance(at(hours))
            depot.obey(setpoint("A", power, seq))
        depot.advance(at(6.5))
        trace = depot.trace()
        return trace.sessions[0].delivered_kwh, trace.verdicts[0].raw_s

    plain, looked = result([]), result(looks)
    assert looked[0] == pytest.approx(plain[0], abs=1e-6)
    assert abs(looked[1] - plain[1]) <= 1
