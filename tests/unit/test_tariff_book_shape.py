"""Books that somebody got wrong: each mistake is named with its place."""

from __future__ import annotations

import copy
import random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.books import read_books
from models.errors import TariffError, ValleyfillError
from tariffs.build import build_tariff
from tariffs.calendar import NoHolidays
from tariffs.settings import TariffSettings

LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@pytest.mark.parametrize(
    ("table", "key", "value", "word"),
    [
        ("season", "months", [1, "2"], "a list of months"),
        ("season", "valley", "00:00-08:00", "a list of texts"),
        ("season", "days", [["weekday"]], "a list of texts"),
        ("overlay", "first_days", "three", "a whole number"),
        ("values", "peak", float("nan"), "a number"),
        ("demand", "interval_minutes", 0, "whole minutes"),
        ("components", "since", "2026-07-01", "a date"),
        ("components", "flat_per_kwh", True, "a number"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_place(
    table: str, key: str, value: Any, word: str
) -> None:
    book = copy.deepcopy(read_books()["zhejiang-2026"])
    book[table][0][key] = value
    with pytest.raises(TariffError, match=rf"is not {word}.*") as caught:
        build_tariff(book, TariffSettings(), NoHolidays())
    assert f"zhejiang-2026.{table}[0].{key}" in str(caught.value)


@pytest.mark.parametrize("seed", range(3))
def test_no_mangled_book_ends_in_anything_but_a_named_error(seed: int) -> None:
    rng = random.Random(seed)
    books = list(read_books().values())
    junk = [None, -1, 1.5, "", "x", "25:00-26:00", [], ["x"], [13], [[1]], {"a": 1}, True]
    refused = 0
    for _ in range(100):
        book = copy.deepcopy(rng.choice(books))
        place: Any = book
        while True:
            key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
                break
            place = inner
        place[key] = rng.choice(junk)
        try:
            tariff = build_tariff(book, TariffSettings(installed_kva=500.0), NoHolidays())
            tariff.steps(1_772_000_000, 1_772_864_000, LOS_ANGELES)
        except ValleyfillError:
            refused += 1
    assert refused > 30, f"seed {seed}"
