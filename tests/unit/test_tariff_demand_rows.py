"""Demand rows: they bound every running mean, and a month that knows them costs less."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_array, hstack

from adapters.books import load_book
from adapters.data.sessions import read_sessions
from models.horizon import FloatArray, Horizon, epoch_s
from tariffs.bill import month_bill
from tariffs.demand import DemandTerm, peak_of
from tariffs.demand_rows import DemandRows, demand_rows
from tariffs.metered import Metered
from tests.unit.test_bill_real_data import SESSIONS

UTC = ZoneInfo("UTC")
ZERO = datetime(2026, 7, 1, tzinfo=UTC)
NONE_S = np.zeros(0, dtype=np.int64)
NONE = np.zeros(0)


def month_term(slide_s: int) -> DemandTerm:
    begin = epoch_s(ZERO)
    return DemandTerm("d", begin, begin + 31 * 86_400, 0.0, ((0.0, 10.0),), 900, slide_s)


def means(rows: DemandRows, power: FloatArray) -> FloatArray:
    found: FloatArray = rows.offset_kw + np.bincount(
        rows.row, rows.weight * power[rows.slot], minlength=rows.offset_kw.size
    )
    return found


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 300)), min_size=2, max_size=20),
    st.lists(st.floats(0, 300), min_size=15, max_size=30),
    st.sampled_from([900, 60]),
)
def test_the_highest_row_is_the_peak_that_the_meter_will_see(
    slots: list[tuple[int, float]], past: list[float], slide_s: int
) -> None:
    """Unequal slots after a measured past: rows against every running mean of the meter."""
    begin = epoch_s(ZERO) + 1_800
    edges = begin + 60 * np.cumsum([0, *(m for m, _ in slots)]).astype(np.int64)
    power = np.array([kw for _, kw in slots])
    past_starts = begin - 60 * np.arange(len(past), 0, -1).astype(np.int64)
    term = month_term(slide_s)
    rows = demand_rows(
        term,
        Horizon(edges, UTC),
        floor_kw=0.0,
        past_starts_s=past_starts,
        past_ends_s=past_starts + 60,
        past_kw=np.array(past),
    )
    starts = np.concatenate([past_starts, edges[:-1]])
    ends = np.concatenate([past_starts + 60, edges[1:], [int(edges[-1]) + 900]])
    seen = np.concatenate([np.array(past), power, [0.0]])
    starts = np.concatenate([starts, [int(edges[-1])]])
    # What the meter saw before the horizon began cannot be changed and has no row.
    before = peak_of(starts[: len(past)], ends[: len(past)], seen[: len(past)], term, UTC)
    peak = peak_of(starts, ends, seen, term, UTC)
    assert peak is not None
    known = before.power_kw if before is not None else 0.0
    assert max(float(means(rows, power).max()), known) == pytest.approx(peak.power_kw, abs=1e-6)


def test_the_running_interval_starts_from_what_it_drew() -> None:
    horizon = Horizon.rolling(ZERO + timedelta(minutes=10), hours=1, slot_minutes=15, zone=UTC)
    starts = epoch_s(ZERO) + np.array([0], dtype=np.int64)
    rows = demand_rows(
        month_term(900),
        horizon,
        floor_kw=30.0,
        past_starts_s=starts,
        past_ends_s=starts + 600,
        past_kw=np.array([60.0]),
    )
    assert rows.offset_kw[:2].tolist() == [40.0, 0.0]
    assert rows.weight[0] == pytest.approx(1 / 3)
    assert rows.prices == ((30.0, 10.0),)


@pytest.mark.real_data
@pytest.mark.skipif(not SESSIONS.exists(), reason="the real sessions are not at hand")
def test_a_month_that_knows_its_demand_charge_beats_the_same_optimiser_blind_to_it() -> None:
    """Caltech, July 2019, SCE TOU-EV-4 at 15.51 $ per kW: one LP with and without the rows."""
    zone = ZoneInfo("America/Los_Angeles")
    tariff = load_book("sce-tou-ev-4-2019")
    lo, hi = datetime(2019, 7, 1, tzinfo=zone), datetime(2019, 8, 1, tzinfo=zone)
    horizon = Horizon.between(lo, hi, slot_minutes=15, zone=zone)
    sessions = [s for s in read_sessions(SESSIONS) if lo <= s.arrival and s.departure <= hi]
    session, slot, cap, owed = [], [], [], []
    for s in sessions:
        share = horizon.overlap_s(epoch_s(s.arrival), epoch_s(s.departure)) / horizon.slot_s
        held = np.flatnonzero(share > 0)
        session.append(np.full(held.size, len(owed)))
        slot.append(held)
        cap.append(6.656 * share[held])
        owed.append(min(s.delivered_kwh, 0.25 * float(cap[-1].sum())))
    own, at, most = map(np.concatenate, (session, slot, cap))
    entry = np.arange(own.size)
    energy = coo_array((np.full(own.size, 0.25), (own, entry)), shape=(len(owed), own.size))
    to_slot = coo_array((np.ones(own.size), (at, entry)), shape=(horizon.n, own.size)).tocsr()
    price = tariff.prices(horizon).buy_per_kwh
    (term,) = tariff.demand_terms(lo, hi, zone=zone)
    rows = demand_rows(
        term, horizon, floor_kw=0.0, past_starts_s=NONE_S, past_ends_s=NONE_S, past_kw=NONE
    )
    weights = coo_array(
        (rows.weight, (rows.row, rows.slot)), shape=(rows.offset_kw.size, horizon.n)
    )

    def month(per_kw: float) -> float:
        level = coo_array(np.full((rows.offset_kw.size, 1), -1.0))
        found = linprog(
            np.append(price[at] * 0.25, per_kw),
            A_ub=hstack([weights @ to_slot, level]),
            b_ub=-rows.offset_kw,
            A_eq=hstack([energy, coo_array((len(owed), 1))]),
            b_eq=np.array(owed),
            bounds=np.column_stack([np.zeros(own.size + 1), np.append(most, np.inf)]),
            method="highs",
        )
        assert found.status == 0
        drawn = (to_slot @ found.x[:-1]) * horizon.slot_h
        metered = Metered(horizon.edges_s[:-1], horizon.edges_s[1:], drawn, np.zeros(horizon.n))
        bill = month_bill(tariff, metered, year=2019, month=7, zone=zone)
        assert float(bill.energy_kwh) == pytest.approx(sum(owed), rel=1e-6)
        return float(bill.total)

    blind, aware = month(0.0), month(rows.prices[0][1])
    assert aware < 0.8 * blind
