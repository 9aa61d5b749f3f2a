"""Limits, meters, orders and emergencies: what the grid company and the operator can rely on."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.events import DemandCalled, Emergency, LimitPushed, NodeMeasured, Overridden
from models.network import Node
from models.pile import Pile
from models.site import EnvelopeRule
from scheduler.effects import Alert, Effect, EventAnswer, LimitAnswer, Rejected, Solve
from scheduler.engine import Engine
from scheduler.state import Recovered
from tests.world import World, pile, site


def answers(effects: list[Effect]) -> list[LimitAnswer]:
    return [e for e in effects if isinstance(e, LimitAnswer)]


def alerts(effects: list[Effect]) -> dict[str, bool]:
    return {e.kind: not e.cleared for e in effects if isinstance(e, Alert)}


def busy(names: str = "AB", *nodes: Node, limit_kw: float = 100.0, **changes: Any) -> World:
    """Piles with vehicles that want all they can get."""
    w = World(site(tuple(pile(n) for n in names), *nodes, limit_kw=limit_kw, **changes))
    w.plug(*names)
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in names])
    return w


def order(w: World, target: str, kind: Any, **changes: Any) -> Overridden:
    values: dict[str, Any] = {"until": None, "who": "op"}
    return Overridden(target=target, kind=kind, **(values | changes), **w._common())


def fire(w: World, zone: str, who: str, *, cleared: bool = False) -> Emergency:
    return Emergency(zone=zone, cleared=cleared, who=who, **w._common())


def test_a_limit_of_the_future_is_answered_obeyed_in_its_time_and_over_after_it() -> None:
    w = busy()
    begin, end = w.now + timedelta(seconds=30.5), w.now + timedelta(seconds=60)
    first = answers(w.say(w.limit(5.0, valid_from=begin, valid_until=end)))
    assert [(a.applied_at, a.reached_at) for a in first] == [(None, None)]
    assert w.total_kw() > 14
    assert w.due <= w.mono_s + 30.5
    w.now, w.mono_s = begin, w.mono_s + 30.5
    then = answers(w.say())
    assert then[-1].applied_at == begin
    assert w.total_kw() <= 5
    w.wait(20)
    w.now += timedelta(seconds=9.5)
    w.mono_s += 9.5
    assert answers(w.say(w.telemetry("A"))) == []
    w.wait(10)
    assert w.total_kw() > 14


def test_a_limit_that_comes_after_its_end_is_answered_once_and_never_applied() -> None:
    w = busy()
    ended = {"valid_from": w.now - timedelta(hours=2), "valid_until": w.now - timedelta(hours=1)}
    (late,) = answers(w.say(w.limit(5.0, **ended)))
    assert (late.received_at, late.applied_at, late.reached_at) == (w.now, None, None)
    assert w.total_kw() > 14
    assert answers(w.wait(60)) == []


def test_a_limit_that_base_load_alone_exceeds_is_called_unreachable_with_its_seconds() -> None:
    w = busy(base_load="meter")
    w.say(w.meter(50.0))
    said = w.say(w.limit(20.0, valid_until=w.now + timedelta(minutes=10)), w.meter(50.0))
    last = answers(said)[-1]
    assert w.total_kw() == 0
    assert last.reached_at is None
    assert last.unreachable_for_s == pytest.approx(600)
    assert alerts(said)["limit_unreachable"]
    said = []
    for _ in range(12):
        w.now += timedelta(seconds=2)
        w.mono_s += 2
        said += w.say(w.meter(10.0), w.telemetry("A"), w.telemetry("B"))
    assert answers(said)[-1].reached_at is not None
    assert alerts(said)["limit_unreachable"] is False


def test_a_limit_is_reached_when_the_meter_says_so() -> None:
    w = busy(base_load="meter")
    w.say(w.meter(0.0))
    w.wait(2)
    w.say(w.meter(w.total_kw()))
    w.now += timedelta(seconds=1)
    w.mono_s += 1
    said = answers(w.say(w.limit(8.0)))
    assert said[-1].applied_at is not None
    assert said[-1].reached_at is None
    w.now += timedelta(seconds=1)
    w.mono_s += 1
    assert answers(w.say(w.meter(w.total_kw())))[-1].reached_at == w.now


def test_a_withdrawn_limit_is_answered_too() -> None:
    w = busy()
    w.say(w.limit(5.0))
    said = answers(w.say(w.limit(None, revoked=True)))
    assert [a.limit for a in said] == ["l1"]
    assert w.state.limits == {}


def test_a_limit_on_export_alone_lowers_nobody_and_is_reached_unless_too_much_flows_back() -> None:
    node = Node("transformer", limit_kw=100, export_kw=50, heartbeat="none")
    w = busy("A", node, base_load="meter")
    w.say(w.meter(0.0))
    had = w.total_kw()
    said = answers(w.say(w.limit(None, export_kw=5.0), w.meter(had)))
    assert said[-1].reached_at is not None
    assert w.total_kw() == had
    said = w.say(w.limit(None, export_kw=1.0), w.meter(-20.0))
    assert answers(said)[-1].unreachable_for_s is not None
    assert alerts(said)["export_exceeded"]


def test_ended_limits_are_forgotten_after_a_day() -> None:
    w = busy("A")
    for k in range(5):
        w.say(w.limit(5.0, limit=f"l{k}", valid_until=w.now + timedelta(hours=1)))
    w.now += timedelta(hours=26)
    w.mono_s += 26 * 3600
    w.say(w.telemetry("A"))
    assert not any(w.state.limits.values())


def test_orders_end_by_themselves() -> None:
    w = busy("AB", limit_kw=10.0)
    w.say(order(w, "A", "hold_kw", hold_kw=2.0, until=w.now + timedelta(seconds=20)))
    assert w.setpoints["A"] == 2.0
    assert w.due <= w.mono_s + 20
    w.say(order(w, "B", "out_of_service", until=w.now + timedelta(seconds=20)))
    assert w.setpoints["B"] == 0
    w.wait(25, step_s=5)
    assert w.total_kw() > 9
    assert w.state.overrides == {}


def test_an_order_that_comes_while_the_wall_clock_runs_ahead_is_not_lost() -> None:
    w = busy("AB")
    until = w.now + timedelta(hours=3)
    w.now += timedelta(days=3650)
    w.mono_s += 1
    w.say(w.telemetry("A"))
    w.say(order(w, "A", "out_of_service", until=until))
    w.now -= timedelta(days=3650)
    w.mono_s += 1
    w.say(w.telemetry("A"))
    w.wait(20, step_s=1)
    assert w.power_kw("A") == 0
    assert w.power_kw("B") > 6


def test_an_order_outlives_a_restart_under_a_wall_clock_that_is_years_ahead() -> None:
    w = busy("AB")
    w.say(order(w, "A", "out_of_service", until=w.now + timedelta(hours=3)))
    w.now, w.mono_s = w.now + timedelta(days=3650), 5.0
    w.engine = Engine(w.site, w.engine.tariff)
    before = Recovered(state=w.state, highest_epoch=1)
    w.state = w.engine.start(now=w.now, mono_s=5.0, epoch=2, recovered=before)
    w.say(w.telemetry("A"), w.telemetry("B"))
    w.now -= timedelta(days=3650)
    w.mono_s += 1
    w.say(w.telemetry("A"), w.telemetry("B"))
    w.wait(100, step_s=2)
    assert w.power_kw("A") == 0
    assert w.power_kw("B") > 6


def test_an_order_of_last_year_changes_nothing_and_is_not_kept() -> None:
    w = busy("AB")
    w.say(order(w, "A", "out_of_service", until=w.now - timedelta(days=365)))
    assert w.power_kw("A") > 6
    assert w.state.overrides == {}


def test_charge_now_outranks_the_plan_until_it_ends() -> None:
    w = World(site((pile("A"),)))
    w.plug("A")
    w.say(w.request("a", "A", 5.0, hours=8), solve=False)
    assert w.power_kw("A") == 0
    w.say(order(w, "A", "charge_now", until=w.now + timedelta(minutes=5)), solve=False)
    assert w.power_kw("A") > 6


def two_halls(*, offline_kw: float = 0.0) -> World:
    nodes = (
        Node("transformer", limit_kw=10, heartbeat="none"),
        Node("hall", parent="transformer"),
    )
    w = World(site((pile("A", node="hall", offline_kw=offline_kw), pile("B")), *nodes))
    w.plug("A", "B")
    return w


def test_a_mandatory_event_outlives_a_wall_clock_that_runs_ahead_for_a_moment() -> None:
    w = busy()
    begin = w.now
    w.say(
        DemandCalled(
            event="e1",
            start=begin,
            end=begin + timedelta(minutes=30),
            kind="limit_to",
            power_kw=5.0,
            mandatory=True,
            **w._common(),
        )
    )
    for year in (3650, -3650):
        w.now += timedelta(days=year)
        w.mono_s += 1
        w.say(w.telemetry("A"))
        w.say(w.limit(50.0, limit=f"other{abs(year)}{year > 0}"))
    w.wait(20, step_s=1)
    assert w.total_kw() <= 5.0
    w.wait(7200, step_s=60)
    told = [e.decision for e in w.effects if isinstance(e, EventAnswer)]
    assert told == ["accepted", "ended"], "and its end is told, an hour later at most"


def test_charge_now_at_a_node_is_meant_for_every_pile_below_it() -> None:
    w = two_halls()
    w.say(order(w, "hall", "charge_now"))
    said = w.say(*[w.request(f"s{n}", n, 5.0, hours=8) for n in "AB"], solve=False)
    assert w.power_kw("A") > 6
    assert w.power_kw("B") == 0
    (solve,) = [e for e in said if isinstance(e, Solve)]
    assert solve.problem.fleet.ids == ("sA", "sB")
    assert solve.problem.fleet.earliest.tolist() == [True, False]


@pytest.mark.parametrize("target", ["A", "hall"])
def test_a_silent_pile_declared_out_of_service_counts_nothing_and_is_no_alarm(target: str) -> None:
    """Its power is switched off: what it might draw unseen is the others' to use."""
    w = two_halls(offline_kw=7.0)
    w.say(w.request("sB", "B", 60.0, hours=8, mode="now"))
    w.deaf.add("A")
    said: list[Effect] = []
    for _ in range(100):
        w.now += timedelta(seconds=1)
        w.mono_s += 1
        said += w.say(w.telemetry("B"))
    assert alerts(said)["pile_silent"]
    assert w.total_kw() <= 3.0
    said = w.say(order(w, target, "out_of_service"))
    assert alerts(said)["pile_silent"] is False
    for _ in range(5):
        w.now += timedelta(seconds=1)
        w.mono_s += 1
        w.say(w.telemetry("B"))
    assert w.power_kw("B") > 6
    w.say(order(w, target, "clear"))
    assert w.total_kw() <= 3.0


