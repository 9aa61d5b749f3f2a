"""Price series: pushed over a book, growing, negative, with gaps under a named rule."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.books import load_book
from models.errors import InvalidValueError, TariffError
from models.events import PricesPushed
from models.horizon import Horizon
from tariffs.build import build_tariff
from tariffs.calendar import NoHolidays
from tariffs.demand_rules import BillingChoice
from tariffs.kinds.dated import Dated
from tariffs.kinds.flat import Flat
from tariffs.kinds.spot import Spot
from tariffs.kinds.with_fees import Fee, WithFees
from tariffs.push import gap_left, in_force, push_series
from tariffs.series import PriceSeries, carbon_series
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff

ZONE = ZoneInfo("Europe/Amsterdam")
NOON = datetime(2026, 7, 1, 12, tzinfo=ZONE)


def hours(start: datetime, *prices: float) -> PriceSeries:
    return PriceSeries.regular(start, 60, prices, prices)


def buy(tariff: Tariff, start: datetime, n: int) -> list[float]:
    end = start + timedelta(hours=n)
    horizon = Horizon.between(start, end, slot_minutes=60, zone=ZONE)
    return tariff.prices(horizon).buy_per_kwh.tolist()


def push(start: datetime, *prices: float, at: int, sell: bool = True) -> PricesPushed:
    return PricesPushed(
        now=NOON,
        mono_s=0.0,
        stamp=(1, at),
        issued_at=NOON + timedelta(seconds=at),
        tariff="grid",
        start=start,
        slot_minutes=60,
        buy_per_kwh=prices,
        sell_per_kwh=prices if sell else None,
    )


def test_a_pushed_series_holds_for_its_instants_and_erases_nothing_else() -> None:
    book = Flat("book", "EUR", 0.30, 0.05)
    tariff = push_series(book, hours(NOON, -0.02, 0.10))
    assert buy(tariff, NOON - timedelta(hours=1), 4) == [0.30, -0.02, 0.10, 0.30]
    edges = tariff.edges(NOON - timedelta(hours=1), NOON + timedelta(hours=3), zone=ZONE)
    assert edges == [NOON + timedelta(hours=k) for k in (0, 1, 2)]


def test_a_later_series_wins_where_it_has_a_price_and_keeps_the_rest() -> None:
    book = Flat("book", "EUR", 0.30, 0.05)
    first = push(NOON, 1.0, 2.0, 3.0, at=1)
    second = push(NOON + timedelta(hours=1), 9.0, at=2)
    for order in ([first, second], [second, first]):
        tariff = in_force(book, (), order)
        assert buy(tariff, NOON, 4) == [1.0, 9.0, 3.0, 0.30]


def test_a_series_that_does_not_say_what_selling_earns_leaves_the_books_word() -> None:
    tariff = in_force(Flat("book", "EUR", 0.30, 0.05), (), [push(NOON, 1.0, at=1, sell=False)])
    horizon = Horizon.between(NOON, NOON + timedelta(hours=2), slot_minutes=60, zone=ZONE)
    assert tariff.prices(horizon).sell_per_kwh.tolist() == [0.05, 0.05]


def test_fees_and_demand_charges_stay_on_a_pushed_price() -> None:
    fee = Fee("service fee", Flat("fee", "CNY", 0.40, 0.0))
    site = TariffSettings(
        fees=(fee,), choices=(BillingChoice(date(2026, 1, 1), "capacity"),), installed_kva=100.0
    )
    tariff = push_series(load_book("jiangsu", settings=site), hours(NOON, 1.0))
    assert buy(tariff, NOON, 1) == [pytest.approx(1.40)]
    assert len(tariff.demand_terms(NOON, NOON + timedelta(hours=1), zone=ZONE)) == 1


def test_a_pushed_price_leaves_the_fees_of_every_version_and_of_a_book_chosen_later() -> None:
    fee = Fee("service fee", Flat("fee", "CNY", 0.40, 0.0))
    family = load_book("zhejiang-industrial", settings=TariffSettings(fees=(fee,)))
    assert buy(push_series(family, hours(NOON, 1.0)), NOON, 1) == [pytest.approx(1.40)]
    chosen = load_book("jiangsu", settings=TariffSettings(fees=(fee,)))
    later = in_force(family, [(NOON, chosen)], [push(NOON, 1.0, at=1)])
    assert buy(later, NOON, 1) == [pytest.approx(1.40)]


def test_a_book_chosen_by_message_takes_effect_at_its_instant() -> None:
    later = Flat("later", "EUR", 0.50, 0.0)
    at = NOON + timedelta(hours=1)
    tariff = in_force(Flat("book", "EUR", 0.30, 0.0), [(at, later)], [])
    assert buy(tariff, NOON, 3) == [0.30, 0.50, 0.50]
    assert tariff.edges(NOON, NOON + timedelta(hours=3), zone=ZONE) == [at]
    with pytest.raises(TariffError, match="currency"):
        in_force(Flat("book", "EUR", 0.3, 0.0), [(at, Flat("x", "CNY", 1.0, 0.0))], [])


def test_a_gap_is_refused_with_its_instants_or_filled_by_the_named_rule() -> None:
    yesterday = hours(NOON - timedelta(days=1), *range(24))
    grown = yesterday.extended(hours(NOON, 100.0))
    with pytest.raises(TariffError, match="2026-07-01T13:00:00"):
        buy(Spot("s", "EUR", grown, "refuse"), NOON, 3)
    assert buy(Spot("s", "EUR", grown, "hold"), NOON, 3) == [100.0, 100.0, 100.0]
    filled = Spot("s", "EUR", grown, "previous_day")
    assert buy(filled, NOON, 3) == [100.0, 1.0, 2.0]
    assert filled.notes(NOON, NOON + timedelta(hours=3), zone=ZONE)[0].code == "gap_filled"
    assert filled.notes(NOON, NOON + timedelta(hours=1), zone=ZONE) == ()


def test_the_previous_days_clock_time_over_a_change_of_clocks() -> None:
    """25 October 2026 has 25 hours: its noon looks at the noon of the 24th, 25 h earlier."""
    start = datetime(2026, 10, 24, tzinfo=ZONE)
    tariff = Spot("s", "EUR", hours(start, *range(24)), "previous_day")
    assert buy(tariff, datetime(2026, 10, 25, 12, tzinfo=ZONE), 1) == [12.0]


def test_a_day_of_96_grows_during_the_day() -> None:
    start = datetime(2026, 7, 1, tzinfo=ZONE)
    known = PriceSeries.regular(start, 15, np.arange(64) / 100, np.zeros(64))
    rest = PriceSeries.regular(start + timedelta(hours=16), 15, np.arange(64, 96) / 100, None)
    whole = known.extended(rest)
    assert whole.covered(int(start.timestamp()), int(start.timestamp()) + 86_400) == [
        (int(start.timestamp()), int(start.timestamp()) + 86_400)
    ]
    horizon = Horizon.day(start.date(), slot_minutes=15, zone=ZONE)
    tariff = push_series(Flat("book", "EUR", 9.0, 0.0), whole)
    assert tariff.prices(horizon).buy_per_kwh == pytest.approx(np.arange(96) / 100)


def test_discounts_coupons_and_carbon_add_up() -> None:
    carbon = carbon_series(hours(NOON, 500.0, 250.0), 80.0)
    tariff = WithFees(
        Flat("energy", "EUR", 0.20, 0.08),
        (
            Fee("carbon", Spot("carbon", "EUR", carbon, "refuse")),
            Fee("10 % off", None, share=-0.1),
            Fee("coupon", Flat("coupon", "EUR", -0.05, 0.0)),
        ),
    )
    assert buy(tariff, NOON, 2) == pytest.approx([0.20 + 0.04 - 0.02 - 0.05, 0.15])
    horizon = Horizon.between(NOON, NOON + timedelta(hours=2), slot_minutes=60, zone=ZONE)
    assert tariff.prices(horizon).sell_per_kwh.tolist() == [0.08, 0.08]


def test_a_spot_book_starts_empty_and_grows_by_messages() -> None:
    book = {"name": "market", "kind": "spot", "currency": "CNY", "gap": "previous_day"}
    tariff = build_tariff(book, TariffSettings(), NoHolidays())
    with pytest.raises(TariffError, match="no price from"):
        buy(tariff, NOON, 1)
    day = push(NOON.replace(hour=0), *(float(h) for h in range(24)), at=1)
    grown = in_force(tariff, (), [day])
    assert buy(grown, NOON + timedelta(hours=11), 2) == [23.0, 0.0]
    with pytest.raises(TariffError, match="selling"):
        in_force(tariff, (), [push(NOON, 1.0, at=1, sell=False)])
    with pytest.raises(TariffError, match="gap rule"):
        build_tariff({**book, "gap": "guess"}, TariffSettings(), NoHolidays())


def test_a_series_that_leaves_a_gap_is_told_with_its_instants() -> None:
    known, late = hours(NOON, 1.0), hours(NOON + timedelta(hours=2), 2.0)
    gap = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    strict = WithFees(Spot("s", "EUR", known, "refuse"), ())
    assert gap_left(strict, late) == gap
    assert gap_left(strict, hours(NOON + timedelta(hours=1), 2.0)) is None
    assert gap_left(Spot("s", "EUR", known, "hold"), late) is None
    assert gap_left(Flat("book", "EUR", 0.3, 0.0), late) is None


def test_a_market_chosen_later_is_left_no_gap_either() -> None:
    market = Spot("market", "EUR", hours(NOON, 1.0, 2.0), "refuse")
    held = Dated(Flat("book", "EUR", 0.3, 0.0), ((NOON, market),))
    gap = gap_left(held, hours(NOON + timedelta(hours=3), 5.0))
    assert gap == (NOON + timedelta(hours=2), NOON + timedelta(hours=3))
    assert gap_left(held, hours(NOON - timedelta(hours=3), 5.0)) is None


def test_prices_that_are_over_can_be_let_go() -> None:
    series = hours(NOON, 1.0, 2.0)
    begin = int(NOON.timestamp())
    kept = series.since(begin + 3600)
    assert kept is not None
    assert kept.buy_per_kwh.tolist() == [2.0]
    assert series.since(begin + 7200) is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        hours(NOON, float("nan"))
    with pytest.raises(InvalidValueError):
        PriceSeries.regular(NOON, 0, [1.0], [1.0])
    with pytest.raises(TariffError, match="selling"):
        Spot("s", "EUR", PriceSeries.regular(NOON, 60, [1.0], None), "hold")
