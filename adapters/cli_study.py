"""``valleyfill study``: questions asked before a site is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from adapters.cli_output import language, print_document, say, tables

app = typer.Typer(help="Planning studies.", no_args_is_help=True)


@app.callback()
def studies() -> None:
    """Planning studies."""


@app.command()
def hosting(
    transformer: Annotated[float, typer.Option(help="Rating, kVA.")],
    punctuality: Annotated[float, typer.Option(help="Share that must be served.")] = 0.98,
    pile_kw: Annotated[float, typer.Option(help="Power of each pile, kW.")] = 7.0,
    visits: Annotated[float, typer.Option(help="Vehicles per pile and night.")] = 0.8,
    energy_kwh: Annotated[float, typer.Option(help="Mean of what a vehicle wants.")] = 15.0,
    base_share: Annotated[float, typer.Option(help="Evening base load of what may be used.")] = 0.5,
    power_factor: Annotated[float, typer.Option(help="Of the transformer.")] = 0.95,
    ceiling_share: Annotated[float, typer.Option(help="What of the rating may be used.")] = 0.8,
    nights: Annotated[int, typer.Option(help="Nights drawn.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the nights.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Also write an HTML page with curves.")] = None,
    lang: Annotated[str, typer.Option(help="Of the page: en or zh.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """How many piles fit behind a transformer, with and without ordered charging."""
    from adapters.study.hosting import FULL_SHARE, Question
    from adapters.study.hosting import hosting as answer
    from adapters.study.page import crossing_note, hosting_page

    language(lang)
    question = Question(
        transformer_kva=transformer,
        power_factor=power_factor,
        ceiling_share=ceiling_share,
        base_share=base_share,
        pile_kw=pile_kw,
        visits=visits,
        energy_kwh=energy_kwh,
        punctuality=punctuality,
        nights=nights,
        seed=seed,
    )
    found = answer(question, lambda line: say(line, style="dim"))
    if out is not None:
        out.write_text(hosting_page(found, "zh" if lang == "zh" else "en"), encoding="utf-8")
        say(str(out))
    if as_json:
        print_document(found.document())
        return
    table = Table(
        *("piles", "at once, peak kW", "first come", "ordered", "energy, first come"),
        *("energy, ordered", "ordered, peak kW"),
    )
    for p in found.points:
        table.add_row(
            str(p.piles),
            f"{p.uncontrolled_peak_kw:.0f}",
            f"{100 * p.first_come:.1f} %",
            f"{100 * p.ordered:.1f} %",
            f"{100 * p.first_come_energy:.1f} %",
            f"{100 * p.ordered_energy:.1f} %",
            f"{p.ordered_peak_kw:.0f}",
        )
    tables().print(table)
    tables().print(
        f"{found.question.limit_kw:.0f} kW may be drawn; at {100 * punctuality:g} % served fit "
        f"{found.ordered} piles with ordered charging, {found.first_come} first come first served, "
        f"{found.uncontrolled} charging at once. Served: at least {100 * FULL_SHARE:g} % of what "
        f"it wants. {crossing_note(found)}"
    )
