"""A connection proves its life by what it sends to itself."""

from __future__ import annotations

import pytest

from adapters.mqtt import echo
from adapters.mqtt.echo import ECHO_LOST_S, ECHO_PERIOD_S, Echo


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(echo.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(echo.time, "monotonic_ns", lambda: int(now[0] * 1e9))
    return now


def test_one_is_due_every_two_seconds(clock: list[float]) -> None:
    ours = Echo("a")
    assert ours.due()
    assert not ours.due()
    clock[0] += ECHO_PERIOD_S + 0.1
    assert ours.due()


def test_what_does_not_come_back_for_ten_seconds_is_lost_and_another_proves_nothing(
    clock: list[float],
) -> None:
    ours = Echo("a")
    ours.begin()
    clock[0] += ECHO_LOST_S - 0.1
    assert not ours.lost()
    assert ours.hear(b"b") == "b"
    clock[0] += 0.2
    assert ours.lost()
    assert not ours.lost(patience_s=5.0)
    assert ours.hear(b"a") is None
    assert not ours.lost()


def test_who_waits_is_told_by_the_very_one_that_was_sent(clock: list[float]) -> None:
    ours = Echo("a")
    first, back = ours.ask()
    clock[0] += 0.001
    second, later = ours.ask()
    ours.hear(second)
    assert later.is_set()
    assert not back.is_set()
    ours.forget(first)
    ours.hear(first)
    assert not back.is_set()
