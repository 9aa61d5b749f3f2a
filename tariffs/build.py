"""From a book's plain mapping, as TOML gives it, to a tariff object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from models.errors import TariffError
from tariffs.book_demand import DEMAND_BOOK_KEYS, with_demand, with_tiers
from tariffs.book_rules import RULE_KEYS, TOLD_KEYS, holds, rules, scope
from tariffs.book_shape import check_shape
from tariffs.calendar import HolidayCalendar
from tariffs.kinds.flat import Flat
from tariffs.kinds.spot import Spot
from tariffs.kinds.time_of_use import TimeOfUse
from tariffs.kinds.with_fees import WithFees
from tariffs.opt_in import opted
from tariffs.period_prices import Component, PeriodPrices, ScopedValues
from tariffs.scope import Scope
from tariffs.sell import Sell
from tariffs.series import PriceSeries
from tariffs.settings import TariffSettings
from tariffs.table import known, need, number, tables
from tariffs.tariff import PERIODS, Tariff, TariffNote

_BOOK_KEYS = (
    TOLD_KEYS
    | DEMAND_BOOK_KEYS
    | {
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
        "gap",
        "series",
        "licence",
        "opt_in",
    }
)


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
    name = str(need(book, "name", "a book"))
    check_shape(book)
    known(book, _BOOK_KEYS, name)
    settings, assumed = _assume_class(book, settings, name)
    tariff = _energy(book, settings, calendar, assumed, name)
    tariff = with_tiers(tariff, book, settings, name)
    tariff = with_demand(tariff, book, settings, calendar, name)
    return WithFees(tariff, settings.fees) if settings.fees else tariff


def _energy(
    book: Mapping[str, Any],
    settings: TariffSettings,
    calendar: HolidayCalendar,
    assumed: Sequence[TariffNote],
    name: str,
) -> Tariff:
    kind = need(book, "kind", name)
    if kind == "time_of_use":
        return opted(
            book,
            settings,
            name,
            lambda b, site, notes: _time_of_use(b, site, calendar, (*assumed, *notes), name),
        )
    if kind == "spot":
        return _spot(book, name)
    if kind != "flat":
        raise TariffError(f"unknown kind '{kind}'", where=name, fix="flat, time_of_use or spot")
    buy = number(need(book, "buy_per_kwh", name), f"{name}.buy_per_kwh")
    sold = _sell(book, settings, name).price(np.array([buy]))
    return Flat(name, str(need(book, "currency", name)), buy, float(sold[0]))


def _spot(book: Mapping[str, Any], name: str) -> Spot:
    """Prices as published so far (``[[series]]``) or none yet; the gap rule must be said."""
    gap = need(book, "gap", name)
    if gap not in ("refuse", "hold", "previous_day"):
        raise TariffError(
            f"unknown gap rule '{gap}'", where=f"{name}.gap", fix="refuse, hold or previous_day"
        )
    tariff = Spot(name, str(need(book, "currency", name)), None, gap)
    for i, entry in enumerate(tables(book, "series", name)):
        where = f"{name}.series[{i}]"
        known(entry, {"start", "slot_minutes", "buy_per_kwh", "sell_per_kwh"}, where)
        tariff = tariff.pushed(
            PriceSeries.regular(
                need(entry, "start", where),
                int(need(entry, "slot_minutes", where)),
                [number(v, f"{where}.buy_per_kwh") for v in need(entry, "buy_per_kwh", where)],
                [number(v, f"{where}.sell_per_kwh") for v in need(entry, "sell_per_kwh", where)],
            )
        )
    return tariff


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
    book: Mapping[str, Any],
    settings: TariffSettings,
    calendar: HolidayCalendar,
    assumed: Sequence[TariffNote],
    name: str,
) -> TimeOfUse:
    notes = list(assumed)
    offered = {
        entry[key]
        for part in ("overlay", "season", "values", "components", "demand")
        for entry in tables(book, part, name)
        for key in ("option", "not_option")
        if key in entry
    }
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
    seasons = rules(book, "season", settings, periods, name)
    if not seasons:
        raise TariffError(
            "knows no clock ranges for this site",
            where=name,
            fix=f"choose one of its options ({', '.join(sorted(offered)) or 'it has none'}) "
            "or give seasons in the site's tariff settings",
        )
    return TimeOfUse(
        name=name,
        currency=str(need(book, "currency", name)),
        seasons=seasons,
        overlays=rules(book, "overlay", settings, periods, name),
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
    method = need(book, "method", name)
    if method not in ("absolute", "ratio", "offset"):
        raise TariffError(f"unknown method '{method}'", where=name)
    values = []
    for i, entry in enumerate(tables(book, "values", name)):
        where = f"{name}.values[{i}]"
        known(entry, RULE_KEYS | set(periods), where)
        if holds(entry, settings, where):
            numbers = {p: number(entry[p], f"{where}.{p}") for p in periods if p in entry}
            values.append(ScopedValues(scope(entry, where), numbers))
    if settings.ratios:
        unknown = sorted(set(settings.ratios) - set(periods))
        if unknown:
            raise TariffError(f"has no period {', '.join(unknown)}", where=f"{name}, site ratios")
        values.append(ScopedValues(Scope(), dict(settings.ratios)))
    components = settings.components
    if not components:
        components = tuple(
            Component(
                need(c, "since", f"{name}.components"),
                number(need(c, "flat_per_kwh", name), f"{name}.flat_per_kwh"),
                number(c["base_per_kwh"], f"{name}.base_per_kwh") if "base_per_kwh" in c else None,
            )
            for c in tables(book, "components", name)
            if holds(c, settings, f"{name}.components")
        )
    if method != "absolute" and not components:
        raise TariffError(
            "holds periods and ratios only: the flat price and the floating base are yours to give",
            where=name,
            fix="set components (since, flat_per_kwh, base_per_kwh) in the site's tariff settings",
        )
    return PeriodPrices(method, tuple(values), components)


def _sell(book: Mapping[str, Any], settings: TariffSettings, name: str) -> Sell:
    if settings.sell_share is not None:
        return Sell("share", settings.sell_share)
    if settings.sell_per_kwh is not None:
        return Sell("fixed", settings.sell_per_kwh)
    stated = need(book, "sell", name)
    if stated == "nothing":
        return Sell("nothing")
    if stated == "same":
        return Sell("share", 1.0)
    return Sell("fixed", number(stated, f"{name}.sell"))
