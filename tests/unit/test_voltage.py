"""Voltage of a weak feeder as a limit: less is drawn while it is low, and more again after."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigurationError
from models.events import NodeMeasured
from models.network import Node
from scheduler.voltage import next_cap_kw
from tests.world import World, pile, site


def weak() -> World:
    """Two piles behind a feeder whose voltage falls by 2 V for each kW."""
    root = Node("transformer", limit_kw=100.0, heartbeat="none", volts_low=200.0)
    w = World(site((pile("A"), pile("B")), root, base_load="meter"))
    w.say(w.meter(0.0))
    w.plug("A", "B")
    w.say(*[w.request(f"s{n}", n, 60.0, hours=8, mode="now") for n in "AB"])
    return w


def told(w: World) -> NodeMeasured:
    power = w.total_kw()
    volts = 220.0 - 2.0 * power
    return NodeMeasured(
        node="transformer", power_kw=power, voltages_v=(volts, volts + 1.0, volts + 2.0),
        **w._common(),
    )  # fmt: skip


def test_what_is_drawn_falls_until_the_voltage_is_in_its_band_and_stays_near_its_end() -> None:
    w = weak()
    assert w.total_kw() > 14.0
    drawn = []
    for _ in range(120):
        w.wait(10)
        w.say(told(w))
        drawn.append(w.total_kw())
    settled = drawn[30:]
    assert max(220.0 - 2.0 * kw for kw in settled) <= 220.0
    assert sum(220.0 - 2.0 * kw < 200.0 - 1e-9 for kw in settled) <= 0.2 * len(settled)
    assert max(settled) > 6.0


@given(cap=st.floats(0, 500), flow=st.floats(-100, 500), beyond=st.floats(-0.3, 0.3))
def test_outside_the_band_a_cap_never_rises_and_is_below_what_flows(
    cap: float, flow: float, beyond: float
) -> None:
    after = next_cap_kw(cap, flow, beyond)
    assert after >= 0.0
    if beyond > 0:
        assert after <= cap
        assert after <= 0.95 * max(flow, 0.0) + 1e-9
    else:
        assert after >= cap


def test_without_a_reading_outside_there_is_no_cap() -> None:
    assert math.isinf(next_cap_kw(math.inf, 50.0, -0.001))
    assert math.isinf(next_cap_kw(40.0, 10.0, -0.05))


def test_a_band_without_sense_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigurationError, match="volts_low"):
        Node("n", heartbeat="none", volts_low=240.0, volts_high=230.0)
