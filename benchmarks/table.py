"""One Markdown table of the figures, written into README.md: ``make bench-table``.

Reads the documents that ``valleyfill bench latency|peers|optimality|churn|closed-loop --json``
wrote into a folder; what is missing there is left out of the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench-table -->", "<!-- /bench-table -->"
Row = tuple[str, str, str]


def table(folder: Path) -> str:
    """The table of what stands in a folder of documents."""
    rows = list(_rows(folder))
    lines = ["| what | 1,000 sessions | 20,000 sessions |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def insert(text: str, made: str) -> str:
    """A document with the table between its two marks.

    Raises
    ------
    ValueError
        If the marks are not there, in this order.
    """
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise ValueError(f"no {BEGIN} and {END} to write between")
    return f"{text[: begin + len(BEGIN)]}\n{made}\n{text[end:]}"


def _read(folder: Path, name: str) -> dict[str, Any]:
    file = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def _rows(folder: Path) -> Iterator[Row]:
    latency = _read(folder, "latency").get("rows", [])
    yield from _latency(latency)
    for row in _read(folder, "peers").get("rows", []):
        if row["sessions"] == 1_000:
            yield (f"{row['hand']}, CPU", _ms(row["cpu_ms"]), "")
    for row in _read(folder, "churn").get("rows", []):
        if row["sessions"] == 1_000:
            changed = f"{row['changed_without_news']} / {row['changed_per_event_p50']:g}"
            yield (f"sessions changed without news / by one event, {row['solver']}", changed, "")
    for row in _read(folder, "optimality").get("rows", []):
        told = f"{row['different']} of {row['problems']:,} ({row['refused']} no flow)"
        yield (f"random problems that differ from {row['against']} beyond 1e-9", told, "")
    for row in _read(folder, "closed-loop").get("rows", []):
        name = f"{row['site']}, {row['limit_kw']:g} kW, {row['policy']}"
        yield (name, f"{row['cost_per_kwh']:.4f} a kWh, {row['delivered_kwh']:,.0f} kWh", "")


def _latency(rows: list[dict[str, Any]]) -> Iterator[Row]:
    names: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        if (row["load"], row["shape"]) == ("congested", "five-level"):
            key = (row["solver"], row["feature"])
            names.setdefault(key, {})[row["sessions"]] = row["solve_cpu_ms_p50"]
    for (solver, feature), by_size in names.items():
        if 1_000 in by_size or 20_000 in by_size:
            cells = [_ms(by_size[n]) if n in by_size else "" for n in (1_000, 20_000)]
            yield (f"{solver}, {feature}, CPU", cells[0], cells[1])


def _ms(value: float) -> str:
    return f"{value:,.2f} ms" if value < 10 else f"{value:,.0f} ms"


def main() -> int:
    """Write the table into the file named; 1 if its marks are not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("readme", type=Path)
    options = parser.parse_args()
    try:
        text = insert(options.readme.read_text(), table(options.folder))
    except ValueError as error:
        print(f"{options.readme}: {error}", file=sys.stderr)
        return 1
    options.readme.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
