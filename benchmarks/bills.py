"""A month of recorded sessions under several tariffs: what the plan paid by, and the bill.

The real engine runs in the closed loop. ``planned`` is the money the engine itself knows of: each
metered quarter hour at the price that the running plan held for it, and each demand term at the
peak that the engine counted. ``billed`` comes from the tariff and the meter's registers alone.
Where a term has a price on the peak the same engine runs once more blind to it, and ``foresight``
is the bill of one program over the month that knows every stay.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from adapters.books import load_book
from adapters.data.recorded import ReplaySession
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.registers import metered_of
from adapters.simulator.replay import Replay, prepare
from adapters.simulator.simulate import RUNGS, last_s
from adapters.site_writers import site_from_sessions
from benchmarks.demand import ACN, ZONE, foresight_bill, without_demand
from models.events import Event, PricesPushed, Received
from models.horizon import epoch_s, instant_of
from models.site import Site
from scheduler.drawn import Drawn, key_of
from scheduler.effects import Effect, Solve
from scheduler.engine import Engine
from scheduler.state import Recovered, SiteState
from tariffs.bill import month_bill
from tariffs.demand import DemandTerm, month_bounds
from tariffs.demand_rules import BillingChoice
from tariffs.kinds.spot import Spot
from tariffs.metered import Metered
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
    """One tariff: what plans at first, what is pushed meanwhile, and what bills."""

    name: str
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


class PricesPaid:
    """The price that the newest plan held for each instant, as the engine's problems said it."""

    def __init__(self) -> None:
        self._posed: list[tuple[float, Any, Any]] = []

    def watch(self, at: float, effect: Effect) -> None:
        """Take note of a problem's prices."""
        if isinstance(effect, Solve):
            p = effect.problem
            self._posed.append((at, p.horizon.edges_s, p.buy_per_kwh))

    def money(self, metered: Metered) -> float:
        """Each metered stretch at the price of the plan that ran, by time within it."""
        total = 0.0
        begun = np.array([at for at, _, _ in self._posed])
        for lo, hi, kwh in zip(
            metered.starts_s.tolist(), metered.ends_s.tolist(), metered.import_kwh, strict=True
        ):
            if not kwh:
                continue
            # The plan in force at the end of the stretch, or the first made after it began.
            k = max(int(np.searchsorted(begun, hi, side="left")) - 1, 0)
            _, edges, buy = self._posed[k]
            if edges[0] > lo:
                k = max(int(np.searchsorted(begun, lo, side="right")) - 1, 0)
                _, edges, buy = self._posed[k]
            over = np.maximum(np.minimum(edges[1:], hi) - np.maximum(edges[:-1], lo), 0)
            assert over.sum() > 0
            total += kwh * float(over @ buy) / float(over.sum())
        return total


class PeaksCounted:
    """An engine, and what it last counted of a month's peaks."""

    def __init__(self, engine: Engine, month_s: int) -> None:
        self._engine = engine
        self._month_s = month_s
        self.drawn: Drawn | None = None

    def start(
        self, *, now: datetime, mono_s: float, epoch: int, recovered: Recovered | None = None
    ) -> SiteState:
        """The engine's."""
        return self._engine.start(now=now, mono_s=mono_s, epoch=epoch, recovered=recovered)

    def receive(
        self, state: SiteState, events: Sequence[Event]
    ) -> tuple[SiteState, tuple[Effect, ...], float]:
        """The engine's; its peaks are looked at."""
        answer = self._engine.receive(state, events)
        drawn = answer[0].drawn
        if drawn is not None and drawn.month_s == self._month_s:
            self.drawn = drawn
        return answer

    def money(self, terms: Sequence[DemandTerm]) -> float:
        """What the terms cost at the peaks counted."""
        peaks = {} if self.drawn is None else self.drawn.peaks_kw
        return sum(t.money(peaks.get(key_of(k, t), 0.0)) for k, t in enumerate(terms))


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
        Case("zhejiang-2026", zhejiang, zhejiang),
        market_case(data, month),
        Case("jiangsu, actual demand", jiangsu, jiangsu),
        Case("sce-tou-ev-4-2019", sce, sce),
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
        found.append(Case(f"zhejiang-2026, {billing}", tariff, tariff))
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
    return Case("96 day-ahead prices", planned, whole, tuple(pushed))


