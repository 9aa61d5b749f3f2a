"""Tariffs of others: URDB, Octopus Agile, a CSV of 96 or 24 prices a day."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.import_series import agile_series, csv_series, series_document
from adapters.import_urdb import read_json, urdb_book
from models.errors import DataError
from models.horizon import Horizon, epoch_s, instant_of
from tariffs.bill import month_bill
from tariffs.build import build_tariff
from tariffs.calendar import NoHolidays
from tariffs.metered import Metered
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff

PACIFIC = ZoneInfo("America/Los_Angeles")
FIVE = sorted((Path(__file__).parent / "urdb").glob("*.json"))


def tariff_of(data: Any, **settings: Any) -> Tariff:
    book = urdb_book(data, name="imported", timezone="America/Los_Angeles")
    return build_tariff(book, TariffSettings(**settings), NoHolidays())


@pytest.fixture(scope="module")
def minutes() -> tuple[Horizon, list[tuple[int, int, bool]]]:
    """Every minute of 2026 on the Pacific clock: month, hour, weekend; one by one."""
    horizon = Horizon.between(
        datetime(2026, 1, 1, tzinfo=PACIFIC),
        datetime(2027, 1, 1, tzinfo=PACIFIC),
        slot_minutes=15,
        zone=PACIFIC,
    )
    local = (instant_of(s).astimezone(PACIFIC) for s in range(horizon.start_s, horizon.end_s, 60))
    return horizon, [(t.month - 1, t.hour, t.weekday() >= 5) for t in local]


@pytest.mark.parametrize("path", FIVE, ids=lambda p: p.stem)
def test_a_priced_year_agrees_with_a_naive_minute_by_minute_reference(
    path: Path, minutes: tuple[Horizon, list[tuple[int, int, bool]]]
) -> None:
    horizon, clock = minutes
    data = read_json(path)
    prices = [
        sum(tier[0].get(k, 0.0) for k in ("rate", "adj")) for tier in data["energyratestructure"]
    ]
    tables = data["energyweekdayschedule"], data["energyweekendschedule"]
    naive = np.array([prices[tables[weekend][month][hour]] for month, hour, weekend in clock])
    slots = naive.reshape(-1, 15).mean(axis=1)
    assert horizon.n == 35_040
    assert tariff_of(data).prices(horizon).buy_per_kwh == pytest.approx(slots, abs=1e-9)


def test_there_are_five_and_each_says_that_it_was_written_by_hand() -> None:
    assert len(FIVE) == 5
    for path in FIVE:
        assert "written by hand" in json.loads(path.read_text())["source"]


def test_urdb_demand_by_period_flat_demand_and_fixed_charge() -> None:
    every = [[0] * 24 for _ in range(12)]
    evening = [[1 if 16 <= h < 21 else 0 for h in range(24)] for _ in range(12)]
    data = {
        "name": "all kinds",
        "energyratestructure": [[{"rate": 0.10, "adj": 0.01}]],
        "energyweekdayschedule": every,
        "energyweekendschedule": every,
        "demandratestructure": [[{"rate": 0.0}], [{"rate": 20.0}]],
        "demandweekdayschedule": evening,
        "demandweekendschedule": every,
        "flatdemandstructure": [[{"rate": 5.0}], [{"rate": 8.0}]],
        "flatdemandmonths": [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0],
        "fixedchargefirstmeter": 120.0,
        "fixedchargeunits": "$/month",
    }
    start = datetime(2026, 7, 1, tzinfo=PACIFIC)
    terms = {
        t.name: t
        for t in tariff_of(data).demand_terms(start, start + timedelta(days=1), zone=PACIFIC)
    }
    assert terms["demand 1"].money(10.0) == 80.0
    assert terms["fixed charge"].money(10.0) == 120.0
    day = Horizon.between(start, start + timedelta(days=1), slot_minutes=60, zone=PACIFIC)
    assert terms["demand in period 1"].share(day).tolist() == [
        1.0 if 16 <= h < 21 else 0.0 for h in range(24)
    ]
    with pytest.raises(DataError, match="12 months of 24 hours"):
        tariff_of({**data, "energyweekdayschedule": every[:11]})
    with pytest.raises(DataError, match="period 3"):
        tariff_of({**data, "energyweekendschedule": [[3] * 24 for _ in range(12)]})


def test_what_urdb_has_and_the_book_has_not_is_listed() -> None:
    every = [[0] * 24 for _ in range(12)]
    data = {
        "energyratestructure": [[{"rate": 0.1, "max": 20, "unit": "kWh daily"}, {"rate": 0.2}]],
        "energyweekdayschedule": every,
        "energyweekendschedule": every,
        "lookbackmonths": [0],
    }
    missing = "; ".join(urdb_book(data, name="x", timezone="UTC")["missing"])
    assert "tiers of period 0 in kWh daily" in missing
    assert "lookbackmonths" in missing


def test_urdb_tiers_count_the_months_kwh_of_their_own_period() -> None:
    """Off peak 0.10, from 100 kWh 0.15, from 200 kWh 0.30; on peak always 0.50."""
    evening = [[1 if 16 <= h < 21 else 0 for h in range(24)] for _ in range(12)]
    steps = [{"rate": 0.10, "max": 100}, {"rate": 0.14, "adj": 0.01, "max": 200}, {"rate": 0.30}]
    data = {
        "energyratestructure": [steps, [{"rate": 0.50}]],
        "energyweekdayschedule": evening,
        "energyweekendschedule": evening,
    }
    book = urdb_book(data, name="tiered", timezone="America/Los_Angeles")
    tariff = build_tariff(book, TariffSettings(), NoHolidays())
    begin = epoch_s(datetime(2026, 7, 1, tzinfo=PACIFIC))
    at = begin + 3600 * np.arange(25, dtype=np.int64)
    metered = Metered(at[:-1], at[1:], np.full(24, 15.0), np.zeros(24))
    bill = month_bill(tariff, metered, year=2026, month=7, zone=PACIFIC)
    # 19 hours off peak are 285 kWh: 100 + 100 + 85; 5 hours on peak are 75 kWh.
    assert float(bill.exact) == pytest.approx(100 * 0.10 + 100 * 0.15 + 85 * 0.30 + 75 * 0.50)
    settings = TariffSettings(consumed_in_kwh={"period_0": 150.0})
    later = build_tariff(book, settings, NoHolidays())
    assert later.steps(begin, begin + 3600, PACIFIC).buy_per_kwh.tolist() == [pytest.approx(0.15)]
    evening_s = begin + 17 * 3600
    dear = later.steps(evening_s, evening_s + 3600, PACIFIC)
    assert dear.buy_per_kwh.tolist() == [0.5]
    with pytest.raises(DataError, match="needs its max"):
        urdb_book(
            {**data, "energyratestructure": [[{"rate": 0.1}, {"rate": 0.2}], [{"rate": 0.5}]]},
            name="x",
            timezone="UTC",
        )


AGILE = {
    "results": [
        {
            "value_exc_vat": -2.0,
            "value_inc_vat": -2.1,
            "valid_from": "2026-07-01T23:30:00Z",
            "valid_to": "2026-07-02T00:00:00Z",
        },
        {
            "value_exc_vat": 20.0,
            "value_inc_vat": 21.0,
            "valid_from": "2026-07-01T23:00:00Z",
            "valid_to": "2026-07-01T23:30:00Z",
        },
    ]
}


def test_agile_is_newest_first_in_pence_and_may_be_negative() -> None:
    document = series_document(agile_series(AGILE, vat=True))
    assert document == {
        "start": "2026-07-01T23:00:00+00:00",
        "slot_minutes": 30,
        "buy_per_kwh": [0.21, -0.021],
    }
    assert agile_series(AGILE, vat=False).buy_per_kwh.tolist() == [0.2, -0.02]
    with pytest.raises(DataError, match=r"results\[0\]"):
        agile_series({"results": [{"valid_from": "x"}]}, vat=True)


def test_a_csv_over_the_change_of_clocks_reads_the_doubled_hour_in_order() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    clock = [*range(3), 2, *range(3, 24)]
    text = "start,buy_per_kwh\n" + "".join(
        f"2026-10-25T{h:02d}:00,{i}\n" for i, h in enumerate(clock)
    )
    series = csv_series(text, zone=berlin, where="prices.csv", scale=0.001)
    assert series.buy_per_kwh[24] == pytest.approx(0.024)
    assert np.diff(series.starts_s).tolist() == [3600] * 24
    with pytest.raises(DataError, match=r"prices.csv, line 3"):
        csv_series(
            "start,buy_per_kwh\n2026-01-01T00:00,1\n2026-01-01T00:15,x\n",
            zone=berlin,
            where="prices.csv",
        )


def test_a_hole_in_a_series_is_named_before_it_is_sent() -> None:
    text = "start,buy_per_kwh\n2026-01-01T00:00Z,1\n2026-01-01T00:15Z,1\n2026-01-01T00:45Z,1\n"
    series = csv_series(text, zone=ZoneInfo("UTC"), where="x")
    with pytest.raises(DataError, match="2026-01-01T00:15:00"):
        series_document(series)
