"""One Markdown table of the figures, written into README.md: ``make bench-table``.

Reads the documents that ``valleyfill bench --json`` wrote into a folder, one for each name of
:data:`DOCUMENTS`; what is missing there is left out of the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIZES = (200, 1_000, 5_000, 20_000)
DOCUMENTS = ("latency", "general", "peers", "optimality", "churn", "closed-loop")
BEGIN, END = "<!-- bench-table -->", "<!-- /bench-table -->"
Row = tuple[str, ...]


def table(folder: Path) -> str:
    """The table of what stands in a folder of documents."""
    rows = list(_rows(folder))
    heads = [f"{n:,} sessions" for n in SIZES]
    lines = [f"| what | {' | '.join(heads)} |", "|---" * (1 + len(SIZES)) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    days = list(_days(folder))
    if days:
        heads = ["a kWh", "delivered", "changes of power", "starts"]
        lines += ["", f"| recorded days | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in days]
        lines += ["", "Changes and starts are by session and hour of its stay."]
    short = [
        f"{name}: {left}" for name in DOCUMENTS if (left := _read(folder, name).get("left_out"))
    ]
    if short:
        lines += ["", f"Quick runs. Left out: {'; '.join(short)}."]
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
    body = file.read_text() if file.exists() else ""
    found: dict[str, Any] = json.loads(body) if body.strip() else {}
    return found


def _rows(folder: Path) -> Iterator[Row]:
    latency = _read(folder, "latency").get("rows", [])
    yield from _latency(latency)
    yield from _by_size(
        _read(folder, "general").get("rows", []),
        lambda r: f"{r['feature']}; from the running plan after an event / cold, CPU",
        lambda r: f"{_ms(r['warm_cpu_ms_p50'])} / {_ms(r['cold_cpu_ms'])}",
    )
    peers = _read(folder, "peers").get("rows", [])
    yield from _by_size(peers, lambda r: f"{r['hand']}, CPU", _peer)
    churn = _read(folder, "churn").get("rows", [])
    yield from _by_size(
        churn,
        lambda r: f"sessions changed without news / by one event, {r['solver']}",
        lambda r: f"{r['changed_without_news']} / {r['changed_per_event_p50']:g}",
    )
    for row in _read(folder, "optimality").get("rows", []):
        told = f"{row['different']} of {row['problems']:,} ({row['refused']} no flow)"
        yield (
            f"random problems that differ from {row['against']} beyond 1e-9",
            told,
            *[""] * (len(SIZES) - 1),
        )


def _days(folder: Path) -> Iterator[Row]:
    for row in _read(folder, "closed-loop").get("rows", []):
        restless = (row["changes_per_session_hour"], row["starts_per_session_hour"])
        yield (
            f"{row['site']}, {row['limit_kw']:g} kW, {row['policy']}",
            f"{row['cost_per_kwh']:.4f}",
            f"{row['delivered_kwh']:,.0f} kWh",
            *("" if value is None else f"{value:.2f}" for value in restless),
        )


def _latency(rows: list[dict[str, Any]]) -> Iterator[Row]:
    usual = [r for r in rows if (r["load"], r["shape"]) == ("congested", "five-level")]
    yield from _by_size(
        usual,
        lambda r: f"{r['solver']}, {r['feature']}, CPU",
        lambda r: _ms(r["solve_cpu_ms_p50"]),
    )
    yield from _by_size(
        [r for r in usual if "full_cpu_ms_p99" in r],
        lambda r: f"p99 / of the full solve, {r['solver']}, {r['feature']}, CPU",
        lambda r: f"{_ms(r['solve_cpu_ms_p99'])} / {_ms(r['full_cpu_ms_p99'])}",
    )
    short = [r for r in rows if r["load"] == "short" and r["solver"].startswith("flow")]
    yield from _by_size(
        short,
        lambda r: f"{r['solver']}, too little for all, CPU",
        lambda r: _ms(r["solve_cpu_ms_p50"]),
    )


def _by_size(
    rows: list[dict[str, Any]],
    name: Callable[[dict[str, Any]], str],
    cell: Callable[[dict[str, Any]], str],
) -> Iterator[Row]:
    """A row for each name, its sizes beside each other."""
    cells: dict[str, dict[int, str]] = {}
    for row in rows:
        cells.setdefault(name(row), {})[row["sessions"]] = cell(row)
    for told, by_size in cells.items():
        if any(n in by_size for n in SIZES):
            yield (told, *(by_size.get(n, "") for n in SIZES))


def _peer(row: dict[str, Any]) -> str:
    if row.get("cut_off_s"):
        return f"over {row['cut_off_s']:g} s"
    return "not installed" if row.get("missing") else _ms(row["cpu_ms"])


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
