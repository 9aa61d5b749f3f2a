"""Seconds above a limit are those between an alert and its end, wherever a report is cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.exceeding import exceeded_s

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def told(
    raised_s: float, cleared_s: float | None = None, node: str = "T"
) -> list[tuple[datetime, str, dict[str, Any]]]:
    since = NOON + timedelta(seconds=raised_s)
    body = {"since": since.isoformat(), "cleared": False}
    found = [(since, node, body)]
    if cleared_s is not None:
        found.append((NOON + timedelta(seconds=cleared_s), node, {**body, "cleared": True}))
    return found


def test_what_stands_at_the_end_counts_up_to_it() -> None:
    end = NOON + timedelta(seconds=900)
    assert exceeded_s(told(600), end) == 300.0
    assert exceeded_s([*told(0, 20), *told(600)], end) == 320.0
    assert exceeded_s([*told(0, 20), *told(0, 50, node="F")], end) == 70.0


def test_an_excess_counts_with_the_part_that_lies_inside() -> None:
    start, end = NOON, NOON + timedelta(seconds=900)
    assert exceeded_s(told(-100, 30), end, start) == 30.0
    assert exceeded_s(told(880, 1_000), end, start) == 20.0
    assert exceeded_s(told(-100, 2_000), end, start) == 900.0
    assert exceeded_s(told(-100, -50), end, start) == 0.0
    assert exceeded_s(told(1_000), end, start) == 0.0


def test_newest_first_or_last_and_a_clearing_alone_are_the_same() -> None:
    end = NOON + timedelta(seconds=900)
    both = told(100, 160)
    assert exceeded_s(both[::-1], end) == 60.0
    assert exceeded_s(both[1:], end) == 60.0
