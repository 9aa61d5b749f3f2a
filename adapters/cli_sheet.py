"""``valleyfill tariff sheet``: what each period costs, and from which components it follows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.books import load_book, read_books
from adapters.cli_output import print_document, tables
from adapters.tariff_settings import read_settings_file
from models.errors import TariffError
from tariffs.check import unwrapped
from tariffs.kinds.time_of_use import TimeOfUse
from tariffs.settings import TariffSettings


def sheet(
    names: Annotated[
        list[str] | None, typer.Argument(help="Books; every book with components unless named.")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="The last component's first day."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="TOML with the site's [tariff] settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Price sheets: price(period) = flat + (ratio - 1) x base, period by period."""
    own = read_settings_file(settings) if settings else None
    chosen = names or [n for n, book in read_books().items() if book.get("components")]
    sheets = [price_sheet(name, day.date() if day else None, own) for name in chosen]
    if as_json:
        print_document({"sheets": sheets})
        return
    table = Table("book", "date", "flat", "base", "period", "ratio", "price", "unit")
    for one in sheets:
        head = [one["name"], str(one["date"]), _shown(one["flat"]), _shown(one["base"])]
        for period, price in one["prices"].items():
            ratio = one["ratios"].get(period)
            unit = f"{one['currency']}/kWh"
            table.add_row(
                *head, period, "" if ratio is None else f"{ratio:g}", f"{price:.4f}", unit
            )
            head = [""] * 4
    tables().print(table)


def price_sheet(name: str, day: date | None, settings: TariffSettings | None) -> dict[str, Any]:
    """What the periods of one book cost on a day.

    Raises
    ------
    TariffError
        If the book has no periods of its own, as a market has none.
    """
    core = unwrapped(load_book(name, settings=settings))
    if not isinstance(core, TimeOfUse):
        raise TariffError(
            "has no sheet of periods", where=name, fix=f"valleyfill tariff show {name}"
        )
    rule = core.period_prices
    shown = day or (rule.components[-1].since if rule.components else datetime.now(UTC).date())
    found: dict[str, Any] = {
        "name": name,
        "date": shown,
        "currency": core.currency,
        "method": rule.method,
        "flat": None,
        "base": None,
        "ratios": {},
        "prices": core.day_prices(shown),
    }
    if rule.components:
        component = rule.components[rule.component_at(shown)]
        found |= {"flat": component.flat_per_kwh, "base": component.base_per_kwh}
        if rule.method == "ratio" and component.base_per_kwh:
            found["ratios"] = {
                period: round((price - component.flat_per_kwh) / component.base_per_kwh + 1.0, 6)
                for period, price in found["prices"].items()
            }
    return found


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
