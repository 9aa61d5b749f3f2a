"""The wire format: good bodies become facts, bad ones become refusals, and nothing is lost."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire import decode, encode, root_of
from adapters.wire import inbound as w
from adapters.wire import outbound as o
from adapters.wire.outside import decode_out, encode_in
from models import events as e
from models.errors import InvalidValueError
from scheduler import effects as f
from tests.unit.bad_input import CORPUS, GOOD, Row

SITE = "depot-1"
NOW = datetime(2026, 7, 1, 0, 0, 1, tzinfo=UTC)


def take(path: str, body: dict[str, Any] | bytes) -> e.Event | f.Rejected:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(SITE, root_of(SITE) + path, payload, now=NOW, mono_s=5.0)


@pytest.mark.parametrize("path", GOOD)
def test_a_good_body_becomes_one_event_with_both_clocks_and_its_stamp(path: str) -> None:
    event = take(path, GOOD[path])
    assert isinstance(event, e.Received)
    assert (event.now, event.mono_s, event.stamp) == (NOW, 5.0, (1, 1))
    assert event.issued_at == datetime(2026, 7, 1, 0, 0, tzinfo=UTC)


def test_an_ensemble_is_its_mean_and_what_nine_of_ten_members_lie_in() -> None:
    body = {k: v for k, v in GOOD["forecast/base"].items() if k != "values_kw"}
    members = [[10.0 * k, 5.0] for k in range(11)]
    event = take("forecast/pv-roof", body | {"members_kw": members})
    assert isinstance(event, e.ForecastPushed)
    assert (event.series, event.values) == ("pv-roof", (50.0, 5.0))
    assert (event.low, event.high) == ((5.0, 5.0), (95.0, 5.0))
    for wrong, field in (
        ({"members_kw": [[1.0], [1.0, 2.0]]}, "members_kw"),
        ({"members_kw": members, "low": [0.0, 0.0]}, "low"),
        ({"members_kw": members, "values_kw": [0.0, 0.0]}, "members_kw"),
        ({"members_kw": [[1.0]]}, "members_kw"),
    ):
        refusal = take("forecast/pv-roof", body | wrong)
        assert isinstance(refusal, f.Rejected)
        assert refusal.field == field


@pytest.mark.parametrize("row", CORPUS, ids=lambda r: r.name)
def test_every_row_of_the_bad_input_corpus_is_refused_with_code_and_field(row: Row) -> None:
    refusal = take(row.path, row.payload)
    assert isinstance(refusal, f.Rejected)
    assert (refusal.code, refusal.field) == (row.code, row.field), refusal.reason
    assert refusal.reason
    assert refusal.topic == root_of(SITE) + row.path


def test_every_refusal_code_that_the_contract_names_for_bodies_occurs_in_the_corpus() -> None:
    by_the_engine = {
        "unknown_node",
        "unknown_pile",
        "unknown_asset",
        "unknown_target",
        "unknown_zone",
        "unknown_tariff",
        "tariff_gap",
        "session_ended",
        "departure_past",
        "pile_changed",
        "pile_occupied",
        "program_fault",
        "unsigned",
        "unknown_key",
        "bad_signature",
        "key_out_of_time",
        "replayed",
        "outdated",
    }
    assert {row.code for row in CORPUS} | by_the_engine == set(get_args(o.RejectedCode))


def test_a_message_of_another_site_is_refused() -> None:
    payload = json.dumps(GOOD["grid/heartbeat"]).encode()
    refusal = decode(SITE, "valleyfill/v1/depot-2/grid/heartbeat", payload, now=NOW, mono_s=0)
    assert isinstance(refusal, f.Rejected)
    assert refusal.code == "unknown_topic"


def test_energy_follows_from_a_target_state_of_charge() -> None:
    body = {**GOOD["session/s1/request"], "soc": 0.25, "target_soc": 0.75, "battery_kwh": 60}
    del body["energy_kwh"]
    event = take("session/s1/request", body)
    assert isinstance(event, e.SessionRequested)
    assert event.request.energy_kwh == pytest.approx(30.0)


def test_a_limit_series_keeps_its_steps_and_a_book_its_instant() -> None:
    steps = [
        {"start": "2026-07-01T08:00:00+08:00", "import_kw": 60},
        {"start": "2026-07-01T09:00:00+08:00", "import_kw": 0},
    ]
    body = {**GOOD["grid/limit/transformer/cap"], "import_kw": None, "slots": steps}
    limit = take("grid/limit/transformer/cap", body)
    assert isinstance(limit, e.LimitPushed)
    assert [kw for _, kw in limit.slots] == [60, 0]
    head = {k: GOOD["grid/heartbeat"][k] for k in ("epoch", "seq", "issued_at")}
    book = take("tariff/main", {**head, "book": "flat", "valid_from": "2026-08-01T00:00:00Z"})
    assert isinstance(book, e.BookChosen)
    assert book.valid_from == datetime(2026, 8, 1, tzinfo=UTC)


@given(st.binary(max_size=300), st.sampled_from(sorted(GOOD)))
def test_no_body_makes_decoding_raise(payload: bytes, path: str) -> None:
    assert isinstance(take(path, payload), f.Rejected)


@given(
    st.sampled_from(sorted(GOOD)),
    st.data(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
)
def test_no_value_in_any_field_makes_decoding_raise(path: str, data: Any, value: Any) -> None:
    key = data.draw(st.sampled_from(sorted(GOOD[path])))
    assert isinstance(take(path, {**GOOD[path], key: value}), e.Event | f.Rejected)


def setpoint(**change: Any) -> f.SetpointSent:
    base: dict[str, Any] = {
        "pile": "A-01",
        "stamp": (3, 7),
        "power_kw": 6.5,
        "lease_s": 60.0,
        "fallback_kw": 1.4,
        "reason": "plan",
        "after_commit": False,
    }
    return f.SetpointSent(**{**base, **change})


def test_a_setpoint_expires_in_five_seconds_and_is_never_retained() -> None:
    (publish,) = encode(SITE, setpoint())
    assert (publish.qos, publish.retain, publish.expiry_s) == (1, False, 5)
    body, ids = decode_out(SITE, publish.topic, publish.payload)
    assert ids == ("A-01",)
    assert body == o.Setpoint(
        epoch=3, seq=7, power_kw=6.5, lease_s=60.0, fallback_kw=1.4, reason="plan"
    )


def test_a_session_that_is_over_says_so_and_leaves_no_retained_status() -> None:
    running = encode(SITE, f.SessionStatus(session="s1", state="charging", promised_kwh=20))
    assert [p.retain for p in running] == [True]
    said, gone = encode(SITE, f.SessionStatus(session="s1", state="ended"))
    assert (said.retain, gone.retain, gone.payload) == (False, True, b"")
    assert said.topic == gone.topic


def _kept_bytes(one: Callable[[int], object], times: int) -> int:
    """What stays in memory of so many calls, after as many more before."""
    for k in range(times):
        one(k)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for k in range(times):
        one(times + k)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


def test_of_topics_that_come_and_go_nothing_is_kept() -> None:
    """A thousand sessions, or as many topics of somebody who makes them up, leave no trace."""
    end = GOOD["session/s1/end"]
    assert isinstance(take("session/s-9/end", end), e.SessionEnded)
    said: tuple[Callable[[int], object], ...] = (
        lambda k: encode(SITE, f.SessionStatus(session=f"s-{k}", state="charging")),
        lambda k: take(f"session/s-{k}/end", end),
        lambda k: take(f"nothing/{k}/telemetry", {}),
        lambda k: take(f"pile/{k}{'x' * 2000}/telemetry", {}),
    )
    for one in said:
        assert _kept_bytes(one, 1000) < 20_000


def test_a_counter_offer_travels_with_the_status() -> None:
    (publish,) = encode(
        SITE,
        f.SessionStatus(session="s1", state="waiting", short_kwh=4, counter_energy_kwh=16),
    )
    body, _ = decode_out(SITE, publish.topic, publish.payload)
    assert isinstance(body, o.SessionStatus)
    assert body.counter_offer == o.CounterOffer(energy_kwh=16)


def test_a_higher_price_travels_with_the_counter_offer_and_nothing_where_nothing_is_offered() -> (
    None
):
    price = f.HigherPrice(energy_kwh=20.0, ready_at=NOW, cost=14.2, priority=9)
    (publish,) = encode(SITE, f.SessionStatus(session="s1", state="waiting", counter_price=price))
    body, _ = decode_out(SITE, publish.topic, publish.payload)
    assert isinstance(body, o.SessionStatus)
    assert body.counter_offer is not None
    told = body.counter_offer.higher_price
    assert told == o.HigherPrice(energy_kwh=20.0, ready_at=NOW, cost=14.2, priority=9)
    assert body.sooner is None
    (publish,) = encode(SITE, f.SessionStatus(session="s1", state="waiting"))
    body, _ = decode_out(SITE, publish.topic, publish.payload)
    assert isinstance(body, o.SessionStatus)
    assert body.counter_offer is None


def test_the_same_energy_sooner_is_no_counter_offer() -> None:
    price = f.HigherPrice(energy_kwh=20.0, ready_at=NOW, cost=14.2, mode="now")
    (publish,) = encode(SITE, f.SessionStatus(session="s1", state="waiting", counter_price=price))
    body, _ = decode_out(SITE, publish.topic, publish.payload)
    assert isinstance(body, o.SessionStatus)
    assert body.counter_offer is None
    assert body.sooner == o.HigherPrice(energy_kwh=20.0, ready_at=NOW, cost=14.2, mode="now")


def test_an_unknown_gap_is_null_since_json_has_no_nan() -> None:
    plan = f.PlanSummary(
        digest="d",
        status="feasible",
        rung="greedy",
        gap=float("nan"),
        solve_ms=1.0,
        planned_kwh=1,
        short_kwh=0,
        cost=0.5,
        binding_nodes=("transformer",),
    )
    (publish,) = encode(SITE, plan)
    assert json.loads(publish.payload)["gap"] is None


def test_what_a_pile_encodes_the_daemon_reads() -> None:
    ack = w.PileAck(epoch=1, seq=2, issued_at=NOW, setpoint_epoch=3, setpoint_seq=7, applied_kw=6.5)
    publish = encode_in(SITE, ack, "A-01")
    event = decode(SITE, publish.topic, publish.payload, now=NOW, mono_s=0)
    assert isinstance(event, e.PileAcked)
    assert (event.pile, event.setpoint, event.applied_kw) == ("A-01", (3, 7), 6.5)
    with pytest.raises(InvalidValueError, match="1 ids"):
        encode_in(SITE, ack)
