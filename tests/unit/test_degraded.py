"""Degraded modes: each is named, seen in status and alerts in both languages, and over again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters import health
from models.errors import TariffError
from models.events import ForecastPushed, SolveFailed
from scheduler.effects import Alert, Solve
from tariffs.kinds.flat import Flat
from tariffs.tariff import TariffNote
from tests.world import World, pile, site


def degraded(w: World) -> tuple[str, ...]:
    return health.look(w.state, store=True, broker=True).degraded


def raised(w: World, kind: str) -> Alert:
    (alert,) = [e for e in w.effects if isinstance(e, Alert) and e.kind == kind and not e.cleared]
    assert alert.text
    assert any("\u4e00" <= c <= "\u9fff" for c in alert.text_zh), "in Chinese as well"
    return alert


def charging(**changes: Any) -> World:
    w = World(site((pile("A"),), **changes.pop("site", {})), **changes)
    w.plug("A")
    w.say(w.request("s", "A", 60.0, hours=20))
    return w


def test_meter_lost_counts_the_highest_base_load_and_is_named_until_it_speaks() -> None:
    w = charging(site={"base_load": "meter", "limit_kw": 10.0, "telemetry_period_s": 10.0})
    w.say(w.meter(2.0))
    assert degraded(w) == ()
    w.wait(31)
    assert degraded(w) == ("meter",)
    raised(w, "meter_lost")
    assert w.total_kw() <= 8.0 + 1e-9, "the highest base load seen goes on to count"
    w.say(w.meter(2.0))
    assert degraded(w) == ()


def read_rarely() -> World:
    """A pile at full power beside a load of 3 kW behind 30 kW; the meter speaks each 900 s."""
    w = World(site((pile("A"),), base_load="meter", limit_kw=30.0, telemetry_period_s=900.0))
    w.plug("A")
    w.say(w.meter(3.0))
    w.say(w.request("s", "A", 60.0, hours=9))
    assert w.total_kw() > 7.0
    return w


def test_load_that_rises_anew_between_readings_far_apart_is_no_limit_left_exceeded() -> None:
    w = read_rarely()
    for load in (25.0, 27.0, 28.5):
        # The load has just risen: the meter sees it before any pile could have come down.
        assert load + w.total_kw() > 30.5
        w.say(w.meter(load + w.total_kw()))
        assert load + w.total_kw() <= 30.0 + 1e-6
        w.wait(900, step_s=900)
    assert not [e for e in w.effects if isinstance(e, Alert) and e.kind == "limit_exceeded"]


def test_piles_that_do_not_come_down_leave_a_limit_exceeded() -> None:
    w = read_rarely()
    w.deaf.add("A")
    for _ in range(2):
        w.say(w.meter(28.0 + w.total_kw()))
        w.wait(900, step_s=900)
    raised(w, "limit_exceeded")
    w.deaf.clear()
    w.say(w.meter(3.0 + w.total_kw()))
    assert [e for e in w.effects if isinstance(e, Alert) and e.kind == "limit_exceeded"][-1].cleared


def test_a_forecast_that_nobody_renews_is_named_while_it_still_holds_and_a_peak_is_not() -> None:
    w = charging()

    def forecast(series: str) -> ForecastPushed:
        values = (1.0,) * 48
        return ForecastPushed(
            series=series, start=w.now, slot_minutes=60, values=values, **w._common()
        )

    w.say(forecast("pv-roof"), forecast("peak-transformer"))
    w.wait(26 * 3600, step_s=3600)
    assert degraded(w) == ()
    w.wait(3600)
    assert degraded(w) == ("forecast",)
    assert raised(w, "forecast_stale").where == "pv-roof"
    w.say(
        ForecastPushed(
            series="base-x", start=w.now - timedelta(hours=1), slot_minutes=30, values=(1.0, 1.0),
            **w._common(),
        )
    )  # fmt: skip
    raised(w, "forecast_missing")
    assert degraded(w) == ("forecast",)
    w.say(forecast("pv-roof"), forecast("base-x"))
    assert degraded(w) == ()


class Gap(Flat):
    """A tariff that has lost its prices."""

    def steps(self, start_s: int, end_s: int, zone: Any) -> Any:
        raise TariffError("no prices", where="book")


class Unpublished(Flat):
    """A tariff by holidays that nobody has published."""

    def notes(self, start: datetime, end: datetime, *, zone: Any) -> tuple[TariffNote, ...]:
        return (TariffNote("unpublished_holidays", "no notice for 2031"),)


def test_a_tariff_without_prices_is_named_and_vehicles_are_served() -> None:
    w = charging(tariff=Gap("gap", "CNY", 0.6, 0.0))
    w.wait(30)
    assert degraded(w) == ("tariff",)
    raised(w, "tariff_missing")
    assert w.state.plan is not None


def test_holidays_that_nobody_has_published_are_named() -> None:
    w = charging(tariff=Unpublished("later", "CNY", 0.6, 0.0))
    assert degraded(w) == ("calendar",)
    assert "2031" in raised(w, "calendar_missing").text


def test_a_forecast_that_has_run_out_is_named_and_a_new_one_ends_it() -> None:
    w = charging()

    def forecast() -> ForecastPushed:
        values = (1.0, 2.0)
        return ForecastPushed(
            series="base-transformer", start=w.now, slot_minutes=15, values=values, **w._common()
        )

    w.say(forecast())
    assert degraded(w) == ()
    w.now += timedelta(minutes=31)
    w.mono_s += 31 * 60
    w.say()
    assert degraded(w) == ("forecast",)
    raised(w, "forecast_missing")
    w.say(forecast())
    assert degraded(w) == ()


def test_a_solver_that_is_lost_is_named_and_the_vehicle_is_served_by_urgency() -> None:
    w = charging()
    problem = next(e.problem for e in w.effects if isinstance(e, Solve))
    w.state, effects, _ = w.engine.receive(
        # A new call for a plan stands open, and its answer is that none comes.
        _asking(w, problem.digest),
        [SolveFailed(digest=problem.digest, reason="crashed", now=w.now, mono_s=w.mono_s)],
    )
    w.effects.extend(effects)
    assert degraded(w) == ("solver",)
    raised(w, "solver_lost")


def _asking(w: World, digest: str) -> Any:
    from dataclasses import replace

    return replace(w.state, solving=digest, solving_mono_s=w.mono_s)


@pytest.mark.parametrize(("store", "broker"), [(False, True), (True, False), (False, False)])
def test_store_and_broker_are_named_by_the_host(store: bool, broker: bool) -> None:
    words = health.look(None, store=store, broker=broker).degraded
    assert words == tuple(n for n, ok in (("store", store), ("broker", broker)) if not ok)
    now = datetime(2026, 7, 1, tzinfo=UTC)
    for alert in (
        health.store_alert("x.db", "full", now),
        health.broker_alert(now, now + timedelta(seconds=12)),
    ):
        assert alert.kind in health.MODES
        assert alert.text
        assert any("\u4e00" <= c <= "\u9fff" for c in alert.text_zh)