def figures_of(case: Case, month: Month, tell: Callable[[str], None]) -> dict[str, Any]:
    """One tariff's month: planned and billed money, and the same engine blind to the peak."""
    replay = prepare(month.site, month.sessions, month.start, month.end, words="truth")
    terms = case.billed.demand_terms(
        month.start, month.start + timedelta(seconds=1), zone=month.site.zone
    )
    tell(f"{case.name}, {len(replay.vehicles)} sessions")
    found = _closed_loop(case, month, replay, terms)
    if any(term.tiers for term in terms):
        tell(f"{case.name}, blind to its demand charge")
        blind = _closed_loop(
            replace(case, planned=without_demand(case.planned)), month, replay, terms
        )
        found["blind_billed"] = blind["billed"]
        found["blind_peak_kw"] = blind["peak_kw"]
        found["blind_kwh"] = blind["kwh"]
        found["saved_share"] = 1.0 - found["billed"] / blind["billed"]
        found["foresight_billed"] = round(foresight_bill(month.site, case.billed, replay), 2)
    return {"tariff": case.name, "currency": case.billed.currency} | found


def _closed_loop(
    case: Case, month: Month, replay: Replay, terms: Sequence[DemandTerm]
) -> dict[str, Any]:
    start_s, until = month.start.timestamp(), last_s(replay)
    paid = PricesPaid()
    lo, hi = month_bounds(month.start.year, month.start.month, month.site.zone)
    engine = PeaksCounted(Engine(month.site, case.planned), lo)
    trace = run(
        engine,
        VirtualDepot(month.site, replay.vehicles, start_s=start_s, grid=GridScript(case.pushed)),
        until_s=until,
        solve=cascade_of(*RUNGS),
        watch=paid.watch,
    )
    # Readings by the minute: a window that slides sees what quarter hours hide.
    metered = metered_of(trace, start_s, until, every_s=60)
    bill = month_bill(
        case.billed,
        metered,
        year=month.start.year,
        month=month.start.month,
        zone=month.site.zone,
    )
    quarters = metered_of(trace, start_s, until).between(lo, hi)
    planned = paid.money(quarters) + engine.money(terms)
    demand = sum((b.amount for b in bill.lines if b.unit in ("kW", "month")), Decimal(0))
    return {
        "kwh": round(float(bill.energy_kwh), 3),
        "planned": round(planned, 4),
        "billed": float(bill.total),
        "difference": round(planned - float(bill.exact), 6),
        "demand": float(round(demand, 2)),
        "peak_kw": max((float(b.quantity) for b in bill.lines if b.unit == "kW"), default=0.0),
        "short_sessions": sum(s.short_kwh > 0.1 for s in trace.sessions),
        "rungs": trace.rungs,
        "wall_s": trace.wall_s,
    }


COLUMNS = (
    "tariff",
    "kwh",
    "planned",
    "billed",
    "difference",
    "demand",
    "peak_kw",
    "blind_billed",
    "saved_share",
    "foresight_billed",
)


def run_all(
    data: Path,
    *,
    site: str,
    start: datetime,
    end: datetime,
    tell: Callable[[str], None],
    only: str = "",
) -> dict[str, Any]:
    """Rows by tariff: four kinds, then Zhejiang's three billings; ``only`` those of that name."""
    month = month_of(data, site=site, start=start, end=end)
    cases = [c for c in (*four_kinds(data, month), *two_part(month)) if only in c.name]
    rows = []
    for case in cases:
        rows.append(figures_of(case, month, tell))
        tell(str(rows[-1]))
    within = all(abs(row["difference"]) <= 0.01 for row in rows)
    beats = all(row["billed"] < row["blind_billed"] for row in rows if "blind_billed" in row)
    return {
        "rows": [dict.fromkeys(COLUMNS, "") | row for row in rows],
        "site": site,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "planned_and_billed_within_a_cent": within,
        "aware_beats_blind": beats,
    }
