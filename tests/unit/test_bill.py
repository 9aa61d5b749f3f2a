"""The bill: Decimal lines by the tariff that planned, from registers, to the cent."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from adapters.bill_export import bill_table, write_table
from adapters.books import load_book
from adapters.readings import read_meter, read_session_meters
from models.errors import DataError, InvalidValueError
from models.horizon import Horizon, epoch_s
from tariffs.bill import energy_bill, merged, month_bill, session_bills
from tariffs.consumption import ConsumptionTiers
from tariffs.demand_rules import BillingChoice
from tariffs.kinds.dated import Dated
from tariffs.kinds.flat import Flat
from tariffs.kinds.tiered import Tiered
from tariffs.kinds.with_fees import Fee, WithFees
from tariffs.metered import Metered
from tariffs.power_factor import PowerFactorRule
from tariffs.savings import Stay, first_come, saving, uncontrolled
from tariffs.settings import TariffSettings

ZONE = ZoneInfo("Asia/Shanghai")
JULY = datetime(2026, 7, 1, tzinfo=ZONE)


def metered(start: datetime, minutes: int, kwh: list[float], **kw: list[float]) -> Metered:
    begins = epoch_s(start) + 60 * minutes * np.arange(len(kwh), dtype=np.int64)
    fed = np.array(kw.get("fed", [0.0] * len(kwh)))
    reactive = np.array(kw["kvarh"]) if "kvarh" in kw else None
    return Metered(begins, begins + 60 * minutes, np.array(kwh), fed, reactive)


def test_lines_by_period_with_their_price_and_one_rounding_at_the_end() -> None:
    bill = energy_bill(load_book("zhejiang-2026"), metered(JULY, 60, [1.0] * 24), zone=ZONE)
    lines = {line.period: (line.quantity, line.price, line.amount) for line in bill.lines}
    assert lines["valley"] == (10, Decimal("0.3653"), Decimal("3.653"))
    assert lines["flat"] == (7, Decimal("0.6803"), Decimal("4.7621"))
    assert lines["peak"] == (3, Decimal("1.12655"), Decimal("3.37965"))
    assert lines["sharp"] == (4, Decimal("1.23155"), Decimal("4.9262"))
    assert bill.exact == Decimal("16.72095")
    assert bill.total == Decimal("16.72")


def test_a_stretch_over_a_price_edge_is_shared_by_time_and_loses_nothing() -> None:
    bill = energy_bill(
        load_book("zhejiang-2026"), metered(JULY + timedelta(hours=6), 120, [1.0]), zone=ZONE
    )
    assert [(line.period, line.quantity) for line in bill.lines] == [
        ("valley", Decimal("0.5")),
        ("flat", Decimal("0.5")),
    ]
    thirds = metered(JULY + timedelta(hours=6, minutes=40), 60, [1.0])
    split = energy_bill(load_book("zhejiang-2026"), thirds, zone=ZONE)
    assert sum(line.quantity for line in split.lines) == 1


def test_discharge_is_settled_at_the_periods_price() -> None:
    site = TariffSettings(sell_share=1.0)
    tariff = load_book("zhejiang-2026", settings=site)
    bill = energy_bill(
        tariff, metered(JULY + timedelta(hours=19), 60, [0.0], fed=[10.0]), zone=ZONE
    )
    (line,) = bill.lines
    assert (line.rule, line.period, line.amount) == ("fed in", "sharp", Decimal("-12.3155"))


def test_the_plan_and_the_bill_differ_by_nothing_on_the_energy_metered() -> None:
    tariff = load_book("zhejiang-2026")
    horizon = Horizon.rolling(
        JULY + timedelta(hours=3, minutes=7, seconds=11), hours=36, slot_minutes=15, zone=ZONE
    )
    energy = np.random.default_rng(7).uniform(0, 30, horizon.n)
    planned = float(tariff.prices(horizon).buy_per_kwh @ energy)
    edges = horizon.edges_s
    bill = energy_bill(
        tariff, Metered(edges[:-1], edges[1:], energy, np.zeros(horizon.n)), zone=ZONE
    )
    assert abs(float(bill.exact) - planned) < 1e-4


def test_registers_with_a_missing_reading_and_a_register_that_falls() -> None:
    at = epoch_s(JULY) + 900 * np.arange(4, dtype=np.int64)
    nan = float("nan")
    read = Metered.from_registers(at, np.array([5.0, nan, 8.0, 9.0]))
    assert read.import_kwh.tolist() == [3.0, 1.0]
    assert read.starts_s.tolist() == [at[0], at[2]]
    with pytest.raises(DataError, match=r"falls by 2\.000 at 2026-06-30T16:30:00"):
        Metered.from_registers(at, np.array([5.0, 7.0, 5.0, 9.0]))


def test_a_month_with_demand_tiers_and_fees() -> None:
    site = TariffSettings(
        choices=(BillingChoice(date(2026, 7, 1), "contracted", 100.0),),
        installed_kva=200.0,
        fees=(Fee("service fee", Flat("fee", "CNY", 0.4, 0.0)),),
    )
    tariff = load_book("jiangsu", settings=site)
    # 120 kW for one quarter hour, 15 kW above 105 % of the contract.
    around = metered(JULY - timedelta(minutes=30), 15, [50.0, 50.0, 30.0, 0.0])
    bill = month_bill(tariff, around, year=2026, month=7, zone=ZONE)
    lines = {line.rule.partition(",")[0]: line for line in bill.lines}
    assert lines["energy"].quantity == 30
    assert lines["service fee"].amount == 12
    amounts = [line.amount for line in bill.lines if line.rule.startswith("需量")]
    assert amounts == [4800, 15 * 96]
    assert bill.start_s == epoch_s(JULY)


def test_many_kwh_per_kva_reduce_the_demand_price() -> None:
    site = TariffSettings(choices=(BillingChoice(date(2026, 7, 1), "actual"),), installed_kva=10.0)
    tariff = load_book("jiangsu", settings=site)

    def demand(kwh: float) -> Decimal:
        flat = metered(JULY, 60, [kwh / 744] * 744)
        bill = month_bill(tariff, flat, year=2026, month=7, zone=ZONE)
        return next(line.price for line in bill.lines if line.unit == "kW")

    assert demand(2599.0) == 48
    assert demand(2600.0) == Decimal("43.2")


def test_yearly_tiers_start_where_the_year_stands() -> None:
    tariff = load_book("zhejiang-residential")
    month = metered(JULY, 60, [0.25] * 400)
    bill = month_bill(tariff, month, year=2026, month=7, zone=ZONE, consumed_before_kwh=2700.0)
    (tier,) = [line for line in bill.lines if line.rule.startswith("tier")]
    assert (tier.quantity, tier.price) == (40, Decimal("0.05"))


def test_tiers_fees_and_a_change_of_book_inside_the_month_are_each_charged_once() -> None:
    """200 kWh at 0.50, then 0.60 from the 16th; 0.10 beyond 100 kWh; a service fee of 0.40."""
    tiers = ConsumptionTiers("month", ((0.0, 0.0), (100.0, 0.1)))
    fee = (Fee("service fee", Flat("fee", "CNY", 0.4, 0.0)), Fee("discount", None, -0.1))
    first, later = (
        WithFees(Tiered(Flat(name, "CNY", price, 0.0), tiers, 150.0), fee)
        for name, price in (("before", 0.5), ("after", 0.6))
    )
    change = datetime(2026, 7, 16, tzinfo=ZONE)
    month = metered(JULY, 60, [1.0] * 100 + [0.0] * 260 + [1.0] * 100)
    bill = month_bill(Dated(first, ((change, later),)), month, year=2026, month=7, zone=ZONE)
    by_rule: dict[str, float] = defaultdict(float)
    for line in bill.lines:
        by_rule[line.rule] += float(line.amount)
    assert by_rule["energy"] == pytest.approx(110.0)
    assert by_rule["service fee"] == pytest.approx(80.0)
    assert by_rule["discount"] == pytest.approx(-11.0)
    assert by_rule["tier of the month"] == pytest.approx(10.0)
    assert bill.total == Decimal("189.00")


def test_the_power_factor_adds_its_share_of_the_bill() -> None:
    """0.80 at a standard of 0.90, half a percent per hundredth: five percent more."""
    rows = (*tuple((at / 100, (90 - at) * 0.005) for at in range(70, 91)), (0.95, -0.0075))
    rule = PowerFactorRule(rows, below_share=0.01)
    month = metered(JULY, 60, [80.0, 80.0], kvarh=[60.0, 60.0])
    tariff = Flat("flat", "CNY", 1.0, 0.0)
    bill = month_bill(tariff, month, year=2026, month=7, zone=ZONE, power_factor=rule)
    assert bill.total == Decimal("168.00")
    assert rule.adjustment(0.98) == -0.0075
    assert rule.adjustment(0.68) == pytest.approx(0.10 + 0.02)
    with pytest.raises(InvalidValueError, match="reactive"):
        month_bill(
            tariff,
            metered(JULY, 60, [1.0]),
            year=2026,
            month=7,
            zone=ZONE,
            power_factor=rule,
        )


def test_sessions_are_billed_apart_and_add_up_to_the_fleet() -> None:
    tariff = load_book("zhejiang-2026")
    rng = np.random.default_rng(3)
    sessions = [
        metered(
            JULY + timedelta(minutes=int(rng.integers(0, 40_000))), 15, [*rng.uniform(0, 9, 20)]
        )
        for _ in range(50)
    ]
    bills = session_bills(tariff, sessions, zone=ZONE)
    alone = [energy_bill(tariff, s, zone=ZONE) for s in sessions]
    assert [b.exact for b in bills] == [b.exact for b in alone]


def test_a_fleets_bill_is_its_sessions_in_one_line_per_price() -> None:
    tariff = load_book("zhejiang-2026")
    sessions = [metered(JULY + timedelta(hours=h), 60, [1.0]) for h in (1, 2, 19)]
    bills = session_bills(tariff, sessions, zone=ZONE)
    fleet = merged(bills)
    assert [(line.period, line.quantity) for line in fleet.lines] == [("valley", 2), ("sharp", 1)]
    assert fleet.exact == sum(b.exact for b in bills)


def test_export_keeps_every_digit(tmp_path: Path) -> None:
    bill = energy_bill(load_book("zhejiang-2026"), metered(JULY, 60, [1.1] * 24), zone=ZONE)
    table = bill_table({"site": bill}, ZONE)
    write_table(table, tmp_path / "bill.csv")
    write_table(table, tmp_path / "bill.parquet")
    text = pd.read_csv(tmp_path / "bill.csv", dtype=str)
    assert sum(map(Decimal, text["amount"])) == bill.exact
    back = pd.read_parquet(tmp_path / "bill.parquet")
    assert sum(back["amount"]) == bill.exact
    assert list(back["period"]) == [line.period for line in bill.lines]


def test_savings_count_only_at_equal_energy() -> None:
    tariff = load_book("zhejiang-2026")
    six, seven = JULY + timedelta(hours=18), JULY + timedelta(hours=31)
    stays = [Stay(epoch_s(six), epoch_s(seven), 28.0, 7.0) for _ in range(2)]
    night = [metered(JULY + timedelta(hours=24), 60, [7.0] * 4) for _ in stays]
    bills = session_bills(tariff, night, zone=ZONE)
    asap = saving("uncontrolled", tariff, bills, uncontrolled(stays), zone=ZONE)
    assert asap.saved == pytest.approx(Decimal("56") * (Decimal("1.23155") - Decimal("0.3653")))
    queued = first_come(stays, 7.0)
    assert [round(float(m.import_kwh.sum()), 6) for m in queued] == [28.0, 28.0]
    assert queued[1].starts_s[0] >= queued[0].ends_s[-1] - 300
    short = saving("first_come", tariff, bills, first_come(stays, 1.0), zone=ZONE)
    assert short.saved is None
    assert short.short_kwh == pytest.approx(56 - 13)


def test_meters_are_read_from_csv_with_the_line_of_what_is_wrong(tmp_path: Path) -> None:
    meter = tmp_path / "meter.csv"
    meter.write_text(
        "at,import_kwh,export_kwh\n2026-07-01T00:00:00+08:00,10,0\n2026-07-01T00:15:00+08:00,12.5,1\n"
    )
    read = read_meter(meter)
    assert (read.import_kwh.tolist(), read.export_kwh.tolist()) == ([2.5], [1.0])
    piles = tmp_path / "piles.csv"
    piles.write_text(
        "session,pile,at,import_kwh\na,P,2026-07-01T00:00:00+08:00,1\n"
        "a,P,2026-07-01T01:00:00+08:00,4\n"
    )
    (session,) = read_session_meters(piles)
    assert (session.session, session.metered.import_kwh.tolist()) == ("a", [3.0])
    meter.write_text("at,import_kwh\n2026-07-01T00:00:00,10\n")
    with pytest.raises(DataError, match="line 2"):
        read_meter(meter)
