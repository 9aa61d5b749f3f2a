"""The shipped books give the figures that were published."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from adapters.books import list_books, load_book
from models.errors import TariffError
from models.horizon import Horizon

SHANGHAI = ZoneInfo("Asia/Shanghai")


def bands(name: str, day: date, **kw) -> list[tuple[str, str, str]]:
    return [
        (
            f"{b.start_min // 60:02d}:{b.start_min % 60:02d}",
            f"{b.end_min // 60:02d}:{b.end_min % 60:02d}",
            b.period,
        )
        for b in load_book(name, **kw).bands_of(day)
    ]


def test_zhejiang_2026_price_sheet_within_the_rounding_of_its_base() -> None:
    sheet = load_book("zhejiang-2026").day_prices(date(2026, 7, 1))
    published = {
        "valley": 0.3653,
        "flat": 0.6803,
        "peak": 1.1267,
        "sharp": 1.2315,
        "deep_valley": 0.2603,
    }
    assert sheet == pytest.approx(published, abs=2e-4)


def test_a_july_workday_and_an_october_holiday_of_zhejiang_2026() -> None:
    assert bands("zhejiang-2026", date(2026, 7, 1)) == [
        ("00:00", "07:00", "valley"),
        ("07:00", "11:00", "flat"),
        ("11:00", "14:00", "valley"),
        ("14:00", "16:00", "flat"),
        ("16:00", "18:00", "peak"),
        ("18:00", "22:00", "sharp"),
        ("22:00", "23:00", "peak"),
        ("23:00", "24:00", "flat"),
    ]
    third, fourth = date(2026, 10, 3), date(2026, 10, 4)
    assert ("09:00", "15:00", "deep_valley") in bands("zhejiang-2026", third)
    assert "deep_valley" not in {p for _, _, p in bands("zhejiang-2026", fourth)}
    assert bands("zhejiang-2026", third, holidays="none") == bands("zhejiang-2026", fourth)


def test_zhejiang_2024_deep_valley_lasts_the_whole_break() -> None:
    for day in (date(2024, 10, 1), date(2024, 10, 7), date(2025, 10, 6), date(2025, 2, 4)):
        assert ("10:00", "14:00", "deep_valley") in bands("zhejiang-2024", day)
    assert "deep_valley" not in {p for _, _, p in bands("zhejiang-2024", date(2024, 10, 8))}


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
    prices = pinned.prices(Horizon.between(start, end, slot_minutes=60, zone=zone))
    assert prices.period[19] == "sharp"
    assert "outside_validity" in {n.code for n in pinned.notes(start, end, zone=zone)}
    with pytest.raises(TariffError, match="no version holds"):
        load_book("zhejiang-industrial").prices(
            Horizon.between(start, end, slot_minutes=60, zone=zone)
        )


def test_an_unknown_book_names_the_nearest() -> None:
    with pytest.raises(TariffError, match="zhejiang-2026"):
        load_book("zhejang-2026")


def test_every_book_carries_its_source_and_mark() -> None:
    for book in list_books():
        assert book.source, book.name
        assert book.mark, book.name
