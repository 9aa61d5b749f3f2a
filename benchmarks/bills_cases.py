"""The tariffs under which a recorded month is run and billed: four kinds, and two-part ones."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import numpy as np

from adapters.books import load_book
from adapters.data.recorded import ReplaySession
from adapters.site_writers import site_from_sessions
from benchmarks.demand import ACN, ZONE
from models.events import PricesPushed, Received
from models.horizon import epoch_s, instant_of
from models.site import Site
from tariffs.demand_rules import BillingChoice
from tariffs.kinds.spot import Spot
from tariffs.series import PriceSeries
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff

MARKET = "dayahead_prices/Netherlands_day-ahead_2019-2022.csv.gz"
PUBLISHED_H = 13
"""The next day's prices are published at this hour."""

LIMIT_KW, INSTALLED_KVA = 150.0, 160.0
DEMAND_PER_KW, CAPACITY_PER_KVA = 46.0, 29.0
"""Zhejiang, 1-10 kV, within the ranges that are known (44-48, 27.5-30): a setting, no fact."""


@dataclass(frozen=True)
class Case:
    """One tariff: what plans at first, what is pushed meanwhile, and what bills.

    ``energy`` names its energy prices: cases of the same name have the same.
    """

    name: str
    energy: str
    planned: Tariff
    billed: Tariff
    pushed: tuple[tuple[float, Received], ...] = ()


@dataclass(frozen=True)
class Month:
    """The site, its sessions, and the month that is billed."""

    site: Site
    sessions: Sequence[ReplaySession]
    start: datetime
    end: datetime


def month_of(data: Path, *, site: str, start: datetime, end: datetime) -> Month:
    """Recorded sessions behind one transformer; ``end`` may come before the month's."""
    path = data / ACN.format(site=site)
    if start.month >= 9:
        path = Path(str(path).replace("05-01_2019-08-31", "09-01_2019-12-31"))
    file, sessions = site_from_sessions(
        path, transformer_kw=LIMIT_KW, zone=ZONE, tariff="zhejiang-2026", currency="CNY"
    )
    # The simulated channel is perfect; a pile reports at once whatever changes.
    held = replace(file.site, lease_s=3600.0, telemetry_period_s=900.0)
    return Month(held, sessions, start, end)


def four_kinds(data: Path, month: Month) -> list[Case]:
    """Ratios on a base; 96 prices a day; 两部制 with a window sliding by the minute; US demand."""
    zhejiang = load_book("zhejiang-2026", holidays="none")
    industry = TariffSettings(
        customer_class="two_part_industry_315",
        installed_kva=INSTALLED_KVA,
        choices=(BillingChoice(date(2019, 1, 1), "actual"),),
    )
    jiangsu = load_book("jiangsu", holidays="none", settings=industry)
    sce = load_book("sce-tou-ev-4-2019")
    return [
        Case("zhejiang-2026", "zhejiang-2026", zhejiang, zhejiang),
        market_case(data, month),
        Case("jiangsu, actual demand", "jiangsu", jiangsu, jiangsu),
        Case("sce-tou-ev-4-2019", "sce-tou-ev-4-2019, energy", sce, sce),
    ]


def two_part(month: Month) -> list[Case]:
    """Zhejiang 2026 by its three billings: capacity, contracted and actual demand."""
    found = []
    for billing, contracted_kw in (("capacity", None), ("contracted", 60.0), ("actual", None)):
        settings = TariffSettings(
            installed_kva=INSTALLED_KVA,
            demand_per_kw=DEMAND_PER_KW,
            capacity_per_kva=CAPACITY_PER_KVA,
            choices=(BillingChoice(date(2019, 1, 1), billing, contracted_kw),),
        )
        tariff = load_book("zhejiang-2026", holidays="none", settings=settings)
        found.append(Case(f"zhejiang-2026, {billing}", "zhejiang-2026", tariff, tariff))
    return found


def market_case(data: Path, month: Month) -> Case:
    """Day-ahead prices of that month, four to the hour, each day's pushed the day before."""
    begun = month.start.replace(tzinfo=None)
    with gzip.open(data / MARKET, "rt", encoding="utf-8") as text:
        hours = [
            float(row["Price (EUR/MWhe)"]) / 1000.0
            for row in csv.DictReader(text)
            if row["Datetime (Local)"][:4] == str(begun.year)
            and datetime.fromisoformat(row["Datetime (Local)"]) >= begun
        ]
    price = tuple(np.round(np.repeat(hours, 4), 5).tolist())
    lo = epoch_s(month.start)
    days = (month.end - month.start).days + 3
    at = lo + 900 * np.arange(96 * days, dtype=np.int64)
    values = np.array(price[: at.size])
    whole = Spot("market", "EUR", PriceSeries(at, at + 900, values, values), "refuse")
    first = replace(whole, series=PriceSeries(at[:96], at[:96] + 900, values[:96], values[:96]))
    pushed = []
    for day in range(1, days):
        said = lo + 86_400 * (day - 1) + 3600 * PUBLISHED_H
        buy = price[96 * day : 96 * (day + 1)]
        now = instant_of(said)
        fact = PricesPushed(
            now=now,
            mono_s=0.0,
            stamp=(1, 0),
            issued_at=now,
            tariff="market",
            start=instant_of(lo + 86_400 * day),
            slot_minutes=15,
            buy_per_kwh=buy,
            sell_per_kwh=buy,
        )
        pushed.append((float(said), fact))
    planned = replace(first, gap="previous_day")
    return Case("96 day-ahead prices", "market", planned, whole, tuple(pushed))
