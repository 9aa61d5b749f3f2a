"""The demand, capacity and tier rules of a book, joined with the site's choices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

from models.errors import TariffError
from tariffs.book_rules import CONDITION_KEYS, TOLD_KEYS, holds, scope
from tariffs.calendar import HolidayCalendar
from tariffs.consumption import ConsumptionTiers
from tariffs.day_rule import Band, DayRule, DayWindow
from tariffs.demand import Always, CountedWindow
from tariffs.demand_rules import Basis, DemandRule, Exemption, SiteDemand
from tariffs.kinds.tiered import Tiered
from tariffs.kinds.two_part import TwoPart
from tariffs.scope import clock_ranges
from tariffs.settings import TariffSettings
from tariffs.table import known, need, number, tables
from tariffs.tariff import PERIODS, Tariff

DEMAND_BOOK_KEYS = {"demand", "exemption", "tiers", "billing_change_months"}
_NUMBERS = (
    "tolerance",
    "excess_factor",
    "floor_share",
    "block_kw",
    "overage_per_kw",
    "ratchet_share",
    "reduced_kwh_per_kva",
    "reduced_factor",
)
_DEMAND_KEYS = (
    TOLD_KEYS
    | CONDITION_KEYS
    | set(_NUMBERS)
    | {
        "name",
        "basis",
        "price",
        "since",
        "until",
        "months",
        "interval_minutes",
        "slide_minutes",
        "ratchet_months",
        "window",
    }
)
_TIER_KEYS = TOLD_KEYS | CONDITION_KEYS | {"period", "within", "from_kwh", "adder_per_kwh"}
_BASES = ("capacity", "contracted", "actual", "peak", "blocks", "fixed")


def with_demand(
    tariff: Tariff,
    book: Mapping[str, Any],
    settings: TariffSettings,
    calendar: HolidayCalendar,
    name: str,
) -> Tariff:
    """The tariff with its demand rules; itself where the book has none."""
    rules = []
    for i, entry in enumerate(tables(book, "demand", name)):
        where = f"{name}, {entry.get('name', f'demand[{i}]')}"
        known(entry, _DEMAND_KEYS, where)
        if holds(entry, settings, where):
            rules.extend(_rule(entry, settings, calendar, where))
    if not rules:
        return tariff
    exemptions = [
        Exemption(
            frozenset(need(e, "bases", name)),
            e.get("since"),
            settings.exempt_until or e.get("until"),
        )
        for e in tables(book, "exemption", name)
        if settings.site_class == need(e, "site_class", name)
    ]
    site = SiteDemand(
        choices=settings.choices,
        change_months=int(book.get("billing_change_months", 0)),
        installed_kva=settings.installed_kva,
        exemptions=(*exemptions, *settings.exemptions),
        peaks_kw=settings.peaks_kw,
    )
    return TwoPart(tariff, tuple(rules), site)


def with_tiers(
    tariff: Tariff, book: Mapping[str, Any], settings: TariffSettings, name: str
) -> Tariff:
    """The tariff with its consumption tiers; itself where the book has none."""
    for entry in tables(book, "tiers", name):
        known(
            entry,
            TOLD_KEYS | CONDITION_KEYS | {"period", "within", "from_kwh", "adder_per_kwh"},
            name,
        )
        if not holds(entry, settings, f"{name}.tiers"):
            continue
        period = need(entry, "period", f"{name}.tiers")
        if period not in ("month", "year"):
            raise TariffError(f"unknown period '{period}'", where=f"{name}.tiers")
        bounds, adders = need(entry, "from_kwh", name), need(entry, "adder_per_kwh", name)
        if len(bounds) != len(adders):
            raise TariffError("needs one adder_per_kwh for each from_kwh", where=f"{name}.tiers")
        pairs = zip(bounds, adders, strict=True)
        within = str(entry.get("within", ""))
        if within and within not in book.get("periods", PERIODS):
            raise TariffError(f"has no period '{within}'", where=f"{name}.tiers")
        tiers = ConsumptionTiers(period, tuple((float(a), float(b)) for a, b in pairs), within)
        consumed = settings.consumed_kwh
        if within:
            consumed = settings.consumed_in_kwh.get(within, 0.0)
        tariff = Tiered(tariff, tiers, consumed)
    return tariff


def _rule(
    entry: Mapping[str, Any], settings: TariffSettings, calendar: HolidayCalendar, where: str
) -> list[DemandRule]:
    """A rule, or none while its price is unknown and the site has not chosen its basis."""
    basis = need(entry, "basis", where)
    if basis not in _BASES:
        raise TariffError(f"unknown basis '{basis}'", where=where, fix="one of " + str(_BASES))
    own = {
        "contracted": settings.demand_per_kw,
        "actual": settings.demand_per_kw,
        "capacity": settings.capacity_per_kva,
    }.get(basis)
    price = own if own is not None else entry.get("price")
    if price is None:
        if any(c.billing == basis for c in settings.choices):
            raise TariffError(
                f"the book has no price for '{basis}'",
                where=where,
                fix="set demand_per_kw or capacity_per_kva in the site's tariff settings",
            )
        return []
    interval_s = 60 * int(entry.get("interval_minutes", 15))
    numbers = {key: number(entry[key], f"{where}.{key}") for key in _NUMBERS if key in entry}
    rule = DemandRule(
        name=str(entry.get("name", basis)),
        basis=cast(Basis, basis),
        price=number(price, f"{where}.price"),
        since=_day(entry, "since", where),
        until=_day(entry, "until", where),
        months=frozenset(entry.get("months", ())),
        interval_s=interval_s,
        slide_s=60 * int(entry["slide_minutes"]) if "slide_minutes" in entry else interval_s,
        counted=_window(entry, calendar, where),
        ratchet_months=int(entry.get("ratchet_months", 0)),
        **cast(dict[str, Any], numbers),
    )
    return [rule]


def _window(entry: Mapping[str, Any], calendar: HolidayCalendar, where: str) -> CountedWindow:
    windows = tables(entry, "window", where)
    if not windows:
        return Always()
    rules = tuple(
        DayRule(
            f"{where}, window",
            scope(window, where),
            tuple(
                Band(start, end, "counted")
                for text in need(window, "hours", where)
                for start, end in clock_ranges(text)
            ),
        )
        for window in windows
    )
    return DayWindow(rules, calendar)


def _day(entry: Mapping[str, Any], key: str, where: str) -> date | None:
    value = entry.get(key)
    if value is not None and type(value) is not date:
        raise TariffError(f"{value!r} is no date", where=f"{where}.{key}", fix="write 2026-07-01")
    return value
