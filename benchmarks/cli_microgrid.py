"""``valleyfill bench`` around storage and PV: microgrid, year, general, forecasts, response."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import flexibility as flexible
from benchmarks import forecasts as forecast_bench
from benchmarks import general as general_bench
from benchmarks import island, microgrid_plot, response
from benchmarks import microgrid as microgrid_bench
from benchmarks import replan as replan_bench
from benchmarks import year as year_bench

Report = Callable[..., None]
Data = Annotated[Path, typer.Option(help="Folder of the real data.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer and smaller rows.")]

QUICK_DAYS = 14
"""Of the year, for a short run."""

MICROGRID = (
    "tariff",
    "controller",
    "total",
    "bill",
    "demand_charge",
    "peak_kw",
    "self_consumption",
    "cycles",
    "v2g_kwh",
    "unmet_kwh",
    "exceeded_s",
)


def add_to(app: typer.Typer, report: Report) -> None:
    """Mount the commands; ``report`` runs, and prints a table or JSON."""

    @app.command()
    def microgrid(
        data: Data,
        days: Annotated[int, typer.Option(min=1, max=92, help="From 1 May 2019 on.")] = 92,
        book: Annotated[str, typer.Option(help="One tariff alone.")] = "",
        plots: Annotated[Path | None, typer.Option(help="Folder for the plots.")] = None,
        step_minutes: Annotated[
            float, typer.Option(help="Close the loop so often alone; 0: at every event.")
        ] = 0.0,
        rows: Annotated[
            Path | None, typer.Option(help="Folder of rows done already, to go on from.")
        ] = None,
        as_json: Json = False,
        quick: Quick = False,
    ) -> None:
        """A summer with PV, storage and V2G: uncontrolled, by rule, ours, ours with foresight."""

        def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
            kept: dict[str, Any] = {}
            found = microgrid_bench.summer(
                data,
                days=2 if quick else days,
                books=(book,) if book else None,
                tell=tell,
                keep=kept if plots is not None else None,
                rows_in=rows,
                step_s=60.0 * step_minutes or None,
            )
            if plots is not None:
                microgrid_plot.write(kept, plots)
            return found

        report(run, MICROGRID, as_json, quick)

    @app.command()
    def year(
        data: Data,
        days: Annotated[int, typer.Option(min=1, max=365, help="From 1 May 2019 on.")] = 365,
        as_json: Json = False,
        quick: Quick = False,
    ) -> None:
        """A year of that microgrid, the loop closed every 15 minutes: how long ours takes."""

        def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
            return {"rows": [year_bench.run(data, QUICK_DAYS if quick else days, tell)]}

        report(run, year_bench.COLUMNS, as_json, quick, f"all but {QUICK_DAYS} days")

    @app.command()
    def general(as_json: Json = False, quick: Quick = False) -> None:
        """The general path after one event, started from the last plan, beside a cold start."""
        report(general_bench.run, general_bench.COLUMNS, as_json, quick)

    @app.command()
    def forecasts(data: Data, as_json: Json = False, quick: Quick = False) -> None:
        """Skill of the forecasts of base load and PV, on days after the fit."""
        report(
            lambda quick, tell: forecast_bench.run(data, quick, tell),
            forecast_bench.COLUMNS,
            as_json,
            quick,
        )

    @app.command()
    def replan(as_json: Json = False, quick: Quick = False) -> None:
        """A whole re-plan of 200 piles with storage, PV, a demand charge and V2G, warm."""
        report(replan_bench.run, replan_bench.COLUMNS, as_json, quick)

    @app.command()
    def flexibility(
        data: Data,
        times: Annotated[int, typer.Option(help="Instants at which an offer is taken.")] = 100,
        first_day: Annotated[str, typer.Option(help="The first of three days.")] = "2019-05-14",
        seed: Annotated[int, typer.Option(help="Of the instants and what is taken.")] = 7,
        as_json: Json = False,
    ) -> None:
        """Published flexibility taken at its word at random instants of real days."""
        day = datetime.fromisoformat(first_day).replace(tzinfo=microgrid_bench.ZONE)

        def drill(data: Path, tell: Callable[[str], None]) -> dict[str, Any]:
            return flexible.trial(data, times=times, first_day=day, seed=seed, tell=tell)

        _tell(drill, data, as_json)

    @app.command("island")
    def islanding(data: Data, as_json: Json = False) -> None:
        """An islanding drill: four hours without the grid on a real day."""
        _tell(island.drill, data, as_json)

    @app.command("response")
    def demand_response(data: Data, as_json: Json = False) -> None:
        """A demand-response drill on a real day: promised, and delivered by the meter."""
        _tell(response.drill, data, as_json)


def _tell(drill: Callable[..., dict[str, Any]], data: Path, as_json: bool) -> None:
    """Run a drill and print what came of it, line by line or as JSON."""
    messages = Console(stderr=True)
    found = drill(data, tell=lambda line: messages.print(line, style="dim"))
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        Console().print(f"{name}: {value}")
