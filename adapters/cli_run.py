"""``valleyfill run``: the daemon of a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
) -> None:
    """Run a site's daemon until it is told to end."""
    from adapters.config import load_site
    from adapters.daemon import run_daemon

    raise typer.Exit(run_daemon(load_site(site)))