def test_fire_stops_its_zone_at_once_and_only_who_called_it_ends_it() -> None:
    nodes = (
        Node("transformer", limit_kw=100, heartbeat="none"),
        Node("hall", parent="transformer"),
    )
    piles = (pile("A", node="hall"), pile("B"))
    w = World(site(piles, *nodes))
    w.plug("A", "B")
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "AB"])
    w.say(fire(w, "hall", "guard"), solve=False)
    assert w.power_kw("A") == 0
    assert w.power_kw("B") > 6
    assert w.sent[-1].reason == "emergency"
    said = w.say(fire(w, "hall", "somebody", cleared=True))
    assert [e.field for e in said if isinstance(e, Rejected)] == ["who"]
    w.wait(10)
    assert w.power_kw("A") == 0
    w.say(fire(w, "hall", "guard", cleared=True))
    w.wait(10)
    assert w.power_kw("A") > 6


def test_another_roles_counter_does_not_use_up_the_word_of_who_called() -> None:
    w = busy("A")
    w.say(fire(w, "depot-1", "guard"))
    clear = fire(w, "depot-1", "guard", cleared=True)
    w.say(fire(w, "depot-1", "somebody"))
    w.say(fire(w, "depot-1", "somebody", cleared=True))
    assert w.power_kw("A") == 0
    w.say(clear)
    w.wait(10)
    assert w.power_kw("A") > 6


