"""The inbox: a limit comes alone and at once; what it overtakes comes with the next drain."""

from __future__ import annotations

from adapters.inbox import AT_MOST, Inbox, Message, Stored
from adapters.wire.topics import Lane


def _message(lane: Lane, topic: str) -> Message:
    return Message(topic, b"", 1, 1, lane, 1)


def _topics(inbox: Inbox, *, limits_first: bool) -> list[str]:
    return [m.topic for m in inbox.take(0.0, limits_first=limits_first).messages]


def _full() -> Inbox:
    inbox = Inbox()
    inbox.put(_message("telemetry", "measured"))
    inbox.put(_message("field", "plugged"))
    inbox.put(_message("control", "limit"))
    return inbox


def test_a_limit_does_not_wait_for_what_came_before_it() -> None:
    inbox = _full()
    assert _topics(inbox, limits_first=True) == ["limit"]
    assert _topics(inbox, limits_first=True) == ["plugged", "measured"]
    assert inbox.empty


def test_limits_without_end_do_not_keep_everything_else_out() -> None:
    inbox = _full()
    assert _topics(inbox, limits_first=True) == ["limit"]
    inbox.put(_message("control", "limit again"))
    assert _topics(inbox, limits_first=True) == ["limit again", "plugged", "measured"]


def test_what_a_limit_overtook_is_not_waited_for() -> None:
    inbox = Inbox()
    inbox.put(_message("telemetry", "measured"))
    inbox.put(_message("control", "limit"))
    assert _topics(inbox, limits_first=True) == ["limit"]
    # A measurement by itself would wait for company; this one has waited already.
    assert [m.topic for m in inbox.take(60.0, limits_first=True).messages] == ["measured"]


def test_under_stepped_time_one_drain_takes_everything() -> None:
    assert _topics(_full(), limits_first=False) == ["limit", "plugged", "measured"]


def test_a_limit_comes_without_answers_of_the_solver_and_they_are_next() -> None:
    inbox = _full()
    inbox.put_fact(Stored(7))
    taken = inbox.take(0.0, limits_first=True)
    assert ([m.topic for m in taken.messages], taken.facts) == (["limit"], ())
    assert inbox.take(60.0, limits_first=True).facts == (Stored(7),)


def test_a_burst_comes_whole_and_in_order_but_not_in_one_drain() -> None:
    inbox = Inbox()
    for k in range(3 * AT_MOST):
        inbox.put(_message("field", f"ack {k}"))
        inbox.put(_message("telemetry", f"measured {k}"))
    inbox.put(_message("telemetry", "measured 0"))
    drains = []
    while not inbox.empty:
        drains.append(_topics(inbox, limits_first=True))
        if len(drains) == 1:
            inbox.put(_message("control", "limit"))
    assert max(len(d) for d in drains) == 2 * AT_MOST
    assert drains[1] == ["limit"]
    for kind in ("ack", "measured"):
        came = [t for d in drains for t in d if t.startswith(kind)]
        assert came == [f"{kind} {k}" for k in range(3 * AT_MOST)]
