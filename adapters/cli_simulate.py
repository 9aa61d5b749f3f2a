"""``valleyfill simulate``: recorded sessions through the closed loop, beside what others do."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from adapters.cli_output import messages, print_document, tables

_QUIET_S = 2.0


class Requests(StrEnum):
    """What the requests say."""

    truth = "truth"
    stated = "stated"
    stated_departure = "stated_departure"
    stated_energy = "stated_energy"


def simulate(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
    sessions: Annotated[
        list[Path],
        typer.Option(help="File of sessions (ACN CSV or JSON, CSV, bus blocks); may be repeated."),
    ],
    start: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of arrivals.")
    ],
    end: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="First day left out.")
    ],
    requests: Annotated[
        Requests, typer.Option(help="What requests say: the truth, or the drivers' words.")
    ] = Requests.stated,
    tariff: Annotated[str, typer.Option(help="Pin a book; the site's tariff unless said.")] = "",
    holidays: Annotated[
        str, typer.Option(help="default, or none: periods only; as the site says unless given.")
    ] = "",
    losses: Annotated[
        bool, typer.Option("--losses", help="Also tell what each word of the drivers costs.")
    ] = False,
    depot: Annotated[str, typer.Option(help="Whose blocks, where the file holds blocks.")] = "",
    battery_kwh: Annotated[
        float, typer.Option(min=1, help="Usable battery of each bus, where it holds blocks.")
    ] = 400.0,
    store: Annotated[
        bool, typer.Option("--store", help="Keep the run in the site's store, for page and report.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Simulate the sessions that arrive in [from, to), until the last has left."""
    from adapters.books import load_book
    from adapters.config import load_site
    from adapters.simulator.simulate import simulate as run_simulation

    file = load_site(site)
    zone = file.site.zone
    held = load_book(
        tariff or file.site.tariff, holidays=holidays or None, settings=file.tariff_settings
    )
    first, last = start.date(), end.date()
    recorded = [
        s
        for path in sessions
        for s in _read(path, zone, depot=depot, battery_kwh=battery_kwh, first=first, last=last)
    ]
    with Bar() as bar:
        figures = run_simulation(
            file.site,
            held,
            recorded,
            _midnight(start, zone),
            _midnight(end, zone),
            requests=requests.value,
            losses=losses,
            progress=bar.tell,
            store=file.store_path if store else None,
        )
    document = {
        "site": file.site.name,
        "from": start.date(),
        "to": end.date(),
        "requests": requests.value,
        "tariff": held.name,
        "currency": held.currency,
        **figures,
    }
    if as_json:
        print_document(document)
    else:
        show_figures(document, title=f"{file.site.name}, {requests.value} requests")


def _midnight(day: datetime, zone: ZoneInfo) -> datetime:
    return day.replace(tzinfo=zone)


def _read(
    path: Path, zone: ZoneInfo, *, depot: str, battery_kwh: float, first: date, last: date
) -> list[Any]:
    from adapters.data import read_sessions
    from adapters.site_writers import block_sessions, is_blocks_file
    from models.errors import DataError

    if ".csv" in path.suffixes and is_blocks_file(path):
        if not depot:
            raise DataError("holds blocks", where=path.name, fix="say whose: --depot CH")
        days = max((last - first) / timedelta(days=1), 1)
        return list(
            block_sessions(
                path,
                depot=depot,
                first=first,
                days=int(days),
                battery_kwh=battery_kwh,
                zone=zone,
            )
        )
    return list(read_sessions(path, zone=zone))


class Bar:
    """Progress on standard error, once something takes longer than two seconds."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=messages,
            transient=True,
        )
        self._began = time.monotonic()
        self._shown = False
        self._task = self._progress.add_task("", total=1.0)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._progress.stop()

    def tell(self, what: str, share: float) -> None:
        """What is being done, and which share of it is done."""
        if not self._shown:
            if time.monotonic() - self._began < _QUIET_S:
                return
            self._progress.start()
            self._shown = True
        self._progress.update(self._task, description=what, completed=share)


def show_figures(document: dict[str, Any], *, title: str) -> None:
    """The figures for people."""
    table = Table("figure", "value", title=title)
    for key, value in document.items():
        if isinstance(value, dict):
            text = ", ".join(f"{k} {_number(v)}" for k, v in value.items())
        else:
            text = _number(value)
        table.add_row(key, text)
    tables().print(table)


def _number(value: Any) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1
        else (f"{value:,.2f}" if isinstance(value, float) else str(value))
    )
