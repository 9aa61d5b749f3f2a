"""``valleyfill report``: what a site did between two days, as one page and as tables."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli_output import language, print_document, say


def report(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
    start: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="First day left out.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("report"),
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    tables: Annotated[str, typer.Option(help="csv or parquet.")] = "csv",
    tariff: Annotated[str, typer.Option(help="Pin a book; the site's tariff unless said.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Report a stretch of days from the site's store: one HTML page, and its tables."""
    from adapters.books import load_book
    from adapters.config import load_site
    from adapters.report.figures import figures_of
    from adapters.report.gather import gather
    from adapters.report.page import report_page
    from adapters.report.tables import write_tables
    from models.errors import TariffError

    language(lang)
    if tables not in ("csv", "parquet"):
        raise typer.BadParameter(f"'{tables}' is neither", param_hint="--tables")
    if end <= start:
        raise typer.BadParameter(
            f"{end:%Y-%m-%d} is not after --from {start:%Y-%m-%d}; it is the first day left out",
            param_hint="--to",
        )
    file = load_site(site)
    zone = file.site.zone
    stretch = gather(file, start.replace(tzinfo=zone), end.replace(tzinfo=zone))
    held = load_book(tariff or file.site.tariff, settings=file.tariff_settings)
    if held.currency != file.site.currency:
        raise TariffError(
            f"is in {held.currency}, the site counts in {file.site.currency}",
            where=f"--tariff {tariff or file.site.tariff}",
            fix=f"name a book in {file.site.currency}",
        )
    result = figures_of(stretch, held)
    out.mkdir(parents=True, exist_ok=True)
    page = out / "report.html"
    page.write_text(report_page(stretch, result, held, "zh" if lang == "zh" else "en"), "utf-8")
    files = [page, *write_tables(stretch, result, out, "csv" if tables == "csv" else "parquet")]
    if as_json:
        print_document(
            {
                "site": file.site.name,
                "from": start.date(),
                "to": end.date(),
                "files": files,
                "figures": {f.key: f.value for f in result.figures},
            }
        )
    else:
        for path in files:
            say(str(path))
