"""``valleyfill page``: the web page and the HTTP API of a site, as a process of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli_output import say
from models.errors import ConfigurationError


def page(
    site: Annotated[Path, typer.Argument(metavar="SITE.toml", help="The site file.")],
    host: Annotated[str, typer.Option(help="Address; the file's [web] unless said.")] = "",
    port: Annotated[int, typer.Option(help="Port; the file's [web] unless said.")] = 0,
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Serve a site's page and its read-only HTTP API from its store."""
    from adapters.config import load_site
    from adapters.config_web import WebSettings

    try:
        from adapters.web.serve import serve
    except ImportError as error:
        raise ConfigurationError(
            f"the page is not installed: {error.name} is missing",
            where="valleyfill page",
            fix="pip install 'valleyfill[web]'",
        ) from error
    file = load_site(site)
    settings = file.web or WebSettings()
    if host:
        settings = replace(settings, host=host)
    if port:
        settings = replace(settings, port=port)
    scheme = "http" if settings.certificate is None else "https"

    def up() -> None:
        say(f"{file.site.name}: {scheme}://{settings.host}:{settings.port}/")

    serve(file, settings, parent=parent or None, up=up)
