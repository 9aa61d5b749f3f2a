"""``valleyfill bench`` of solvers beside the flow: resilience, minimum, smooth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from benchmarks import minimum as minimum_bench
from benchmarks import resilience as resilience_bench
from benchmarks import smooth as smooth_bench

Report = Callable[..., None]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer and smaller rows.")]


def add_to(app: typer.Typer, report: Report) -> None:
    """Mount the commands; ``report`` runs, and prints a table or JSON."""

    @app.command()
    def resilience(as_json: Json = False, quick: Quick = False) -> None:
        """Ten rounds of hang, crash and memory blow-up in each solver: is the answer in time?"""
        report(resilience_bench.run, resilience_bench.COLUMNS, as_json, quick)

    @app.command()
    def minimum(as_json: Json = False, quick: Quick = False) -> None:
        """Nothing or at least 6 A, whole amps: the repair, HiGHS and CP-SAT, and their gaps."""
        report(minimum_bench.run, minimum_bench.COLUMNS, as_json, quick)

    @app.command()
    def smooth(as_json: Json = False, quick: Quick = False) -> None:
        """Even power at one price: steps in the flow beside a quadratic program by cvxpy."""
        report(smooth_bench.run, smooth_bench.COLUMNS, as_json, quick)
