"""Islanding: nothing above the inverter, the highest priority to the end, a clean return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.config import parse_site
from adapters.config_writer import site_to_toml
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.series import StepSeries, constant
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Vehicle
from adapters.simulator.virtual_assets import VirtualFeeder, VirtualPv, VirtualStorage
from models.battery import Battery
from models.errors import ConfigurationError
from models.events import LimitPushed
from models.horizon import instant_of
from models.island import Feeder, IslandRule
from models.session import Request
from models.storage import PvPlant
from scheduler.effects import Alert, Effect
from scheduler.engine import Engine
from scheduler.island import FeederNow, IslandNow, steer
from tariffs.kinds.flat import Flat
from tests.unit.test_config_microgrid import FILE
from tests.unit.test_engine_microgrid import HOUR, START_S, bess, by_hour, site_of

LOST, BACK = 2.0, 6.0
RULE = IslandRule("bess", rated_kw=40.0, step_reserve_kw=5.0, hold_h=4.0, reclose_s=60.0)
FEEDERS = (Feeder("icu", "transformer", 10.0, 9), Feeder("shop", "transformer", 12.0, 2))


def car(wants_kwh: float = 40.0) -> Vehicle:
    at, leaves = START_S + 1.5 * HOUR, START_S + 9.0 * HOUR
    request = Request(
        session="s1", pile="A-01", arrival=instant_of(int(at)), departure=instant_of(int(leaves)),
        energy_kwh=wants_kwh, mode="now",
    )  # fmt: skip
    battery = Battery(60.0, 20.0, taper_soc=1.0)
    return Vehicle("s1", "A-01", at, leaves, battery, 60.0 - wants_kwh, words=((at, request),))


def alone(
    *,
    soc: float,
    must: StepSeries | None = None,
    sun: StepSeries | None = None,
    limit_kw: float = 60.0,
    lost: bool = True,
    said: tuple[Any, ...] = (),
) -> tuple[Trace, VirtualDepot, list[Alert]]:
    """Nine hours with four of island in them."""
    site = site_of(
        limit_kw=limit_kw,
        export_kw=0.0,
        storages=(bess(min_soc=0.1, max_kw=40.0),),
        pv=(PvPlant("pv", "transformer", 30.0),) if sun else (),
        feeders=FEEDERS,
        island=RULE,
        telemetry_period_s=30.0,
    )
    assets: list[Any] = [VirtualStorage(site.storages[0], soc=soc, at_s=START_S)]
    assets += [VirtualFeeder(f, constant(0.9 * f.max_kw), at_s=START_S) for f in FEEDERS]
    if sun:
        assets.append(VirtualPv(site.pv[0], sun, at_s=START_S))
    depot = VirtualDepot(
        site,
        (car(),),
        start_s=START_S,
        base_kw={"transformer": must or constant(5.0)},
        grid=GridScript(said),
        assets=assets,
        islands=((START_S + LOST * HOUR, START_S + BACK * HOUR),) if lost else (),
    )
    alerts: list[Alert] = []

    def watch(_: float, effect: Effect) -> None:
        if isinstance(effect, Alert) and effect.kind == "island":
            alerts.append(effect)

    trace = run(
        Engine(site, Flat("flat", "CNY", 0.6, 0.0)),
        depot,
        until_s=START_S + 9.0 * HOUR,
        solve=cascade_of("general", "highs"),
        watch=watch,
    )
    return trace, depot, alerts


def served(depot: VirtualDepot, name: str) -> float:
    feeder = depot.assets[name]
    assert isinstance(feeder, VirtualFeeder)
    return feeder.served_kwh


def test_the_highest_priority_is_carried_to_the_end_and_charging_gives_way_first() -> None:
    trace, depot, alerts = alone(soc=0.85)
    storage = depot.assets["bess"]
    assert isinstance(storage, VirtualStorage)
    assert depot.inverter.judged_s == 0
    assert depot.inverter.export_s == 0
    assert storage.dark_s is None
    critical = depot.assets["icu"]
    assert isinstance(critical, VirtualFeeder)
    assert critical.missed_kwh == 0.0
    assert served(depot, "shop") < 0.9 * 9.0 * 10.8
    assert trace.verdicts[0].judged_s == 0
    assert [a.cleared for a in alerts] == [False, True]
    assert alerts[0].text_zh
    assert trace.sessions[0].short_kwh == pytest.approx(0.0, abs=0.2)


def test_vehicles_get_what_the_sun_gives_beyond_the_loads() -> None:
    sun = by_hour(0.0, 30.0, LOST, BACK)
    _, depot, _ = alone(soc=0.9, sun=sun)
    storage, plant = depot.assets["bess"], depot.assets["pv"]
    assert isinstance(storage, VirtualStorage)
    assert isinstance(plant, VirtualPv)
    assert depot.inverter.judged_s == depot.inverter.export_s == 0
    assert storage.stored_kwh <= 0.95 * storage.asset.capacity_kwh
    assert served(depot, "shop") == pytest.approx(9.0 * 10.8, rel=0.02)
    assert plant.given_kwh > 60.0


def test_a_load_that_grows_on_the_island_switches_feeders_off_and_not_the_inverter() -> None:
    grows = by_hour(5.0, 24.0, LOST + 1.0, BACK)
    _, depot, _ = alone(soc=0.9, must=grows)
    assert depot.inverter.judged_s == 0
    assert depot.inverter.peak_kw <= 40.0


def test_the_return_makes_no_step_above_a_limit_that_is_smaller_than_the_inverter() -> None:
    trace, depot, _ = alone(soc=0.9, limit_kw=32.0)
    assert depot.inverter.judged_s == 0
    assert trace.verdicts[0].judged_s == 0
    after = [kw for t, kw in trace.root if t >= START_S + BACK * HOUR]
    assert max(after) <= 32.0 + 1e-6


def test_a_limit_of_nothing_is_an_island_whose_connection_stands() -> None:
    now = instant_of(int(START_S + LOST * HOUR))
    zero = LimitPushed(
        now=now, mono_s=0.0, stamp=(1, 0), issued_at=now, node="transformer", limit="cut",
        valid_from=now, valid_until=instant_of(int(START_S + BACK * HOUR)), import_kw=0.0,
        export_kw=None, source="test",
    )  # fmt: skip
    trace, depot, alerts = alone(soc=0.85, lost=False, said=((now.timestamp(), zero),))
    assert trace.verdicts[0].judged_s == 0
    assert served(depot, "icu") == pytest.approx(9.0 * 9.0, rel=0.01)
    assert served(depot, "shop") < 0.9 * 9.0 * 10.8
    assert [a.cleared for a in alerts] == [False, True]


def now_of(**changes: Any) -> IslandNow:
    feeders = (
        FeederNow("icu", 9.0, 10.0, 9, True, True),
        FeederNow("shop", 11.0, 12.0, 2, True, True),
    )
    values: dict[str, Any] = {
        "stored_kwh": 90.0, "floor_kwh": 10.0, "top_kwh": 95.0, "efficiency": 0.95,
        "must_kw": 5.0, "must_ahead_kwh": 20.0, "pv_ahead_kwh": 0.0, "pv_kw": 0.0,
        "piles_kw": 0.0, "piles_held_kw": 0.0, "most_kw": 60.0, "feeders": feeders,
    }  # fmt: skip
    return IslandNow(**(values | changes))


@given(
    must=st.floats(0, 30),
    stored=st.floats(10, 95),
    sun=st.floats(0, 30),
    on=st.tuples(st.booleans(), st.booleans()),
)
def test_what_is_switched_on_and_given_fits_the_inverter_without_any_sun(
    must: float, stored: float, sun: float, on: tuple[bool, bool]
) -> None:
    now = now_of(must_kw=must, must_ahead_kwh=4 * must, stored_kwh=stored, pv_kw=sun)
    feeders = tuple(replace(f, closed=c) for f, c in zip(now.feeders, on, strict=True))
    order = steer(RULE, replace(now, feeders=feeders))
    load = must + sum(f.load_kw for f in feeders if order.closed[f.id])
    assert order.piles_kw == 0.0 or load + order.piles_kw <= 35.0 + 1e-9
    assert not order.closed["shop"] or load <= 35.0 + 1e-9
    assert order.pv_kw >= 0.0


def test_below_the_reserve_only_the_highest_priority_is_carried() -> None:
    order = steer(replace(RULE, reserve_soc=0.5), now_of(stored_kwh=50.0))
    assert order.closed == {"icu": True, "shop": False}
    assert order.piles_kw == 0.0


def test_the_rule_is_read_written_and_refused_by_its_key() -> None:
    text = FILE.replace(
        "[nodes.transformer]",
        '[site.island]\nstorage = "bess"\nrated_kw = 250\nstep_reserve_kw = 30\n\n'
        "[nodes.transformer]",
    )
    text += '\n[[assets]]\nid = "icu"\nkind = "feeder"\nnode = "transformer"\n'
    text += "max_kw = 20\npriority = 9\n"
    read = parse_site(text)
    assert read.site.island == IslandRule("bess", 250.0, 30.0)
    again = parse_site(site_to_toml(read)).site
    assert (again.island, again.feeders) == (read.site.island, read.site.feeders)
    with pytest.raises(ConfigurationError, match=r"site\.island\.storage"):
        parse_site(text.replace('storage = "bess"', 'storage = "none"'))
    with pytest.raises(ConfigurationError, match="step_reserve_kw"):
        parse_site(text.replace("step_reserve_kw = 30", "step_reserve_kw = 300"))
