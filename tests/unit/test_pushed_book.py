"""Tariff periods written out in a message: a book like any other, refused where it leaves a gap."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.pushed_book import pushed_book
from models import events as e
from models.errors import TariffError, TariffGapError
from models.horizon import epoch_s
from scheduler.effects import Rejected
from tariffs.demand_rules import BillingChoice
from tariffs.kinds.flat import Flat
from tariffs.kinds.with_fees import Fee
from tariffs.settings import TariffSettings
from tests.unit.bad_input import GOOD
from tests.unit.test_wire import take
from tests.world import START, World, pile, site

ZONE = ZoneInfo("Asia/Shanghai")
HEAD = {k: GOOD["grid/heartbeat"][k] for k in ("epoch", "seq", "issued_at")}
FEE = Fee("service fee", Flat("fee", "CNY", 0.4, 0.0))
SITE = TariffSettings(
    fees=(FEE,),
    customer_class="general",
    installed_kva=400.0,
    choices=(BillingChoice(date(2026, 1, 1), "actual"),),
)
NIGHT = {"period": "valley", "hours": ["22:00-08:30"], "buy_per_kwh": 0.3}
DAY = {"period": "peak", "hours": ["08:30-22:00"], "buy_per_kwh": 1.1}


def said(*periods: dict[str, Any], **fields: Any) -> Any:
    body = {**HEAD, "valid_from": "2026-09-01T00:00:00+08:00", "periods": list(periods)}
    return take("tariff/retail", {**body, **fields})


def price(text: str, local: str) -> float:
    at = epoch_s(datetime.fromisoformat(local).replace(tzinfo=ZONE))
    found = pushed_book(text, settings=SITE, currency="CNY")
    return float(found.steps(at, at + 60, ZONE).buy_per_kwh[0])


def test_half_hours_over_midnight_the_sites_fee_and_the_months_demand() -> None:
    charge = {"name": "需量", "basis": "actual", "price": 48.0, "slide_minutes": 1}
    event = said(DAY, NIGHT, demand=[charge])
    assert isinstance(event, e.BookChosen)
    assert price(event.book, "2026-09-01 08:29") == pytest.approx(0.7)
    assert price(event.book, "2026-09-01 08:30") == pytest.approx(1.5)
    assert price(event.book, "2026-09-01 23:59") == pytest.approx(0.7)
    tariff = pushed_book(event.book, settings=SITE, currency="CNY")
    (term,) = tariff.demand_terms(START, START + timedelta(hours=1), zone=ZONE)
    assert (term.money(10.0), term.interval_s, term.slide_s) == (480.0, 900, 60)


def test_seasons_and_weekends_have_prices_of_their_own() -> None:
    weekend = {"period": "flat", "hours": ["00:00-24:00"], "buy_per_kwh": 0.5, "days": ["weekend"]}
    weekdays = [{**p, "days": ["weekday"]} for p in (DAY, NIGHT)]
    text = said(weekend, *weekdays).book
    assert price(text, "2026-09-05 12:00") == pytest.approx(0.9)
    assert price(text, "2026-09-04 12:00") == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("periods", "code", "word"),
    [
        ([DAY, {**NIGHT, "hours": ["22:00-08:00"]}], "tariff_gap", "08:00-08:30 has no period"),
        ([{**p, "days": ["weekday"]} for p in (DAY, NIGHT)], "tariff_gap", "needs one season"),
        ([DAY, {**NIGHT, "hours": ["21:00-08:30"]}], "contradiction", "is both peak and valley"),
        ([DAY, {**NIGHT, "hours": ["22:00-08:70"]}], "bad_value", ""),
        ([DAY, NIGHT, {**DAY, "buy_per_kwh": 2.0}], "contradiction", "two prices"),
    ],
)
def test_a_gap_an_overlap_and_two_prices_are_refused_with_their_word(
    periods: list[dict[str, Any]], code: str, word: str
) -> None:
    found = partial(pushed_book, settings=TariffSettings(), currency="CNY")
    w = World(site((pile("p1"),)), books=found)
    event = said(*periods)
    if not isinstance(event, Rejected):
        (event,) = [x for x in w.say(event) if isinstance(x, Rejected)]
    assert w.state.books == {}
    if code != "bad_value":
        assert (event.code, event.field) == (code, "periods")
    assert word in event.reason


def test_a_named_book_is_a_name_and_no_path() -> None:
    for path in ("/etc/site.toml", "../x", "book.toml"):
        with pytest.raises(TariffError, match="is a path"):
            pushed_book(path, settings=TariffSettings(), currency="CNY")
    named = pushed_book("zhejiang-2026", settings=TariffSettings(), currency="CNY")
    assert named.name == "zhejiang-2026"
    with pytest.raises(TariffGapError):
        pushed_book('{"season":[{"name":"x","peak":["08:00-09:00"]}]}', settings=SITE, currency="")


@pytest.mark.parametrize(
    "fields",
    [
        {"book": "zhejiang-2026"},
        {"start": "2026-09-01T00:00:00+08:00", "slot_minutes": 60, "buy_per_kwh": [1.0]},
        {"valid_from": None},
    ],
)
def test_periods_beside_a_book_or_a_series_or_without_an_instant_contradict(
    fields: dict[str, Any],
) -> None:
    assert isinstance(said(DAY, NIGHT, **fields), Rejected)
