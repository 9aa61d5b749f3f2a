"""A sender of ever new limit ids: memory is bounded, and no limit is made higher by it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from adapters.retained import ANSWERS_MAX, Retained
from adapters.wire.encode import encode
from models.network import Node
from scheduler.draft import Draft
from scheduler.effects import Alert, LimitAnswer
from scheduler.engine import Engine
from scheduler.pushed_limits import BEYOND, LIMITS_MAX
from scheduler.state import Recovered
from scheduler.view import limit_now_kw
from tests.world import START, World, pile, site

NODE = Node("transformer", limit_kw=1_000.0, contract_kw=900.0, heartbeat="none")


def flooded(*beyond: float, **changes: Any) -> World:
    """As many limits as are kept, of 100 kW and more, and those beyond."""
    w = World(site((pile("A"),), NODE))
    w.say(*[w.limit(100.0 + k, limit=f"n{k}", **changes) for k in range(LIMITS_MAX)])
    for k, kw in enumerate(beyond):
        w.say(w.limit(kw, limit=f"b{k}", **changes))
    return w


def limit_kw(w: World) -> float:
    return limit_now_kw(Draft(w.state), w.site, 0, w.now)


def names(w: World) -> set[str]:
    return set(w.state.limits.get("transformer", {}))


def wait(w: World, by: timedelta) -> None:
    w.now += by
    w.mono_s += by.total_seconds()
    w.say()


def test_ever_new_ids_do_not_grow_the_state_and_the_lowest_still_wins() -> None:
    w = flooded(*(50.0 - k for k in range(40)))
    assert len(names(w)) == LIMITS_MAX + 1
    assert limit_kw(w) == 11.0
    assert any(e.kind == "limits_full" for e in w.effects if isinstance(e, Alert))


def test_what_came_beyond_holds_until_it_ends_or_is_revoked_under_its_own_name() -> None:
    w = flooded(3.0, 5.0)
    # Which of them this was is not known any more: the other one might still stand.
    said = w.say(w.limit(None, limit="b0", revoked=True))
    assert limit_kw(w) == 3.0
    assert not [e for e in said if isinstance(e, LimitAnswer)], "and it is not told withdrawn"
    w.say(w.limit(None, limit=BEYOND, revoked=True))
    assert limit_kw(w) == 100.0
    assert [e.cleared for e in w.effects if isinstance(e, Alert)] == [False, True]


def test_limits_kept_by_name_are_replaced_and_revoked_as_ever_in_the_midst_of_a_flood() -> None:
    w = flooded(150.0)
    old = w.limit(60.0, limit="n0")
    w.say(w.limit(80.0, limit="n0"))
    w.say(old)
    assert limit_kw(w) == 80.0, "the older one came late"
    w.say(w.limit(None, limit="n0", revoked=True))
    assert limit_kw(w) == 101.0
    w.say(w.limit(70.0, limit="fresh"))
    assert "fresh" in names(w), "there is room again"
    assert limit_kw(w) == 70.0


def test_a_limit_that_is_over_gives_way_first_but_not_by_the_wall_clock_alone() -> None:
    w = World(site((pile("A"),), NODE))
    until = w.now + timedelta(hours=1)
    w.say(*[w.limit(100.0 + k, limit=f"n{k}", valid_until=until) for k in range(LIMITS_MAX)])
    w.now += timedelta(days=3650)
    w.say(w.limit(50.0, limit="stepped"))
    assert names(w) == {f"n{k}" for k in range(LIMITS_MAX)} | {BEYOND}
    w.now -= timedelta(days=3650)
    w.say(w.limit(None, limit=BEYOND, revoked=True))
    wait(w, timedelta(hours=2))
    w.say(w.limit(50.0, limit="next"))
    assert len(names(w)) == LIMITS_MAX
    assert "next" in names(w)


def test_what_came_beyond_is_forgotten_a_day_after_the_last_of_it_ended() -> None:
    w = flooded(3.0, valid_until=START + timedelta(hours=1))
    assert limit_kw(w) == 3.0
    wait(w, timedelta(hours=26))
    assert names(w) == set()
    assert limit_kw(w) == 900.0


def test_a_restart_finds_them_as_they_stood() -> None:
    w = flooded(3.0)
    engine = Engine(w.site, w.engine.tariff)
    w.state = engine.start(
        now=w.now, mono_s=5.0, epoch=2, recovered=Recovered(state=w.state, highest_epoch=1)
    )
    w.engine, w.mono_s = engine, 5.0
    w.say(w.limit(2.0, limit="b9"))
    assert len(names(w)) == LIMITS_MAX + 1
    assert limit_kw(w) == 2.0


def test_old_answers_are_taken_away_from_the_broker_too() -> None:
    retained, gone = Retained("depot-1"), []
    now = START
    for k in range(ANSWERS_MAX + 40):
        answer = LimitAnswer(
            node="transformer",
            limit=f"n{k}",
            received_at=now,
            applied_at=None,
            reached_at=None,
            shed_kw=0.0,
            unreachable_for_s=None,
            binding_piles=(),
        )
        said = retained.remember(encode("depot-1", answer))
        gone += [p.topic for p in said if not p.payload]
    assert len(retained.all()) == ANSWERS_MAX
    assert gone == [f"valleyfill/v1/depot-1/answer/limit/transformer/n{k}" for k in range(40)]
