"""The figures as a page: ``python -m benchmarks.plot FOLDER``, from the documents of bench-table.

``plots.html``, drawn by what draws page and reports: CPU time against sessions, each hand a line;
money a kWh against the share of the energy delivered, each policy a point.
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

from adapters.curve_plot import CurvePlot
from adapters.plot_style import COLOURS, STYLE
from adapters.plots import Line

COLOUR_COUNT = 8


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    file = folder / f"{name}.json"
    body = file.read_text() if file.exists() else ""
    rows: list[dict[str, Any]] = json.loads(body)["rows"] if body.strip() else []
    return rows


def peers(folder: Path) -> list[CurvePlot]:
    """Time by size and hand; none where nothing was measured."""
    found: dict[str, dict[int, float]] = {}
    for row in _rows(folder, "peers"):
        if row.get("cpu_ms"):
            found.setdefault(row["hand"], {})[row["sessions"]] = row["cpu_ms"]
    sizes = sorted({size for times in found.values() for size in times})
    if len(sizes) < 2:
        return []
    return [
        CurvePlot(
            title="build and solve, CPU ms, one thread; 96 slots, congested",
            x_label="sessions",
            y_label="ms",
            x=[float(s) for s in sizes],
            lines=[
                Line(hand, _colour(k), [times.get(s) for s in sizes])
                for k, (hand, times) in enumerate(found.items())
            ],
            log=True,
            named=True,
            height=420,
        )
    ]


def money(folder: Path) -> list[CurvePlot]:
    """Cost a kWh beside the share delivered, a plot for each site and limit."""
    rows, plots = _rows(folder, "closed-loop"), []
    for site, limit_kw in sorted({(r["site"], r["limit_kw"]) for r in rows}):
        own = [r for r in rows if (r["site"], r["limit_kw"]) == (site, limit_kw)]
        shares = sorted({0.0, 100.0, *(100.0 * r["of_feasible"] for r in own)})
        plots.append(
            CurvePlot(
                title=f"{site}, {limit_kw:g} kW: money a kWh",
                x_label="delivered, % of feasible",
                y_label="",
                x=shares,
                lines=[
                    Line(
                        r["policy"],
                        _colour(k),
                        [
                            r["cost_per_kwh"] if s == 100.0 * r["of_feasible"] else None
                            for s in shares
                        ],
                    )
                    for k, r in enumerate(own)
                ],
                named=True,
                height=420,
            )
        )
    return plots


def _colour(k: int) -> str:
    return f"c{k % COLOUR_COUNT}"


def page(plots: list[CurvePlot]) -> str:
    """The plots as one self-contained page."""
    body = "".join(f"<h2>{escape(p.title)}</h2>{p.svg()}" for p in plots)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Benchmarks</title>'
        f"<style>{COLOURS}{STYLE}body{{font:15px system-ui,sans-serif;max-width:860px;"
        "margin:1.5rem auto;background:var(--bg);color:var(--text)}h2{font-size:1rem}</style>"
        f"</head><body>{body}</body></html>"
    )


def main() -> int:
    """Write the page beside the documents, and say where; nothing where nothing was measured."""
    folder = Path(sys.argv[1])
    plots = [*peers(folder), *money(folder)]
    if plots:
        file = folder / "plots.html"
        file.write_text(page(plots), encoding="utf-8")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
