"""``valleyfill tariff``: list, show, check and import price books."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import track
from rich.table import Table

from adapters.books import (
    calendar_of,
    list_books,
    load_book,
    read_book_file,
    read_books,
    read_holiday_overrides,
)
from adapters.cli_output import messages, print_document, say, tables
from adapters.cli_sheet import sheet
from adapters.draw_day import bar_chart, day_bands, plot_file
from adapters.tariff_settings import read_settings_file
from models.errors import TariffError
from models.horizon import UTC as UTC_ZONE
from models.horizon import instant_of
from tariffs.check import check_book
from tariffs.period_prices import Component
from tariffs.settings import TariffSettings

app = typer.Typer(no_args_is_help=True, help="Price books: list, show, check, import.")

_FIRST, _LAST = date(2024, 1, 1), date(2027, 12, 31)
_DST_ZONES = ("America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe")
EX_DATAERR = 65

Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """What is shipped, with validity, source, mark of certainty and what is missing."""
    books = list_books()
    if as_json:
        print_document({"books": [asdict(b) for b in books]})
        return
    table = Table(title="Price books", title_justify="left")
    table.add_column("name", no_wrap=True)
    for head in ("title", "family", "valid", "mark", "missing"):
        table.add_column(head, overflow="fold")
    for book in books:
        valid = f"{book.valid_from or '...'} to {book.valid_until or '...'}"
        table.add_row(
            book.name, book.title, book.family, valid, book.mark, str(len(book.missing) or "")
        )
    tables().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A book, a family, or a TOML file.")],
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Today unless said.")
    ] = None,
    holidays: Annotated[
        str, typer.Option(help="default, or none: periods only; as the site says unless given.")
    ] = "",
    overrides: Annotated[Path | None, typer.Option(help="Holiday override file (TOML).")] = None,
    settings: Annotated[
        Path | None, typer.Option(help="TOML with the site's [tariff] settings.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="Zone of the clock; the book's unless said.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Also draw the day into this file.")] = None,
    as_json: Json = False,
) -> None:
    """A day's bands, drawn, with what the prices rest on."""
    tariff = load_book(
        name,
        holidays=holidays or None,
        holiday_overrides=read_holiday_overrides(overrides) if overrides else None,
        settings=read_settings_file(settings) if settings else _stand_in(name),
    )
    zone = ZoneInfo(timezone) if timezone else _zone_of(name)
    shown = (day or datetime.now(UTC).astimezone(zone)).date()
    bands = day_bands(tariff, shown, zone)
    start, end = bands[0].begin, bands[-1].end
    notes = tariff.notes(start, end, zone=zone)
    terms = tariff.demand_terms(start, end, zone=zone)
    unit = f"{tariff.currency}/kWh"
    if settings is None and _stand_in(name) is not None:
        unit = "ratios or offsets: this book has no base price, give yours with --settings"
    if as_json:
        print_document(
            {
                "name": tariff.name,
                "currency": tariff.currency,
                "unit": unit,
                "timezone": zone.key,
                "date": shown,
                "bands": [asdict(b) for b in bands],
                "demand": [
                    {"name": t.name, "fixed": t.fixed, "tiers": t.tiers, "interval_s": t.interval_s}
                    for t in terms
                ],
                "notes": [asdict(n) for n in notes],
            }
        )
    else:
        out = tables()
        out.print(f"{tariff.name}, {shown} ({shown:%A}), {zone.key}, {unit}", markup=False)
        for line in bar_chart(bands):
            out.print(line, soft_wrap=True)
        table = Table("from", "to", "period", "buy", "sell")
        for band in bands:
            last = "24:00" if band.end.date() > shown else f"{band.end:%H:%M}"
            prices = f"{band.buy_per_kwh:.4f}", f"{band.sell_per_kwh:.4f}"
            table.add_row(f"{band.begin:%H:%M}", last, band.period, *prices)
        out.print(table)
        for term in terms:
            tiers = ", ".join(f"{price:g} per kW above {at:g} kW" for at, price in term.tiers)
            out.print(f"{term.name}: {term.fixed:g} a month; {tiers}", markup=False)
    for note in notes:
        say(f"{note.code}: {note.text}", style="yellow")
    if plot is not None:
        plot_file(bands, f"{tariff.name}, {shown}", unit, plot)
        say(f"drawn into {plot}")


