"""``valleyfill site``: write a site file from recorded data."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from adapters.cli_output import print_document, say
from models.errors import ConfigurationError, DataError

app = typer.Typer(help="Write a site file from recorded data, to standard output.")


class SessionsFormat(StrEnum):
    """Formats of a file of sessions."""

    auto = "auto"
    acn_csv = "acn-csv"
    acn_json = "acn-json"
    csv = "csv"


Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of the TOML.")]
Tariff = Annotated[str, typer.Option(help="A book, a family, or the path of a book.")]


@app.command("from-sessions")
def from_sessions(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON, .gz.")],
    transformer: Annotated[float, typer.Option(min=0.001, help="Effective limit, kW.")],
    pile_volts: Annotated[float, typer.Option(min=1, help="Nameplate voltage, V.")] = 208.0,
    pile_amps: Annotated[float, typer.Option(min=6, help="Largest current, A.")] = 32.0,
    timezone: Annotated[str, typer.Option(help="The site's zone.")] = "America/Los_Angeles",
    tariff: Tariff = "zhejiang-2026",
    fmt: Annotated[SessionsFormat, typer.Option("--format")] = SessionsFormat.auto,
    as_json: Json = False,
) -> None:
    """A site with every pile found in a file of sessions, behind one transformer."""
    from adapters.config_writer import site_to_toml
    from adapters.site_writers import site_from_sessions

    site_file, sessions = site_from_sessions(
        file,
        transformer_kw=transformer,
        pile_volts=pile_volts,
        pile_amps=pile_amps,
        zone=_zone(timezone),
        tariff=tariff,
        currency=_currency(tariff),
        fmt=fmt.value,
    )
    stated = sum(s.stated_kwh is not None and s.stated_departure is not None for s in sessions)
    piles = len(site_file.site.piles)
    text = site_to_toml(
        site_file,
        comment=f"From {file.name}: {piles} piles, {len(sessions)} sessions, {stated} of them with "
        "the driver's words.\nThe kW given is the effective limit: no margin, no base load.",
    )
    say(f"{piles} piles, {len(sessions)} sessions, {stated} with the driver's words")
    if as_json:
        print_document(
            {
                "site": text,
                "piles": piles,
                "sessions": len(sessions),
                "stated": stated,
                "first_arrival": sessions[0].arrival,
                "last_departure": max(s.departure for s in sessions),
            }
        )
    else:
        typer.echo(text, nl=False)


@app.command("from-blocks")
def from_blocks(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV of blocks.")],
    depot: Annotated[str, typer.Option(help="Whose blocks, for example CH.")],
    battery_kwh: Annotated[float, typer.Option(min=1, help="Usable battery of each bus.")],
    day: Annotated[
        str, typer.Option(help="The kind of day, as the file says.")
    ] = "Weekday (school open)",
    first: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First service day.")
    ] = datetime(2026, 9, 15),  # noqa: DTZ001 - a civil day; a Tuesday with school open
    days: Annotated[int, typer.Option(min=1, max=31, help="Service days in a row.")] = 2,
    pile_kw: Annotated[float, typer.Option(min=1, help="One DC pile for each bus.")] = 120.0,
    transformer: Annotated[
        float | None, typer.Option(help="Effective limit, kW; a third of the piles' sum.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="The timetable's zone.")] = "America/New_York",
    tariff: Tariff = "zhejiang-2026",
    sessions_out: Annotated[
        Path | None, typer.Option(help="Write the buses' stays as CSV, for simulate.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A bus depot from its blocks: one DC pile for each bus that the timetable needs."""
    from adapters.config_writer import site_to_toml
    from adapters.data import write_sessions
    from adapters.site_writers import site_from_blocks

    made = site_from_blocks(
        file,
        depot=depot,
        day=day,
        first=_day(first),
        days=days,
        battery_kwh=battery_kwh,
        pile_kw=pile_kw,
        transformer_kw=transformer,
        zone=_zone(timezone),
        tariff=tariff,
        currency=_currency(tariff),
    )
    found = made.depot
    lines = [
        f"Depot {depot}, {day}, {days} days from {_day(first)}: {len(found.buses)} buses, "
        f"{found.blocks} blocks, {len(found.sessions)} stays that need energy.",
        f"Left out: {found.left_out} blocks that start or end at another depot.",
        f"Beyond one battery of {battery_kwh:g} kWh: {len(found.beyond_battery)} blocks a day"
        + (f" ({', '.join(found.beyond_battery)})." if found.beyond_battery else "."),
        f"Not to be made ready by any plan: {len(found.unready)} departures.",
    ]
    for line in lines:
        say(line)
    for u in found.unready:
        local = u.departure.astimezone(made.file.site.zone)
        say(
            f"  {u.bus} before block {u.block}, {local:%m-%d %H:%M}: lacks {u.lacks_kwh:g} kWh, "
            f"{u.reason}"
        )
    if sessions_out is not None:
        sessions_out.write_text(write_sessions(found.sessions), encoding="utf-8")
    text = site_to_toml(made.file, comment="\n".join(lines))
    if as_json:
        print_document(
            {
                "site": text,
                "buses": len(found.buses),
                "blocks": found.blocks,
                "sessions": len(found.sessions),
                "requested_kwh": sum(s.stated_kwh or 0.0 for s in found.sessions),
                "left_out": found.left_out,
                "no_need": found.no_need,
                "no_next": found.no_next,
                "beyond_battery": found.beyond_battery,
                "unready": [
                    {
                        "bus": u.bus,
                        "block": u.block,
                        "departure": u.departure,
                        "lacks_kwh": u.lacks_kwh,
                        "reason": u.reason,
                    }
                    for u in found.unready
                ],
            }
        )
    else:
        typer.echo(text, nl=False)


def _zone(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"{key!r} is no time zone", where="--timezone", fix="use a name as in Asia/Shanghai"
        ) from error


def _currency(tariff: str) -> str:
    from adapters.books import load_book

    currency = load_book(tariff).currency
    if not currency:
        raise DataError("names no currency", where=f"tariff {tariff}")
    return currency


def _day(instant: datetime) -> date:
    return instant.date()
