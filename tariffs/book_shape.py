"""The type of every key of a book, looked at once, before anything is read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

from models.errors import TariffError
from tariffs.table import tables
from tariffs.tariff import PERIODS


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and isfinite(value)


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(_number(v) for v in value)


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _minutes(value: Any) -> bool:
    return type(value) is int and 0 < value <= 1440


def _months(value: Any) -> bool:
    return isinstance(value, list) and all(type(v) is int for v in value)


def _day(value: Any) -> bool:
    return type(value) is date


def _instant(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _text_or_number(value: Any) -> bool:
    return _text(value) or _number(value)


_MEANT: dict[Callable[[Any], bool], str] = {
    _text: "text",
    _texts: "a list of texts",
    _number: "a number",
    _numbers: "a list of numbers",
    _whole: "a whole number",
    _minutes: "whole minutes, 1 to 1440",
    _months: "a list of months, 1 to 12",
    _day: "a date, as 2026-07-01",
    _instant: "an instant with offset",
    _text_or_number: "a word or a number",
}

_KINDS: dict[Callable[[Any], bool], str] = {
    _text: "name family title kind currency timezone country subdivision class_note assumed_class "
    "method base_is source mark note licence gap option not_option rest basis period within "
    "single_price site_class",
    _texts: "classes options missing periods class days holidays dates hours bases",
    _number: "buy_per_kwh min_kva min_kv below_kv max_temperature_c price tolerance excess_factor "
    "floor_share block_kw overage_per_kw ratchet_share reduced_kwh_per_kva reduced_factor "
    "flat_per_kwh base_per_kwh",
    _numbers: "from_kwh adder_per_kwh sell_per_kwh",
    _whole: "billing_change_months first_days min_holiday_days ratchet_months lock_months",
    _minutes: "interval_minutes slide_minutes slot_minutes",
    _months: "months",
    _day: "valid_from valid_until since until",
    _instant: "start",
    _text_or_number: "sell",
}
_BY_KEY = {key: test for test, keys in _KINDS.items() for key in keys.split()}
_TABLES = [
    "season",
    "overlay",
    "values",
    "components",
    "demand",
    "exemption",
    "tiers",
    "series",
    "opt_in",
]


def check_shape(book: Mapping[str, Any]) -> None:
    """Refuse a book in which a value has a type that its key cannot have.

    Raises
    ------
    TariffError
        With the place, the key and what was meant.
    """
    name = str(book.get("name", "a book"))
    _check(book, _BY_KEY, name)
    periods = book.get("periods", PERIODS)
    clocks, prices = dict.fromkeys(periods, _texts), dict.fromkeys(periods, _number)
    own = {
        "season": clocks,
        "overlay": clocks,
        "values": prices,
        "series": {"buy_per_kwh": _numbers},
    }
    for key in _TABLES:
        for i, entry in enumerate(tables(book, key, name)):
            where = f"{name}.{key}[{i}]"
            _check(entry, {**_BY_KEY, **own.get(key, {})}, where)
            for k, window in enumerate(tables(entry, "window", where)):
                _check(window, _BY_KEY, f"{where}.window[{k}]")


def _check(
    table: Mapping[str, Any], kinds: Mapping[str, Callable[[Any], bool]], where: str
) -> None:
    for key, value in table.items():
        test = kinds.get(key)
        if test is not None and not test(value):
            raise TariffError(f"{value!r} is not {_MEANT[test]}", where=f"{where}.{key}")
