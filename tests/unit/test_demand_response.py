"""Demand response events: obeyed where they must be, answered always."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.events import AssetAcked, AssetMeasured, DemandCalled, Received
from models.network import Node
from models.storage import Storage
from scheduler.effects import Effect, EventAnswer, Persist, Rejected
from tests.world import World, pile, site


def busy(**changes: Any) -> World:
    w = World(site((pile("A"), pile("B")), **changes))
    w.plug("A", "B")
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "AB"])
    return w


def call(w: World, event: str = "e1", **changes: Any) -> DemandCalled:
    values: dict[str, Any] = {
        "start": w.now,
        "end": w.now + timedelta(minutes=10),
        "kind": "limit_to",
        "power_kw": 7.1,
        "mandatory": True,
    }
    return DemandCalled(event=event, **(values | changes), **w._common())


def decisions(effects: list[Effect]) -> list[str]:
    return [e.decision for e in effects if isinstance(e, EventAnswer)]


def test_a_mandatory_limit_is_obeyed_in_the_same_drain_and_ends_with_its_event() -> None:
    w = busy()
    assert w.total_kw() > 14
    said = w.say(call(w))
    assert decisions(said) == ["accepted"]
    assert any(isinstance(e, Persist) for e in said), "what was accepted is kept"
    assert w.total_kw() <= 7.1
    w.wait(599)
    assert w.total_kw() <= 7.1
    assert decisions(w.effects).count("ended") == 0
    w.wait(5)
    assert decisions(w.effects).count("ended") == 1
    assert w.total_kw() > 14


def test_an_announced_event_holds_from_its_start_and_a_series_by_its_steps() -> None:
    w = busy()
    at = w.now + timedelta(seconds=60)
    steps = ((at, 7.1), (at + timedelta(seconds=60), 0.0))
    w.say(call(w, start=at, end=at + timedelta(seconds=120), power_kw=None, slots=steps))
    w.wait(55)
    assert w.total_kw() > 14
    w.wait(7)
    assert 0 < w.total_kw() <= 7.1
    w.wait(60)
    assert w.total_kw() == 0


def test_an_event_above_the_contract_does_not_lift_the_contract() -> None:
    node = Node("transformer", limit_kw=100.0, contract_kw=7.1, heartbeat="none")
    w = World(site((pile("A"), pile("B")), node))
    w.plug("A", "B")
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "AB"])
    w.say(call(w, power_kw=50.0))
    w.wait(30)
    assert w.total_kw() <= 7.1


def test_a_withdrawn_event_frees_its_power_and_an_older_word_does_not_bring_it_back() -> None:
    w = busy()
    first = call(w)
    w.say(first)
    assert w.total_kw() <= 7.1
    assert decisions(w.say(call(w, revoked=True, power_kw=None))) == ["revoked"]
    w.wait(30)
    assert w.total_kw() > 14
    assert decisions(w.say(first)) == []
    assert w.total_kw() > 14


def test_what_the_site_does_not_do_is_refused_with_a_reason_and_changes_nothing() -> None:
    w = busy()
    for word in (
        call(w, "paid", mandatory=False),
        call(w, "cut", kind="reduce_by", power_kw=5.0),
        call(w, "past", start=w.now - timedelta(hours=2), end=w.now - timedelta(hours=1)),
    ):
        (answer,) = [e for e in w.say(word) if isinstance(e, EventAnswer)]
        assert answer.decision == "refused"
        assert answer.why
    assert w.total_kw() > 14


def test_an_asset_is_heard_and_one_that_the_site_does_not_have_is_refused() -> None:
    bess = Storage("bess", "transformer", 100.0, 50.0, 0.95, 0.95)
    w = busy(storages=(bess,))

    def heard(asset: str) -> list[Received]:
        return [
            AssetMeasured(asset=asset, power_kw=-3.0, soc=0.4, **w._common()),
            AssetAcked(asset=asset, setpoint=(1, 1), applied_kw=-3.0, **w._common()),
        ]

    said = w.say(*heard("bess"))
    assert not [e for e in said if isinstance(e, Rejected)]
    known = w.state.assets["bess"]
    assert (known.power_kw, known.soc, known.acked_kw) == (-3.0, 0.4, -3.0)
    codes = [e.code for e in w.say(*heard("ghost")) if isinstance(e, Rejected)]
    assert codes == ["unknown_asset", "unknown_asset"]
    assert "ghost" not in w.state.assets
