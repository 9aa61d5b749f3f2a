"""From a book's plain mapping, as TOML gives it, to a tariff object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from typing import Any

from models.errors import TariffError
from tariffs.calendar import HolidayCalendar
from tariffs.kinds.flat import Flat
from tariffs.kinds.time_of_use import Band, DayRule, Sell, TimeOfUse
from tariffs.period_prices import Component, PeriodPrices, ScopedValues
from tariffs.scope import Scope, clock_ranges, month_day
from tariffs.settings import TariffSettings
from tariffs.tariff import PERIODS, Tariff, TariffNote

_SCOPE_KEYS = {
    "months",
    "dates",
    "days",
    "holidays",
    "first_days",
    "min_holiday_days",
    "max_temperature_c",
}
_CONDITION_KEYS = {"class", "min_kva", "option", "not_option"}
_TOLD_KEYS = {"source", "mark", "note"}
_RULE_KEYS = _SCOPE_KEYS | _CONDITION_KEYS | _TOLD_KEYS | {"name"}
_BOOK_KEYS = _TOLD_KEYS | {
    "name",
    "family",
    "title",
    "kind",
    "currency",
    "timezone",
    "country",
    "subdivision",
    "valid_from",
    "valid_until",
    "classes",
    "class_note",
    "assumed_class",
    "options",
    "method",
    "base_is",
    "sell",
    "missing",
    "components",
    "values",
    "season",
    "overlay",
    "periods",
    "buy_per_kwh",
    "licence",
}


def build_tariff(
    book: Mapping[str, Any], settings: TariffSettings, calendar: HolidayCalendar
) -> Tariff:
    """The tariff that a book describes, for one site.

    Parameters
    ----------
    book : mapping
        As read from TOML; the keys are those of the shipped books.
    settings : TariffSettings
        The site's class, capacity, options and components.
    calendar : HolidayCalendar

    Raises
    ------
    TariffError
        With the book and the key: an unknown key, a class or option that the book does not
        have, a number that neither the book nor the site gives, a gap or an overlap.
    """
    name = str(_need(book, "name", "a book"))
    _known(book, _BOOK_KEYS, name)
    kind = _need(book, "kind", name)
    if kind == "flat":
        sell = _sell(book, settings, name)
        buy = float(_need(book, "buy_per_kwh", name))
        if sell.method == "share":
            sold = buy * sell.value
        else:
            sold = sell.value if sell.method == "fixed" else 0.0
        return Flat(name, str(_need(book, "currency", name)), buy, sold)
    if kind == "time_of_use":
        return _time_of_use(book, settings, calendar, name)
    raise TariffError(f"unknown kind '{kind}'", where=name, fix="use flat or time_of_use")


def validity(book: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """First civil day and the first day after; None: open."""
    found = []
    for key in ("valid_from", "valid_until"):
        value = book.get(key)
        if value is not None and type(value) is not date:
            raise TariffError(
                f"{value!r} is no date", where=f"{book.get('name')}.{key}", fix="write 2026-07-01"
            )
        found.append(value)
    return found[0], found[1]


def _time_of_use(
    book: Mapping[str, Any], settings: TariffSettings, calendar: HolidayCalendar, name: str
) -> TimeOfUse:
    settings, notes = _assume_class(book, settings, name)
    offered = {o["option"] for o in _tables(book, "overlay", name) if "option" in o}
    offered |= {o["option"] for o in _tables(book, "season", name) if "option" in o}
    offered |= {o["option"] for o in _tables(book, "values", name) if "option" in o}
    offered |= set(book.get("options", ()))
    unknown = sorted(settings.options - offered)
    if unknown:
        raise TariffError(
            f"has no option {', '.join(unknown)}",
            where=name,
            fix=f"it offers {', '.join(sorted(offered)) or 'none'}",
        )
    periods = tuple(book.get("periods", PERIODS))
    valid_from, valid_until = validity(book)
    missing = book.get("missing", [])
    if missing:
        notes.append(TariffNote("missing", f"{name} lacks: {'; '.join(missing)}"))
    return TimeOfUse(
        name=name,
        currency=str(_need(book, "currency", name)),
        seasons=_rules(book, "season", settings, periods, name),
        overlays=_rules(book, "overlay", settings, periods, name),
        period_prices=_period_prices(book, settings, periods, name),
        sell=_sell(book, settings, name),
        calendar=calendar,
        temperatures_c=settings.temperatures_c,
        valid_from=valid_from,
        valid_until=valid_until,
        static_notes=tuple(notes),
    )


def _assume_class(
    book: Mapping[str, Any], settings: TariffSettings, name: str
) -> tuple[TariffSettings, list[TariffNote]]:
    classes = book.get("classes", [])
    if settings.customer_class:
        if settings.customer_class not in classes:
            raise TariffError(
                f"has no customer class '{settings.customer_class}'",
                where=name,
                fix=f"it knows {', '.join(classes) or 'none'}",
            )
        return settings, []
    assumed = book.get("assumed_class", "")
    if not assumed:
        return settings, []
    note = TariffNote("assumed", f"{name}: no customer class is set, '{assumed}' is assumed")
    return replace(settings, customer_class=assumed), [note]


def _period_prices(
    book: Mapping[str, Any], settings: TariffSettings, periods: Sequence[str], name: str
) -> PeriodPrices:
    method = _need(book, "method", name)
    if method not in ("absolute", "ratio", "offset"):
        raise TariffError(f"unknown method '{method}'", where=name)
    values = []
    for i, entry in enumerate(_tables(book, "values", name)):
        where = f"{name}.values[{i}]"
        _known(entry, _RULE_KEYS | set(periods), where)
        if _holds(entry, settings, where):
            numbers = {p: _number(entry[p], f"{where}.{p}") for p in periods if p in entry}
            values.append(ScopedValues(_scope(entry, where), numbers))
    components = settings.components
    if not components:
        components = tuple(
            Component(
                _need(c, "since", f"{name}.components"),
                _number(_need(c, "flat_per_kwh", name), f"{name}.flat_per_kwh"),
                _number(c["base_per_kwh"], f"{name}.base_per_kwh") if "base_per_kwh" in c else None,
            )
            for c in _tables(book, "components", name)
            if _holds(c, settings, f"{name}.components")
        )
    if method != "absolute" and not components:
        raise TariffError(
            "holds periods and ratios only: the flat price and the floating base are yours to give",
            where=name,
            fix="set components (since, flat_per_kwh, base_per_kwh) in the site's tariff settings",
        )
    return PeriodPrices(method, tuple(values), components)


def _rules(
    book: Mapping[str, Any],
    key: str,
    settings: TariffSettings,
    periods: Sequence[str],
    name: str,
) -> tuple[DayRule, ...]:
    rules = []
    for i, entry in enumerate(_tables(book, key, name)):
        title = str(entry.get("name", f"{key}[{i}]"))
        where = f"{name}, {title}"
        _known(entry, _RULE_KEYS | set(periods), where)
        if not _holds(entry, settings, where):
            continue
        bands = tuple(
            Band(start, end, period)
            for period in periods
            for text in entry.get(period, ())
            for start, end in clock_ranges(text)
        )
        try:
            rules.append(DayRule(title, _scope(entry, where), bands))
        except TariffError as error:
            raise TariffError(error.what, where=where, fix=error.fix) from error
    return tuple(rules)


def _holds(entry: Mapping[str, Any], settings: TariffSettings, where: str) -> bool:
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
    if "min_kva" in entry:
        if settings.installed_kva is None:
            raise TariffError(
                f"depends on the installed capacity (from {entry['min_kva']} kVA)",
                where=where,
                fix="set installed_kva in the site's tariff settings",
            )
        if settings.installed_kva < entry["min_kva"]:
            return False
    if "option" in entry and entry["option"] not in settings.options:
        return False
    return not ("not_option" in entry and entry["not_option"] in settings.options)


def _scope(entry: Mapping[str, Any], where: str) -> Scope:
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


def _sell(book: Mapping[str, Any], settings: TariffSettings, name: str) -> Sell:
    if settings.sell_share is not None:
        return Sell("share", settings.sell_share)
    if settings.sell_per_kwh is not None:
        return Sell("fixed", settings.sell_per_kwh)
    stated = _need(book, "sell", name)
    if stated == "nothing":
        return Sell("nothing")
    if stated == "same":
        return Sell("share", 1.0)
    return Sell("fixed", _number(stated, f"{name}.sell"))


def _tables(book: Mapping[str, Any], key: str, name: str) -> Sequence[Mapping[str, Any]]:
    found = book.get(key, [])
    if not isinstance(found, list) or not all(isinstance(t, dict) for t in found):
        raise TariffError(f"'{key}' is no list of tables", where=name, fix=f"write [[{key}]]")
    return found


def _need(table: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in table:
        raise TariffError(f"'{key}' is missing", where=where)
    return table[key]


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TariffError(f"{value!r} is no number", where=where)
    return float(value)


def _known(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    for key in table:
        if key not in keys:
            near = get_close_matches(key, sorted(keys), n=1)
            raise TariffError(
                f"unknown key '{key}'",
                where=where,
                fix=f"did you mean '{near[0]}'?" if near else "",
            )
