"""Rules of a book: on which days, for which customers, with which bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import TariffError
from tariffs.day_rule import Band, DayRule
from tariffs.scope import Scope, clock_ranges, month_day
from tariffs.settings import TariffSettings
from tariffs.table import known, tables

SCOPE_KEYS = {
    "months",
    "dates",
    "days",
    "holidays",
    "first_days",
    "min_holiday_days",
    "max_temperature_c",
}
CONDITION_KEYS = {"class", "min_kva", "min_kv", "below_kv", "option", "not_option"}
_BOUNDS = (
    ("min_kva", "installed_kva", "kVA"),
    ("min_kv", "voltage_kv", "kV"),
    ("below_kv", "voltage_kv", "kV"),
)
TOLD_KEYS = {"source", "mark", "note"}
RULE_KEYS = SCOPE_KEYS | CONDITION_KEYS | TOLD_KEYS | {"name"}


def rules(
    book: Mapping[str, Any],
    key: str,
    settings: TariffSettings,
    periods: Sequence[str],
    name: str,
) -> tuple[DayRule, ...]:
    """The seasons or overlays of a book that hold for a site."""
    found = []
    entries = [*tables(book, key, name), *(settings.seasons if key == "season" else ())]
    for i, entry in enumerate(entries):
        title = str(entry.get("name", f"{key}[{i}]"))
        where = f"{name}, {title}"
        known(entry, RULE_KEYS | {"rest"} | set(periods), where)
        if not holds(entry, settings, where):
            continue
        bands = tuple(
            Band(start, end, period)
            for period in periods
            for text in entry.get(period, ())
            for start, end in clock_ranges(text)
        )
        try:
            rule = DayRule(title, scope(entry, where), bands)
        except TariffError as error:
            raise TariffError(error.what, where=where, fix=error.fix) from error
        if "rest" in entry:
            if entry["rest"] not in periods:
                raise TariffError(f"unknown period '{entry['rest']}'", where=f"{where}.rest")
            filled = tuple(Band(a, b, entry["rest"]) for a, b in rule.uncovered())
            rule = DayRule(title, rule.scope, bands + filled)
        found.append(rule)
    return tuple(found)


def holds(entry: Mapping[str, Any], settings: TariffSettings, where: str) -> bool:
    """Whether the conditions that do not depend on the day are met by the site."""
    if "class" in entry:
        if not settings.customer_class:
            raise TariffError(
                f"depends on the customer class ({', '.join(entry['class'])})",
                where=where,
                fix="set customer_class in the site's tariff settings",
            )
        if settings.customer_class not in entry["class"]:
            return False
    for key, setting, unit in _BOUNDS:
        if key in entry:
            value = getattr(settings, setting)
            if value is None:
                raise TariffError(
                    f"depends on {setting} ({key.partition('_')[0]} {entry[key]} {unit})",
                    where=where,
                    fix=f"set {setting} in the site's tariff settings",
                )
            if (value < entry[key]) == key.startswith("min"):
                return False
    if "option" in entry and entry["option"] not in settings.options:
        return False
    return not ("not_option" in entry and entry["not_option"] in settings.options)


def scope(entry: Mapping[str, Any], where: str) -> Scope:
    """The days of a rule."""
    try:
        dates = []
        for text in entry.get("dates", ()):
            first, _, last = str(text).partition("..")
            dates.append((month_day(first), month_day(last or first)))
        limit = entry.get("max_temperature_c")
        return Scope(
            months=frozenset(entry.get("months", ())),
            dates=tuple(dates),
            days=frozenset(entry.get("days", ())),
            holidays=frozenset(entry.get("holidays", ())),
            first_days=int(entry.get("first_days", 0)),
            min_holiday_days=int(entry.get("min_holiday_days", 0)),
            max_temperature_c=None if limit is None else float(limit),
        )
    except TariffError as error:
        raise TariffError(error.what, where=where, fix=error.fix) from error
