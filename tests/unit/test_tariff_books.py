"""The shipped books give the figures that were published, and say what they lack."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.books import calendar_of, list_books, load_book, read_books
from models.errors import TariffError
from models.horizon import Horizon
from tariffs.build import build_tariff
from tariffs.calendar import NoHolidays
from tariffs.check import check_book, unwrapped
from tariffs.kinds.time_of_use import TimeOfUse
from tariffs.period_prices import Component
from tariffs.settings import TariffSettings

SHANGHAI = ZoneInfo("Asia/Shanghai")
COMPONENTS = (Component(date(2024, 1, 1), 0.7, 0.5),)


def core(name: str, **kw: Any) -> TimeOfUse:
    tariff = unwrapped(load_book(name, **kw))
    assert isinstance(tariff, TimeOfUse)
    return tariff


def bands(name: str, day: date, **kw: Any) -> list[str]:
    return [
        f"{b.start_min // 60:02d}:{b.start_min % 60:02d}-"
        f"{b.end_min // 60:02d}:{b.end_min % 60:02d} {b.period}"
        for b in core(name, **kw).bands_of(day)
    ]


def test_zhejiang_2026_price_sheet_within_the_rounding_of_its_base() -> None:
    sheet = core("zhejiang-2026").day_prices(date(2026, 7, 1))
    published = {
        "valley": 0.3653,
        "flat": 0.6803,
        "peak": 1.1267,
        "sharp": 1.2315,
        "deep_valley": 0.2603,
    }
    assert sheet == pytest.approx(published, abs=2e-4)


def test_jiangsu_price_sheet_to_four_decimals() -> None:
    sheet = core("jiangsu").day_prices(date(2026, 10, 9))
    assert [round(sheet[p], 4) for p in ("valley", "flat", "peak")] == [0.3828, 0.6400, 0.9566]


def test_guangdong_price_sheet_to_four_decimals_its_sharp_factor_on_the_ratio() -> None:
    sheet = core("guangdong").day_prices(date(2026, 9, 9))
    found = [round(sheet[p], 4) for p in ("valley", "flat", "peak", "sharp")]
    assert found == [0.2635, 0.6483, 1.0827, 1.3465]


def test_a_july_workday_and_an_october_holiday_of_zhejiang_2026() -> None:
    assert bands("zhejiang-2026", date(2026, 7, 1)) == [
        "00:00-07:00 valley",
        "07:00-11:00 flat",
        "11:00-14:00 valley",
        "14:00-16:00 flat",
        "16:00-18:00 peak",
        "18:00-22:00 sharp",
        "22:00-23:00 peak",
        "23:00-24:00 flat",
    ]
    third, fourth = date(2026, 10, 3), date(2026, 10, 4)
    assert "09:00-15:00 deep_valley" in bands("zhejiang-2026", third)
    assert not any("deep" in b for b in bands("zhejiang-2026", fourth))
    assert bands("zhejiang-2026", third, holidays="none") == bands("zhejiang-2026", fourth)


def test_the_draft_holiday_valley_is_opt_in() -> None:
    chosen = TariffSettings(options=frozenset({"draft_holiday_valley"}))
    day = date(2026, 10, 1)
    assert "00:00-09:00 valley" in bands("zhejiang-2026", day, settings=chosen)
    assert "07:00-09:00 flat" in bands("zhejiang-2026", day)


def test_zhejiang_2024_deep_valley_lasts_the_whole_break() -> None:
    for day in (date(2024, 10, 1), date(2024, 10, 7), date(2025, 10, 6), date(2025, 2, 4)):
        assert "10:00-14:00 deep_valley" in bands("zhejiang-2024", day)
    assert not any("deep" in b for b in bands("zhejiang-2024", date(2024, 10, 8)))


def test_zhejiang_2024_ratios_follow_the_customer_class() -> None:
    general = TariffSettings(customer_class="general")
    flat = 0.6803
    day = date(2026, 1, 5)
    assert core("zhejiang-2024").day_prices(day)["peak"] == pytest.approx(1.65 * flat)
    assert core("zhejiang-2024", settings=general).day_prices(day)["peak"] == pytest.approx(
        1.5 * flat
    )
    with pytest.raises(TariffError, match="large_industrial, general"):
        load_book("zhejiang-2024", settings=TariffSettings(customer_class="bakery"))


def test_half_hours_of_the_provisional_charging_books() -> None:
    draft = bands("zhejiang-2026-charging-draft-provisional", date(2026, 7, 1))
    assert "10:30-13:30 valley" in draft
    app = bands("zhejiang-2026-charging-app-provisional", date(2026, 7, 1))
    assert "10:30-14:00 valley" in app
    assert "00:00-08:00 valley" in app


def test_a_range_over_midnight_belongs_on_each_side_to_its_own_civil_day() -> None:
    """Jiangsu's 22-02 in spring: the last of May ends flat, the first of June begins in valley."""
    may, june = date(2026, 5, 31), date(2026, 6, 1)
    assert bands("jiangsu", may)[0] == "00:00-02:00 flat"
    assert bands("jiangsu", may)[-1] == "22:00-24:00 flat"
    assert bands("jiangsu", june)[0] == "00:00-06:00 valley"


