"""``valleyfill bench``: the figures, as a table for people or one JSON document for machines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import bills as bills_bench
from benchmarks import churn as churn_bench
from benchmarks import cli_microgrid, cli_solvers, publish
from benchmarks import closed_loop as closed_loop_bench
from benchmarks import decisions as decisions_bench
from benchmarks import demand as demand_bench
from benchmarks import fuzz as fuzz_bench
from benchmarks import latency as latency_bench
from benchmarks import peers as peers_bench
from benchmarks import step as step_bench
from benchmarks import tariffs as tariffs_bench
from benchmarks import words as words_bench
from benchmarks.daemon_start import daemon_figures
from benchmarks.month import month_figures

app = typer.Typer(help="Measure: latency, churn, a whole step.", no_args_is_help=False)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer and smaller rows: under a minute.")]

_MESSAGES = Console(stderr=True)


Data = Annotated[
    Path | None, typer.Option(help="Folder of the real data, for the simulated month.")
]


@app.callback(invoke_without_command=True)
def figures(
    context: typer.Context, as_json: Json = False, quick: Quick = False, data: Data = None
) -> None:
    """A whole step, the control process, its start, and a simulated month."""
    if context.invoked_subcommand is not None:
        return
    out: dict[str, Any] = {}
    rounds = 5 if quick else 15
    for name, rungs in (("", ("flow", "highs")), ("general_lp_", ("highs", "greedy"))):
        large = () if quick or name else (20_000,)
        for piles in (54, 1_000, *large):
            _MESSAGES.print(f"a step at {piles} piles, {rungs[0]}", style="dim")
            found = step_bench.step_figures(piles, rounds=rounds, rungs=rungs)
            out |= {f"{name}{key}_{piles}": value for key, value in found.items()}
    _MESSAGES.print("the control process, and its start", style="dim")
    out["control_process_mb_1000"] = step_bench.control_process_mb(1_000)
    out |= {f"{name}_1000": value for name, value in daemon_figures(1_000).items()}
    out |= month_figures(data, days=3 if quick else 30)
    if as_json:
        print(json.dumps(out))
        return
    _table("figure", "value", [(name, _shown(value)) for name, value in out.items()])


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@app.command()
def latency(as_json: Json = False, quick: Quick = False) -> None:
    """Time of a plan by size, load, tariff shape and feature, beside HiGHS and OR-tools."""
    _report(
        latency_bench.run,
        ("solver", "sessions", "load", "shape", "feature", "solve_ms_p50", "solve_cpu_ms_p50"),
        as_json,
        quick,
        "5,000 and 20,000 sessions, most repetitions (p99 means little)",
    )


@app.command()
def churn(as_json: Json = False, quick: Quick = False) -> None:
    """Sessions whose plan changes without news and after one event, ours and HiGHS."""
    _report(
        churn_bench.run,
        ("solver", "sessions", "changed_without_news", "changed_per_event_p50"),
        as_json,
        quick,
        "1,000 sessions, 15 of 25 events",
    )


@app.command()
def peers(as_json: Json = False, quick: Quick = False) -> None:
    """The same problems by PuLP, Pyomo, linopy, cvxpy, OR-tools, acnportal and others."""
    left_out = "1,000 and 20,000 sessions, acnportal beyond 50"
    _report(peers_bench.run, peers_bench.COLUMNS, as_json, quick, left_out)


@app.command()
def optimality(as_json: Json = False, quick: Quick = False) -> None:
    """Random problems by the flow, HiGHS and OR-tools: how many differ beyond 1e-9."""
    columns = ("against", "problems", "same", "refused", "different")
    _report(fuzz_bench.run, columns, as_json, quick, "nine of ten problems")


@app.command("closed-loop")
def closed_loop(
    data: Annotated[
        Path, typer.Option(help="Folder with the recorded sessions.")
    ] = closed_loop_bench.DATA,
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """Recorded days at JPL: our money and energy beside simple rules' and perfect foresight's."""
    columns = (
        "limit_kw",
        "policy",
        "delivered_kwh",
        "of_feasible",
        "cost_per_kwh",
        "changes_per_session_hour",
        "starts_per_session_hour",
    )
    left_out = "four of five days, 150 kW"
    _report(lambda q, tell: closed_loop_bench.run(data, q, tell), columns, as_json, quick, left_out)


@app.command()
def words(
    data: Annotated[Path, typer.Option(help="Folder of the real data.")],
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """Drivers' departures as stated and as learned: what it brings on four real months."""
    columns = (
        "site",
        "limit_kw",
        "departures",
        "delivered_of_feasible",
        "dearer_than_foresight",
        "exceeded_node_seconds",
    )
    _report(lambda q, tell: words_bench.run(data, q, tell), columns, as_json, quick)


