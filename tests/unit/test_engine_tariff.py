"""Tariffs that are pushed while cars charge: taken at their instant, kept, refused in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from adapters.store.codec import pack_state, unpack_state
from models.errors import TariffError
from models.events import BookChosen, PricesPushed
from scheduler.draft import Draft
from scheduler.effects import Alert, Persist, Rejected, Solve
from scheduler.fold import fold
from scheduler.problem import Problem
from tariffs.kinds.flat import Flat
from tariffs.kinds.spot import Spot
from tariffs.push import series_of
from tariffs.tariff import Tariff
from tests.world import START, World, pile, site

H = timedelta(hours=1)


def books(name: str) -> Tariff:
    if name == "dear":
        return Flat("dear", "CNY", 2.0, 0.0)
    if name == "dollars":
        return Flat("dollars", "USD", 0.1, 0.0)
    raise TariffError(f"there is no book or family '{name}'", fix="the nearest are dear")


def world(tariff: Tariff | None = None) -> World:
    return World(site((pile("p1"), pile("p2"))), tariff=tariff, books=books)


def push(
    w: World,
    start: datetime,
    *prices: float,
    tariff: str = "market",
    stamp: tuple[int, int] | None = None,
) -> PricesPushed:
    common: dict[str, Any] = w._common()
    if stamp is not None:
        common["stamp"] = stamp
    return PricesPushed(
        tariff=tariff,
        start=start,
        slot_minutes=60,
        buy_per_kwh=prices,
        sell_per_kwh=prices,
        **common,
    )


def choose(w: World, book: str, valid_from: datetime) -> BookChosen:
    return BookChosen(tariff="retailer", book=book, valid_from=valid_from, **w._common())


def problem_of(w: World, *events: Any) -> Problem:
    """The problem that the engine poses next."""
    found = [e.problem for e in w.say(*events) if isinstance(e, Solve)]
    assert found
    return found[-1]


def price_at(problem: Problem, at: datetime) -> float:
    k = int(np.searchsorted(problem.horizon.edges_s, at.timestamp(), side="right")) - 1
    return float(problem.buy_per_kwh[k])


def rejected(effects: list[Any]) -> list[Rejected]:
    return [e for e in effects if isinstance(e, Rejected)]


def test_a_book_holds_from_its_instant_and_the_engine_asks_to_be_woken_then() -> None:
    w = world()
    w.plug("p1")
    w.say(w.request("s1", "p1", 10.0))
    at = START + H + timedelta(minutes=7)
    problem = problem_of(w, choose(w, "dear", at))
    assert price_at(problem, at - timedelta(seconds=1)) == 0.6
    assert price_at(problem, at) == 2.0
    assert int(at.timestamp()) in problem.horizon.edges_s.tolist()
    w.now, w.mono_s = at - timedelta(seconds=1), w.mono_s + 4019
    w.say(*[w.telemetry(p) for p in w.registers])
    assert w.due <= w.mono_s + 1.1
    w.now, w.mono_s = at, w.mono_s + 1
    assert price_at(problem_of(w, w.telemetry("p1")), at) == 2.0


def test_pushed_prices_move_the_charging_into_the_cheap_hour() -> None:
    w = world()
    w.plug("p1")
    w.say(w.request("s1", "p1", 7.0))
    assert w.power_kw("p1") > 0
    w.say(push(w, START, 0.9, 0.9, 0.1, 0.9))
    assert w.power_kw("p1") == 0
    w.wait(2 * 3600, step_s=60)
    assert w.power_kw("p1") > 7


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0, 1, 2)])
def test_series_add_up_whatever_their_order_and_outlive_a_restart(order: tuple[int, ...]) -> None:
    w = world()
    w.plug("p1")
    w.say(w.request("s1", "p1", 7.0))
    told = [
        push(w, START, 0.1, 0.2, 0.3, stamp=(1, 100)),
        push(w, START + 3 * H, 0.4, 0.5, stamp=(1, 101)),
        push(w, START + 2 * H, 0.35, stamp=(1, 102)),
    ]
    for k in order:
        w.say(told[k])
    w.state = unpack_state(pack_state(w.state))
    problem = problem_of(w, w.request("s2", "p2", 5.0))
    found = [price_at(problem, START + k * H) for k in range(6)]
    assert found == [0.1, 0.2, 0.35, 0.4, 0.5, 0.6]


def test_prices_are_journalled_once_and_read_again_from_the_journal() -> None:
    w = world()
    told = push(w, START, 0.1, 0.2)
    kept = [e.event for e in w.say(told) if isinstance(e, Persist)]
    assert kept == [told]
    assert not [e for e in w.say(told) if isinstance(e, Persist)]
    draft = Draft(world().state)
    fold(draft, told, w.site)
    assert draft.freeze().prices == w.state.prices


def spot(w: World, rule: Any, *prices: float) -> Spot:
    return Spot("market", "CNY", series_of(push(w, START, *prices)), rule)


def test_a_series_that_leaves_a_gap_is_refused_with_its_instants() -> None:
    w = world(spot(world(), "refuse", 0.3, 0.4))
    (refusal,) = rejected(w.say(push(w, START + 3 * H, 0.5)))
    assert refusal.code == "tariff_gap"
    assert refusal.topic == "tariff/market"
    assert "from 2026-09-01T10:00:00+08:00 to 2026-09-01T11:00:00+08:00" in refusal.reason
    assert w.state.prices == {}
    assert not rejected(w.say(push(w, START + 2 * H, 0.5)))


@pytest.mark.parametrize(("book", "word"), [("none-such", "there is no book"), ("dollars", "curr")])
def test_a_book_that_is_unknown_or_in_other_money_is_refused(book: str, word: str) -> None:
    w = world()
    (refusal,) = rejected(w.say(choose(w, book, START)))
    assert refusal.code == "unknown_tariff"
    assert word in refusal.reason
    assert w.state.books == {}


def test_missing_prices_never_stop_the_plan_and_an_alert_names_the_rule() -> None:
    w = world(spot(world(), "refuse", 0.3, 0.2))
    w.plug("p1")
    problem = problem_of(w, w.request("s1", "p1", 7.0))
    alerts = [e for e in w.effects if isinstance(e, Alert) and e.kind == "tariff_missing"]
    assert len(alerts) == 1
    assert "no price from" in alerts[0].text
    assert "the last price known" in alerts[0].text
    assert "最近已知电价" in alerts[0].text_zh
    assert [price_at(problem, START + k * H) for k in range(4)] == [0.3, 0.2, 0.2, 0.2]
    assert w.state.plan is not None
    w.say(push(w, START + 2 * H, *[0.25] * 30))
    cleared = [e for e in w.effects if isinstance(e, Alert) and e.cleared]
    assert [e.kind for e in cleared] == ["tariff_missing"]


def test_a_tariff_without_any_price_serves_by_urgency() -> None:
    w = world(Spot("market", "CNY", None, "refuse"))
    w.plug("p1")
    problem = problem_of(w, w.request("s1", "p1", 7.0))
    assert set(problem.buy_per_kwh.tolist()) == {0.0}
    assert w.power_kw("p1") > 0
    assert any("one price throughout" in e.text for e in w.effects if isinstance(e, Alert))


def test_a_book_that_is_gone_after_a_restart_leaves_the_sites_own_tariff_and_an_alert() -> None:
    w = world()
    w.plug("p1")
    w.say(w.request("s1", "p1", 10.0), choose(w, "dear", START))
    after = World(w.site)
    after.state = unpack_state(pack_state(w.state))
    problem = problem_of(after, after.request("s2", "p2", 5.0))
    assert set(problem.buy_per_kwh.tolist()) == {0.6}
    (alert,) = [e for e in after.effects if isinstance(e, Alert) and e.kind == "tariff_missing"]
    assert "the site's own tariff" in alert.text


def test_the_newer_word_on_books_holds_from_its_instant_on() -> None:
    w = world()
    w.plug("p1")
    w.say(w.request("s1", "p1", 10.0))
    w.say(choose(w, "dear", START + H))
    w.say(choose(w, "dear", START + 3 * H))
    assert len(w.state.books["retailer"]) == 2
    w.say(choose(w, "dear", START + 2 * H))
    assert [b.valid_from for b in w.state.books["retailer"]] == [START + H, START + 2 * H]
