"""Messages twice, late, or in any order end in the same state (I4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.events import Emergency, Event, Overridden, PricesPushed
from models.network import Node
from scheduler.engine import Engine
from scheduler.state import SiteState
from tariffs.kinds.flat import Flat
from tests.world import START, World, pile, site


def messages() -> list[Event]:
    """Several words of every sender, each newer than the one before on its topic."""
    node = Node("transformer", contract_kw=50, failsafe_kw=10, limit_kw=100, heartbeat="required")
    w = World(site((pile("A"), pile("B")), node))
    common: Any = w._common
    day = timedelta(hours=20)
    prices = {"start": START, "slot_minutes": 60, "sell_per_kwh": None}
    return [
        w.heartbeat(),
        w.request("a", "A", 7.0),
        w.request("a", "A", 9.0),
        w.end("b"),
        w.request("b", "B", 5.0),
        w.end("b"),
        w.end("c"),
        w.request("c", "B", 6.0),
        w.limit(12.0),
        w.limit(8.0, valid_until=START + day),
        w.limit(9.0, limit="l2"),
        w.limit(None, limit="l2", revoked=True),
        w.limit(None, limit="l3", revoked=True),
        w.limit(7.0, limit="l3", valid_from=START + timedelta(minutes=5)),
        Overridden(target="A", kind="out_of_service", until=None, who="op", **common()),
        Overridden(target="A", kind="clear", until=None, who="op", **common()),
        Overridden(target="B", kind="clear", until=None, who="op", **common()),
        Overridden(target="B", kind="hold_kw", until=None, who="op", hold_kw=3.0, **common()),
        Emergency(zone="transformer", cleared=False, who="guard", **common()),
        Emergency(zone="transformer", cleared=True, who="guard", **common()),
        Emergency(zone="depot-1", cleared=False, who="guard", **common()),
        PricesPushed(tariff="spot", buy_per_kwh=(1.0,), **prices, **common()),
        PricesPushed(tariff="spot", buy_per_kwh=(2.0,), **prices, **common()),
    ]


ALL = messages()


def told(order: list[int]) -> dict[str, Any]:
    """What is known after messages in this order, one by one."""
    node = Node("transformer", contract_kw=50, failsafe_kw=10, limit_kw=100, heartbeat="required")
    engine = Engine(site((pile("A"), pile("B")), node), Flat("flat", "CNY", 0.6, 0.0))
    state: SiteState = engine.start(now=START, mono_s=1000.0, epoch=1)
    for k in order:
        state, _, _ = engine.receive(state, [ALL[k]])
    return {
        "sessions": {k: (r.request, r.state) for k, r in state.sessions.items()},
        "tombstones": state.tombstones,
        "limits": {n: {k: r.pushed for k, r in v.items()} for n, v in state.limits.items() if v},
        "overrides": state.overrides,
        "emergencies": state.emergencies,
        "prices": state.prices,
        "seen": state.seen,
        "stale": state.stale,
    }


IN_ORDER = told(list(range(len(ALL))))


@settings(max_examples=150, deadline=None)
@given(st.permutations(range(len(ALL))), st.lists(st.sampled_from(range(len(ALL))), max_size=15))
def test_every_order_with_any_repetition_ends_in_the_state_of_once_and_in_order(
    order: list[int], again: list[int]
) -> None:
    assert told([*order, *again]) == IN_ORDER


def test_a_hundred_times_is_once() -> None:
    assert told([k for k in range(len(ALL)) for _ in range(100)]) == IN_ORDER
