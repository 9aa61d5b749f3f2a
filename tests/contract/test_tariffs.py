"""What every tariff keeps, whatever its kind or book: found by themselves, none is listed twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import tariffs.kinds
from adapters.books import load_book, read_books
from models.horizon import Horizon, epoch_s, instant_of
from tariffs.consumption import ConsumptionTiers
from tariffs.demand_rules import DemandRule, SiteDemand
from tariffs.kinds.dated import Dated
from tariffs.kinds.family import Family, Version
from tariffs.kinds.flat import Flat
from tariffs.kinds.overlay import Overlay
from tariffs.kinds.spot import Spot
from tariffs.kinds.tiered import Tiered
from tariffs.kinds.two_part import TwoPart
from tariffs.kinds.with_fees import Fee, WithFees
from tariffs.period_prices import Component
from tariffs.series import PriceSeries
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
SHANGHAI = ZoneInfo("Asia/Shanghai")
STARTS = {
    "plain": datetime(2026, 7, 1, 10, 7, 31, tzinfo=SHANGHAI),
    "season change at midnight": datetime(2026, 5, 31, 20, tzinfo=SHANGHAI),
    "spring forward": datetime(2026, 3, 28, 22, 50, tzinfo=BERLIN),
    "fall back": datetime(2026, 10, 24, 22, 50, tzinfo=BERLIN),
    "half an hour": datetime(2026, 4, 4, 20, 10, tzinfo=LORD_HOWE),
    "year end": datetime(2026, 12, 31, 18, tzinfo=SHANGHAI),
}


def series() -> PriceSeries:
    begin = datetime(2026, 1, 1, tzinfo=BERLIN)
    prices = np.sin(np.arange(400 * 24)) * 0.2 + 0.05
    return PriceSeries.regular(begin, 60, prices, prices / 2)


def zhejiang() -> Tariff:
    return load_book("zhejiang-2026")


KINDS: dict[str, Callable[[], Tariff]] = {
    "flat": lambda: Flat("flat", "CNY", 0.5, 0.1),
    "time_of_use": zhejiang,
    "spot": lambda: Spot("spot", "CNY", series(), "previous_day"),
    "overlay": lambda: Overlay(
        zhejiang(),
        PriceSeries.regular(datetime(2026, 7, 1, 13, 10, tzinfo=SHANGHAI), 20, [-1.0, 2.0], None),
    ),
    "family": lambda: Family(
        "family",
        (
            Version(load_book("zhejiang-2024"), None, date(2026, 6, 1)),
            Version(zhejiang(), date(2026, 6, 1), None),
        ),
    ),
    "dated": lambda: Dated(
        Flat("first", "CNY", 0.5, 0.1),
        ((datetime(2026, 5, 31, 21, 33, tzinfo=SHANGHAI), zhejiang()),),
    ),
    "tiered": lambda: Tiered(
        zhejiang(), ConsumptionTiers("year", ((0.0, 0.0), (100.0, 0.05))), 150.0
    ),
    "two_part": lambda: TwoPart(zhejiang(), (DemandRule("d", "peak", 40.0),), SiteDemand()),
    "with_fees": lambda: WithFees(
        zhejiang(), (Fee("fee", Flat("fee", "CNY", 0.4, 0.0)), Fee("off", None, share=-0.1))
    ),
}


def books() -> dict[str, Callable[[], Tariff]]:
    def load(book: dict[str, Any]) -> Tariff:
        ratio = book["method"] != "absolute" and not book.get("components")
        needed = [s["option"] for s in book["season"] if "option" in s]
        plain = [s for s in book["season"] if "option" not in s]
        return load_book(
            book["name"],
            settings=TariffSettings(
                components=(Component(date(2024, 1, 1), 0.7, 0.5),) if ratio else (),
                ratios={"peak": 1.6, "valley": 0.4, "sharp": 1.9, "deep_valley": 0.2}
                if book["name"] in ("hebei-south", "hainan-ev-draft")
                else {},
                options=frozenset() if plain else frozenset(needed),
            ),
        )

    return {
        f"book {name}": lambda book=book: load(book)  # type: ignore[misc]
        for name, book in read_books().items()
        if name != "pge-bev-2"
    }


CASES = KINDS | books()


@pytest.fixture(params=CASES, scope="module")
def tariff(request: pytest.FixtureRequest) -> Tariff:
    return CASES[request.param]()


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> datetime:
    return STARTS[request.param]


def zone_of(start: datetime) -> ZoneInfo:
    assert isinstance(start.tzinfo, ZoneInfo)
    return start.tzinfo


def test_every_kind_has_an_example_here() -> None:
    (folder,) = tariffs.kinds.__path__
    files = {p.stem for p in Path(folder).glob("*.py")} - {"__init__"}
    assert files == set(KINDS)


def test_a_slot_costs_the_mean_of_its_seconds(tariff: Tariff, start: datetime) -> None:
    """Unequal, partial slots against the prices of all their seconds."""
    zone = zone_of(start)
    horizon = Horizon.rolling(
        start, hours=30, slot_minutes=15, zone=zone, fine_hours=6, coarse_minutes=60
    )
    prices = tariff.prices(horizon)
    assert len(prices.period) == horizon.n
    assert np.all(np.isfinite(prices.buy_per_kwh) & np.isfinite(prices.sell_per_kwh))
    whole = tariff.steps(horizon.start_s, horizon.end_s, zone)
    seconds = np.arange(horizon.start_s, horizon.end_s)
    held = np.searchsorted(whole.starts_s, seconds, side="right") - 1
    slot = np.searchsorted(horizon.edges_s, seconds, side="right") - 1
    naive = np.bincount(slot, whole.buy_per_kwh[held]) / np.bincount(slot)
    assert prices.buy_per_kwh == pytest.approx(naive, abs=1e-9)
    for s in range(horizon.start_s, horizon.end_s, 3_571):
        alone = tariff.steps(s, s + 1, zone)
        assert alone.buy_per_kwh[0] == whole.buy_per_kwh[held[s - horizon.start_s]]


def test_a_window_cut_in_two_has_the_same_prices(tariff: Tariff, start: datetime) -> None:
    zone = zone_of(start)
    lo, hi = epoch_s(start), epoch_s(start + timedelta(days=2))
    middle = lo + 77_777
    whole = tariff.steps(lo, hi, zone)
    halves = tariff.steps(lo, middle, zone), tariff.steps(middle, hi, zone)
    at = np.arange(lo, hi, 61)
    split = np.where(
        at < middle,
        halves[0].buy_per_kwh[
            np.searchsorted(halves[0].starts_s, np.minimum(at, middle - 1), side="right") - 1
        ],
        halves[1].buy_per_kwh[
            np.maximum(np.searchsorted(halves[1].starts_s, at, side="right") - 1, 0)
        ],
    )
    found = whole.buy_per_kwh[np.searchsorted(whole.starts_s, at, side="right") - 1]
    assert np.array_equal(found, split)


def test_slots_split_at_the_edges_hold_one_price_each(tariff: Tariff, start: datetime) -> None:
    zone = zone_of(start)
    end = start + timedelta(days=2)
    edges = tariff.edges(start, end, zone=zone)
    assert edges == sorted(set(edges))
    assert all(start < e < end for e in edges)
    horizon = Horizon.rolling(start, hours=48, slot_minutes=60, zone=zone, splits=edges)
    steps = tariff.steps(horizon.start_s, horizon.end_s, zone)
    first, last = steps.spans(horizon.edges_s)
    assert np.array_equal(steps.buy_per_kwh[first], steps.buy_per_kwh[last])


def test_the_parts_add_up_to_the_price(tariff: Tariff, start: datetime) -> None:
    zone = zone_of(start)
    lo, hi = epoch_s(start), epoch_s(start + timedelta(days=1))
    whole = tariff.steps(lo, hi, zone)
    at = np.arange(lo, hi, 300)
    adder = tariff.tiers.adder_at(tariff.consumed_kwh) if isinstance(tariff, Tiered) else 0.0
    total = np.full(at.size, adder)
    for _, part in tariff.parts(lo, hi, zone):
        total += part.buy_per_kwh[np.searchsorted(part.starts_s, at, side="right") - 1]
    found = whole.buy_per_kwh[np.searchsorted(whole.starts_s, at, side="right") - 1]
    assert found == pytest.approx(total, abs=1e-12)


def test_demand_terms_are_whole_civil_months(tariff: Tariff, start: datetime) -> None:
    zone = zone_of(start)
    for term in tariff.demand_terms(start, start + timedelta(days=40), zone=zone):
        first = instant_of(term.month_start_s).astimezone(zone)
        after = instant_of(term.month_end_s).astimezone(zone)
        assert (first.day, first.hour, after.day, after.hour) == (1, 0, 1, 0)
        money = [term.money(kw) for kw in (0.0, 50.0, 100.0, 400.0)]
        assert money == sorted(money)
        slopes = [b[1] - a[1] for a, b in pairwise(term.price_above(0.0))]
        assert all(s >= 0 for s in slopes)
