"""Periods by choice: one price all day until chosen, and the choice is fixed for twelve months."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.books import load_book
from adapters.tariff_settings import read_settings_file
from models.errors import TariffError
from models.horizon import epoch_s
from tariffs.settings import OptIn, TariffSettings

ZONE = ZoneInfo("Asia/Shanghai")


def general(*choices: tuple[date, bool]) -> TariffSettings:
    return TariffSettings(customer_class="general", opt_ins=tuple(OptIn(*c) for c in choices))


def price(settings: TariffSettings, local: str, book: str = "zhejiang-industrial") -> float:
    at = epoch_s(datetime.fromisoformat(local).replace(tzinfo=ZONE))
    tariff = load_book(book, settings=settings)
    return float(tariff.steps(at, at + 60, ZONE).buy_per_kwh[0])


def test_one_price_holds_all_day_until_the_periods_are_chosen() -> None:
    chosen = general((date(2026, 9, 1), True))
    assert price(chosen, "2026-08-31 18:00") == price(chosen, "2026-08-31 03:00") == 0.6803
    assert price(chosen, "2026-09-01 18:00") == pytest.approx(0.6803 + 0.85 * 0.5250)
    assert price(chosen, "2026-09-01 03:00") == pytest.approx(0.6803 - 0.6 * 0.5250)


def test_the_choice_stands_for_twelve_months_over_a_change_of_the_rules_too() -> None:
    early = general((date(2026, 2, 1), True), (date(2027, 1, 31), False))
    with pytest.raises(TariffError, match="after 11 months"):
        load_book("zhejiang-industrial", settings=early)
    later = general((date(2026, 2, 1), True), (date(2027, 2, 1), False))
    assert price(later, "2027-02-01 18:00") == 0.6803
    assert price(later, "2027-01-31 18:00") > 1.0


def test_large_industry_has_no_choice_and_who_says_nothing_is_told_what_is_assumed() -> None:
    large = TariffSettings(
        customer_class="large_industrial", opt_ins=(OptIn(date(2026, 9, 1), False),)
    )
    with pytest.raises(TariffError, match="leaves no choice"):
        load_book("zhejiang-2026", settings=large)
    tariff = load_book("zhejiang-2026", settings=general())
    at = datetime(2026, 9, 1, tzinfo=UTC)
    texts = [n.text for n in tariff.notes(at, at.replace(day=2), zone=ZONE)]
    assert any("time of use is assumed" in text for text in texts)


def test_the_choice_is_read_from_the_sites_settings(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        '[tariff]\ncustomer_class = "general"\n\n'
        "[[tariff.opt_in]]\nsince = 2026-09-01\ntime_of_use = true\n",
        encoding="utf-8",
    )
    assert read_settings_file(path).opt_ins == (OptIn(date(2026, 9, 1), True),)
