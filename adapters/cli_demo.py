"""``valleyfill demo``: a bus depot's night over a real broker, in about a minute."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.cli_output import print_document, say
from adapters.cli_simulate import Bar, show_figures


def demo(
    buses: Annotated[int, typer.Option(min=1, max=148, help="How many buses at most.")] = 54,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Broker, daemon and a virtual depot: New York's Charleston buses from evening to morning."""
    from adapters.simulator.demo import run_demo

    with Bar() as bar:
        figures = run_demo(buses=buses, progress=bar.tell)
    if as_json:
        print_document(figures)
    else:
        show_figures(figures, title="A bus depot's night over MQTT")
    exceeded = figures["exceeded_node_seconds"]
    if exceeded:
        say(f"valleyfill: {exceeded} seconds above a limit", style="red")
        raise typer.Exit(1)
