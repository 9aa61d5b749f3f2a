"""Many sites as one: cheapest first, never more than offered, checked by meter."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from adapters.broker import wheel_broker
from adapters.cli import main
from adapters.wire import decode
from models.errors import InvalidValueError
from models.events import DemandCalled
from scheduler.aggregate import Offer, check, series_of, split

AT = datetime(2026, 9, 1, 10, 0, tzinfo=UTC)
SLOT = timedelta(minutes=15)


def offer(site: str, kw: float, price: float, *, slot: int = 0, for_s: float = 1800.0) -> Offer:
    return Offer(site, AT + slot * SLOT, 900, 100.0, kw, for_s, price)


def test_the_cheapest_go_first_and_equals_share_by_size() -> None:
    offers = [offer("a", 30.0, 0.5), offer("b", 20.0, 0.2), offer("c", 10.0, 0.5)]
    (part,) = split(offers, direction="down", power_kw=40.0, call_s=900.0, most_per_kwh=1.0)
    assert {s.site: s.power_kw for s in part.shares} == pytest.approx(
        {"b": 20.0, "a": 15.0, "c": 5.0}
    )
    assert part.shares[0].target_kw == 80.0
    assert part.short_kw == 0.0
    assert part.cost == pytest.approx((20 * 0.2 + 20 * 0.5) / 4)


def test_what_is_too_dear_or_too_short_is_left_and_said() -> None:
    offers = [offer("a", 30.0, 0.5, for_s=900.0), offer("b", 20.0, 2.0)]
    (part,) = split(offers, direction="up", power_kw=40.0, call_s=1800.0, most_per_kwh=1.0)
    assert [(s.site, s.power_kw, s.target_kw) for s in part.shares] == [("a", 15.0, 115.0)]
    assert part.short_kw == pytest.approx(25.0)
    with pytest.raises(InvalidValueError):
        split(offers, direction="up", power_kw=0.0, call_s=900.0, most_per_kwh=1.0)


@given(
    kws=st.lists(st.floats(0, 100), min_size=1, max_size=6),
    prices=st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=6, max_size=6),
    target=st.floats(0.1, 300),
)
def test_nobody_gives_more_than_offered_and_together_they_give_what_they_can(
    kws: list[float], prices: list[float], target: float
) -> None:
    offers = [offer(f"s{k}", kw, prices[k], for_s=900.0) for k, kw in enumerate(kws)]
    (part,) = split(offers, direction="down", power_kw=target, call_s=900.0, most_per_kwh=1.0)
    by_site = {o.site: o.power_kw for o in offers}
    assert all(s.power_kw <= by_site[s.site] + 1e-9 for s in part.shares)
    given_kw = sum(s.power_kw for s in part.shares)
    assert given_kw + part.short_kw == pytest.approx(target, abs=1e-6)
    assert given_kw == pytest.approx(min(target, sum(kws)), abs=1e-4)


def test_the_meter_says_who_kept_his_word() -> None:
    offers = [offer(s, 20.0, 0.1, slot=k) for s in "ab" for k in (0, 1)]
    parts = split(offers, direction="down", power_kw=40.0, call_s=1800.0, most_per_kwh=1.0)
    drawn = {"a": 40.0, "b": 45.0}
    found = check(parts, offers, drawn, direction="down", slot_s=900)
    assert [(c.site, c.asked_kwh, c.metered_kwh, c.kept) for c in found] == [
        ("a", 10.0, 10.0, True),
        ("b", 10.0, 5.0, False),
    ]
    assert series_of(parts, offers)["a"] == ((AT, 80.0), (AT + SLOT, 80.0))


@pytest.fixture
def port() -> Iterator[int]:
    with wheel_broker() as found:
        yield found


def test_the_command_splits_calls_and_reads_the_answers(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[DemandCalled] = []
    ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

    def on_connect(one: Client, *_: Any) -> None:
        for site, kw, price in (("north", 30.0, 0.4), ("south", 30.0, 0.1)):
            slot = {
                "start": AT.isoformat(), "plan_kw": 100.0, "up_kw": 0.0, "down_kw": kw,
                "up_for_s": 900.0, "down_for_s": 900.0, "up_per_kwh": 0.0, "down_per_kwh": price,
            }  # fmt: skip
            body = {"computed_at": AT.isoformat(), "slot_minutes": 15, "slots": [slot]}
            topic = f"valleyfill/v1/{site}/flexibility"
            one.publish(topic, json.dumps(body), qos=1, retain=True)
        one.subscribe("valleyfill/v1/+/grid/event/+", qos=1)

    def on_message(one: Client, _: object, message: Any) -> None:
        site = message.topic.split("/")[2]
        fact = decode(site, message.topic, message.payload, now=AT, mono_s=1.0)
        assert isinstance(fact, DemandCalled)
        heard.append(fact)
        answer = {"received_at": AT.isoformat(), "decision": "accepted"}
        one.publish(f"valleyfill/v1/{site}/answer/event/evening", json.dumps(answer), qos=1)

    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert ready.wait(20.0)
        code = main(
            ["aggregate", "north", "south", "--start", AT.isoformat(),
             "--end", (AT + SLOT).isoformat(), "--reduce-kw", "40", "--event", "evening",
             "--port", str(port), "--json"]
        )  # fmt: skip
    finally:
        client.disconnect()
        client.loop_stop()
    assert code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers"] == {"north": "accepted", "south": "accepted"}
    assert {round(h.slots[0][1]) for h in heard} == {70, 90}