def test_jiangsu_sharp_and_deep_valley_only_for_industry_from_315_kva() -> None:
    industry = TariffSettings(customer_class="two_part_industry_315")
    july = date(2026, 7, 1)
    assert "19:30-21:30 sharp" in bands("jiangsu", july, settings=industry)
    assert not any("sharp" in b for b in bands("jiangsu", july))
    sheet = core("jiangsu", settings=industry).day_prices(july)
    assert sheet["sharp"] == pytest.approx(0.6400 + (1.8 * 1.2 - 1) * 0.3957)


def test_guangdong_sharp_by_month_and_by_the_days_heat() -> None:
    hot = TariffSettings(temperatures_c={date(2026, 6, 1): 35.0, date(2026, 6, 2): 34.9})
    tariff = {"settings": hot}
    assert "15:00-17:00 sharp" in bands("guangdong", date(2026, 7, 1))
    assert "15:00-17:00 sharp" in bands("guangdong", date(2026, 6, 1), **tariff)
    assert not any("sharp" in b for b in bands("guangdong", date(2026, 6, 2), **tariff))
    start = datetime(2026, 6, 1, tzinfo=SHANGHAI)
    codes = {
        n.code for n in load_book("guangdong").notes(start, start + timedelta(1), zone=SHANGHAI)
    }
    assert "temperature_unknown" in codes


def test_shanghai_weekend_and_holiday_deep_valley_for_large_industry() -> None:
    large = TariffSettings(customer_class="large_industrial", components=COMPONENTS)
    saturday, monday, holiday = date(2026, 5, 16), date(2026, 5, 18), date(2026, 5, 1)
    deep = "00:00-06:00 deep_valley"
    assert deep in bands("shanghai", saturday, settings=large)
    assert deep in bands("shanghai", holiday, settings=large)
    assert deep not in bands("shanghai", monday, settings=large)


def test_anhui_seasons_inside_a_month_and_short_holidays() -> None:
    large = TariffSettings(customer_class="two_part_315", components=COMPONENTS)
    assert "20:00-22:00 sharp" not in bands("anhui", date(2026, 7, 14), settings=large)
    assert "20:00-22:00 sharp" in bands("anhui", date(2026, 7, 15), settings=large)
    assert "19:00-21:00 sharp" in bands("anhui", date(2026, 12, 15), settings=large)
    assert "11:00-15:00 deep_valley" in bands("anhui", date(2026, 5, 1), settings=large)
    assert "11:00-15:00 deep_valley" not in bands("anhui", date(2025, 1, 1), settings=large)


def test_a_book_of_ratios_alone_asks_for_components_by_name() -> None:
    with pytest.raises(TariffError, match="flat_per_kwh, base_per_kwh"):
        load_book("shandong")
    with pytest.raises(TariffError, match="assume_meteorological_seasons"):
        load_book("hebei-south", settings=TariffSettings(components=COMPONENTS))
    with pytest.raises(TariffError, match="no price for deep_valley, peak, valley"):
        core(
            "hebei-south",
            settings=TariffSettings(
                components=COMPONENTS, options=frozenset({"assume_meteorological_seasons"})
            ),
        ).bands_of(date(2026, 4, 1))


def test_offsets_stand_on_the_sites_price() -> None:
    site = TariffSettings(components=(Component(date(2024, 1, 1), 0.56),))
    sheet = core("hubei-residential-ev", settings=site).day_prices(date(2026, 1, 1))
    assert sheet == pytest.approx({"flat": 0.56, "peak": 0.66, "sharp": 0.76, "valley": 0.41})


def test_components_follow_their_dates() -> None:
    months = TariffSettings(
        components=(
            Component(date(2026, 7, 1), 0.60, 0.50),
            Component(date(2026, 8, 1), 0.70, 0.40),
        )
    )
    tariff = core("zhejiang-2026", settings=months)
    assert tariff.day_prices(date(2026, 7, 31))["peak"] == pytest.approx(0.60 + 0.85 * 0.50)
    assert tariff.day_prices(date(2026, 8, 1))["peak"] == pytest.approx(0.70 + 0.85 * 0.40)


def test_the_family_changes_version_inside_one_horizon() -> None:
    family = load_book("zhejiang-industrial")
    start = datetime(2026, 6, 30, tzinfo=SHANGHAI)
    prices = family.prices(
        Horizon.between(start, start + timedelta(days=2), slot_minutes=60, zone=SHANGHAI)
    )
    assert prices.period[9] == "peak"
    assert prices.period[24 + 9] == "flat"