def test_a_site_whose_meter_never_spoke_charges_nothing_and_says_so() -> None:
    w = World(site((pile("A", whole_amps=True),), base_load="meter"))
    w.plug("A")
    w.say(w.request("a", "A", 20.0, mode="now"))
    said = w.wait(60)
    assert w.total_kw() == 0
    assert alerts(said)["meter_lost"]
    said = w.say(w.meter(3.0)) + w.wait(10)
    assert w.total_kw() > 6


def test_a_meter_that_falls_silent_counts_as_the_most_it_has_seen() -> None:
    w = busy("AB", base_load="meter", limit_kw=30.0)
    for base in (5.0, 18.0, 5.0):
        for _ in range(15):
            w.now += timedelta(seconds=2)
            w.mono_s += 2
            w.say(w.meter(base + w.total_kw()), w.telemetry("A"), w.telemetry("B"))
    assert w.total_kw() > 14
    said = w.wait(60)
    assert w.total_kw() <= 12
    assert alerts(said)["meter_lost"]


def test_base_load_that_rises_is_made_room_for_at_the_next_reading() -> None:
    w = busy("AB", base_load="meter", limit_kw=20.0)
    w.say(w.meter(2.0), w.telemetry("A"), w.telemetry("B"))
    w.wait(10)
    assert w.total_kw() > 14
    w.say(w.meter(12.0 + w.total_kw()))
    assert w.total_kw() + 12.0 <= 20


