"""What others would do: figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from adapters.books import load_book
from adapters.simulator.baselines import (
    Opening,
    earliest_departure,
    first_come,
    least_laxity,
    uncontrolled,
    valley_only,
)
from adapters.simulator.costs import PriceSum
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.foresight import least_cost_of, perfect_foresight
from adapters.simulator.trace import Piece, Trace
from adapters.simulator.vehicle import Quirk, Vehicle
from models.horizon import FloatArray, Horizon, instant_of
from models.site import Site
from tests.unit.simulated import START_S, ZONE, at, pile, site_of, vehicle

LIMIT_KW = 12.0
SITE = site_of([pile("A"), pile("B")], limit_kw=LIMIT_KW)
CARS = (
    vehicle("early", "A", (0, 4), 20.0),
    vehicle("late", "B", (0.5, 2.5), 15.0),
)
PRICES = PriceSum(
    load_book("zhejiang-2026", holidays="none"), START_S - 86_400, START_S + 3 * 86_400, ZONE
)


def depot(quirks: dict[str, Quirk], cars: tuple[Vehicle, ...] = CARS) -> VirtualDepot:
    return VirtualDepot(SITE, cars, start_s=START_S - 1, quirks=quirks)


def delivered(trace: Trace) -> dict[str, float]:
    return {s.session: s.delivered_kwh for s in trace.sessions}


def test_uncontrolled_serves_all_and_breaks_the_limit() -> None:
    trace = uncontrolled(SITE, depot, until_s=at(5))
    assert delivered(trace) == pytest.approx({"early": 20.0, "late": 15.0})
    assert trace.verdicts[0].peak_kw == 20.0
    # Both draw 10 kW from 0:30 until the late one is full at 2:00.
    assert trace.exceeded_node_seconds == 1.5 * 3600


def test_first_come_keeps_the_limit_and_the_order() -> None:
    trace = first_come(SITE, depot, until_s=at(5))
    # The early car has 10 kW for 2 h, the late one the 2 kW beside it, then 10 kW for 0.5 h.
    assert delivered(trace) == pytest.approx({"early": 20.0, "late": 2 * 1.5 + 10 * 0.5})
    assert trace.exceeded_node_seconds == 0


def test_perfect_foresight_gives_the_late_car_its_turn() -> None:
    world = first_come(SITE, depot, until_s=at(5))
    best = perfect_foresight(SITE, CARS, PRICES, world, slot_minutes=15)
    # Until 2:30 h the limit lets 30 kWh through, of which 10 x 0.5 can only go to the early car.
    assert best.delivered_kwh == pytest.approx({"early": 20.0, "late": 15.0}, abs=1e-4)


def test_least_cost_moves_energy_into_the_valley() -> None:
    """From 8:00 to 12:00 the valley begins at 11:00: the last hour is cheap."""
    car = vehicle("s", "A", (0, 4), 25.0)
    world = first_come(SITE, lambda q: depot(q, (car,)), until_s=at(5))
    least = least_cost_of(SITE, [car], PRICES, world, {"s": 25.0}, slot_minutes=15)
    flat, valley = (float(PRICES.mean(*_stretch(a, b))[0]) for a, b in ((0.0, 1.0), (3.0, 4.0)))
    assert valley < flat
    assert least.cost == pytest.approx(15.0 * flat + 10.0 * valley, rel=1e-6)
    dear = PRICES.of_pieces([p for s in world.sessions for p in s.pieces])
    assert dear == pytest.approx(25.0 * flat, rel=1e-9)


def _stretch(a: float, b: float) -> tuple[FloatArray, FloatArray]:
    return np.array([at(a)]), np.array([at(b)])


def test_a_piece_across_a_price_change_pays_both_prices() -> None:
    lo, hi = START_S + 2.5 * 3600, START_S + 3.5 * 3600
    horizon = Horizon.between(instant_of(int(lo)), instant_of(int(hi)), slot_minutes=15, zone=ZONE)
    tariff = load_book("zhejiang-2026", holidays="none")
    by_slots = float((tariff.prices(horizon).buy_per_kwh * horizon.slot_h * 8.0).sum())
    assert PRICES.of_pieces([Piece(lo, hi, 8.0, 8.0)]) == pytest.approx(by_slots, rel=1e-12)


def test_cars_planned_apart_cost_what_they_cost_together() -> None:
    """Cars of days that no limit joins; the bound is that of one program over all days."""
    cars = [
        vehicle(f"{n}{d}", n, (24 * d + k, 24 * d + k + 5), 30.0)
        for d in range(3)
        for k, n in enumerate(("A", "B"))
    ]
    site: Site = SITE
    world = first_come(
        site, lambda q: VirtualDepot(site, cars, start_s=START_S - 1, quirks=q), until_s=at(80)
    )
    apart = perfect_foresight(site, cars, PRICES, world, slot_minutes=15)
    days = [
        perfect_foresight(site, cars[2 * d : 2 * d + 2], PRICES, world, slot_minutes=15)
        for d in range(3)
    ]
    assert apart.total_kwh == pytest.approx(sum(d.total_kwh for d in days), abs=1e-5)
    assert apart.cost == pytest.approx(sum(d.cost for d in days), rel=1e-7)


def test_rules_that_know_who_leaves_first_serve_the_late_car() -> None:
    for rule in (earliest_departure, least_laxity):
        trace = rule(SITE, depot, until_s=at(5))
        # From 0:30 to 2:00 the late car has 10 kW and the early one the 2 kW beside it.
        assert delivered(trace) == pytest.approx({"early": 20.0, "late": 15.0}, abs=0.05)
        assert trace.exceeded_node_seconds == 0


def test_valley_only_charges_in_its_opening_alone() -> None:
    edges = np.array([at(-24), at(1), at(2), at(48)], dtype=np.float64)
    opening = Opening(edges, np.array([False, True, False]))
    trace = valley_only(SITE, depot, until_s=at(5), opening=opening)
    # One hour of 12 kW: 10 to the first that came, 2 to the other.
    assert delivered(trace) == pytest.approx({"early": 10.0, "late": 2.0}, abs=0.01)
