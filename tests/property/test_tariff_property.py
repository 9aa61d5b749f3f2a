"""Whatever the seasons, the horizon and the meter: nothing is lost or counted twice."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.horizon import UTC, Horizon, epoch_s, instant_of
from tariffs.bill import energy_bill, session_bills
from tariffs.calendar import NoHolidays
from tariffs.consumption import ConsumptionTiers
from tariffs.day_rule import Band, DayRule
from tariffs.demand import DemandTerm, peak_of
from tariffs.kinds.flat import Flat
from tariffs.kinds.overlay import Overlay
from tariffs.kinds.time_of_use import TimeOfUse
from tariffs.metered import Metered
from tariffs.period_prices import PeriodPrices, ScopedValues
from tariffs.scope import Scope
from tariffs.sell import Sell
from tariffs.series import PriceSeries

ZONES = [
    ZoneInfo(z)
    for z in ("Asia/Shanghai", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe")
]
NAMES = ("sharp", "peak", "flat", "valley", "deep_valley")
PRICES = {"sharp": 1.23155, "peak": 1.12655, "flat": 0.6803, "valley": 0.3653, "deep_valley": -0.1}


@st.composite
def days(draw: st.DrawFn) -> tuple[Band, ...]:
    """A day cut at half hours, each stretch some period."""
    cuts = draw(st.lists(st.integers(1, 47), max_size=8, unique=True))
    edges = [0, *sorted(c * 30 for c in cuts), 1440]
    return tuple(Band(a, b, draw(st.sampled_from(NAMES))) for a, b in itertools.pairwise(edges))


@st.composite
def tariffs(draw: st.DrawFn) -> TimeOfUse:
    split = draw(st.integers(1, 11))
    halves = (range(1, split + 1), range(split + 1, 13))
    seasons = tuple(
        DayRule(
            f"{i}-{kind}", Scope(months=frozenset(months), days=frozenset({kind})), draw(days())
        )
        for i, months in enumerate(halves)
        for kind in ("weekday", "weekend")
    )
    prices = PeriodPrices("absolute", (ScopedValues(Scope(), PRICES),))
    return TimeOfUse("drawn", "CNY", seasons, (), prices, Sell("share", 0.5), NoHolidays())


instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 1)).map(  # noqa: DTZ001
    lambda t: t.replace(microsecond=0, tzinfo=UTC)
)


@settings(max_examples=60, deadline=None)
@given(tariffs(), instants, st.sampled_from(ZONES), st.integers(60, 3 * 86_400))
def test_every_second_has_the_price_that_the_local_clock_shows(
    tariff: TimeOfUse, start: datetime, zone: ZoneInfo, length_s: int
) -> None:
    lo = epoch_s(start)
    steps = tariff.steps(lo, lo + length_s, zone)
    assert (int(steps.starts_s[0]), steps.end_s) == (lo, lo + length_s)
    for s in range(lo, lo + length_s, max(1, length_s // 50)):
        local = instant_of(s).astimezone(zone)
        minute = local.hour * 60 + local.minute
        period = next(
            b.period for b in tariff.bands_of(local.date()) if b.start_min <= minute < b.end_min
        )
        k = int(np.searchsorted(steps.starts_s, s, side="right")) - 1
        assert steps.period[k] == period
        assert steps.buy_per_kwh[k] == PRICES[period]


@settings(max_examples=60, deadline=None)
@given(
    tariffs(),
    instants,
    st.sampled_from(ZONES),
    st.lists(st.tuples(st.integers(1, 7_200), st.floats(0, 500)), min_size=1, max_size=60),
)
def test_a_bill_holds_all_energy_and_costs_what_the_plan_says(
    tariff: TimeOfUse, start: datetime, zone: ZoneInfo, stretches: list[tuple[int, float]]
) -> None:
    edges = epoch_s(start) + np.cumsum([0, *(s for s, _ in stretches)]).astype(np.int64)
    energy = np.array([e for _, e in stretches])
    metered = Metered(edges[:-1], edges[1:], energy, np.zeros(energy.size))
    bill = energy_bill(tariff, metered, zone=zone)
    assert abs(float(bill.energy_kwh) - energy.sum()) < 1e-6
    planned = float(tariff.prices(Horizon(edges, zone)).buy_per_kwh @ energy)
    assert abs(float(bill.exact) - planned) < 1e-5
    apart = session_bills(
        tariff,
        [
            Metered(
                metered.starts_s[i : i + 1],
                metered.ends_s[i : i + 1],
                energy[i : i + 1],
                np.zeros(1),
            )
            for i in range(energy.size)
        ],
        zone=zone,
    )
    assert sum((b.exact for b in apart), Decimal(0)) == bill.exact


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.lists(st.floats(-1, 1), min_size=1, max_size=12)),
        max_size=5,
    )
)
def test_overlays_hold_the_last_price_and_the_book_everywhere_else(
    pushes: list[tuple[int, list[float]]],
) -> None:
    zero = datetime(2026, 7, 1, tzinfo=UTC)
    tariff: Overlay | None = None
    Flat("b", "X", 0.5, 0.0)
    expected = np.full(240, 0.5)
    for at, prices in pushes:
        series = PriceSeries.regular(zero + timedelta(minutes=15 * at), 15, prices, prices)
        tariff = (
            Overlay(Flat("b", "X", 0.5, 0.0), series) if tariff is None else tariff.pushed(series)
        )
        expected[at : at + len(prices)] = prices
    if tariff is None:
        return
    horizon = Horizon.between(zero, zero + timedelta(hours=60), slot_minutes=15, zone=UTC)
    assert np.array_equal(tariff.prices(horizon).buy_per_kwh, expected)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(0, 1e5), min_size=1, max_size=5, unique=True),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
)
def test_tiers_split_a_draw_without_rest(steps: list[float], before: float, drawn: float) -> None:
    tiers = ConsumptionTiers(
        "year", tuple((at, float(i)) for i, at in enumerate(sorted({0.0, *steps})))
    )
    parts = tiers.split(before, drawn)
    assert abs(sum(kwh for kwh, _ in parts) - drawn) < 1e-6
    assert [a for _, a in parts] == sorted(a for _, a in parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 400), min_size=15, max_size=120), st.sampled_from([900, 300, 60]))
def test_a_peak_is_the_highest_running_mean_and_finer_slides_never_see_less(
    power: list[float], slide_s: int
) -> None:
    zero = epoch_s(datetime(2026, 7, 1, tzinfo=UTC))
    starts = zero + 60 * np.arange(len(power), dtype=np.int64)
    kw = np.array(power)

    def peak(slide: int) -> float:
        term = DemandTerm("d", zero, zero + 31 * 86_400, 0.0, ((0.0, 1.0),), 900, slide)
        found = peak_of(starts, starts + 60, kw, term, UTC)
        return found.power_kw if found is not None else 0.0

    every = slide_s // 60
    naive = max(kw[i : i + 15].mean() for i in range(0, len(power) - 14, every))
    assert abs(peak(slide_s) - naive) < 1e-6
    assert peak(60) >= peak(slide_s) - 1e-9