@app.command()
def instances(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("artifacts/instances"),
    quick: Quick = False,
) -> None:
    """The published instances as JSON files, with what their optimum costs."""
    sizes = (50, 200) if quick else (50, 200, 1_000, 5_000, 20_000)
    for file in publish.write(out, sizes, lambda line: _MESSAGES.print(line, style="dim")):
        print(file)


@app.command()
def tariffs(as_json: Json = False, quick: Quick = False) -> None:
    """Prices of a year at 15 minutes, and a month's bill of 1,000 sessions."""
    columns = ("book", "year_ms_p50", "year_cpu_ms_p50", "bill_ms_p50", "bill_cpu_ms_p50")
    _report(tariffs_bench.run, columns, as_json, quick)


@app.command()
def demand(
    data: Annotated[Path, typer.Option(help="Folder with the recorded sessions.")],
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """A month of Caltech under a demand charge: the engine that sees it, and the same one blind."""

    def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
        tell("July 2019, aware and blind")
        until = demand_bench.START + timedelta(days=3 if quick else 31)
        return demand_bench.rows(demand_bench.aware_and_blind(data, end=until))

    columns = ("engine", "bill", "demand", "energy", "peak_kw", "delivered_kwh", "short_sessions")
    _report(run, columns, as_json, quick)


@app.command()
def page(as_json: Json = False, quick: Quick = False) -> None:
    """The web page: first paint in Chromium, and CPU of an update each second."""
    from benchmarks import page as page_bench

    sizes, seconds = ((54,), 10.0) if quick else ((54, 200, 1_800), 30.0)
    columns = ("piles", "first_paint_ms_p50", "cpu_share", "cpu_ms_per_update", "memory_mb")
    _report(lambda quick, tell: page_bench.run(sizes, seconds), columns, as_json, quick)


@app.command()
def decisions(
    data: Annotated[Path, typer.Option(help="Folder with the recorded sessions.")],
    steps: Annotated[int, typer.Option(help="Plans to make again.")] = 1_000,
    short: Annotated[int, typer.Option(help="Short sessions to explain.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the choice among them.")] = 7,
) -> None:
    """Real days: plans made again byte for byte, and explanations tried by counterfactual plans."""
    with _libraries_on_standard_error():
        found = decisions_bench.decisions(
            decisions_bench.real_days(data), steps=steps, short=short, seed=seed
        )
    print(json.dumps(found))


@app.command()
def bills(
    data: Annotated[Path, typer.Option(help="Folder with the recorded sessions.")],
    site: Annotated[str, typer.Option(help="caltech or jpl.")] = "caltech",
    month: Annotated[str, typer.Option(help="May to December 2019.")] = "2019-07",
    only: Annotated[str, typer.Option(help="Only tariffs whose name holds this.")] = "",
    as_json: Json = False,
    quick: Quick = False,
) -> None:
    """A month in the closed loop by tariff: planned and billed money, aware of the peak or blind.

    Four kinds of tariff, then Zhejiang billed by capacity, contracted and actual demand. Half an
    hour; --quick takes the first three days.
    """
    start = datetime.fromisoformat(f"{month}-01").replace(tzinfo=demand_bench.ZONE)
    following = (start + timedelta(days=32)).replace(day=1)

    def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
        until = start + timedelta(days=3) if quick else following
        return bills_bench.run_all(data, site=site, start=start, end=until, tell=tell, only=only)

    _report(run, bills_bench.COLUMNS, as_json, quick)


def _report(
    run: Callable[[bool, Callable[[str], None]], dict[str, Any]],
    columns: Sequence[str],
    as_json: bool,
    quick: bool,
    left_out: str = "",
) -> None:
    with _libraries_on_standard_error():
        found = run(quick, lambda line: _MESSAGES.print(line, style="dim"))
    if quick and left_out:
        found["left_out"] = left_out
        _MESSAGES.print(f"--quick leaves out: {left_out}", style="yellow")
    if as_json:
        print(json.dumps(found))
        return
    _table(*columns, [tuple(_cell(row[c]) for c in columns) for row in found["rows"]])
    for name, value in found.get("times_faster", {}).items():
        Console().print(f"the flow against {name}: {value:.0f} times faster")


@contextlib.contextmanager
def _libraries_on_standard_error() -> Iterator[None]:
    """Solvers print banners past Python; standard output is for the document alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _table(*columns_and_rows: Any) -> None:
    *columns, rows = columns_and_rows
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


cli_microgrid.add_to(app, _report)
cli_solvers.add_to(app, _report)
