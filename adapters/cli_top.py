"""``valleyfill top``: the site in a terminal, from its store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer


def top(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
) -> None:
    """Watch a site from a shell: power, limit, what is short and why. Ends with Ctrl-C."""
    from rich.live import Live

    from adapters.cli_output import language, tables
    from adapters.config import load_site
    from adapters.terminal import screen
    from adapters.web.feed import Feed
    from adapters.web.words import Lang

    spoken: Lang = "zh" if language(lang) == "zh" else "en"
    feed = Feed(load_site(site))
    feed.start()
    console = tables()
    try:
        # Into a pipe there is no screen to renew.
        if once or not console.is_terminal:
            console.print(screen(feed, spoken, 24))
            return
        with Live(console=console, screen=True, refresh_per_second=2) as live:
            while True:
                rows = max(console.size.height - 14, 4)
                live.update(screen(feed, spoken, rows))
                time.sleep(1.0)
    except KeyboardInterrupt:
        return
    finally:
        feed.stop()