@app.command()
def check(
    file: Annotated[str | None, typer.Argument(help="A book file, or a shipped book.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every shipped book.")] = False,
    as_json: Json = False,
) -> None:
    """Does a book cover every minute of its validity exactly once, 2024 to 2027?"""
    if (file is None) == (not every):
        raise typer.BadParameter("name a file, or say --all")
    shipped = read_books()
    if file is None:
        books = list(shipped.values())
    else:
        books = [shipped[file] if file in shipped else read_book_file(Path(file))]
    zones = [ZoneInfo(z) for z in _DST_ZONES]
    found = []
    for book in track(books, "checking", console=messages, transient=True):
        calendar = calendar_of(book, "default", "statutory", None)
        found.append(check_book(book, calendar, first=_FIRST, last=_LAST, zones=zones))
    families = _family_problems()
    if as_json:
        print_document({"books": [asdict(f) for f in found], "families": families})
    else:
        table = Table(title=f"{_FIRST} to {_LAST}, clock changes of {', '.join(_DST_ZONES)}")
        for head in ("book", "variants", "days", "verdict", "a site must give"):
            table.add_column(head, overflow="fold")
        for f in found:
            verdict = "; ".join(f.problems) or "every minute once"
            table.add_row(f.name, str(len(f.variants)), str(f.days), verdict, "; ".join(f.needs))
        tables().print(table)
        for text in families:
            say(text, style="red")
    if families or any(f.problems for f in found):
        raise typer.Exit(EX_DATAERR)


def _family_problems() -> list[str]:
    problems = []
    for family in sorted({b.family for b in list_books() if b.family}):
        try:
            load_book(family)
        except TariffError as error:
            problems.append(str(error))
    return problems


def _book_of(name: str) -> dict[str, Any]:
    """The book of a name, a family or a file; empty when there is none."""
    if name.endswith(".toml"):
        return read_book_file(Path(name))
    books = read_books()
    return next((b for b in books.values() if name in (b["name"], b.get("family"))), {})


def _stand_in(name: str) -> TariffSettings | None:
    """Components under which a book without any shows its bare ratios or offsets."""
    book = _book_of(name)
    if book.get("method") not in ("ratio", "offset") or book.get("components"):
        return None
    flat = 1.0 if book["method"] == "ratio" else 0.0
    return TariffSettings(components=(Component(date(1970, 1, 1), flat, 1.0),))


def _zone_of(name: str) -> ZoneInfo:
    """The zone a book is written for."""
    book = _book_of(name)
    return ZoneInfo(book["timezone"]) if "timezone" in book else UTC_ZONE


app.command()(sheet)

importer = typer.Typer(no_args_is_help=True, help="Tariffs of others, as a book or a series.")
app.add_typer(importer, name="import")


@importer.command()
def urdb(
    file: Annotated[Path, typer.Argument(help="OpenEI URDB rate, JSON.")],
    name: Annotated[str, typer.Option(help="Name of the book.")],
    timezone: Annotated[str, typer.Option(help="Zone of the place, as America/Los_Angeles.")],
    currency: Annotated[str, typer.Option()] = "USD",
) -> None:
    """A URDB rate as a book, on standard output."""
    import tomli_w

    from adapters.import_urdb import read_json, urdb_book

    book = urdb_book(read_json(file), name=name, timezone=timezone, currency=currency)
    sys.stdout.write(tomli_w.dumps(book))
    for text in book.get("missing", ()):
        say(f"missing: {text}", style="yellow")


@importer.command()
def agile(
    file: Annotated[Path, typer.Argument(help="Answer of standard-unit-rates, JSON.")],
    vat: Annotated[bool, typer.Option(help="Prices with value added tax.")] = True,
) -> None:
    """Octopus Agile half hours as the body of a tariff message, on standard output."""
    from adapters.import_series import agile_series, series_document
    from adapters.import_urdb import read_json

    _tell_series(series_document(agile_series(read_json(file), vat=vat)))


@importer.command("csv")
def csv_(
    file: Annotated[Path, typer.Argument(help="Columns start, buy_per_kwh, sell_per_kwh.")],
    timezone: Annotated[str, typer.Option(help="Zone of instants without offset.")],
    per_mwh: Annotated[bool, typer.Option(help="Prices are per MWh.")] = False,
) -> None:
    """A CSV of 96 or 24 prices a day as the body of a tariff message, on standard output."""
    from adapters.data.files import read_text
    from adapters.import_series import csv_series, series_document

    series = csv_series(
        read_text(file),
        zone=ZoneInfo(timezone),
        where=file.name,
        scale=0.001 if per_mwh else 1.0,
    )
    _tell_series(series_document(series))


def _tell_series(document: dict[str, Any]) -> None:
    prices = document["buy_per_kwh"]
    begin = datetime.fromisoformat(document["start"])
    end = instant_of(
        int((begin + timedelta(minutes=document["slot_minutes"] * len(prices))).timestamp())
    )
    print_document(document)
    say(f"{len(prices)} prices from {begin.isoformat()} to {end.isoformat()}")
