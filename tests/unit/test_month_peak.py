"""A month's peak with storage: foreseen from days before, insured in the plan, held by dispatch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapters.books import load_book
from adapters.cli_check import _warnings
from adapters.config import parse_site
from adapters.forecast.month_peak import least_peak_kw
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.series import constant
from adapters.simulator.virtual_assets import VirtualStorage
from models.events import ForecastPushed
from models.horizon import Horizon, instant_of
from models.site import GiveBackRule, Site
from models.storage import Storage
from scheduler.alerts import giving_blocked
from scheduler.beside_plan import planned_kw, under_peak_kw
from scheduler.demand import said_peak_kw, site_kw
from scheduler.draft import Draft
from scheduler.effects import Alert
from scheduler.engine import Engine
from scheduler.microgrid import NO_STORES, Microgrid, Sources
from scheduler.peak import PeakPrice
from scheduler.problem import Problem, plain_fleet
from scheduler.solution import Solution
from scheduler.solvers import general
from scheduler.state import SiteState
from scheduler.view import look
from tariffs.demand import DemandTerm
from tariffs.kinds.flat import Flat
from tests.unit.test_config_microgrid import FILE as GIVING
from tests.unit.test_engine_demand import WithDemand
from tests.unit.test_engine_microgrid import HOUR, START_S, ZONE, _late, bess, site_of

LOSSLESS = Storage(
    "s", "n", capacity_kwh=20.0, max_kw=30.0, charge_efficiency=1.0, discharge_efficiency=1.0
)


def test_the_least_level_is_what_the_stored_energy_can_take_off() -> None:
    """An hour at 50 kW, half of 20 kWh stored: 10 kW come off; with no energy beside, none more."""
    lossless = replace(LOSSLESS, min_soc=0.0, max_soc=1.0)
    net = np.array([50.0, 50.0, 50.0, 50.0])
    assert least_peak_kw(net, 0.25, lossless) == pytest.approx(40.0, abs=0.2)
    # An hour of 20 kW before it fills the storage, then all 20 kWh come off.
    before = np.concatenate([np.full(4, 20.0), net])
    assert least_peak_kw(before, 0.25, lossless) == pytest.approx(30.0, abs=0.2)
    # Its power is the other bound.
    assert least_peak_kw(np.array([50.0]), 0.25, replace(lossless, max_kw=5.0)) == pytest.approx(
        45.0, abs=0.2
    )


def said(values: tuple[float, ...]) -> ForecastPushed:
    now = instant_of(0)
    return ForecastPushed(
        now=now,
        mono_s=0.0,
        stamp=(1, 0),
        issued_at=now,
        series="peak-transformer",
        start=now,
        slot_minutes=60,
        values=values,
    )


def test_a_months_peak_is_read_where_the_month_lies() -> None:
    this = DemandTerm("d", 0, 10_000, 0.0, ((0.0, 1.0),))
    after = DemandTerm("d", 10_000, 20_000, 0.0, ((0.0, 1.0),))
    sent = said((100.0, 100.0, 250.0))
    assert said_peak_kw(sent, this, 1800) == 100.0
    assert said_peak_kw(sent, after, 1800) == 250.0
    assert np.isnan(said_peak_kw(sent, after, 11_000))
    assert np.isnan(said_peak_kw(None, this, 0))


def insured_problem(*, more_kw: float, insures: bool) -> Problem:
    """40 kWh of a car over two hours; base load 20 kW, in the second hour perhaps more."""
    horizon = Horizon(3600 * np.arange(3, dtype=np.int64), ZONE)
    fleet = plain_fleet(
        ("a",), np.zeros(1, int), np.zeros(1, int), np.array([7200]), np.full(1, 40.0),
        np.full(1, 40.0),
    )  # fmt: skip
    slots = np.arange(2)
    more = np.array([0.0, more_kw])
    plain = PeakPrice(slots, slots, np.ones(2), np.zeros(2), ((50.0, 10.0),), term="d")
    peaks = [plain]
    if insures:
        tiers = ((50.0, 3.0),)
        peaks.append(replace(plain, offset_kw=more, tiers=tiers, insures=True))
    base = np.full((1, 2), 20.0)
    return Problem(
        horizon=horizon,
        node_ids=("transformer",),
        parent=np.array([-1]),
        cap_kw=np.full((1, 2), 80.0),
        fleet=fleet,
        buy_per_kwh=np.array([0.5, 0.4]),
        sell_per_kwh=np.zeros(2),
        surplus_kw=np.zeros(2),
        peaks=tuple(peaks),
        microgrid=Microgrid(
            stores=NO_STORES,
            sources=Sources((), np.zeros(0, int), np.zeros((0, 2))),
            base_kw=base,
            import_kw=np.full((1, 2), 100.0),
            export_kw=np.zeros((1, 2)),
        ),
    )


def insured(*, more_kw: float, insures: bool) -> Solution:
    """Its answer."""
    problem = insured_problem(more_kw=more_kw, insures=insures)
    general.forget()
    answer = general.solve(problem, work_limit=10_000)
    assert answer.peak_cost(problem) == pytest.approx(0.0, abs=1e-6)
    return answer


def test_insurance_keeps_room_where_more_may_come_and_is_no_cost() -> None:
    """Up to 50 kW is free; the second hour is cheaper, and 12 kW more may come in it."""
    assert insured(more_kw=12.0, insures=False).energy_kwh == pytest.approx([10.0, 30.0], abs=1e-6)
    assert insured(more_kw=12.0, insures=True).energy_kwh == pytest.approx([22.0, 18.0], abs=1e-6)


def half_an_hour_in() -> tuple[Site, Draft]:
    """A storage under a demand charge, as the engine knows it after half an hour."""
    site = site_of(limit_kw=200.0, storages=(bess(capacity_kwh=100.0, max_kw=50.0),))
    kept: list[SiteState] = []
    depot = VirtualDepot(
        site,
        (_late(),),
        start_s=START_S,
        base_kw={"transformer": constant(40.0)},
        assets=(VirtualStorage(site.storages[0], soc=0.6, at_s=START_S),),
    )
    run(
        Engine(site, WithDemand("two-part", "CNY", 0.6, 0.0)),
        depot,
        until_s=START_S + 0.5 * HOUR,
        solve=cascade_of("general"),
        after=lambda at, state: kept.append(state),
    )
    return site, Draft(kept[-1])


def test_storage_makes_room_under_the_peak_before_a_vehicle_waits() -> None:
    site, draft = half_an_hour_in()
    planned = planned_kw(draft, "bess") or 0.0
    beside, left = under_peak_kw(draft, site, {"A-01": 20.0}, planned + 12.0)
    assert beside == {"bess": pytest.approx(-8.0, abs=1e-6)}
    assert left == pytest.approx(20.0, abs=1e-6)
    # Enough room: nothing moves. More than it can give: the rest is for vehicles to wait for.
    assert under_peak_kw(draft, site, {"A-01": 20.0}, planned + 30.0) == ({}, 30.0)
    beside, left = under_peak_kw(draft, site, {"A-01": 20.0}, planned - 100.0)
    assert beside["bess"] == pytest.approx(-50.0 - planned, abs=1e-6)
    assert left == pytest.approx(-50.0 + planned, abs=1e-6)


def test_what_a_storage_tells_between_two_readings_of_the_meter_is_in_the_peak() -> None:
    site, draft = half_an_hour_in()
    before = site_kw(draft, site, look(draft, site))
    held = draft.get("assets")["bess"]
    draft.own("assets")["bess"] = replace(held, power_kw=held.power_kw - 7.0)
    assert site_kw(draft, site, look(draft, site)) == pytest.approx(before - 7.0, abs=1e-6)


def test_piles_that_could_give_where_nothing_may_flow_back_are_named() -> None:
    rule = GiveBackRule(0.2, 0.1, 0.9, 0.2, 1.0)
    assert giving_blocked(site_of(limit_kw=100.0, v2g=rule, base_load="none")) == ("transformer",)
    assert giving_blocked(site_of(limit_kw=100.0, export_kw=9.0, v2g=rule, base_load="none")) == ()
    assert giving_blocked(site_of(limit_kw=100.0, base_load="none")) == ()
    # Base load takes up what is given.
    assert giving_blocked(site_of(limit_kw=100.0, v2g=rule)) == ()


def test_the_alert_and_the_check_say_what_to_do_in_both_languages() -> None:
    rule = GiveBackRule(0.2, 0.1, 0.9, 0.2, 1.0)
    told: list[Alert] = []
    run(
        Engine(site_of(limit_kw=100.0, v2g=rule, base_load="none"), Flat("flat", "CNY", 0.6, 0.0)),
        VirtualDepot(
            site_of(limit_kw=100.0, v2g=rule, base_load="none"), (_late(),), start_s=START_S
        ),
        until_s=START_S + 60.0,
        solve=cascade_of("general"),
        watch=lambda _, e: told.append(e) if isinstance(e, Alert) else None,
    )
    (alert,) = [a for a in told if a.kind == "giving_blocked"]
    assert (alert.where, alert.cleared) == ("transformer", False)
    assert "export_kw is 0" in alert.text
    assert "export_kw 为 0" in alert.text_zh
    blocked = GIVING.replace("export_kw = 50\n", "").replace(
        'base_load = "meter"', 'base_load = "none"'
    )
    file = parse_site(blocked)
    (line,) = [w for w in _warnings(file, load_book(file.site.tariff)) if "export_kw" in w]
    assert "under transformer" in line


def test_who_insures_a_peak_and_whose_peak_it_is_makes_another_problem() -> None:
    plain = insured_problem(more_kw=12.0, insures=False)
    (peak,) = plain.peaks
    others = [replace(peak, insures=True), replace(peak, term="other")]
    digests = {replace(plain, peaks=(p,)).digest for p in (peak, *others)}
    assert len(digests) == 3
