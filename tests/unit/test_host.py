"""What a drain promises, and when: decreases at once, increases and acknowledgements on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.clock import SteppedClock
from adapters.host import Host, Outcome
from adapters.inbox import Inbox, Message
from adapters.wire import Publish, root_of
from adapters.wire import outbound as o
from adapters.wire.outside import decode_out
from adapters.wire.topics import lane_of
from scheduler.cascade import load_solver, run_cascade
from scheduler.engine import Engine
from scheduler.solution import answered
from tariffs.kinds.flat import Flat
from tests.unit.bad_input import CORPUS, GOOD
from tests.world import pile, site

NOW = datetime(2026, 7, 1, 0, 0, tzinfo=UTC)
YARD = site((pile("A-01"), pile("A-02")), limit_kw=14.08)


class Desk:
    """A host on stepped time, fed by hand; solves are done inline."""

    def __init__(self) -> None:
        self.clock = SteppedClock(NOW, 100.0)
        engine = Engine(YARD, Flat("flat", "CNY", 0.5, 0.0))
        state = engine.start(now=NOW, mono_s=100.0, epoch=1)
        self.host = Host(engine, state, self.clock)
        self._mid = 0
        self._seq = 0

    def message(self, path: str, body: dict[str, Any] | bytes) -> Message:
        self._mid += 1
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Message(root_of("depot-1") + path, payload, 1, self._mid, lane_of(path), 1)

    def say(self, path: str, **change: Any) -> Message:
        """A good body on a topic, changed, with the next counter and the present instant."""
        self._seq += 1
        now = self.clock.now().isoformat()
        return self.message(path, {**GOOD[path], "seq": self._seq, "issued_at": now, **change})

    def take(self, *messages: Message) -> Outcome:
        """One drain, and all solves it asks for."""
        outcome = self.host.take(messages)
        while outcome.solve is not None:
            problem = outcome.solve
            answer = run_cascade(problem, [("greedy", load_solver("greedy"))], 100_000)
            solved = answered(
                problem,
                answer,
                now=self.clock.now(),
                mono_s=self.clock.mono_s(),
                solve_ms=1.0,
            )
            later = self.host.take((), [solved])
            outcome = replace(
                later,
                publish=(*outcome.publish, *later.publish),
                acks=(*outcome.acks, *later.acks),
                batch=later.batch or outcome.batch,
            )
        return outcome

    def plug_in(self) -> Outcome:
        """A car at A-01 that wants energy at once."""
        now = self.clock.now()
        self.take(self.say("pile/A-01/telemetry", power_kw=0, status="waiting"))
        return self.take(
            self.say(
                "session/s1/request",
                arrival=now.isoformat(),
                departure=(now + timedelta(hours=4)).isoformat(),
                mode="now",
            ),
        )

    def obey(self, publishes: Sequence[Publish]) -> Outcome:
        """The pile acknowledges what it was told, and draws it."""
        (told,) = setpoints(publishes)
        return self.take(
            self.say(
                "pile/A-01/ack",
                setpoint_epoch=told.epoch,
                setpoint_seq=told.seq,
                applied_kw=told.power_kw,
            ),
            self.say("pile/A-01/telemetry", power_kw=told.power_kw),
        )


def setpoints(publishes: Sequence[Publish]) -> list[o.Setpoint]:
    found = [decode_out("depot-1", p.topic, p.payload)[0] for p in publishes if p.payload]
    return [body for body in found if isinstance(body, o.Setpoint)]


def test_every_row_of_the_bad_input_corpus_is_dead_lettered_with_state_unchanged() -> None:
    desk = Desk()
    desk.plug_in()
    before = desk.host.state
    for row in CORPUS:
        count = desk.host.rejected_count
        message = desk.message(row.path, row.payload)
        outcome = desk.host.take([message])
        assert desk.host.rejected_count == count + 1, row.name
        assert outcome.acks == (message,), "a bad message is not sent again and again"
        assert not setpoints(outcome.publish), row.name
        assert outcome.solve is None, row.name
        assert desk.host.state == before, row.name


def test_refusals_are_told_at_most_a_few_a_second_and_the_rest_are_counted() -> None:
    desk = Desk()
    bad = [desk.message("pile/A-01/telemetry", b"{") for _ in range(200)]
    said = [p for p in desk.host.take(bad).publish if p.topic.endswith("/rejected")]
    assert 1 <= len(said) <= 10
    desk.clock.step_to(NOW + timedelta(seconds=10), 110.0)
    (last,) = desk.host.take(bad[:1]).publish
    body, _ = decode_out("depot-1", last.topic, last.payload)
    assert isinstance(body, o.Rejected)
    assert body.suppressed == 200 - len(said)


def test_an_increase_and_the_acknowledgement_of_a_request_wait_for_the_disk() -> None:
    desk = Desk()
    born = desk.take(desk.say("pile/A-01/birth"))
    assert [s.power_kw for s in setpoints(born.publish)] == [0.0], "a birth is answered at once"
    outcome = desk.plug_in()
    assert not setpoints(outcome.publish)
    assert not outcome.acks
    assert outcome.batch is not None
    publishes, acks = desk.host.stored(outcome.batch.token)
    (told,) = setpoints(publishes)
    assert told.power_kw == pytest.approx(7.04)
    assert sorted(m.topic.split("/")[-1] for m in acks) == ["birth", "request"]
    assert desk.host.stored(outcome.batch.token) == ((), ())


def test_a_decrease_never_waits_for_the_disk_and_replaces_an_increase_that_does() -> None:
    desk = Desk()
    first = desk.plug_in()
    assert first.batch is not None
    now = desk.clock.now().isoformat()
    cut = desk.take(
        desk.say("grid/limit/transformer/cap", import_kw=0, valid_from=now, valid_until=None)
    )
    assert [s.power_kw for s in setpoints(cut.publish)] == [0.0]
    assert cut.batch is not None
    publishes, _ = desk.host.stored(cut.batch.token)
    assert setpoints(publishes) == [], "the increase of the first drain is outdated"


def test_while_the_disk_fails_control_goes_on_and_nothing_is_acknowledged() -> None:
    desk = Desk()
    outcome = desk.plug_in()
    publishes = desk.host.store_failed()
    assert [s.power_kw for s in setpoints(publishes)] == pytest.approx([7.04])
    assert not desk.host.settled
    assert outcome.batch is not None
    _, acks = desk.host.stored(outcome.batch.token)
    assert len(acks) == 1, "acknowledged once it is written after all"


def test_a_message_that_comes_a_hundred_times_is_kept_once_and_acknowledged_each_time() -> None:
    desk = Desk()
    desk.plug_in()
    message = desk.say("override/A-01", kind="out_of_service", hold_kw=None)
    first = desk.host.take([message])
    assert first.batch is not None
    assert len(first.batch.events) == 1
    again = desk.host.take([replace(message, mid=900 + k) for k in range(100)])
    assert again.batch is None
    _, acks = desk.host.stored(first.batch.token)
    assert sum(m.topic == message.topic for m in (*again.acks, *acks)) == 101


def test_after_a_lost_connection_every_lease_is_said_again_under_a_higher_counter() -> None:
    desk = Desk()
    outcome = desk.plug_in()
    assert outcome.batch is not None
    publishes, _ = desk.host.stored(outcome.batch.token)
    (told,) = setpoints(publishes)
    desk.obey(publishes)
    desk.host.renew_all()
    again = setpoints(desk.host.take().publish)
    assert [s.power_kw for s in again if s.power_kw] == [told.power_kw]
    assert all((s.epoch, s.seq) > (told.epoch, told.seq) for s in again)


def test_what_is_retained_can_be_told_again_to_a_broker_that_forgot() -> None:
    desk = Desk()
    desk.plug_in()
    topics = {p.topic.removeprefix(root_of("depot-1")) for p in desk.host.retained()}
    assert topics == {"plan", "session/s1/status"}
    desk.take(desk.say("session/s1/end"))
    topics = {p.topic.removeprefix(root_of("depot-1")) for p in desk.host.retained()}
    assert "session/s1/status" not in topics


class FrozenOnce(SteppedClock):
    """A clock of a process that is stopped in the middle of its first drain."""

    reads = 0

    def mono_s(self) -> float:
        self.reads += 1
        if self.reads == 5:
            self.step_to(self.now() + timedelta(hours=1), super().mono_s() + 3600.0)
        return super().mono_s()


def test_a_drain_that_was_frozen_is_judged_again_by_the_time_it_wakes() -> None:
    engine = Engine(YARD, Flat("flat", "CNY", 0.5, 0.0))
    clock = FrozenOnce(NOW, 100.0)
    host = Host(engine, engine.start(now=NOW, mono_s=100.0, epoch=1), clock)
    outcome = host.take()
    assert outcome.made_mono_s == 3700.0
    assert host.state.now == NOW + timedelta(hours=1)


def test_a_message_that_the_program_trips_over_is_set_aside_and_the_others_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    receive = Engine.receive

    def trips(self: Engine, state: Any, events: Sequence[Any]) -> Any:
        if any(getattr(e, "who", "") == "poison" for e in events):
            raise ZeroDivisionError
        return receive(self, state, events)

    monkeypatch.setattr(Engine, "receive", trips)
    poison = desk.say("override/A-01", who="poison")
    good = desk.say("override/A-01", who="ann")
    good = replace(good, topic=good.topic.replace("A-01", "A-02"))
    outcome = desk.host.take([poison, good])
    assert set(desk.host.state.overrides) == {"A-02"}
    assert poison in outcome.acks, "or it would come again after every restart"
    bodies = [decode_out("depot-1", p.topic, p.payload)[0] for p in outcome.publish]
    assert [b.code for b in bodies if isinstance(b, o.Rejected)] == ["program_fault"]


def test_the_inbox_gives_limits_first_and_of_telemetry_the_newest_of_each_topic() -> None:
    inbox, desk = Inbox(), Desk()
    for _ in range(10_000):
        inbox.put(desk.message("pile/A-01/telemetry", b"old"))
    inbox.put(desk.message("pile/A-01/telemetry", b"new"))
    inbox.put(desk.message("session/s1/request", b"request"))
    inbox.put(desk.message("grid/limit/transformer/cap", b"limit"))
    taken = inbox.take(0.0)
    assert [m.payload for m in taken.messages] == [b"limit", b"request", b"new"]
    assert inbox.shed == 10_000
    assert inbox.empty


def test_two_thousand_broken_bodies_leave_the_state_and_the_host_as_they_were() -> None:
    from tests.unit.fuzz_wire import fuzz

    outcomes = fuzz(2_000, seed=7)["outcomes"]
    assert len(outcomes) >= 9, "every kind of refusal occurs"
    assert outcomes["accepted"] < 1_200


def test_an_older_word_is_acknowledged_no_sooner_than_the_newer_one_is_on_disk() -> None:
    desk = Desk()
    older, newer = (desk.say("grid/limit/transformer/cap", import_kw=kw) for kw in (9.0, 8.0))
    first = desk.take(newer)
    assert first.batch is not None
    assert not first.acks
    # Killed now, we would find neither: the broker must still have both.
    assert older not in desk.take(older).acks
    _, acks = desk.host.stored(first.batch.token)
    assert set(acks) == {older, newer}
    assert older in desk.take(older).acks, "and later it is an old word like any other"
