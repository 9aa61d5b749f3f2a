"""``valleyfill store``: backup while the daemon runs, the way back, and exports without names."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli_output import print_document, say

app = typer.Typer(no_args_is_help=True, help="Backup, restore and export of a site's store.")

SiteFileArgument = Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")]


@app.command()
def backup(
    site: SiteFileArgument,
    to: Annotated[Path, typer.Option("--to", help="The new file.")],
) -> None:
    """Copy the store, whether a daemon writes to it or not; the copy is one moment of it."""
    from adapters.config import load_site
    from adapters.store.backup import backup_store

    store = load_site(site).store_path
    backup_store(store, to)
    say(f"{store} copied to {to}")


@app.command()
def restore(
    site: SiteFileArgument,
    source: Annotated[Path, typer.Option("--from", help="A backup.")],
) -> None:
    """Put a backup in the store's place, once it has been found whole; no daemon may run."""
    from adapters.config import load_site
    from adapters.store.backup import restore_store

    file = load_site(site)
    store = file.store_path
    kept = restore_store(source, store, file.site)
    say(f"{store} is {source} again")
    if kept is not None:
        say(f"what stood there is kept as {kept}")


@app.command()
def export(
    site: SiteFileArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV; JSON to the screen unless given.")
    ] = None,
) -> None:
    """Every metered session without any name: a pseudonym, pile, quarter hours, energy."""
    from adapters.config import load_site
    from adapters.store.retention import sessions_without_names

    rows = sessions_without_names(load_site(site).store_path)
    if out is None:
        print_document({"sessions": rows})
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["session", "pile", "from", "until", "energy_kwh"])
        writer.writeheader()
        writer.writerows(rows)
    say(f"{len(rows)} sessions written to {out}")
