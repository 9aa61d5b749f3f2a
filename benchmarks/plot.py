"""The figures as pictures: ``python -m benchmarks.plot FOLDER``, from the documents of bench-table.

``peers.png``: CPU time against sessions, each hand a line. ``closed-loop.png``: money a kWh
against the share of the energy delivered, each policy a point.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    file = folder / f"{name}.json"
    body = file.read_text() if file.exists() else ""
    rows: list[dict[str, Any]] = json.loads(body)["rows"] if body.strip() else []
    return rows


def peers(folder: Path) -> Path | None:
    """Time by size and hand; None where nothing was measured."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in _rows(folder, "peers"):
        if row.get("cpu_ms", float("nan")) > 0:
            lines.setdefault(row["hand"], []).append((row["sessions"], row["cpu_ms"]))
    if not lines:
        return None
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for hand, points in lines.items():
        sizes, times = zip(*sorted(points), strict=True)
        axes.loglog(sizes, times, marker="o", label=hand, lw=2.5 if hand == "flow" else 1.2)
    axes.set_xlabel("sessions (96 slots, congested)")
    axes.set_ylabel("build and solve, CPU ms, one thread")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return _saved(figure, folder / "peers.png")


def money(folder: Path) -> Path | None:
    """Cost a kWh beside the share delivered; None where nothing was measured."""
    rows = _rows(folder, "closed-loop")
    if not rows:
        return None
    cases = sorted({(r["site"], r["limit_kw"]) for r in rows})
    figure, all_axes = plt.subplots(
        1, len(cases), figsize=(6 * len(cases), 5), squeeze=False, layout="constrained"
    )
    for axes, (site, limit_kw) in zip(all_axes[0], cases, strict=True):
        for row in rows:
            if (row["site"], row["limit_kw"]) != (site, limit_kw):
                continue
            at = (100.0 * row["of_feasible"], row["cost_per_kwh"])
            axes.plot(*at, "o")
            axes.annotate(row["policy"], at, fontsize="small")
        axes.set_title(f"{site}, {limit_kw:g} kW")
        axes.set_xlabel("delivered, % of feasible")
        axes.set_ylabel("money a kWh")
        axes.grid(alpha=0.3)
    return _saved(figure, folder / "closed-loop.png")


def _saved(figure: Any, file: Path) -> Path:
    figure.savefig(file, dpi=120)
    plt.close(figure)
    return file


def main() -> int:
    """Write the pictures beside the documents, and say where."""
    folder = Path(sys.argv[1])
    for file in (peers(folder), money(folder)):
        if file is not None:
            print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
