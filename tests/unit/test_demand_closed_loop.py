"""Zhejiang's contracted demand in the closed loop: a window sliding by the minute, on the meter."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from adapters.books import load_book
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.registers import metered_of
from adapters.simulator.series import StepSeries
from scheduler import control
from scheduler.engine import Engine
from tariffs.bill import month_bill
from tariffs.demand import peak_of
from tariffs.demand_rules import BillingChoice
from tariffs.settings import TariffSettings
from tests.unit.simulated import START, START_S, ZONE, at, pile, site_of, vehicle

FREE_KW = 24.0 * 1.05
"""Paid as contracted up to 105 %."""


def day() -> tuple[float, Any]:
    """Four cars until the afternoon under a base load with a lift: the peak and the bill."""
    settings = TariffSettings(
        installed_kva=60.0,
        demand_per_kw=46.0,
        capacity_per_kva=29.0,
        choices=(BillingChoice(date(2026, 9, 1), "contracted", 24.0),),
    )
    tariff = load_book("zhejiang-2026", settings=settings)
    names = [f"P-{k}" for k in range(4)]
    site = site_of([pile(n, min_kw=2.0) for n in names], base_load="meter", telemetry_period_s=30.0)
    cars = [vehicle(f"s{k}", n, (0.1 * k, 8.0), 18.0) for k, n in enumerate(names)]
    edges = [START_S + 300.0 * k for k in range(96)]
    lift = StepSeries(edges, [14.0 if k % 5 == 3 else 8.0 for k in range(96)])
    trace = run(
        Engine(site, tariff),
        VirtualDepot(site, cars, start_s=START_S, base_kw={"transformer": lift}),
        until_s=at(8.1),
        solve=cascade_of("highs", "greedy"),
    )
    assert all(s.short_kwh < 0.05 for s in trace.sessions)
    metered = metered_of(trace, START_S, at(8.1), every_s=60)
    (term,) = (t for t in tariff.demand_terms(START, START.replace(hour=9), zone=ZONE) if t.tiers)
    peak = peak_of(metered.starts_s, metered.ends_s, metered.import_kw, term, ZONE)
    assert peak is not None
    return peak.power_kw, month_bill(tariff, metered, year=2026, month=9, zone=ZONE)


def test_the_meter_sees_no_running_average_above_what_is_paid_as_contracted() -> None:
    """The meter speaks every 30 s: a lift of 6 kW may go unseen for so long, 0.2 kW of a mean."""
    peak_kw, bill = day()
    assert 20.0 < peak_kw <= FREE_KW * 1.005 + 0.2
    beyond = sum(float(b.amount) for b in bill.lines if b.unit == "kW")
    assert beyond == pytest.approx(max(peak_kw - FREE_KW, 0.0) * 2 * 46.0, abs=0.01)


def test_without_dispatch_the_lifts_are_paid_double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "hold", lambda draft, site, wanted, room: wanted)
    assert day()[0] > FREE_KW * 1.03
