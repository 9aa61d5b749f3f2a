"""The ``[tariff]`` table of a site: its side of the contract, as checked settings."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from adapters.books import read_book_file, read_holiday_overrides
from adapters.config_table import MUST, Table
from models.errors import ConfigurationError
from tariffs.calendar import NoHolidays
from tariffs.day_rule import Band, DayRule
from tariffs.demand_rules import BillingChoice, Exemption
from tariffs.kinds.flat import Flat
from tariffs.kinds.time_of_use import TimeOfUse
from tariffs.kinds.with_fees import Fee
from tariffs.period_prices import Component, PeriodPrices, ScopedValues
from tariffs.power_factor import PowerFactorRule
from tariffs.scope import DAY_MINUTES, Scope, clock_ranges
from tariffs.sell import Sell
from tariffs.settings import OptIn, TariffSettings
from tariffs.tariff import Tariff

KEYS = (
    "customer_class",
    "installed_kva",
    "voltage_kv",
    "options",
    "opt_in",
    "holidays",
    "holiday_fallback",
    "holiday_overrides",
    "holiday_file",
    "components",
    "ratios",
    "seasons",
    "temperatures_c",
    "sell_share",
    "sell_per_kwh",
    "billing",
    "demand_per_kw",
    "capacity_per_kva",
    "site_class",
    "exempt_until",
    "exemptions",
    "peaks_kw",
    "consumed_kwh",
    "consumed_in_kwh",
    "fees",
    "power_factor",
)


def tariff_settings(
    data: Any, *, currency: str, where: str = "tariff", folder: Path | None = None
) -> TariffSettings:
    """Settings from a plain table.

    Parameters
    ----------
    data : mapping
        As :mod:`tomllib` gives it.
    currency : str
        Of the site; fees are in it.
    where : str
        Key path for messages.
    folder : Path, optional
        Where a ``holiday_file`` is looked for that is no absolute path.

    Raises
    ------
    ConfigurationError, TariffError
        With the key.
    """
    table = Table(data, where, KEYS)
    return TariffSettings(
        customer_class=table.text("customer_class", ""),
        installed_kva=table.number("installed_kva", None),
        voltage_kv=table.number("voltage_kv", None),
        options=frozenset(table.texts("options", ())),
        opt_ins=tuple(
            OptIn(t.day("since"), t.flag("time_of_use")) for t in _parts(table, "opt_in", _OPT_IN)
        ),
        holidays=table.choice("holidays", ("default", "none"), "default"),
        holiday_fallback=table.choice(
            "holiday_fallback", ("statutory", "none", "refuse"), "statutory"
        ),
        holiday_overrides=_overrides(table, folder),
        components=tuple(_component(t) for t in _parts(table, "components", _COMPONENT)),
        ratios=_numbers(table, "ratios"),
        seasons=tuple(table.tables("seasons", [])),
        temperatures_c={
            _date(key, f"{where}.temperatures_c"): value
            for key, value in _numbers(table, "temperatures_c").items()
        },
        sell_share=table.number("sell_share", None),
        sell_per_kwh=table.number("sell_per_kwh", None),
        choices=tuple(_choice(t) for t in _parts(table, "billing", _CHOICE)),
        demand_per_kw=table.number("demand_per_kw", None),
        capacity_per_kva=table.number("capacity_per_kva", None),
        site_class=table.text("site_class", ""),
        exempt_until=table.day("exempt_until") if "exempt_until" in table else None,
        exemptions=tuple(_exemption(t) for t in _parts(table, "exemptions", _EXEMPTION)),
        peaks_kw={
            _month(key, f"{where}.peaks_kw"): value
            for key, value in _numbers(table, "peaks_kw").items()
        },
        consumed_kwh=table.number("consumed_kwh", 0.0),
        consumed_in_kwh=_numbers(table, "consumed_in_kwh"),
        fees=tuple(_fee(t, currency) for t in _parts(table, "fees", _FEE)),
        power_factor=_power_factor(table),
    )


def _overrides(table: Table, folder: Path | None) -> dict[date, str]:
    """Those of the file, and over them those that stand in the settings themselves."""
    found: dict[date, str] = {}
    if "holiday_file" in table:
        path = Path(table.text("holiday_file"))
        found |= read_holiday_overrides(path if folder is None else folder / path)
    entries = table.get("holiday_overrides", {})
    keys = tuple(entries) if isinstance(entries, dict) else ()
    part = Table(entries, table.at("holiday_overrides"), keys)
    return found | {_date(key, part.at(key)): part.text(key) for key in keys}


def read_settings_file(path: Path) -> TariffSettings:
    """Settings from a site file, or from a TOML file that holds nothing but its ``[tariff]``."""
    data = read_book_file(path)
    site = data.get("site", {})
    currency = str(site.get("currency", "")) if isinstance(site, dict) else ""
    return tariff_settings(
        data.get("tariff", {}), currency=currency, where=f"{path}, tariff", folder=path.parent
    )


_COMPONENT = ("since", "flat_per_kwh", "base_per_kwh")
_OPT_IN = ("since", "time_of_use")
_CHOICE = ("since", "basis", "contracted_kw", "blocks")
_EXEMPTION = ("bases", "since", "until")
_FEE = ("name", "per_kwh", "share", "hours")


def _parts(table: Table, key: str, known: tuple[str, ...]) -> list[Table]:
    return [
        Table(entry, f"{table.at(key)}[{i}]", known)
        for i, entry in enumerate(table.tables(key, []))
    ]


def _component(table: Table) -> Component:
    return Component(
        table.day("since"), table.number("flat_per_kwh"), table.number("base_per_kwh", None)
    )


def _choice(table: Table) -> BillingChoice:
    return BillingChoice(
        table.day("since"),
        table.text("basis", ""),
        table.number("contracted_kw", None),
        table.integer("blocks", None),
    )


def _exemption(table: Table) -> Exemption:
    return Exemption(
        frozenset(table.texts("bases", MUST)),
        table.day("since") if "since" in table else None,
        table.day("until") if "until" in table else None,
    )


def _power_factor(table: Table) -> PowerFactorRule | None:
    """Two lists of equal length: power factors, and the share each adds to the bill."""
    if "power_factor" not in table:
        return None
    part = Table(
        table.get("power_factor"),
        table.at("power_factor"),
        ("power_factors", "shares", "below_share"),
    )
    at, shares = part.numbers("power_factors"), part.numbers("shares")
    if len(at) != len(shares):
        raise ConfigurationError("is not as long as power_factors", where=part.at("shares"))
    return PowerFactorRule(tuple(zip(at, shares, strict=True)), part.number("below_share"))


def _fee(table: Table, currency: str) -> Fee:
    """A fee: ``per_kwh`` all day or only in ``hours``, or a ``share`` of the energy price."""
    name = table.text("name")
    if ("share" in table) == ("per_kwh" in table):
        raise ConfigurationError("needs either per_kwh or share", where=table.where)
    if "share" in table:
        return Fee(name, None, table.number("share"))
    price = table.number("per_kwh")
    hours = table.texts("hours", ())
    tariff: Tariff = Flat(name, currency, price, 0.0)
    if hours:
        tariff = _at_hours(name, currency, price, hours)
    return Fee(name, tariff)


def _at_hours(name: str, currency: str, price: float, hours: tuple[str, ...]) -> TimeOfUse:
    bands = tuple(Band(a, b, name) for text in hours for a, b in clock_ranges(text))
    day = DayRule(name, Scope(), (Band(0, DAY_MINUTES, "none"),))
    prices = ScopedValues(Scope(), {name: price, "none": 0.0})
    return TimeOfUse(
        name,
        currency,
        (day,),
        (DayRule(name, Scope(), bands),),
        PeriodPrices("absolute", (prices,)),
        Sell("nothing"),
        NoHolidays(),
    )


def _numbers(table: Table, key: str) -> dict[str, float]:
    entries = table.get(key, {})
    part = Table(entries, table.at(key), tuple(entries) if isinstance(entries, dict) else ())
    return {name: part.number(name) for name in part.data}


def _date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"'{text}' is no date", where=where) from error


def _month(text: str, where: str) -> tuple[int, int]:
    first = _date(f"{text}-01", where)
    return first.year, first.month
