"""Who charges in a shortage: vehicles keep their turn, and none is left behind for long."""

from __future__ import annotations

from datetime import timedelta

from tests.world import World, pile, site


def test_in_a_shortage_of_hours_vehicles_change_places_now_and_then_and_all_are_served() -> None:
    """Six that want to charge at once, power for two; they came minutes apart and ask the same."""
    names = [f"P{k}" for k in range(6)]
    w = World(site(tuple(pile(n) for n in names), limit_kw=16.0))
    for name in names:
        w.plug(name)
        w.say(w.request(f"s-{name}", name, 60.0, hours=8, mode="now"))
        w.now += timedelta(minutes=3)
        w.mono_s += 180.0
    changes, charged_s = 0, dict.fromkeys(names, 0.0)
    before = {n: w.setpoints[n] > 0 for n in names}
    for _ in range(2 * 3600 // 10):
        w.now += timedelta(seconds=10)
        w.mono_s += 10.0
        for name in names:
            w.registers[name] += w.power_kw(name) * 10.0 / 3600.0
            charged_s[name] += 10.0 * (w.power_kw(name) > 0)
        w.say(*[w.telemetry(n) for n in names])
        now = {n: w.setpoints[n] > 0 for n in names}
        changes += sum(now[n] != before[n] for n in names)
        before = now
    assert changes <= 2 * 2 * 7, f"{changes} starts and stops in two hours"
    assert min(charged_s.values()) > 1200, charged_s


def test_of_those_who_charge_nobody_takes_another_s_few_kilowatts_every_few_seconds() -> None:
    """Four of six charge, one of them at what the others leave: it is not another one each time."""
    names = [f"P{k}" for k in range(6)]
    piles = tuple(pile(n, max_a=180.0, min_a=130.0) for n in names)
    w = World(site(piles, limit_kw=150.0, voltage_tolerance=0.0))
    for name in names:
        w.plug(name)
        w.say(w.request(f"s-{name}", name, 100.0, hours=2, mode="now"))
    w.wait(120, step_s=2)
    assert w.total_kw() > 145.0
    changes, before = 0, dict(w.setpoints)
    for _ in range(300):
        w.wait(2, step_s=2)
        changes += before != w.setpoints
        before = dict(w.setpoints)
    assert changes <= 12, f"the setpoints moved {changes} times in ten minutes"
