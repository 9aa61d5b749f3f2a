"""Two-part tariffs: contracted, actual, capacity, blocks, ratchets, exemptions, sliding peaks."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.books import load_book
from models.errors import InvalidValueError, TariffError
from models.horizon import Horizon, epoch_s
from tariffs.calendar import NoHolidays
from tariffs.day_rule import Band, DayRule, DayWindow
from tariffs.demand import DemandTerm, peak_of
from tariffs.demand_room import Ahead, room_kw, unavoidable_peak_kw
from tariffs.demand_rules import BillingChoice, DemandRule, Exemption, SiteDemand, month_term
from tariffs.kinds.family import Family, Version
from tariffs.kinds.flat import Flat
from tariffs.kinds.two_part import TwoPart
from tariffs.scope import Scope
from tariffs.settings import TariffSettings

ZONE = ZoneInfo("Asia/Shanghai")
JULY = datetime(2026, 7, 1, tzinfo=ZONE)


def chosen(billing: str, **kw: float) -> SiteDemand:
    contracted = kw.pop("contracted_kw", None)
    blocks = kw.pop("blocks", None)
    return SiteDemand(
        choices=(
            BillingChoice(
                date(2026, 1, 1), billing, contracted, None if blocks is None else int(blocks)
            ),
        ),
        installed_kva=kw.pop("kva", None),
    )


def july(rule: DemandRule, site: SiteDemand) -> DemandTerm:
    term = month_term(rule, site, 2026, 7, ZONE)
    assert term is not None
    return term


CONTRACTED = DemandRule(
    "需量", "contracted", 48.0, tolerance=1.05, excess_factor=2.0, floor_share=0.4
)


def test_contracted_demand_is_paid_as_contracted_to_105_percent_and_double_beyond() -> None:
    term = july(CONTRACTED, chosen("contracted", contracted_kw=200.0, kva=400.0))
    assert term.money(0.0) == term.money(210.0) == pytest.approx(200 * 48)
    assert term.money(220.0) == pytest.approx(200 * 48 + 10 * 96)


def test_contracted_demand_is_at_least_forty_percent_of_the_capacity() -> None:
    term = july(CONTRACTED, chosen("contracted", contracted_kw=100.0, kva=400.0))
    assert term.money(0.0) == pytest.approx(160 * 48)
    assert term.money(168.0) == pytest.approx(160 * 48)
    with pytest.raises(TariffError, match="installed_kva"):
        july(CONTRACTED, chosen("contracted", contracted_kw=100.0))


def test_actual_demand_has_no_doubling_and_capacity_no_peak() -> None:
    actual = july(DemandRule("需量", "actual", 48.0), chosen("actual"))
    assert actual.money(300.0) == pytest.approx(14_400)
    capacity = july(DemandRule("容量", "capacity", 30.0), chosen("capacity", kva=400.0))
    assert capacity.money(0.0) == capacity.money(399.0) == pytest.approx(12_000)


def test_only_the_chosen_basis_is_charged() -> None:
    assert month_term(CONTRACTED, chosen("actual"), 2026, 7, ZONE) is None
    assert month_term(CONTRACTED, SiteDemand(), 2026, 7, ZONE) is None


def test_a_choice_stands_for_a_quarter() -> None:
    def site(second: date) -> SiteDemand:
        first = BillingChoice(date(2026, 1, 1), "capacity")
        return SiteDemand(choices=(first, BillingChoice(second, "actual")), change_months=3)

    assert site(date(2026, 4, 1)).choice_on(date(2026, 5, 1)).billing == "actual"  # type: ignore[union-attr]
    with pytest.raises(TariffError, match="after 2 months"):
        site(date(2026, 3, 1))
    with pytest.raises(TariffError, match="first of a month"):
        BillingChoice(date(2026, 3, 2), "actual")


def test_subscribed_blocks_and_their_overage() -> None:
    """PG&E BEV-2: 3 blocks of 50 kW at 95.56, 3.82 for each kW above."""
    site = TariffSettings(choices=(BillingChoice(date(2026, 1, 1), blocks=3),))
    zone = ZoneInfo("America/Los_Angeles")
    start = datetime(2026, 7, 1, tzinfo=zone)
    (term,) = load_book("pge-bev-2", settings=site).demand_terms(
        start, start + timedelta(days=2), zone=zone
    )
    assert term.money(150.0) == pytest.approx(286.68)
    assert term.money(160.0) == pytest.approx(286.68 + 38.2)
    with pytest.raises(TariffError, match="subscribed blocks"):
        load_book("pge-bev-2").demand_terms(start, start + timedelta(days=2), zone=zone)


def test_a_ratchet_remembers_the_months_before() -> None:
    rule = DemandRule("peak", "peak", 10.0, ratchet_share=0.8, ratchet_months=11)
    site = SiteDemand(peaks_kw={(2025, 8): 100.0, (2025, 7): 900.0})
    term = july(rule, site)
    assert term.money(50.0) == pytest.approx(800.0)
    assert term.money(90.0) == pytest.approx(900.0)
    assert term.price_above(0.0) == ((80.0, 10.0),)


def test_an_exemption_ends_at_the_configured_date() -> None:
    def terms(when: datetime, **kw: object) -> tuple[DemandTerm, ...]:
        site = TariffSettings(
            choices=(BillingChoice(date(2026, 7, 1), "capacity"),),
            capacity_per_kva=30.0,
            installed_kva=400.0,
            **kw,  # type: ignore[arg-type]
        )
        tariff = load_book("zhejiang-2026", settings=site)
        return tariff.demand_terms(when, when + timedelta(days=1), zone=ZONE)

    last, first = datetime(2030, 12, 31, tzinfo=ZONE), datetime(2031, 1, 1, tzinfo=ZONE)
    assert [t.fixed for t in terms(last)] == [12_000.0]
    assert terms(last, site_class="centralised_charging") == ()
    assert len(terms(first, site_class="centralised_charging")) == 1
    earlier = date(2030, 1, 1)
    assert len(terms(last, site_class="centralised_charging", exempt_until=earlier)) == 1
    own = (Exemption(frozenset({"capacity"}), None, None),)
    assert terms(first, exemptions=own) == ()


def test_a_book_without_a_price_asks_for_it_once_the_basis_is_chosen() -> None:
    site = TariffSettings(
        choices=(BillingChoice(date(2026, 7, 1), "contracted", 200.0),), installed_kva=400.0
    )
    with pytest.raises(TariffError, match="demand_per_kw"):
        load_book("zhejiang-2026", settings=site)


def test_price_above_a_floor_is_what_the_optimiser_pays() -> None:
    term = july(CONTRACTED, chosen("contracted", contracted_kw=200.0, kva=400.0))
    assert term.price_above(0.0) == ((210.0, 96.0),)
    assert term.price_above(250.0) == ((250.0, 96.0),)
    two = DemandTerm("two", 0, 1, 0.0, ((0.0, 5.0), (100.0, 3.0)))
    assert two.price_above(40.0) == ((40.0, 5.0), (100.0, 8.0))
    assert two.price_above(120.0) == ((120.0, 8.0),)


def test_windows_tell_the_share_of_a_slot_that_counts() -> None:
    rule = DayRule("evening", Scope(days=frozenset({"weekday"})), (Band(990, 1260, "counted"),))
    window = DayWindow((rule,), NoHolidays())
    term = july(DemandRule("evening", "peak", 10.0, counted=window), SiteDemand())
    hours = Horizon.between(JULY, JULY + timedelta(days=1), slot_minutes=60, zone=ZONE)
    share = term.share(hours)
    assert share[15:22].tolist() == [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 0.0]
    saturday = datetime(2026, 7, 4, tzinfo=ZONE)
    weekend = Horizon.between(saturday, saturday + timedelta(1), slot_minutes=60, zone=ZONE)
    assert not term.share(weekend).any()


def peak(slide_s: int, power_kw: list[float], step_s: int = 300) -> tuple[float, int]:
    starts = epoch_s(JULY) + step_s * np.arange(len(power_kw), dtype=np.int64)
    term = july(DemandRule("需量", "peak", 1.0, slide_s=slide_s), SiteDemand())
    found = peak_of(starts, starts + step_s, np.array(power_kw), term, ZONE)
    assert found is not None
    return found.power_kw, (found.start_s - epoch_s(JULY)) // 60


def test_a_sliding_window_sees_a_peak_that_blocks_on_the_clock_share_out() -> None:
    across = [0.0, 0.0, 90.0, 90.0, 90.0, 0.0]
    assert peak(900, across) == (pytest.approx(60.0), 15)
    assert peak(60, across) == (pytest.approx(90.0), 10)


def test_what_is_fed_in_does_not_lower_a_peak() -> None:
    assert peak(900, [30.0, 30.0, -60.0])[0] == pytest.approx(20.0)


def test_a_peak_outside_its_window_does_not_count() -> None:
    rule = DayRule("late", Scope(), (Band(30, 60, "counted"),))
    counted = DayWindow((rule,), NoHolidays())
    term = july(DemandRule("late", "peak", 1.0, counted=counted), SiteDemand())
    starts = epoch_s(JULY) + 900 * np.arange(4, dtype=np.int64)
    found = peak_of(starts, starts + 900, np.array([99.0, 98.0, 10.0, 20.0]), term, ZONE)
    assert found is not None
    assert found.power_kw == pytest.approx(20.0)
    assert peak_of(starts[:2], starts[:2] + 900, np.array([9.0, 9.0]), term, ZONE) is None


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidValueError):
        DemandTerm("x", 0, 1, -1.0, ())
    with pytest.raises(InvalidValueError):
        DemandTerm("x", 0, 1, 0.0, ((5.0, 1.0), (5.0, 1.0)))
    with pytest.raises(InvalidValueError):
        DemandTerm("x", 0, 1, 0.0, (), interval_s=900, slide_s=420)


def room(slide_s: int, now_min: float, power_kw: list[float], level_kw: float) -> float:
    starts = epoch_s(JULY) + 60 * np.arange(len(power_kw), dtype=np.int64)
    term = july(DemandRule("需量", "peak", 1.0, slide_s=slide_s), SiteDemand())
    now_s = epoch_s(JULY) + int(now_min * 60)
    return room_kw(term, ZONE, now_s, starts, starts + 60, np.array(power_kw), level_kw)


def test_room_in_a_block_is_what_the_block_has_left() -> None:
    assert room(900, 10, [60.0] * 10, 50.0) == pytest.approx((50 * 15 - 600) / 5)
    assert room(900, 15, [60.0] * 15, 50.0) == pytest.approx(50.0)


def test_room_under_a_sliding_window_holds_every_running_mean() -> None:
    past = [90.0] * 5 + [30.0] * 10
    left = room(60, 15, past, 50.0)
    future = past + [left] * 15
    means = [np.mean(future[k : k + 15]) for k in range(1, 16)]
    assert max(means) == pytest.approx(50.0)
    assert room(60, 15, [90.0] * 15, 50.0) < 0


def test_the_last_second_of_a_block_makes_up_for_no_more_than_its_share() -> None:
    """A thousandth too much until a second before the end stops no vehicle."""
    term = july(DemandRule("需量", "peak", 1.0), SiteDemand())
    begun = epoch_s(JULY)
    past = np.array([begun]), np.array([begun + 899]), np.array([50.05])
    assert room_kw(term, ZONE, begun + 899, *past, 50.0) == pytest.approx(50.0 - 0.05 * 899 / 60)


def test_room_leaves_what_the_plan_draws_afterwards() -> None:
    """Ten minutes at 80 kW and five at 20 are the mean of 60 that the plan means."""
    term = july(DemandRule("需量", "peak", 1.0), SiteDemand())
    begun = epoch_s(JULY)
    none = np.zeros(0, dtype=np.int64)
    ahead = Ahead(begun + 600, np.array([begun + 600, begun + 900]), np.array([20.0]))
    found = room_kw(term, ZONE, begun, none, none, np.zeros(0), 60.0, ahead)
    assert found == pytest.approx(80.0)


def test_outside_its_window_a_term_leaves_all_the_room() -> None:
    window = DayWindow((DayRule("w", Scope(), (Band(12 * 60, 18 * 60, "counted"),)),), NoHolidays())
    term = july(DemandRule("需量", "peak", 1.0, counted=window), SiteDemand())
    none = np.zeros(0, dtype=np.int64)
    noon = epoch_s(JULY) + 12 * 3600
    assert room_kw(term, ZONE, noon - 1, none, none, np.zeros(0), 5.0) == math.inf
    assert room_kw(term, ZONE, noon, none, none, np.zeros(0), 5.0) == pytest.approx(5.0)


def test_the_unavoidable_peak_is_averaged_over_the_interval() -> None:
    term = july(DemandRule("需量", "peak", 1.0), SiteDemand())
    horizon = Horizon.between(JULY, JULY + timedelta(minutes=30), slot_minutes=5, zone=ZONE)
    load = np.array([0.0, 90.0, 0.0, 30.0, 30.0, 30.0])
    assert unavoidable_peak_kw(term, horizon, load) == pytest.approx(40.0)


def test_a_family_takes_a_months_terms_from_the_version_at_its_beginning() -> None:
    def version(price: float) -> TwoPart:
        energy = Flat(f"at {price:g}", "CNY", 0.5, 0.0)
        return TwoPart(energy, (DemandRule("需量", "peak", price),), SiteDemand())

    change = date(2026, 7, 10)
    family = Family("f", (Version(version(1.0), None, change), Version(version(2.0), change, None)))
    terms = family.demand_terms(JULY, JULY + timedelta(days=40), zone=ZONE)
    assert [t.money(1.0) for t in terms] == [1.0, 2.0]
