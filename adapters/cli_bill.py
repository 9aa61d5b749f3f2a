"""``valleyfill bill``: a month by the tariff that planned it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.cli_output import print_document, say, tables
from adapters.config import SiteFile
from adapters.readings import SessionReadings
from adapters.saved import savings_against
from models.horizon import instant_of
from models.site import Site
from tariffs.bill import merged, month_bill, session_bills
from tariffs.bill_lines import Bill
from tariffs.demand import month_bounds
from tariffs.metered import Metered
from tariffs.savings import Saving

Registers = Annotated[
    Path | None,
    typer.Option(
        help="CSV of the site's meter: at, import_kwh, export_kwh, reactive_kvarh; "
        "the site's own store unless given."
    ),
]
Sessions = Annotated[
    Path | None, typer.Option(help="CSV of pile meters: session, pile, at, import_kwh, fleet.")
]


def bill(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
    month: Annotated[str, typer.Option(help="The month, as 2026-07.")],
    registers: Registers = None,
    sessions: Sessions = None,
    tariff: Annotated[str, typer.Option(help="Pin a book; the site's tariff unless said.")] = "",
    holidays: Annotated[
        str, typer.Option(help="default, or none: periods only; as the site says unless given.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Also write .csv or .parquet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Bill a month: energy, fees, demand; per session too; and what steering saved."""
    from adapters.books import load_book
    from adapters.config import load_site

    file = load_site(site)
    zone = file.site.zone
    year, number = _month(month)
    held = load_book(
        tariff or file.site.tariff, holidays=holidays or None, settings=file.tariff_settings
    )
    own_terms = file.tariff_settings
    metered, readings = _read(file, registers, sessions, month_bounds(year, number, zone))
    bills = {
        "site": month_bill(
            held,
            metered,
            year=year,
            month=number,
            zone=zone,
            consumed_before_kwh=own_terms.consumed_kwh,
            power_factor=own_terms.power_factor,
        )
    }
    savings: list[dict[str, Any]] = []
    if readings:
        own = _sessions_of_month(readings, file.site, year, number)
        found = session_bills(held, [s.metered for s in own], zone=zone)
        for fleet in sorted({s.fleet for s in own if s.fleet}):
            of_fleet = [b for s, b in zip(own, found, strict=True) if s.fleet == fleet]
            bills[f"fleet {fleet}"] = merged(of_fleet)
        bills |= {f"session {s.session}": b for s, b in zip(own, found, strict=True)}
        savings = [_saving_document(v) for v in savings_against(held, file.site, own, found)]
    bounds = [instant_of(s) for s in month_bounds(year, number, zone)]
    notes = held.notes(bounds[0], bounds[1], zone=zone)
    if out is not None:
        from adapters.bill_export import bill_table, write_table

        write_table(bill_table(bills, zone), out)
    if as_json:
        print_document(
            {
                "site": file.site.name,
                "month": month,
                "currency": held.currency,
                "tariff": held.name,
                "total": str(bills["site"].total),
                "bills": {account: _document(b) for account, b in bills.items()},
                "savings": savings,
                "notes": [n.text for n in notes],
            }
        )
    else:
        _show(bills, savings, month)
    for note in notes:
        say(f"{note.code}: {note.text}", style="yellow")


def _read(
    file: SiteFile, registers: Path | None, sessions: Path | None, month: tuple[int, int]
) -> tuple[Metered, list[SessionReadings]]:
    """The site's meter and its sessions: from the files that are named, else from the store."""
    from adapters.readings import read_meter, read_session_meters
    from adapters.store.readings import sessions_metered, site_metered

    if registers is not None:
        own = [] if sessions is None else read_session_meters(sessions)
        return read_meter(registers), own
    if sessions is not None:
        own = read_session_meters(sessions)
    else:
        found = sessions_metered(file.store_path, *month)
        own = [SessionReadings(session, pile, "", m) for session, pile, m in found]
    return site_metered(file.store_path, file.site, *month), own


def _month(text: str) -> tuple[int, int]:
    year, dash, month = text.partition("-")
    if dash and year.isdigit() and month.isdigit() and 1 <= int(month) <= 12:
        return int(year), int(month)
    raise typer.BadParameter(f"'{text}' is no month", param_hint="--month")


def _sessions_of_month(readings: list[Any], site: Site, year: int, month: int) -> list[Any]:
    """Sessions that ended in the month: a session is billed once, when it is over."""
    start_s, end_s = month_bounds(year, month, site.zone)
    return [r for r in readings if start_s < int(r.metered.ends_s[-1]) <= end_s]


def _saving_document(s: Saving) -> dict[str, Any]:
    return {
        "baseline": s.baseline,
        "baseline_cost": _cents(s.baseline_cost),
        "cost": _cents(s.cost),
        "saved": None if s.saved is None else _cents(s.saved),
        "short_kwh": round(s.short_kwh, 3),
    }


def _price(value: Decimal) -> str:
    """Four places, and as many more as the price has."""
    return max(f"{value:.4f}", f"{value:.9f}".rstrip("0"), key=len)


def _cents(value: Decimal) -> str:
    return f"{value:.2f}"


def _document(b: Bill) -> dict[str, Any]:
    return {
        "total": str(b.total),
        "energy_kwh": format(b.energy_kwh, "f"),
        "lines": [
            {
                "rule": line.rule,
                "period": line.period,
                "quantity": format(line.quantity, "f"),
                "unit": line.unit,
                "price": None if line.price is None else format(line.price, "f"),
                "amount": format(line.amount, "f"),
            }
            for line in b.lines
        ],
    }


def _show(bills: dict[str, Bill], savings: list[dict[str, Any]], month: str) -> None:
    out = tables()
    site = bills["site"]
    table = Table(title=f"{month}, {site.tariff}, {site.currency}", title_justify="left")
    for head in ("rule", "period"):
        table.add_column(head)
    for head in ("quantity", "unit", "price", "amount"):
        table.add_column(head, justify="right")
    for line in site.lines:
        table.add_row(
            line.rule,
            line.period,
            f"{line.quantity:.3f}",
            line.unit,
            "" if line.price is None else _price(line.price),
            f"{line.amount:.2f}",
        )
    table.add_row("total", "", f"{site.energy_kwh:.3f}", "kWh", "", str(site.total))
    out.print(table)
    if len(bills) > 1:
        own = [b for account, b in bills.items() if account.startswith("session ")]
        total = sum((b.exact for b in own), Decimal(0))
        for account, fleet in bills.items():
            if account.startswith("fleet "):
                out.print(f"{account}: {fleet.energy_kwh:.3f} kWh, {fleet.total}")
        out.print(f"{len(own)} sessions, {_cents(total)} {site.currency} of energy and fees")
    for s in savings:
        saved = s["saved"] if s["saved"] is not None else f"short by {s['short_kwh']} kWh"
        out.print(f"{s['baseline']}: {s['baseline_cost']}, saved: {saved}")
