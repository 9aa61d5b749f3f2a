"""A new plan's setpoints leave first; what it means for each session is told a few at a time."""

from __future__ import annotations

from models.events import Ticked
from scheduler.effects import Effect, LimitAnswer, PlanSummary, SessionStatus, SetpointSent
from scheduler.engine import Engine
from tests.world import World, pile, site

PILES = tuple(pile(f"P{k}") for k in range(6))


def planned_world(told_at_once: int | None) -> tuple[World, list[Effect]]:
    """Six cars have just asked, and this is what the drain that took their plan said."""
    w = World(site(PILES))
    w.engine = Engine(w.site, w.engine.tariff, told_at_once=told_at_once)
    w.plug(*(p.id for p in PILES))
    asked = w.say(*[w.request(f"s-{p.id}", p.id, 20.0) for p in PILES], solve=False)
    (solve,) = [e for e in asked if type(e).__name__ == "Solve"]
    w.state, effects, w.due = w.engine.receive(w.state, [w._solve(solve)])  # type: ignore[arg-type]
    return w, list(effects)


def told(effects: list[Effect]) -> list[str]:
    return [e.session for e in effects if isinstance(e, SessionStatus)]


def tick(w: World) -> list[Effect]:
    return w.say(Ticked(now=w.now, mono_s=w.mono_s), solve=False)


def test_all_are_told_in_the_drain_of_their_plan_unless_asked_otherwise() -> None:
    _, effects = planned_world(None)
    assert sorted(told(effects)) == [f"s-P{k}" for k in range(6)]


def test_some_are_told_in_each_drain_each_once_after_the_setpoints() -> None:
    w, effects = planned_world(2)
    assert any(isinstance(e, PlanSummary) for e in effects)
    assert any(isinstance(e, SetpointSent) for e in effects)
    assert told(effects) == []
    # It wants to be asked again at once, and not in a second.
    assert w.due - w.mono_s < 0.1
    everybody = []
    while w.due - w.mono_s < 0.1:
        now = told(tick(w))
        assert len(now) <= 2
        everybody += now
    assert sorted(everybody) == [f"s-P{k}" for k in range(6)]


def test_a_limit_that_comes_meanwhile_is_obeyed_before_the_others_are_told() -> None:
    w, _ = planned_world(1)
    first = told(tick(w))
    said = w.say(w.limit(2.0), solve=False)
    assert sum(w.setpoints.values()) <= 2.0
    assert any(isinstance(e, LimitAnswer) for e in said)
    assert len(first + told(said)) < 6


def test_who_waits_for_a_first_answer_is_told_before_others() -> None:
    w = World(site((*PILES, pile("P6"))))
    w.engine = Engine(w.site, w.engine.tariff, told_at_once=1)
    w.plug(*(p.id for p in w.site.piles))
    w.say(*[w.request(f"s-{p.id}", p.id, 20.0, hours=1) for p in PILES])
    for _ in range(12):
        tick(w)
    # Everybody's plan changes with the one who comes, so all are told anew: he is the first.
    w.wait(30)
    asked = w.say(w.request("s-P6", "P6", 20.0, hours=1, priority=5), w.limit(20.0), solve=False)
    solves = [e for e in asked if type(e).__name__ == "Solve"] or [
        e for e in tick(w) if type(e).__name__ == "Solve"
    ]
    effects = w.say(w._solve(solves[0]), solve=False)  # type: ignore[arg-type]
    assert (told(effects) + told(tick(w)))[0] == "s-P6"


def test_who_asks_for_something_else_meanwhile_is_answered_by_the_next_plan() -> None:
    w, _ = planned_world(1)
    (first,) = told(tick(w))
    last = next(f"s-P{k}" for k in reversed(range(6)) if f"s-P{k}" != first)
    heard = told(w.say(w.request(last, last[2:], 5.0), solve=False))
    for _ in range(8):
        heard += told(tick(w))
    assert last not in heard
    assert len(set(heard)) == 4
