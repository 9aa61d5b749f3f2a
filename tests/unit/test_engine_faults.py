"""The engine when piles, clocks, the solver or the daemon itself fail; a test per fault found."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from adapters.store.codec import pack_state, unpack_state
from models.events import Heartbeat, NotListened, Overridden, Solved, SolveFailed
from models.network import Node
from models.session import Request
from scheduler.cascade import run_cascade
from scheduler.effects import Alert, Effect, SessionStatus, SetpointSent, Solve
from scheduler.engine import Engine
from scheduler.solution import answered
from scheduler.state import Recovered
from tests.world import World, pile, site


def alerts(effects: list[Effect]) -> dict[str, bool]:
    """Kind to whether it was last raised."""
    return {e.kind: not e.cleared for e in effects if isinstance(e, Alert)}


def busy(*names: str, limit_kw: float, **changes: object) -> World:
    """Piles with vehicles that want all they can get."""
    w = World(site(tuple(pile(n) for n in names), limit_kw=limit_kw, **changes))
    w.plug(*names)
    w.say(*[w.request(f"s{n}", n, 40.0, hours=6, mode="now") for n in names])
    return w


def test_a_lost_decrease_is_said_again_within_seconds() -> None:
    w = busy("A", "B", limit_kw=14.08)
    w.deaf |= {"A", "B"}
    w.say(w.limit(3.0))
    assert w.total_kw() > 14
    w.deaf.clear()
    w.wait(6, step_s=1)
    assert w.total_kw() <= 3


def test_a_pile_that_does_not_obey_counts_as_measured_and_the_others_give_way() -> None:
    w = busy("A", "B", "C", limit_kw=20.0)
    assert w.total_kw() > 19
    w.deaf.add("A")
    said = w.say(w.limit(12.0), w.end("sA")) + w.wait(30, step_s=1)
    assert w.power_kw("A") > 6
    assert w.total_kw() <= 12
    assert alerts(said)["pile_ignores"]
    w.deaf.clear()
    w.say(w.limit(30.0))
    assert not alerts(w.wait(60))["pile_ignores"]


def test_a_pile_that_takes_what_it_was_not_given_is_named_though_it_is_given_it_from_then_on() -> (
    None
):
    w = busy("A", "B", "C", limit_kw=14.5)
    idle = min("ABC", key=w.power_kw)
    assert w.power_kw(idle) == 0.0
    w.wait(30)
    said: list[Effect] = []
    for _ in range(6):
        w.now += timedelta(seconds=2)
        w.mono_s += 2
        takes = {"power_kw": 7.0}
        said += w.say(*[w.telemetry(n, **(takes if n == idle else {})) for n in "ABC"])
    assert any(isinstance(e, Alert) and e.where == idle and not e.cleared for e in said)
    assert 7.0 + sum(w.power_kw(n) for n in "ABC" if n != idle) <= 14.5
    assert not alerts(w.wait(60))["pile_ignores"]


def test_a_pile_that_draws_more_than_its_setpoint_counts_as_measured() -> None:
    w = busy("A", "B", limit_kw=10.0)
    said: list[Effect] = []
    for _ in range(12):
        w.now += timedelta(seconds=2)
        w.mono_s += 2
        over = w.power_kw("A") * 1.2
        said += w.say(w.telemetry("A", power_kw=over), w.telemetry("B"))
    assert w.power_kw("A") * 1.2 + w.power_kw("B") <= 10.0 + 1e-6
    assert alerts(said)["pile_exceeds"]


def test_acknowledgements_that_never_come_do_not_reserve_power_for_ever() -> None:
    w = busy("A", "B", limit_kw=7.04)
    first = max(("A", "B"), key=w.power_kw)
    other = "B" if first == "A" else "A"
    w.deaf.add(first)
    w.say(w.end(f"s{first}"))
    w.setpoints[first] = 0.0
    w.wait(80)
    assert w.power_kw(other) > 6


def test_a_silent_pile_counts_what_it_falls_back_to() -> None:
    piles = (pile("A", fallback_kw=2.0), pile("B"))
    w = World(site(piles, limit_kw=8.0))
    w.plug("A", "B")
    w.say(w.request("b", "B", 40.0, mode="now"))
    w.deaf.add("A")
    for _ in range(12):
        w.now += timedelta(seconds=10)
        w.mono_s += 10
        said = w.say(w.telemetry("B"))
    assert w.setpoints["B"] <= 6.0
    assert [k for k in w.state.alerts if k.startswith("pile_silent")] == ["pile_silent/A"]
    said = w.wait(10)
    assert alerts(said) == {"pile_silent": False}


def test_a_wall_clock_that_steps_ten_years_back_stops_nobody() -> None:
    w = busy("A", "B", limit_kw=10.0)
    w.say(w.request("sA", "A", 30.0, hours=6))
    w.now -= timedelta(days=3650)
    w.say(w.telemetry("A"))
    assert w.due < w.mono_s + 901
    w.wait(60)
    assert w.total_kw() > 9


def test_an_event_taken_in_earlier_does_not_turn_time_back() -> None:
    w = busy("A", limit_kw=10.0)
    late = w.telemetry("A")
    w.wait(30)
    fresh = w.limit(5.0)
    w.say(fresh, late)
    assert w.state.mono_s == fresh.mono_s
    assert w.state.now == fresh.now


def test_a_limit_that_flaps_costs_few_setpoints_and_is_never_exceeded() -> None:
    w = busy("A", "B", "C", limit_kw=21.0)
    before = len(w.sent)
    for k in range(200):
        w.now += timedelta(milliseconds=10)
        w.mono_s += 0.01
        w.say(w.limit(6.0 if k % 2 else 20.0))
        if k % 2:
            assert w.total_kw() <= 6.0 + 1e-9
    assert len(w.sent) - before < 20


def test_without_a_solver_a_new_vehicle_is_served_and_a_plan_is_asked_for_again() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")

    def fail(effects: list[Effect]) -> list[Effect]:
        lost = [e for e in effects if isinstance(e, Solve)]
        if not lost:
            return []
        gone = SolveFailed(
            now=w.now, mono_s=w.mono_s, digest=lost[-1].problem.digest, reason="crashed"
        )
        return w.say(gone, solve=False)

    said = fail(w.say(w.request("a", "A", 20.0), w.request("b", "B", 20.0), solve=False))
    assert alerts(said)["solver_lost"]
    assert w.total_kw() > 6
    asked = 0
    for _ in range(4):
        w.now += timedelta(seconds=10)
        w.mono_s += 10
        effects = w.say(w.telemetry("A"), w.telemetry("B"), solve=False)
        asked += sum(isinstance(e, Solve) for e in effects)
        fail(effects)
    assert 1 <= asked <= 3
    w.now += timedelta(seconds=20)
    w.mono_s += 20
    assert not alerts(w.say())["solver_lost"]


def test_a_plan_by_who_stands_in_is_taken_told_and_replaced_as_soon_as_a_solver_answers() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")

    def answer(effects: list[Effect], lost: str) -> list[Effect]:
        problem = next(e for e in effects if isinstance(e, Solve)).problem
        found = run_cascade(problem, [], 1000)
        event = answered(problem, found, now=w.now, mono_s=w.mono_s, solve_ms=1.0)
        return w.say(dataclasses.replace(event, lost=lost), solve=False)

    said = answer(w.say(w.request("a", "A", 20.0), solve=False), "it hung in flow")
    assert ["hung in flow" in e.text for e in said if isinstance(e, Alert)] == [True]
    assert w.power_kw("A") > 6
    assert not any(isinstance(e, Solve) for e in said)
    w.now += timedelta(seconds=20)
    w.mono_s += 20
    said = w.say(w.telemetry("A"), solve=False)
    assert any(isinstance(e, Solve) for e in said)
    said = answer(said, "")
    assert [a.cleared for a in said if isinstance(a, Alert)] == [True]


def test_a_solver_that_never_answers_is_given_up_in_time() -> None:
    w = World(site((pile("A"),), deadline_s=5.0))
    w.plug("A")
    w.say(w.request("a", "A", 20.0), solve=False)
    assert w.due <= w.mono_s + 15.0
    said: list[Effect] = []
    for _ in range(16):
        w.now += timedelta(seconds=1)
        w.mono_s += 1
        said += w.say(w.telemetry("A"), solve=False)
    assert alerts(said)["solver_lost"]
    assert w.power_kw("A") > 6


def test_a_plan_of_nonsense_is_no_plan() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    asked = next(e for e in w.say(w.request("a", "A", 20.0), solve=False) if isinstance(e, Solve))
    nonsense = tuple(float("nan") for _ in range(int(asked.problem.offsets[-1])))
    said = w.say(
        Solved(
            now=w.now,
            mono_s=w.mono_s,
            digest=asked.problem.digest,
            energy_kwh=nonsense,
            status="optimal",
            rung="highs",
            gap=0.0,
            work=1,
            solve_ms=1.0,
        ),
        solve=False,
    )
    assert alerts(said)["solver_lost"]
    assert w.state.plan is None


def test_a_vehicle_that_must_charge_now_does_not_wait_for_a_plan() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    w.say(w.request("a", "A", 20.0, mode="now"), solve=False)
    assert w.power_kw("A") > 6


def test_a_register_that_jumps_is_another_meter() -> None:
    w = busy("A", limit_kw=10.0)
    w.wait(600)
    had = w.state.sessions["sA"].delivered_kwh
    w.registers["A"] += 5000.0
    w.wait(10)
    assert w.state.sessions["sA"].delivered_kwh == pytest.approx(had, abs=0.05)
    assert w.power_kw("A") > 6


def test_three_minutes_away_are_three_minutes_of_silence() -> None:
    node = Node("transformer", contract_kw=50, failsafe_kw=10, limit_kw=100, heartbeat="required")
    piles = tuple(pile(f"P{k}") for k in range(10))
    w = World(site(piles, node))
    w.plug(*[p.id for p in piles])
    w.say(w.heartbeat(), *[w.request(f"s{p.id}", p.id, 40.0, mode="now") for p in piles])
    w.wait(10)
    assert w.total_kw() > 40
    w.now += timedelta(minutes=3)
    w.mono_s = 7.0
    w.engine = Engine(w.site, w.engine.tariff)
    w.state = w.engine.start(
        now=w.now, mono_s=7.0, epoch=2, recovered=Recovered(state=w.state, highest_epoch=1)
    )
    w.say(*[w.telemetry(p.id) for p in piles])
    assert w.total_kw() <= 10
    w.say(w.heartbeat())
    assert w.state.stale
    w.say(w.limit(30.0))
    assert not w.state.stale


def test_a_shorter_restart_keeps_the_failsafe_away() -> None:
    node = Node("transformer", contract_kw=50, failsafe_kw=0, limit_kw=100, heartbeat="required")
    w = World(site((pile("A"),), node))
    w.say(w.heartbeat())
    w.wait(100)
    w.now += timedelta(seconds=5)
    state = Engine(w.site, w.engine.tariff).start(
        now=w.now, mono_s=3.0, epoch=2, recovered=Recovered(state=w.state, highest_epoch=1)
    )
    w.state, w.mono_s = state, 3.0
    w.say(w.telemetry("A"))
    assert not w.state.stale
    w.now += timedelta(seconds=20)
    w.mono_s += 20
    w.say(w.telemetry("A"))
    assert w.state.stale


def test_a_smaller_site_starts_from_the_state_of_a_larger_one() -> None:
    w = busy("A", "B", limit_kw=10.0)
    w.say(w.limit(9.0), w.meter(5.0))
    small_pile = pile("A", node="main")
    smaller = Engine(
        site((small_pile,), Node("main", limit_kw=8, heartbeat="none")), w.engine.tariff
    )
    w.engine = smaller
    w.state = smaller.start(
        now=w.now, mono_s=1.0, epoch=2, recovered=Recovered(state=w.state, highest_epoch=1)
    )
    w.mono_s = 1.0
    w.say(w.telemetry("A"))
    assert list(w.state.sessions) == ["sA"]
    assert w.state.limits == {}


def test_the_state_survives_the_store_as_it_is() -> None:
    w = busy("A", "B", limit_kw=10.0)
    w.deaf.add("B")
    w.say(w.limit(5.0), w.heartbeat(), w.meter(5.0), w.end("sB"))
    w.wait(90)
    assert unpack_state(pack_state(w.state)) == w.state


def test_a_request_changed_before_its_vehicle_comes_still_waits_for_it() -> None:
    w = World(site((pile("A"),)))
    w.say(w.request("a", "A", 10.0))
    w.say(w.request("a", "A", 12.0))
    assert w.state.sessions["a"].state == "announced"
    w.plug("A")
    assert w.state.pile_session == {"A": "a"}
    w.wait(60)
    assert w.power_kw("A") > 0


def test_who_never_came_is_not_waited_for() -> None:
    w = World(site((pile("A"),)))
    w.say(w.request("a", "A", 10.0, hours=1))
    assert w.due <= w.mono_s + 3600
    w.wait(3700, step_s=100)
    assert w.state.sessions == {}


def test_an_end_older_than_a_request_does_not_depend_on_the_order_of_arrival() -> None:
    def story(order: tuple[int, int]) -> set[str]:
        w = World(site((pile("A"),)))
        messages = [w.end("a"), w.request("a", "A", 5.0)]
        for k in order:
            w.say(messages[k])
        assert w.state.tombstones == {}
        return set(w.state.sessions)

    assert story((0, 1)) == story((1, 0)) == {"a"}


def test_a_heartbeat_counts_while_the_wall_clock_is_wrong_but_not_when_it_is_old() -> None:
    node = Node("transformer", contract_kw=50, failsafe_kw=0, limit_kw=100, heartbeat="required")
    w = World(site((pile("A"),), node))
    w.say(w.heartbeat())

    def beat(age_s: float, skew_s: float) -> Heartbeat:
        common = w._common() | {
            "issued_at": w.now - timedelta(seconds=age_s),
            "now": w.now + timedelta(seconds=skew_s),
        }
        return Heartbeat(**common)

    for _ in range(20):
        w.now += timedelta(seconds=20)
        w.mono_s += 20
        w.say(beat(1.0, 3600.0))
    assert not w.state.stale
    for _ in range(8):
        w.now += timedelta(seconds=20)
        w.mono_s += 20
        w.say(beat(31.0, 0.0))
    assert w.state.stale


def test_a_pile_that_is_born_again_counts_its_fallback_until_it_answers() -> None:
    piles = (pile("A", fallback_kw=3.0), pile("B"))
    w = World(site(piles, limit_kw=10.0))
    w.plug("A", "B")
    w.say(w.request("b", "B", 40.0, mode="now"))
    assert w.setpoints["B"] == pytest.approx(7.04)
    w.say(w.limit(8.0))
    w.deaf.add("A")
    w.say(w.born("A"), w.telemetry("A", power_kw=0.0))
    w.wait(12, step_s=2)
    born = [e for e in w.sent if isinstance(e, SetpointSent) and e.pile == "A"]
    assert born
    assert w.setpoints["B"] <= 7.04


def test_two_requests_for_one_session_need_one_pile() -> None:
    w = World(site((pile("A"), pile("B"))))
    w.plug("A", "B")
    w.say(w.request("a", "A", 10.0))
    moved = w.request("a", "B", 10.0)
    w.say(moved)
    assert isinstance(w.state.sessions["a"].request, Request)
    assert w.state.sessions["a"].request.pile == "A"


def test_a_vehicle_that_is_full_is_told_so_and_one_that_starves_is_named() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")
    said = w.say(w.request("a", "A", 7.0, hours=1, priority=9), w.request("b", "B", 7.0, hours=1))
    assert [e.where for e in said if isinstance(e, Alert)] == ["b"]
    w.draws = {"A": 0.0}
    said = w.wait(80)
    states = {e.session: e.state for e in said if isinstance(e, SessionStatus)}
    assert states["a"] == "full"
    assert alerts(said)["starvation"] is False


def test_a_daemon_whose_store_is_lost_waits_one_lease_before_it_raises_anybody() -> None:
    w = World(site((pile("A"),)))
    w.state = w.engine.start(now=w.now, mono_s=w.mono_s, epoch=7)
    w.plug("A")
    w.say(w.request("a", "A", 20.0, mode="now"))
    w.wait(50)
    assert w.power_kw("A") == 0
    w.wait(20)
    assert w.power_kw("A") > 6


def test_many_setpoints_leave_before_the_next_plan_is_put_together() -> None:
    names = tuple(f"P{k}" for k in range(60))
    w = busy(*names, limit_kw=1000.0)
    w.state, effects, due = w.engine.receive(w.state, [w.limit(0.0)])
    assert sum(isinstance(e, SetpointSent) for e in effects) == 60
    assert not [e for e in effects if isinstance(e, Solve)]
    assert due < w.mono_s + 0.1
    w.now += timedelta(seconds=0.1)
    w.mono_s += 0.1
    assert [e for e in w.say(solve=False) if isinstance(e, Solve)]


def test_a_setpoint_that_nobody_acknowledged_may_be_obeyed_until_its_lease_is_over() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=7.04))
    w.plug("A", "B")
    w.deaf.add("A")
    w.say(w.request("a", "A", 20.0, mode="now"))
    w.say(w.end("a"), w.request("b", "B", 20.0, mode="now"))
    w.wait(55)
    assert w.setpoints["B"] == 0
    w.wait(15)
    assert w.setpoints["B"] > 6


def test_a_message_taken_in_before_the_last_one_does_not_turn_the_wall_clock() -> None:
    w = busy("A", limit_kw=10.0)
    late = w.telemetry("A")
    w.now += timedelta(days=1)
    w.mono_s += 5
    w.say(w.telemetry("A"))
    w.say(late)
    assert w.state.now == w.now


def test_a_clock_that_was_wrong_for_a_minute_has_made_nobody_forget() -> None:
    w = busy("A", "B", limit_kw=20.0)
    later = w.now + timedelta(hours=2)
    w.say(w.limit(5.0, valid_until=later))
    w.say(
        w.request("next", "B", 5.0, arrival=w.now + timedelta(hours=3), hours=5),
        Overridden(target="A", kind="out_of_service", until=later, who="op", **w._common()),
    )
    w.now += timedelta(days=3650)
    w.wait(60)
    w.now -= timedelta(days=3650)
    w.wait(10)
    assert w.total_kw() <= 5
    assert w.setpoints["A"] == 0
    assert "next" in w.state.sessions
    w.wait(2 * 3600, step_s=60)
    assert w.state.overrides == {}
    assert w.total_kw() > 13


def test_who_talked_before_we_went_deaf_is_not_silent_for_it_and_nothing_rises_at_once() -> None:
    w = World(site((pile("A"), pile("B")), base_load="meter", limit_kw=20.0))
    w.plug("A", "B")
    w.say(w.meter(2.0), *[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "AB"])
    w.wait(20, step_s=5)
    before = dict(w.setpoints)
    assert sum(before.values()) > 12
    # Our own connection was down for a minute: nothing was heard, and now it stands again.
    w.mono_s += 60
    w.now += timedelta(seconds=60)
    deaf = NotListened(for_s=60.0, now=w.now, mono_s=w.mono_s)
    said = w.say(deaf)
    assert w.setpoints == before, "no pile is lowered for our own deafness"
    assert not [e for e in said if isinstance(e, Alert)]
    w.say(w.limit(50.0))
    assert w.setpoints == before, "nothing rises before the piles have spoken again"
    # Who goes on to be silent is silent three periods later.
    w.mono_s += 31
    w.now += timedelta(seconds=31)
    said = w.say(w.meter(2.0), w.telemetry("A"))
    assert {e.where for e in said if isinstance(e, Alert)} == {"B"}


def test_leases_that_ran_out_while_we_were_frozen_wait_for_what_came_meanwhile() -> None:
    w = World(site((pile("A"), pile("B")), limit_kw=20.0))
    w.plug("A", "B")
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "AB"])
    w.wait(20, step_s=5)
    assert w.total_kw() > 12
    # The process stood still beyond every lease; the limit pushed meanwhile is read a moment later.
    w.mono_s += 100
    w.now += timedelta(seconds=100)
    sent = len(w.sent)
    w.say(NotListened(for_s=100.0, now=w.now, mono_s=w.mono_s))
    assert not [s for s in w.sent[sent:] if s.power_kw > 0], "a lease renewed now would be a rise"
    w.say(w.limit(5.0))
    w.wait(60, step_s=1)
    assert all(s.power_kw <= 5.0 for s in w.sent[sent:])
    assert 4.0 < sum(w.setpoints.values()) <= 5.0