def test_a_vehicle_that_starts_is_not_taken_for_base_load_by_the_meter_that_sees_it_first() -> None:
    w = busy("AB", base_load="meter", limit_kw=20.0)
    w.draws = {"A": 0.0}
    w.say(w.meter(2.0), w.telemetry("A"), w.telemetry("B"))
    w.wait(4)
    w.say(w.meter(2.0 + w.total_kw()))
    had = dict(w.setpoints)
    assert had["A"] > 6
    w.draws = {}
    w.now += timedelta(seconds=1)
    w.mono_s += 1
    w.say(w.meter(2.0 + w.total_kw()))
    assert w.setpoints == had


def test_base_load_that_only_seems_to_fall_gives_nothing_away() -> None:
    w = busy("AB", base_load="meter", limit_kw=12.0)
    w.say(w.meter(3.0), w.telemetry("A"), w.telemetry("B"))
    w.wait(10)
    w.say(w.meter(3.0 + w.total_kw()))
    first = max("AB", key=w.power_kw)
    other = "B" if first == "A" else "A"
    was = w.setpoints[other]
    w.draws = {first: 0.0}
    w.say(w.meter(3.0 + w.total_kw()))
    assert w.setpoints[other] == was


def test_a_meter_with_the_wrong_sign_gives_nobody_power_and_is_named() -> None:
    w = busy("ABCD", base_load="meter", limit_kw=30.0)
    w.say(w.meter(10.0))
    w.wait(10)
    assert w.total_kw() <= 20
    said: list[Effect] = []
    for _ in range(20):
        w.now += timedelta(seconds=2)
        w.mono_s += 2
        said += w.say(w.meter(-(10.0 + w.total_kw())), *[w.telemetry(p) for p in "ABCD"])
        assert w.total_kw() + 10.0 <= 30 + 1e-6
    assert alerts(said)["meter_implausible"]


def test_load_that_nobody_registered_counts_where_a_meter_shows_it() -> None:
    w = busy("AB", limit_kw=20.0)
    assert w.total_kw() > 14
    said: list[Effect] = []
    for _ in range(10):
        w.now += timedelta(seconds=2)
        w.mono_s += 2
        said += w.say(w.meter(10.0 + w.total_kw()), w.telemetry("A"), w.telemetry("B"))
    assert w.total_kw() + 10.0 <= 20
    assert alerts(said)["unregistered_load"]


