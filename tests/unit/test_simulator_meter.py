"""The reference meter judges one-second means, exactly, wherever pieces begin and end."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.simulator.meter import NodeMeter


def meter(limit_kw: float = 10.0, response_s: float = 0.0) -> NodeMeter:
    return NodeMeter(start_s=0.0, limit_kw=limit_kw, response_s=response_s)


def test_whole_seconds_above_the_limit_are_counted() -> None:
    m = meter()
    m.power(5.0, 11.0, 0.0)
    m.power(9.0, 10.0, 0.0)
    m.close(20.0)
    assert (m.raw_s, m.judged_s, m.base_alone_s) == (4, 4, 0)
    assert m.peak_kw == 11.0


def test_a_second_is_judged_by_its_mean() -> None:
    short = meter()
    short.power(3.2, 12.0, 0.0)
    short.power(3.3, 9.0, 0.0)
    short.power(4.0, 0.0, 0.0)
    short.close(10.0)
    assert short.raw_s == 0
    long = meter()
    long.power(3.0, 10.0, 0.0)
    long.power(3.2, 12.0, 0.0)
    long.power(3.3, 10.0, 0.0)
    long.power(4.0, 0.0, 0.0)
    long.close(10.0)
    assert long.raw_s == 1


def test_after_a_cut_the_slowest_pile_has_its_response_time() -> None:
    m = meter(limit_kw=20.0, response_s=5.0)
    m.power(0.0, 15.0, 0.0)
    m.limit(10.0, 10.0)
    m.power(17.0, 8.0, 0.0)
    m.close(30.0)
    assert m.raw_s == 7
    assert m.judged_s == 2


def test_an_earlier_higher_limit_excuses_no_longer_than_its_own_time() -> None:
    m = meter(limit_kw=20.0, response_s=5.0)
    m.power(0.0, 18.0, 0.0)
    m.limit(10.0, 15.0)
    m.limit(13.0, 10.0)
    m.power(15.0, 12.0, 0.0)
    m.close(30.0)
    # 18 kW until 15 s stands under the first limit's excuse; 12 kW is below 15 until 18 s.
    assert m.judged_s == 12


def test_base_load_alone_above_the_limit_is_told_apart() -> None:
    m = meter()
    m.power(0.0, 14.0, 12.0)
    m.power(4.0, 14.0, 6.0)
    m.power(6.0, 9.0, 9.0)
    m.close(10.0)
    assert (m.raw_s, m.judged_s, m.base_alone_s) == (6, 2, 4)


def test_a_node_without_a_limit_is_never_exceeded() -> None:
    m = meter(limit_kw=math.inf)
    m.power(0.0, 1e6, 0.0)
    m.close(3.0)
    assert m.raw_s == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.sampled_from([0.0, 5.0, 9.5, 10.5, 30.0])),
        min_size=1,
        max_size=12,
    )
)
def test_the_count_is_that_of_a_meter_that_samples_every_tenth(
    pieces: list[tuple[int, float]],
) -> None:
    """Pieces cut at tenths of a second, against the plain mean of ten samples a second."""
    m = meter()
    tenths: list[float] = []
    for length, power in pieces:
        m.power(len(tenths) / 10, power, 0.0)
        tenths += [power] * length
    end = len(tenths) / 10
    m.power(end, 0.0, 0.0)
    m.close(end)
    tenths += [0.0] * (-len(tenths) % 10)
    seconds = [sum(tenths[k : k + 10]) / 10 for k in range(0, len(tenths), 10)]
    assert m.raw_s == sum(s > 10.0 + 1e-6 for s in seconds)
    assert m.drawn_kwh == pytest.approx(sum(tenths) / 36_000)
