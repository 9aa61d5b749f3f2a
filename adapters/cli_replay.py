"""``valleyfill replay``: a decision made again from its record, and what-if."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from adapters.cli_explain import SiteOption
from adapters.cli_output import print_document, say, tables


def replay(
    step: Annotated[int, typer.Argument(help="Number of the step; 0 for the newest.")],
    site: SiteOption = Path("site.toml"),
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            help="limit=KW, limit=NODE:KW, departure=SESSION:HH:MM or tariff=BOOK; again for more.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Make a recorded plan again, byte for byte, and show what else it could have been."""
    from contextlib import closing

    from adapters.config import load_site
    from adapters.replaying import document
    from adapters.replaying import replay as make_again
    from adapters.store.steps import read_step, read_steps, reading_store

    file = load_site(site)
    with closing(reading_store(file.store_path)) as base:
        newest = next(iter(read_steps(base, newest=1)), None) if step == 0 else None
        found = newest or read_step(base, step)
    made = document(found, make_again(found), changes or [], file.tariff_settings)
    if as_json:
        print_document(made)
    else:
        same = "the same plan, byte for byte" if made["identical"] else "ANOTHER PLAN"
        say(f"step {made['step']} of {made['at']}: {same} ({made['rung']}, work {made['work']})")
        table = Table("", "kWh planned", "kWh short", "cost", "peak kW")
        keys = ("planned_kwh", "short_kwh", "cost", "peak_kw")
        table.add_row("as it was", *(f"{made[k]:.2f}" for k in keys))
        for other in made["what_if"]:
            cells = [f"{other[k]:.2f} ({other['difference'][k]:+.2f})" for k in keys]
            table.add_row(other["change"], *cells)
        tables().print(table)
    if not made["identical"]:
        raise typer.Exit(1)