def test_a_stated_envelope_makes_room_hour_by_hour() -> None:
    rules = (
        EnvelopeRule((), "any", 0, 9, 5.0),
        EnvelopeRule((), "any", 9, 24, 15.0),
    )
    w = busy("AB", limit_kw=20.0, base_load="envelope", envelope=rules)
    assert w.total_kw() > 14
    w.wait(3700, step_s=100)
    assert w.total_kw() <= 5


def phase_world() -> World:
    def one(name: str, phase: int) -> Pile:
        return pile(name, phases=(phase,))

    node = Node("transformer", limit_kw=100, limit_a=(40, 40, 40), heartbeat="none")
    piles = (one("A", 1), one("B", 1), one("C", 2))
    w = World(site(piles, node, base_load="meter"))
    w.plug("A", "B", "C")
    w.say(currents(w, 0.0, (0, 0, 0)))
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "ABC"])
    return w


def currents(w: World, base_kw: float, base_a: tuple[float, float, float]) -> NodeMeasured:
    per_kw = 1000 / 220
    by_phase = (
        base_a[0] + (w.power_kw("A") + w.power_kw("B")) * per_kw,
        base_a[1] + w.power_kw("C") * per_kw,
        base_a[2],
    )
    return NodeMeasured(
        node="transformer",
        power_kw=base_kw + w.total_kw(),
        currents_a=by_phase,
        **w._common(),
    )


def test_base_load_counts_on_the_phase_where_the_meter_sees_it() -> None:
    w = phase_world()
    w.wait(10)
    assert w.power_kw("A") + w.power_kw("B") == pytest.approx(40 * 0.22, abs=1.5)
    assert w.power_kw("C") > 6
    w.now += timedelta(seconds=2)
    w.mono_s += 2
    w.say(currents(w, 5.5, (25.0, 0.0, 0.0)), *[w.telemetry(p) for p in "ABC"])
    assert (w.power_kw("A") + w.power_kw("B")) / 0.22 + 25 <= 40
    assert w.power_kw("C") > 6


def test_without_currents_base_load_counts_evenly() -> None:
    w = phase_world()
    w.now += timedelta(seconds=2)
    w.mono_s += 2
    w.say(w.meter(19.8 + w.total_kw()), *[w.telemetry(p) for p in "ABC"])
    w.wait(4)
    assert (w.power_kw("A") + w.power_kw("B")) / 0.22 + 30 <= 40 + 1e-6
    assert w.power_kw("C") / 0.22 + 30 <= 40 + 1e-6


def test_the_learned_margin_is_that_of_base_load_not_of_vehicles() -> None:
    w = World(site(tuple(pile(n) for n in "ABC"), base_load="meter", limit_kw=60, margin_kw=None))
    w.say(w.meter(2.0))

    def pass_time(seconds: int, base_kw: float) -> None:
        for second in range(seconds):
            w.now += timedelta(seconds=1)
            w.mono_s += 1
            late = [w.telemetry(p) for k, p in enumerate("ABC") if (second + k) % 10 == 0]
            w.say(w.meter(base_kw + w.total_kw()), *late)

    w.plug(*"ABC")
    w.draws = dict.fromkeys("ABC", 0.0)
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "ABC"])
    pass_time(20, 2.0)
    for name in "ABC":
        del w.draws[name]
        pass_time(4, 2.0)
    pass_time(30, 2.0)
    assert w.state.nodes["transformer"].rise_kw < 0.5
    pass_time(40, 8.0)
    assert w.state.nodes["transformer"].rise_kw == pytest.approx(6.0, abs=0.1)


