"""Departures learned from vehicles that came before: flat until eleven, then the valley."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from adapters.books import load_book
from scheduler.learned import Taken
from scheduler.stays import LEAST_SESSIONS
from tests.world import START, World, pile, site

ENOUGH = LEAST_SESSIONS + 20


def taken_by_ten(left_after_h: list[float], *, said_h: float = 2.0, **changes: object) -> float:
    """kWh that a vehicle has at ten which came at eight and said so many hours.

    Earlier drivers said so too, and left after so many hours.
    """
    values = {"departures": "learned"} | changes
    w = World(site((pile("A"),), **values), tariff=load_book("zhejiang-2026", holidays="none"))
    past = []
    for k, hours in enumerate(left_after_h):
        came = (START - timedelta(days=len(left_after_h) - k)).timestamp()
        past.append(Taken(7.0, 7.0, True, came, came + 3600.0 * said_h, came + 3600.0 * hours))
    w.state = replace(w.state, history=tuple(past))
    w.plug("A")
    w.say(w.request("a", "A", 7.0, hours=said_h))
    w.wait(7200, step_s=60)
    return w.registers["A"] - 100.0


def test_who_is_known_to_stay_waits_for_the_valley_beyond_his_word() -> None:
    assert taken_by_ten([8.0] * ENOUGH) == 0.0


def test_the_drivers_word_holds_where_the_site_does_not_say_otherwise() -> None:
    assert taken_by_ten([8.0] * ENOUGH, departures="stated") > 6.9


def test_one_in_four_who_leaves_by_his_word_is_too_many() -> None:
    assert taken_by_ten([8.0, 8.0, 2.0, 8.0] * (ENOUGH // 4)) > 6.9


def test_few_earlier_drivers_teach_nothing() -> None:
    assert taken_by_ten([8.0] * (LEAST_SESSIONS - 1)) > 6.9


def test_who_is_known_to_leave_long_before_his_word_is_charged_before_that() -> None:
    assert taken_by_ten([1.5] * ENOUGH, said_h=6.0) > 6.9


def test_a_word_that_most_keep_is_waited_for_though_some_leave_early() -> None:
    assert taken_by_ten([6.0, 6.0, 6.0, 1.5] * (ENOUGH // 4), said_h=6.0) == 0.0


def test_a_broken_word_is_still_the_word_where_the_site_does_not_say_otherwise() -> None:
    assert taken_by_ten([1.5] * ENOUGH, said_h=6.0, departures="stated") == 0.0


def test_under_scarcity_the_word_holds() -> None:
    def given(rule: str) -> list[float]:
        """Two ask for 21 kWh within two hours, of which the limit lets 14 through."""
        w = World(
            site((pile("A"), pile("B")), limit_kw=7.04, departures=rule, voltage_tolerance=0.0),
            tariff=load_book("zhejiang-2026", holidays="none"),
        )
        came = START.timestamp() - 86_400.0
        past = [Taken(10.0, 10.0, True, came, came + 7200.0, came + 28_800.0)] * ENOUGH
        w.state = replace(w.state, history=tuple(past))
        w.plug("A", "B")
        w.say(w.request("a", "A", 12.0, hours=2.0), w.request("b", "B", 9.0, hours=2.0))
        w.wait(7200, step_s=60)
        return list(w.registers.values())

    assert given("learned") == given("stated")


def test_a_measured_need_is_no_guess_so_its_departure_stands() -> None:
    w = World(
        site((pile("A"),), departures="learned"),
        tariff=load_book("zhejiang-2026", holidays="none"),
    )
    came = START.timestamp() - 86_400.0
    past = [Taken(7.0, 7.0, True, came, came + 7200.0, came + 28_800.0)] * ENOUGH
    w.state = replace(w.state, history=tuple(past))
    w.plug("A")
    w.say(w.request("a", "A", 7.0, hours=2.0, battery_kwh=60.0, soc=0.4))
    w.wait(7200, step_s=60)
    assert w.registers["A"] - 100.0 > 6.9
