"""``valleyfill version``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated

import typer

from adapters.cli_output import print_document


def product_version() -> str:
    """The installed version; ``0+source`` in a source tree that was never installed."""
    try:
        return installed("valleyfill")
    except PackageNotFoundError:
        return "0+source"


def version(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Print the version."""
    number = product_version()
    if as_json:
        print_document({"version": number, "python": platform.python_version()})
    else:
        typer.echo(f"valleyfill {number}")
