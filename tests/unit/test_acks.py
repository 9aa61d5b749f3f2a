"""Acknowledgements leave in the order of their messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.acks import AckOrder


@given(st.permutations(range(1, 9)), st.integers(0, 8))
def test_whatever_is_done_first_they_leave_in_order_and_each_once(
    order: list[int], stop: int
) -> None:
    acks, sent = AckOrder(), []
    generation = acks.begin()
    for mid in range(1, 9):
        acks.came(mid)
    for mid in order[:stop]:
        acks.done(mid, generation, sent.append)
        acks.done(mid, generation, sent.append)
    assert sent == list(range(1, len(sent) + 1))
    missing = [mid for mid in range(1, 9) if mid not in order[:stop]]
    assert len(sent) == (min(missing) - 1 if missing else 8)


def test_a_message_of_a_lost_connection_is_not_acknowledged_on_the_next() -> None:
    acks, sent = AckOrder(), []
    old = acks.begin()
    acks.came(1)
    new = acks.begin()
    acks.came(1)
    acks.done(1, old, sent.append)
    assert sent == []
    acks.done(1, new, sent.append)
    assert sent == [1]