def test_vehicles_that_start_and_stop_all_day_teach_no_margin_and_base_load_does() -> None:
    """Seen by the meter at once, told by each pile up to ten seconds later; cars stop unasked."""
    names = [f"P{k}" for k in range(6)]
    w = World(site(tuple(pile(n) for n in names), base_load="meter", limit_kw=90, margin_kw=None))
    w.say(w.meter(5.0))
    w.plug(*names)
    w.say(*[w.request(f"s{n}", n, 90.0, hours=14, mode="now") for n in names])
    chance = random.Random(11)
    draws = {True: 7.0, False: 0.0}

    def pass_time(seconds: int, base_kw: float, *, moving: bool = True) -> float:
        for second in range(seconds):
            w.now += timedelta(seconds=1)
            w.mono_s += 1
            if moving and second % 20 == 0:
                w.draws[chance.choice(names)] = draws[chance.random() < 0.6]
            late = [w.telemetry(p) for k, p in enumerate(names) if (second + k) % 10 == 0]
            w.say(w.meter(base_kw + w.total_kw()), *late)
        return w.state.nodes["transformer"].rise_kw

    assert pass_time(1200, 5.0) < 0.1
    # Cars give way to the rise meanwhile: what they were heard to jump is taken off.
    assert pass_time(90, 12.0, moving=False) == pytest.approx(7.0, abs=0.3)


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=3650)])
def test_a_step_of_our_clock_neither_ends_a_limit_nor_keeps_one_from_beginning(
    step: timedelta,
) -> None:
    w = busy()
    w.say(w.heartbeat())
    w.say(w.limit(7.2, limit="long", valid_until=w.now + timedelta(minutes=30)))
    true = w.now
    w.now += step
    w.mono_s += 1
    w.say()
    assert w.total_kw() <= 7.2, "the limit of before holds on"
    # Issued now by the grid company's clock, which is right.
    fresh = w.limit(0.5, limit="fresh", valid_from=true, valid_until=true + timedelta(minutes=30))
    object.__setattr__(fresh, "issued_at", true + timedelta(seconds=1))
    w.say(fresh)
    assert w.total_kw() <= 0.5, "the new one begins"


def test_a_sender_that_begins_below_its_forerunner_is_told_and_one_that_is_late_is_not() -> None:
    world = World(site((pile("p1"),)))
    said = world.limit(40.0)
    assert isinstance(said, LimitPushed)
    world.say(replace(said, stamp=(7, 3)))
    late = world.say(replace(said, stamp=(7, 2), import_kw=90.0))
    again = world.say(replace(said, stamp=(7, 3), import_kw=90.0))
    assert not [e for e in (*late, *again) if isinstance(e, Rejected)]
    below = world.say(replace(said, stamp=(6, 99), import_kw=90.0))
    (told,) = [e for e in below if isinstance(e, Rejected)]
    assert (told.topic, told.code) == ("grid/limit/transformer/l1", "outdated")
    (record,) = world.state.limits["transformer"].values()
    assert record.pushed.import_kw == 40.0


def test_a_limit_that_waits_at_the_very_first_start_is_no_false_alarm() -> None:
    """The meter has not spoken yet: it is missing, and nothing is known to be out of reach."""
    w = World(site((pile("A", offline_kw=7.0),), base_load="meter"), hears=False)
    said = w.say(w.limit(5.0), solve=False)
    assert "limit_unreachable" not in alerts(said)
    (lost,) = [e for e in said if isinstance(e, Alert)]
    assert lost.kind == "meter_lost"
    assert "has not spoken" in lost.text
    (told,) = answers(said)
    assert (told.reached_at, told.unreachable_for_s) == (None, None)
    assert told.shed_kw == 0
    w.now += timedelta(seconds=1)
    w.mono_s += 1
    said = w.say(w.telemetry("A"), w.meter(2.0))
    assert alerts(said) == {"meter_lost": False}
    assert answers(said)[-1].reached_at == w.now


def test_piles_that_nobody_has_heard_long_after_the_start_do_put_a_limit_out_of_reach() -> None:
    w = World(site((pile("A", offline_kw=7.0),)), hears=False)
    assert "limit_unreachable" not in alerts(w.say(w.limit(5.0), solve=False))
    w.now += timedelta(seconds=40)
    w.mono_s += 40
    assert alerts(w.say(solve=False))["limit_unreachable"]
