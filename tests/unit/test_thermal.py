"""The transformer of IEC 60076-7, Annex B, and the counters of heavy load."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import InvalidValueError
from models.thermal import ThermalPlate
from scheduler.thermal import (
    ThermalState,
    after,
    ageing,
    allowed_load,
    figures,
    settled,
    stretches,
)

STANDARD = ThermalPlate(
    38.3, 1.4 * 14.5, 1000.0, winding_exponent=1.3, k11=0.5, k21=2.0, oil_min=150.0, winding_min=7.0
)
DISTRIBUTION = ThermalPlate(55.0, 23.0, 6.0)


def test_the_example_of_the_standard_comes_out() -> None:
    # (until minute, load, top oil, hot spot) at 25.6 degrees: the table of the standard's example.
    state = ThermalState(12.7, 0.0, 0.0)
    at = 0.0
    for until, load, oil, hot in (
        (190, 1.0, 61.9, 83.8),
        (365, 0.6, 44.4, 54.0),
        (500, 1.5, 89.2, 127.0),
        (705, 0.3, 35.0, 37.5),
        (730, 2.1, 67.9, 138.6),
        (745, 0.0, 60.3, 75.3),
    ):
        state = after(STANDARD, state, load=load, ambient_c=25.6, minutes=until - at)
        at = until
        assert 25.6 + state.oil_k == pytest.approx(oil, abs=1.1)
        assert state.hot_spot_c(25.6) == pytest.approx(hot, abs=1.1)


def test_paper_ages_at_the_rates_of_the_standard() -> None:
    assert [ageing(c) for c in (80, 98, 104, 140)] == pytest.approx([0.125, 1.0, 2.0, 128.0])


def test_rated_load_at_20_degrees_uses_rated_life() -> None:
    rated = figures(DISTRIBUTION, np.ones(96 * 4), np.full(96 * 4, 20.0))
    assert rated.hot_spot_most_c == pytest.approx(98.0)
    assert rated.life_used_share == pytest.approx(1.0)


def test_a_step_is_exact_however_it_is_cut() -> None:
    once = after(DISTRIBUTION, settled(DISTRIBUTION, 0.4), load=1.2, ambient_c=30, minutes=90)
    state = settled(DISTRIBUTION, 0.4)
    for _ in range(30):
        state = after(DISTRIBUTION, state, load=1.2, ambient_c=30, minutes=3)
    assert state.oil_k == pytest.approx(once.oil_k)
    assert state.aged_h == pytest.approx(once.aged_h)


def test_a_short_overload_is_allowed_when_cold_and_not_when_hot() -> None:
    wanted = {"ambient_c": 20.0, "minutes": 60.0, "hot_spot_most_c": 120.0}
    cold = allowed_load(DISTRIBUTION, settled(DISTRIBUTION, 0.3), **wanted)
    hot = allowed_load(DISTRIBUTION, settled(DISTRIBUTION, 1.0), **wanted)
    assert 1.0 < hot < cold <= 1.5
    reached = after(DISTRIBUTION, settled(DISTRIBUTION, 1.0), load=hot, ambient_c=20.0, minutes=60)
    assert reached.hot_spot_c(20.0) <= 120.0 + 1e-6


def test_eight_quarter_hours_in_a_row_count_once() -> None:
    load = [0.9] * 7 + [0.5] + [0.9] * 20 + [0.5] + [1.1] * 8
    assert stretches(load, 0.8) == 2
    assert stretches(load, 1.0) == 1


def test_a_plate_without_sense_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="loss_ratio"):
        ThermalPlate(55.0, 23.0, 0.0)
