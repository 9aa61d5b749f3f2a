"""The engine in the closed loop: what its plans paid by and what the bill says, on one meter."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.books import load_book
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.registers import metered_of
from adapters.simulator.replay import prepare
from adapters.simulator.simulate import last_s
from adapters.site_writers import site_from_sessions
from benchmarks.bills import PricesPaid
from benchmarks.demand import ACN, aware_and_blind
from models.horizon import epoch_s
from scheduler.engine import Engine
from tariffs.bill import energy_bill
from tariffs.kinds.spot import Spot
from tariffs.series import PriceSeries
from tariffs.tariff import Tariff

ZONE = ZoneInfo("America/Los_Angeles")
DATA = Path(
    os.environ.get("VALLEYFILL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
SESSIONS = DATA / ACN.format(site="caltech")
START, END = datetime(2019, 7, 2, tzinfo=ZONE), datetime(2019, 7, 3, tzinfo=ZONE)

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not SESSIONS.exists(), reason="the real sessions are not at hand"),
]


def market() -> Tariff:
    """A price for each quarter hour, negative at noon."""
    at = epoch_s(START) + 900 * np.arange(3 * 96, dtype=np.int64)
    price = np.round(0.2 + 0.3 * np.cos(2 * np.pi * np.arange(at.size) / 96), 4)
    return Spot("market", "EUR", PriceSeries(at, at + 900, price, price), "previous_day")


TARIFFS = {
    "zhejiang-2026": lambda: load_book("zhejiang-2026", holidays="none"),
    "zhejiang-2024": lambda: load_book("zhejiang-2024", holidays="none"),
    "sce-tou-ev-4": lambda: load_book("sce-tou-ev-4-2019"),
    "spot": market,
}


@pytest.mark.parametrize("name", TARIFFS)
def test_the_plans_prices_and_the_bill_agree_to_one_cent_on_the_energy_really_metered(
    name: str,
) -> None:
    tariff = TARIFFS[name]()
    file, sessions = site_from_sessions(
        SESSIONS, transformer_kw=150.0, zone=ZONE, tariff=name, currency=tariff.currency
    )
    site = replace(file.site, lease_s=3600.0, telemetry_period_s=900.0)
    replay = prepare(site, sessions, START, END, words="truth")
    paid = PricesPaid()
    trace = run(
        Engine(site, tariff),
        VirtualDepot(site, replay.vehicles, start_s=START.timestamp()),
        until_s=last_s(replay),
        solve=cascade_of("flow", "highs"),
        watch=paid.watch,
    )
    metered = metered_of(trace, START.timestamp(), last_s(replay))
    delivered = sum(s.delivered_kwh for s in trace.sessions)
    assert delivered > 100
    assert float(metered.import_kwh.sum()) == pytest.approx(delivered, abs=1e-6)
    bill = energy_bill(tariff, metered, zone=ZONE)
    assert abs(Decimal(paid.money(metered)) - bill.exact) <= Decimal("0.01")


def test_the_engine_that_sees_the_demand_charge_pays_less_than_the_same_one_blind_to_it() -> None:
    found = aware_and_blind(DATA, start=START, end=END)
    aware, blind = found["aware"], found["blind"]
    assert aware["short_sessions"] == blind["short_sessions"] == 0
    assert aware["delivered_kwh"] == pytest.approx(blind["delivered_kwh"], abs=0.1)
    assert aware["energy"] >= blind["energy"] - 0.01
    assert aware["bill"] < 0.9 * blind["bill"]
