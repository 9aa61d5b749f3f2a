"""Days of a depot through the closed loop: limits hold, and what they allow is used."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from adapters.books import load_book
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.series import StepSeries
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Quirk, Vehicle
from models.events import LimitPushed
from models.network import Node, network_of
from models.pile import Pile, ac_pile
from models.site import Site
from scheduler.engine import Engine
from tests.unit.simulated import START, START_S, at, pile, site_of, vehicle

TARIFF = load_book("zhejiang-2026", holidays="none")
NAMES = tuple(f"P{k}" for k in range(8))


def steer(site: Site, cars: list[Vehicle], *, hours: float, **world: Any) -> Trace:
    """The engine steers a depot for so many hours."""
    depot = VirtualDepot(site, cars, start_s=START_S, **world)
    return run(Engine(site, TARIFF), depot, until_s=at(hours), solve=cascade_of("highs"))


def delivered(trace: Trace) -> dict[str, float]:
    return {s.session: s.delivered_kwh for s in trace.sessions}


def ac(name: str, **other: Any) -> Pile:
    """A single-phase pile of 7.04 kW."""
    plate: dict[str, Any] = {
        "id": name,
        "node": "transformer",
        "phases": (1,),
        "volts": 220.0,
        "max_a": 32,
        "min_a": 6,
        "fallback_kw": 0.0,
        "offline_kw": 0.0,
        "response_s": 5.0,
    }
    return ac_pile(**plate | other)


def limit_kw(import_kw: float, hours: float, until: float | None = None) -> LimitPushed:
    """A limit pushed at the transformer."""
    return LimitPushed(
        now=START,
        mono_s=0.0,
        stamp=(1, 1),
        issued_at=START,
        node="transformer",
        limit="cut",
        valid_from=START + timedelta(hours=hours),
        valid_until=None if until is None else START + timedelta(hours=until),
        import_kw=import_kw,
        export_kw=None,
        source="grid",
    )


def test_a_cut_is_obeyed_within_the_response_time_and_power_comes_back_after_it() -> None:
    site = site_of([ac(n) for n in NAMES], limit_kw=40.0)
    cars = [vehicle(f"s{n}", n, (0, 6), 25.0) for n in NAMES]
    grid = GridScript([(at(1), limit_kw(12.0, 1.0, until=2.0))])
    trace = steer(site, cars, hours=7, grid=grid, quirks={n: Quirk(delay_s=3.0) for n in NAMES})
    assert trace.exceeded_node_seconds == 0
    assert trace.verdicts[0].raw_s <= 5
    assert sum(delivered(trace).values()) == pytest.approx(8 * 25.0, rel=0.02)


def test_an_hour_ahead_the_plan_knows_of_a_cut_and_nobody_goes_short() -> None:
    site = site_of([ac(n) for n in NAMES], limit_kw=40.0)
    cars = [vehicle(f"s{n}", n, (0, 4), 14.0) for n in NAMES]
    # From 9:00 nothing flows: everything has to be in before, whatever the valley at 11:00 costs.
    grid = GridScript([(at(0), limit_kw(0.0, 3.0))])
    trace = steer(site, cars, hours=5, grid=grid)
    assert trace.exceeded_node_seconds == 0
    assert sum(delivered(trace).values()) == pytest.approx(8 * 14.0, rel=0.02)


def test_voltage_five_per_cent_high_stays_inside_the_tolerance() -> None:
    site = site_of([ac(n) for n in NAMES], limit_kw=30.0, voltage_tolerance=0.07)
    cars = [vehicle(f"s{n}", n, (0, 6), 30.0) for n in NAMES]
    random = Random(7)
    starts = [START_S + 60.0 * k for k in range(360)]
    voltage = StepSeries(starts, [1.0 + random.uniform(-0.05, 0.05) for _ in starts])
    trace = steer(site, cars, hours=7, voltage=voltage)
    assert trace.exceeded_node_seconds == 0
    assert sum(delivered(trace).values()) >= 0.9 * 30.0 * 6 / 1.07


def test_base_load_that_rises_and_falls_leaves_the_rest_to_the_cars() -> None:
    site = site_of(
        [ac(n) for n in NAMES],
        limit_kw=60.0,
        base_load="meter",
        telemetry_period_s=10.0,
        lease_s=600.0,
        margin_kw=6.0,
    )
    cars = [vehicle(f"s{n}", n, (0, 2), 40.0) for n in NAMES]
    random = Random(3)
    base, values = 25.0, []
    for _ in range(130):
        base = min(max(base + random.uniform(-5.0, 5.0), 10.0), 50.0)
        values.append(base)
    series = StepSeries([START_S + 60.0 * k for k in range(130)], values)
    trace = steer(site, cars, hours=2, base_kw={"transformer": series})
    assert trace.exceeded_node_seconds == 0
    room = sum(60.0 - 6.0 - v for v in values[:120]) / 60.0
    assert sum(delivered(trace).values()) >= 0.7 * room


def test_an_overstayer_is_served_on_without_a_break() -> None:
    site = site_of([ac("P1")], limit_kw=20.0)
    says = {"departure": START + timedelta(hours=1)}
    trace = steer(site, [vehicle("late", "P1", (0, 6), 20.0, says=says)], hours=7)
    assert delivered(trace)["late"] == pytest.approx(20.0, abs=0.1)


def test_early_leavers_overstayers_and_late_words_all_get_what_they_could() -> None:
    site = site_of([ac(n) for n in NAMES[:4]], limit_kw=20.0)
    cars = [
        # Leaves after 2 h though it said 6.
        vehicle("early", "P0", (0, 2), 10.0, says={"departure": START + timedelta(hours=6)}),
        # Said 1 h, stays 6, and its energy takes 3.
        vehicle("late", "P1", (0, 6), 20.0, says={"departure": START + timedelta(hours=1)}),
        # Nobody announced it.
        vehicle("walk-in", "P2", (0, 6), 10.0, words=False),
        # Asks for more than its battery takes.
        vehicle("full", "P3", (0, 6), 5.0, says={"energy_kwh": 30.0}),
    ]
    trace = steer(site, cars, hours=7)
    got = delivered(trace)
    assert got["late"] >= 19.0
    assert got["walk-in"] == pytest.approx(10.0, abs=0.1)
    assert got["full"] == pytest.approx(5.0, abs=0.1)
    assert trace.exceeded_node_seconds == 0


def test_a_feeder_binds_before_the_transformer_and_both_hold() -> None:
    nodes = [
        Node("transformer", limit_kw=30.0, heartbeat="none"),
        Node("left", parent="transformer", limit_kw=12.0),
        Node("right", parent="transformer", limit_kw=25.0),
    ]
    sides = {n: "left" if k < 4 else "right" for k, n in enumerate(NAMES)}
    site = site_of([pile(n, node=side) for n, side in sides.items()], network=network_of(nodes))
    cars = [vehicle(f"s{n}", n, (0, 5), 30.0) for n in NAMES]
    trace = steer(site, cars, hours=6)
    assert trace.exceeded_node_seconds == 0
    assert [v.peak_kw for v in trace.verdicts] == pytest.approx([30.0, 12.0, 25.0], abs=7.0)
    # Both feeders together could carry 37 kW: the transformer is full for all of the five hours.
    assert sum(delivered(trace).values()) == pytest.approx(30.0 * 5, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_day_never_breaks_a_limit(seed: int) -> None:
    random = Random(seed)
    site = site_of([ac(n) for n in NAMES], limit_kw=random.uniform(15.0, 35.0))
    cars: list[Vehicle] = []
    for name in NAMES:
        hour = random.uniform(0.0, 3.0)
        while hour < 20.0:
            stay = random.uniform(0.7, 7.0)
            kwh = random.uniform(1.0, 40.0)
            said = {
                "departure": START + timedelta(hours=hour + stay * random.uniform(0.5, 1.5)),
                "energy_kwh": kwh * random.uniform(0.7, 1.6),
            }
            cars.append(vehicle(f"{name}-{len(cars)}", name, (hour, hour + stay), kwh, says=said))
            hour += stay + random.uniform(0.01, 2.0)
    grid = GridScript(
        [(at(random.uniform(1, 20)), limit_kw(random.uniform(0, 15), 4.0, until=9.0))]
    )
    quirks = {n: Quirk(delay_s=random.uniform(0.0, 5.0)) for n in NAMES}
    trace = steer(site, cars, hours=30, grid=grid, quirks=quirks)
    assert trace.exceeded_node_seconds == 0
    assert sum(delivered(trace).values()) > 0.5 * sum(
        min(s.wants_kwh, s.max_kw * (s.departure_s - s.arrival_s) / 3600) for s in trace.sessions
    )
