"""Holidays by name and by their nth day, make-up workdays, unpublished years, overrides."""

from __future__ import annotations

from datetime import date

import pytest

from models.errors import TariffError
from tariffs.calendar import PublicHolidays
from tariffs.scope import Scope, clock_ranges, minute_of

CN = PublicHolidays("CN")


def test_the_nth_day_of_a_named_holiday() -> None:
    (place,) = CN.day(date(2026, 5, 3)).holidays
    assert (place.name, place.nth, place.length) == ("labour_day", 3, 5)


def test_a_mid_autumn_day_inside_the_national_break_belongs_to_both() -> None:
    names = {p.name for p in CN.day(date(2025, 10, 6)).holidays}
    assert names == {"mid_autumn_festival", "national_day"}


def test_a_worked_saturday_is_a_workday_but_still_on_the_weekend() -> None:
    day = CN.day(date(2026, 5, 9))
    assert day.makeup_workday
    assert day.is_workday
    assert Scope(days=frozenset({"workday"})).matches(day)
    assert Scope(days=frozenset({"weekend"})).matches(day)
    assert not Scope(days=frozenset({"restday"})).matches(day)


def test_a_year_not_yet_published_follows_its_named_fallback_loudly() -> None:
    spring = date(2027, 2, 6)
    assert CN.day(spring).holidays[0].name == "spring_festival"
    (note,) = CN.notes(date(2026, 12, 1), spring)
    assert "2027" in note.text
    assert "statutory" in note.text
    silent = PublicHolidays("CN", fallback="none")
    assert not silent.day(spring).is_holiday
    assert "'none'" in silent.notes(spring, spring)[0].text
    with pytest.raises(TariffError, match="2027 are not published"):
        PublicHolidays("CN", fallback="refuse").day(spring)


def test_an_override_wins_over_the_source() -> None:
    corrected = PublicHolidays(
        "CN",
        overrides={
            date(2027, 10, 6): "national_day",
            date(2027, 10, 9): "workday",
            date(2026, 5, 5): "ordinary",
        },
    )
    assert corrected.day(date(2027, 10, 6)).holidays[0].nth == 6
    assert corrected.day(date(2027, 10, 9)).is_workday
    assert not corrected.day(date(2026, 5, 5)).is_holiday
    assert corrected.day(date(2026, 5, 4)).holidays[0].length == 4


def test_other_countries_come_from_holidays() -> None:
    california = PublicHolidays("US", "CA")
    assert california.day(date(2026, 7, 4)).is_holiday
    assert california.notes(date(2024, 1, 1), date(2030, 1, 1)) == ()


def test_clock_ranges() -> None:
    assert clock_ranges("22:30-08:00") == ((1350, 1440), (0, 480))
    assert clock_ranges("22:00-24:00") == ((1320, 1440),)
    assert clock_ranges("22:00-00:00") == ((1320, 1440),)
    assert minute_of("24:00") == 1440
    for wrong in ("24:30-25:00", "8-9", "08:00", "09:00-09:00", "24:00-02:00"):
        with pytest.raises(TariffError):
            clock_ranges(wrong)
