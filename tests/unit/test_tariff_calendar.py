"""Holidays by name and by their nth day, make-up workdays, unpublished years, overrides."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.books import holidays_of, load_book
from adapters.config import load_site
from models.errors import TariffError
from tariffs.calendar import PublicHolidays
from tariffs.scope import Scope, clock_ranges, minute_of
from tariffs.settings import TariffSettings

CN = PublicHolidays("CN")
REPO = Path(__file__).resolve().parents[2]


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


def test_the_holidays_of_a_tariff_are_found_where_its_prices_do_not_ask(tmp_path: Path) -> None:
    day = date(2026, 10, 9)
    settings = TariffSettings(holiday_fallback="refuse", holiday_overrides={day: "day_off"})
    family = holidays_of("zhejiang-industrial", settings)
    assert family is not None
    assert family.day(day).is_holiday
    # Prices of an unpublished year may be refused; a day is then what the law makes it.
    assert family.day(date(2027, 10, 1)).is_holiday
    flat = tmp_path / "flat.toml"
    flat.write_text('name = "flat"\ncountry = "CN"\n', encoding="utf-8")
    assert holidays_of(str(flat), TariffSettings()) == CN
    for name in ("sce-tou-ev-4-2019", "nobody's", "nowhere.toml"):
        assert holidays_of(name, TariffSettings()) is None
    assert holidays_of("zhejiang-2026", TariffSettings(holidays="none")) is None


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


def test_a_site_brings_its_overrides_and_says_what_an_unpublished_year_follows(
    tmp_path: Path,
) -> None:
    """The daemon plans by them: a deep valley on a day that nobody else calls a holiday."""
    text = (REPO / "examples" / "depot-1.toml").read_text(encoding="utf-8")
    (tmp_path / "holidays.toml").write_text('2026-09-08 = "spring_festival"\n', encoding="utf-8")
    path = tmp_path / "site.toml"
    path.write_text(
        f"{text}\n[tariff]\nholiday_file = 'holidays.toml'\nholiday_fallback = 'refuse'\n"
        '[tariff.holiday_overrides]\n"2026-09-09" = "spring_festival"\n',
        encoding="utf-8",
    )
    file = load_site(path)
    tariff = load_book("zhejiang-2026", settings=file.tariff_settings)
    zone = ZoneInfo("Asia/Shanghai")

    def price(day: int) -> float:
        at = int(datetime(2026, 9, day, 10, tzinfo=zone).timestamp())
        return float(tariff.steps(at, at + 60, zone).buy_per_kwh[0])

    assert price(8) == price(9) == pytest.approx(0.6803 - 0.8 * 0.5250)
    assert price(10) == pytest.approx(0.6803)
    far = int(datetime(2031, 9, 1, tzinfo=zone).timestamp())
    with pytest.raises(TariffError, match="2031"):
        tariff.steps(far, far + 60, zone)
