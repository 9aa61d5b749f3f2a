"""``valleyfill plan``: one shot, state in, plan out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from adapters.cli_output import print_document, say, tables
from models.errors import DataError


def plan(
    state: Annotated[
        str, typer.Argument(metavar="STATE.json", help="The state; - for standard input.")
    ],
    site: Annotated[
        Path | None, typer.Option(help="Site file, in place of the one the state names.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Plan once: site, sessions and limits in, powers out."""
    from adapters.one_shot import plan_once

    if state == "-":
        text, source, beside = sys.stdin.read(), "standard input", Path()
    else:
        file = Path(state)
        source, beside = file.name, file.parent
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot be read: {error}", where=state) from error
    document = plan_once(text, source=source, beside=beside, site_path=site)
    for refusal in document["rejected"]:
        say(f"refused: {refusal['topic']}: {refusal['reason']}", style="yellow")
    if as_json:
        print_document(document)
    else:
        _show(document)


def _show(document: dict[str, Any]) -> None:
    title = (
        f"{document['site']}: {document['planned_kwh']:.1f} kWh for {document['cost']:.2f} "
        f"{document['currency']}, {document['short_kwh']:.1f} kWh short "
        f"({document['status']}, {document['rung']})"
    )
    table = Table("session", "pile", "asked", "promised", "ready", "power", title=title)
    for s in document["sessions"]:
        ready = "" if s["ready_at"] is None else f"{s['power'][-1]['to']:%m-%d %H:%M}"
        promised = "" if s["promised_kwh"] is None else f"{s['promised_kwh']:.1f}"
        power = "\n".join(_stretch(p) for p in s["power"])
        table.add_row(s["session"], s["pile"], f"{s['asked_kwh']:.1f}", promised, ready, power)
    out = tables()
    out.print(table)
    for s in document["sessions"]:
        if s["why"]:
            out.print(f"{s['session']}: {s['why']}", markup=False, soft_wrap=True)


def _stretch(part: dict[str, Any]) -> str:
    return f"{part['from']:%H:%M}-{part['to']:%H:%M} {part['power_kw']:.2f}"