def test_a_pinned_version_holds_over_2019_and_says_so() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    pinned = load_book("zhejiang-2026", holidays="none")
    start = datetime(2019, 7, 1, tzinfo=zone)
    end = start + timedelta(days=1)
    horizon = Horizon.between(start, end, slot_minutes=60, zone=zone)
    assert pinned.prices(horizon).period[19] == "sharp"
    assert "outside_validity" in {n.code for n in pinned.notes(start, end, zone=zone)}
    with pytest.raises(TariffError, match="no version holds"):
        load_book("zhejiang-industrial").prices(horizon)


def test_conditions_on_capacity_and_voltage() -> None:
    book = {
        "name": "conditions",
        "kind": "time_of_use",
        "currency": "CNY",
        "method": "absolute",
        "sell": "nothing",
        "season": [{"flat": ["00:00-24:00"]}],
        "overlay": [{"min_kva": 315, "sharp": ["19:30-21:30"]}],
        "values": [
            {"flat": 0.538, "sharp": 1.0, "min_kv": 1.0},
            {"flat": 0.558, "below_kv": 1.0},
        ],
    }

    def day(**settings: float) -> tuple[list[str], float]:
        tariff = build_tariff(book, TariffSettings(**settings), NoHolidays())  # type: ignore[arg-type]
        assert isinstance(tariff, TimeOfUse)
        on = date(2026, 7, 1)
        return [b.period for b in tariff.bands_of(on)], tariff.day_prices(on)["flat"]

    assert day(installed_kva=315, voltage_kv=10) == (["flat", "sharp", "flat"], 0.538)
    assert day(installed_kva=314, voltage_kv=0.4) == (["flat"], 0.558)
    with pytest.raises(TariffError, match="set installed_kva"):
        day(voltage_kv=10)


def test_an_unknown_book_names_the_nearest() -> None:
    with pytest.raises(TariffError, match="zhejiang-2026"):
        load_book("zhejang-2026")


def test_sce_tou_ev_4_and_pge_a10_as_their_json_says() -> None:
    sce = load_book("sce-tou-ev-4-2019")
    zone = ZoneInfo("America/Los_Angeles")
    start = datetime(2019, 7, 1, tzinfo=zone)
    prices = sce.prices(
        Horizon.between(start, start + timedelta(days=1), slot_minutes=60, zone=zone)
    )
    assert prices.buy_per_kwh[13] == 0.26668
    (term,) = sce.demand_terms(start, start + timedelta(days=1), zone=zone)
    assert term.money(100.0) == pytest.approx(1551.0)
    assert "08:30-21:30 mid_peak" in bands("pge-a10-tou-2019", date(2020, 1, 6))


@pytest.mark.parametrize("info", list_books(), ids=lambda b: b.name)
def test_every_book_covers_every_minute_of_its_validity_once(info: Any) -> None:
    book = read_books()[info.name]
    found = check_book(
        book,
        calendar_of(book, "default", "statutory", None),
        first=date(2024, 1, 1),
        last=date(2027, 12, 31),
        zones=[ZoneInfo("America/Los_Angeles"), ZoneInfo("Australia/Lord_Howe")],
    )
    assert found.problems == ()
    assert found.days > 365 or info.valid_from is not None
    assert info.source
    assert info.mark
    assert info.missing


def test_the_check_finds_gaps_overlaps_contradictions_and_missing_sources() -> None:
    book = read_books()["guangdong"]
    calendar = calendar_of(book, "default", "statutory", None)

    def problems(**changes: Any) -> str:
        found = check_book(
            {**book, **changes},
            calendar,
            first=date(2025, 6, 1),
            last=date(2025, 9, 1),
            zones=[],
        )
        return "; ".join(found.problems)

    gap = {"name": "all", "valley": ["00:00-08:00"], "peak": ["08:00-23:30"]}
    assert "23:30-24:00 has no period" in problems(season=[gap])
    twice = {"name": "all", "valley": ["00:00-08:30"], "rest": "flat", "peak": ["08:00-24:00"]}
    assert "08:00-08:30 is both" in problems(season=[twice])
    half_year = {"name": "half", "months": [1, 2, 3, 4, 5, 6, 7], "flat": ["00:00-24:00"]}
    assert "has no period" in problems(season=[half_year])
    overlap = [half_year, {"name": "late", "months": [7, 8, 9], "flat": ["00:00-24:00"]}]
    assert "needs one season" in problems(season=overlap) or "several" in problems(season=overlap)
    over = [
        {"name": "a", "sharp": ["10:00-12:00"]},
        {"name": "b", "valley": ["11:00-13:00"]},
    ]
    assert "contradict" in problems(overlay=over)
    misspelt = {"name": "a", "holidays": ["labor_day"], "valley": ["11:00-13:00"]}
    assert "did you" in problems(overlay=[{**misspelt, "holiday": []}])
    assert "no day is called 'labor_day'" in problems(overlay=[misspelt])
    assert "source is missing" in problems(source="")
    assert "did you mean 'season'" in problems(saeson=[])
