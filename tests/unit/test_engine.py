"""The engine as its users see it: requests in, setpoints out, limits held."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.network import Node
from models.site import WalkIn
from scheduler.effects import LimitAnswer, Persist, Rejected, SessionStatus, SetpointSent
from scheduler.engine import Engine
from scheduler.state import Recovered
from tests.world import World, pile, site


def statuses(effects: list[object]) -> dict[str, SessionStatus]:
    return {e.session: e for e in effects if isinstance(e, SessionStatus)}


def test_a_session_gets_its_energy_and_then_nothing() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    w.say(w.request("s1", "A", 3.5, hours=1.0))
    w.wait(3600, step_s=60)
    assert w.registers["A"] - 100 == pytest.approx(3.5, abs=0.15)
    assert w.setpoints["A"] == 0


def test_a_walk_in_vehicle_charges_and_is_adopted_by_a_late_request() -> None:
    w = World(site((pile("A"),), walk_in=WalkIn(energy_kwh=20, stay_h=8, priority=3)))
    told = statuses(w.plug("A"))
    assert [s for s in told if s.startswith("walk-in-A")]
    w.wait(1800)
    delivered = w.registers["A"] - 100
    assert delivered > 1
    told = statuses(w.say(w.request("late", "A", 10, hours=2, arrival=w.now - timedelta(hours=1))))
    record = w.state.sessions["late"]
    assert record.delivered_kwh == pytest.approx(delivered)
    assert list(w.state.sessions) == ["late"]
    assert told["late"].promised_kwh == pytest.approx(10, abs=0.01)


def test_a_vehicle_nobody_announced_gets_nothing_where_the_site_says_refuse() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    w.wait(120)
    assert w.setpoints["A"] == 0


def test_a_car_under_its_setpoint_gives_its_headroom_back_within_60_s_and_another_draws_it() -> (
    None
):
    w = World(site((pile("A"), pile("B")), limit_kw=10.0))
    w.draws["A"] = 2.0
    w.plug("A", "B")
    w.say(w.request("a", "A", 6.9, hours=1.0, priority=9), w.request("b", "B", 7, hours=1.0))
    assert w.setpoints["A"] > 6
    assert w.setpoints["B"] < 3.2
    w.wait(70)
    assert w.setpoints["A"] < 3.5
    assert w.power_kw("B") > 6


def test_a_finished_car_frees_its_power() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")
    w.say(w.request("a", "A", 7, hours=1.0, priority=9), w.request("b", "B", 7, hours=1.0))
    w.draws["A"] = 0.0
    w.wait(70)
    assert w.power_kw("B") > 6.9


def test_a_limit_cut_is_obeyed_in_the_same_drain_without_a_solve() -> None:
    piles = tuple(pile(f"P{k}") for k in range(20))
    w = World(site(piles, limit_kw=150.0))
    w.plug(*[p.id for p in piles])
    w.say(*[w.request(f"s{p.id}", p.id, 7.0, hours=1.0) for p in piles])
    assert w.total_kw() > 100
    first = w.say(w.limit(60.0), solve=False)
    cuts = [e for e in first if isinstance(e, SetpointSent)]
    assert all(not e.after_commit for e in cuts)
    assert w.total_kw() <= 60 + 1e-9
    answers = [e for e in first if isinstance(e, LimitAnswer)]
    assert answers[-1].reached_at is not None
    assert answers[-1].shed_kw > 40
    w.say(w.limit(None, revoked=True))
    w.wait(900)
    assert w.total_kw() > 100


def test_an_increase_waits_for_the_power_that_another_pile_has_not_yet_released() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")
    w.say(w.request("a", "A", 7.0, hours=1.0))
    assert w.power_kw("A") == pytest.approx(7.0, abs=0.1)
    w.deaf.add("A")
    w.say(w.request("b", "B", 7.0, hours=1.0), w.end("a"))
    assert w.setpoints["B"] == 0
    w.wait(10)
    assert w.setpoints["B"] == 0
    w.deaf.clear()
    w.wait(60)
    assert w.power_kw("A") == 0
    assert w.power_kw("B") > 6


def test_a_pile_that_reboots_is_answered_with_its_setpoint_at_once() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    w.say(w.request("a", "A", 7.0, hours=1.0))
    effects = w.say(w.born("A"))
    assert next(e.power_kw for e in effects if isinstance(e, SetpointSent)) > 6


def test_silence_of_the_grid_company_brings_the_failsafe_and_only_a_newer_limit_lifts_it() -> None:
    node = Node("transformer", contract_kw=50, failsafe_kw=10, limit_kw=100, heartbeat="required")
    piles = tuple(pile(f"P{k}") for k in range(10))
    w = World(site(piles, node))
    w.say(w.heartbeat())
    w.plug(*[p.id for p in piles])
    w.say(*[w.request(f"s{p.id}", p.id, 20.0, hours=5) for p in piles])
    w.wait(20)
    assert 40 < w.total_kw() <= 50 + 1e-9
    w.wait(110)
    assert w.total_kw() <= 10
    w.say(w.heartbeat())
    w.wait(20)
    assert w.total_kw() <= 10
    w.say(w.heartbeat(), w.limit(30.0))
    w.wait(20)
    assert 20 < w.total_kw() <= 30


def test_messages_twice_late_or_out_of_order_end_in_the_same_state() -> None:
    def story(order: list[int]) -> object:
        w = World(site((pile("A"), pile("B")), limit_kw=20.0))
        messages = [
            w.request("a", "A", 7.0),
            w.request("a", "A", 9.0),
            w.limit(12.0),
            w.limit(8.0),
            w.end("b"),
        ]
        for k in order:
            w.say(messages[k])
        s = w.state
        return (
            {k: r.request for k, r in s.sessions.items()},
            {k: {n: r.pushed for n, r in v.items()} for k, v in s.limits.items()},
            s.tombstones,
        )

    once = story([0, 1, 2, 3, 4])
    assert once == story([4, 3, 2, 1, 0])
    assert once == story([1, 0, 3, 2, 4, 1, 0, 3, 2, 4])


def test_nonsense_is_refused_by_name_and_changes_nothing() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    before = w.state
    past = w.request(
        "x", "A", 5, arrival=w.now - timedelta(hours=3), departure=w.now - timedelta(hours=1)
    )
    effects = w.say(past)
    assert [e.code for e in effects if isinstance(e, Rejected)] == ["departure_past"]
    assert statuses(effects)["x"].state == "rejected"
    effects = w.say(w.request("y", "Z", 5))
    assert [e.code for e in effects if isinstance(e, Rejected)] == ["unknown_pile"]
    assert not [e for e in effects if isinstance(e, Persist)]
    assert w.state.sessions == before.sessions
    w.say(w.request("z", "A", 5))
    effects = w.say(w.request("z2", "A", 5))
    assert [e.code for e in effects if isinstance(e, Rejected)] == ["pile_occupied"]


def test_what_cannot_be_served_is_told_at_once_with_the_reason_and_a_counter_offer() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")
    told = statuses(
        w.say(w.request("a", "A", 7.0, hours=1.0, priority=9), w.request("b", "B", 7.0, hours=1.0))
    )
    assert told["a"].short_kwh == 0
    short = told["b"]
    assert short.short_kwh > 6
    assert "transformer full 08:00-09:00" in short.why
    assert short.counter_energy_kwh == pytest.approx(short.promised_kwh or 0)


def test_the_plan_goes_on_after_a_restart_and_no_setpoint_jumps() -> None:
    piles = tuple(pile(f"P{k}") for k in range(5))
    w = World(site(piles, limit_kw=20.0))
    w.plug(*[p.id for p in piles])
    w.say(*[w.request(f"s{p.id}", p.id, 7.0, hours=2) for p in piles])
    before = dict(w.setpoints)
    w.engine = Engine(w.site, w.engine.tariff)
    w.state = w.engine.start(
        now=w.now, mono_s=5.0, epoch=2, recovered=Recovered(state=w.state, highest_epoch=1)
    )
    w.mono_s = 5.0
    w.say(*[w.telemetry(p.id) for p in piles], solve=False)
    assert w.setpoints == pytest.approx(before)
    w.wait(30)
    assert w.total_kw() <= 20 + 1e-9


def test_a_single_phase_pile_gets_nothing_or_at_least_six_amps() -> None:
    piles = tuple(pile(f"P{k}") for k in range(8))
    w = World(site(piles, limit_kw=9.0))
    w.plug(*[p.id for p in piles])
    w.say(*[w.request(f"s{p.id}", p.id, 3.0, hours=6) for p in piles])
    for _ in range(12):
        w.wait(900, step_s=300)
        for power in w.setpoints.values():
            assert power == 0 or power >= 1.32 - 1e-9


def test_no_news_no_new_setpoints() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=10.0, lease_s=900.0))
    w.plug("A", "B")
    w.say(w.request("a", "A", 12, hours=4), w.request("b", "B", 12, hours=4))
    sent = len([e for e in w.sent if not e.renewal])
    w.wait(600, step_s=10)
    assert len([e for e in w.sent if not e.renewal]) == sent


def test_a_pile_of_whole_amps_gets_whole_amps_and_the_next_one_up_to_end_a_session() -> None:
    amp = 0.22
    w = World(site((pile("A", whole_amps=True), pile("B", whole_amps=True)), limit_kw=10.0))
    w.plug("A", "B")
    w.say(w.request("a", "A", 2.3, hours=8), w.request("b", "B", 30.0, hours=8))
    for _ in range(75):
        w.wait(60, step_s=10)
        for name in ("A", "B"):
            amps = w.power_kw(name) / amp
            assert amps == pytest.approx(round(amps), abs=1e-6)
            assert amps == 0 or 6 <= round(amps) <= 32
    assert w.state.sessions["a"].delivered_kwh == pytest.approx(2.3, abs=0.15)


def test_what_a_driver_is_told_at_the_end_is_told_in_chinese_too() -> None:
    w = World(site((pile("A"), pile("B")), walk_in=WalkIn(energy_kwh=20, stay_h=8, priority=3)))
    w.plug("A", "B")
    arrival, said = w.now - timedelta(hours=1), dict[str, SessionStatus]()
    for event in (
        w.request("late", "A", 10, hours=2, arrival=arrival),
        w.request("second", "A", 10, hours=2),
        w.request("nowhere", "C", 10, hours=2),
        w.request("past", "B", 10, arrival=arrival, departure=w.now),
        w.request("late", "B", 10, hours=2),
    ):
        said |= {f"{s.session} {s.state}": s for s in statuses(w.say(event)).values()}
    w.vehicles["A"] = False
    said |= {f"{s.session} {s.state}": s for s in statuses(w.say(w.telemetry("A"))).values()}
    told = [s for s in said.values() if s.state in ("ended", "rejected")]
    assert {s.session.rpartition("-")[0] or s.session for s in told} == {
        "walk-in-A", "late", "second", "nowhere", "past",
    }  # fmt: skip
    for status in told:
        assert status.why
        assert any("\u4e00" <= c <= "\u9fff" for c in status.why_zh), status
