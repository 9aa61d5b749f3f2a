"""A session whose pile falls silent is told so at once, and its plan again when it is heard."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.effects import Effect, SessionStatus
from scheduler.engine import Engine
from scheduler.state import Recovered
from tests.world import World, pile, site


def told(effects: list[Effect]) -> list[SessionStatus]:
    return [e for e in effects if isinstance(e, SessionStatus)]


def pass_s(w: World, seconds: int, *heard: str) -> list[Effect]:
    """Seconds in which only some piles speak."""
    out: list[Effect] = []
    w.deaf = set(w.registers) - set(heard)
    for _ in range(seconds):
        w.now += timedelta(seconds=1)
        w.mono_s += 1
        out += w.say(*[w.telemetry(name) for name in heard])
    return out


def charging(*names: str, told_at_once: int | None = None) -> World:
    w = World(site(tuple(pile(n) for n in names), limit_kw=50.0))
    w.engine = Engine(w.site, w.engine.tariff, told_at_once=told_at_once)
    w.plug(*names)
    w.say(*[w.request(f"s{n}", n, 20.0) for n in names])
    pass_s(w, 5, *names)
    return w


def test_who_falls_silent_is_told_at_once_what_is_short_and_why() -> None:
    w = charging("A", "B")
    (status,) = told(pass_s(w, 40, "B"))
    assert status.session == "sA"
    assert status.short_kwh == pytest.approx(20.0, abs=0.1)
    assert status.promised_kwh == pytest.approx(0.0, abs=0.1)
    assert status.ready_at is None
    assert status.why.startswith("not heard since 09-01 08:00: counted with ")
    assert "; planned: charges 7.0 kW until " in status.why
    assert "失联" in status.why_zh
    assert "原计划" in status.why_zh


def test_heard_again_it_is_told_its_plan_in_the_same_drain() -> None:
    w = charging("A", "B")
    pass_s(w, 40, "B")
    (status,) = told(pass_s(w, 1, "A", "B"))
    assert (status.session, status.short_kwh) == ("sA", 0.0)
    assert status.ready_at is not None
    assert status.why.startswith("charges ")


def test_a_new_plan_does_not_promise_it_anything_while_it_is_silent() -> None:
    w = charging("A", "B")
    pass_s(w, 40, "B")
    said = told(w.say(w.request("sB", "B", 10.0)) + pass_s(w, 5, "B"))
    assert {s.session for s in said} == {"sB"}
    (changed,) = [s for s in told(w.say(w.request("sA", "A", 9.0))) if s.session == "sA"]
    assert changed.why.startswith("not heard since ")
    assert changed.short_kwh == pytest.approx(9.0, abs=0.1)


def test_after_a_restart_it_is_told_where_it_stands_though_no_plan_serves_it() -> None:
    w = charging("A", "B")
    pass_s(w, 40, "B")
    w.engine, w.mono_s = Engine(w.site, w.engine.tariff), 5.0
    w.state = w.engine.start(
        now=w.now, mono_s=5.0, epoch=2, recovered=Recovered(state=w.state, highest_epoch=1)
    )
    said = told(w.say(w.telemetry("A", fault="E1"), w.telemetry("B")))
    (status,) = [s for s in said if s.session == "sA"]
    assert status.why.endswith("its pile is out of order")


def test_many_that_fall_silent_at_once_are_told_a_few_in_each_drain() -> None:
    names = [f"P{k}" for k in range(6)]
    w = charging(*names, told_at_once=2)
    each = [told(pass_s(w, 1)) for _ in range(40)]
    assert max(len(some) for some in each) == 2
    assert sorted(s.session for some in each for s in some) == sorted(f"s{n}" for n in names)
    assert w.due - w.mono_s > 0.5, "nobody waits any more"
