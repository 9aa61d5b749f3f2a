"""A vehicle that is still there after its stated departure is served on, without a break."""

from __future__ import annotations

from models.network import Node
from tests.world import World, pile, site


def test_power_goes_on_over_every_quarter_hour_until_it_has_what_it_asked_for() -> None:
    w = World(site((pile("A"),), Node("transformer", limit_kw=100.0, heartbeat="none")))
    w.plug("A")
    w.say(w.request("s", "A", 20.0, hours=1))
    w.wait(3600)
    assert w.state.sessions["s"].delivered_kwh < 8.0
    drawn = []
    for _ in range(3 * 360):
        w.wait(10)
        if w.state.sessions["s"].delivered_kwh >= 19.5:
            break
        drawn.append(w.power_kw("A"))
    assert w.state.sessions["s"].delivered_kwh >= 19.5
    assert min(drawn) > 1.0
