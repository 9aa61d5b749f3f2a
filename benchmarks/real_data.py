"""The main job on real input: ``make real-data`` runs all of it and writes one JSON document.

Caltech and JPL, May to August 2019, behind 150 and 60 kW, once with the truth and once with the
drivers' words; and a New York bus depot over two weekdays with school open.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.books import load_book
from adapters.data.blocks import SCHOOL_DAY, read_blocks
from adapters.data.chaining import WORTH_KWH, Depot
from adapters.simulator.replay import Words
from adapters.simulator.simulate import (
    Outcome,
    baselines_of,
    closed_loop,
    figures_of,
    loss_of,
)
from adapters.site_writers import site_from_blocks, site_from_sessions

TARIFF = "zhejiang-2026"
LOS_ANGELES, NEW_YORK = ZoneInfo("America/Los_Angeles"), ZoneInfo("America/New_York")
ACN = "acn_caltech_jpl_sessions/{site}_2019-05-01_2019-08-31.csv.gz"
BLOCKS = "nyc_bus_depots/blocks_originals.csv.gz"
FIRST_SCHOOL_DAY = date(2026, 9, 15)


@dataclass(frozen=True)
class Task:
    """One run; ``limit_kw`` 0 stands for the bus depot."""

    site: str
    limit_kw: float
    requests: Words
    start: date
    end: date

    @property
    def name(self) -> str:
        """Key in the document."""
        return self.named(self.requests)

    def named(self, requests: str) -> str:
        """Key of the same run with other words."""
        return f"{self.site}-{self.limit_kw:g}kW-{requests}" if self.limit_kw else self.site


WORDS: tuple[Words, ...] = ("stated", "truth", "stated_departure", "stated_energy")


def tasks(*, quick: bool) -> list[Task]:
    """What is run; the quick part is one day of each workplace at the tight limit."""
    if quick:
        day = (date(2019, 6, 3), date(2019, 6, 4))
        return [
            Task("jpl", 60, "stated", *day),
            Task("caltech", 60, "truth", *day),
        ]
    months = (date(2019, 5, 1), date(2019, 9, 1))
    return [
        Task("bus-depot-CH", 0, "stated", FIRST_SCHOOL_DAY, FIRST_SCHOOL_DAY + timedelta(days=2)),
        *(
            Task(site, limit, words, *months)
            for words in WORDS
            for limit in (60, 150)
            for site in ("jpl", "caltech")
        ),
    ]


def run_task(task: Task, data: Path) -> dict[str, Any]:
    """The figures of one run; of one with a single word of the drivers', those of the run alone."""
    if not task.limit_kw:
        return _bus_depot(task, data)
    tariff = load_book(TARIFF, holidays="none")
    file, sessions = site_from_sessions(
        data / ACN.format(site=task.site),
        transformer_kw=task.limit_kw,
        zone=LOS_ANGELES,
        tariff=TARIFF,
        currency=tariff.currency,
    )
    start, end = (_midnight(d, LOS_ANGELES) for d in (task.start, task.end))
    outcome = closed_loop(file.site, tariff, sessions, start, end, requests=task.requests)
    figures = figures_of(outcome)
    if task.requests in ("stated", "truth"):
        figures |= baselines_of(file.site, tariff, outcome)
    return figures


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _bus_depot(task: Task, data: Path) -> dict[str, Any]:
    tariff = load_book(TARIFF, holidays="none")
    made = site_from_blocks(
        data / BLOCKS,
        depot="CH",
        first=task.start,
        days=(task.end - task.start).days,
        battery_kwh=400,
        zone=NEW_YORK,
        tariff=TARIFF,
        currency=tariff.currency,
    )
    start, end = (_midnight(d, NEW_YORK) for d in (task.start, task.end + timedelta(days=1)))
    sessions = made.depot.sessions
    outcome = closed_loop(made.file.site, tariff, sessions, start, end, requests=task.requests)
    return {
        "buses": len(made.depot.buses),
        "blocks": made.depot.blocks,
        "blocks_left_out": made.depot.left_out,
        "blocks_beyond_one_battery": made.depot.beyond_battery,
        "transformer_kw": made.file.site.network.root.own_limit_kw,
        **figures_of(outcome),
        **baselines_of(made.file.site, tariff, outcome),
        **_readiness(made.depot, outcome, data),
    }


def _readiness(depot: Depot, outcome: Outcome, data: Path) -> dict[str, Any]:
    """Every departure: ready for its block, or named as short with the reason."""
    needs_kwh = {b.id: b.energy_kwh for b in read_blocks(data / BLOCKS, depot="CH", day=SCHOOL_DAY)}
    delivered = {s.session: s.delivered_kwh for s in outcome.trace.sessions}
    known = {(u.bus, u.block, u.departure): u.reason for u in depot.unready}
    ready = 0
    short: list[dict[str, Any]] = []
    for s in depot.sessions:
        holds = (s.soc or 0.0) * (s.battery_kwh or 0.0) + delivered[s.id]
        lacks = needs_kwh[s.source_id] - holds
        if lacks <= WORTH_KWH:
            ready += 1
            continue
        reason = known.get((s.pile, s.source_id, s.departure), "the transformer was full")
        short.append(
            {
                "bus": s.pile,
                "block": s.source_id,
                "departure": s.departure.isoformat(),
                "lacks_kwh": round(lacks, 2),
                "reason": reason,
            }
        )
    reasons = sorted({s["reason"] for s in short})
    return {
        "departures": len(depot.sessions),
        "ready": ready,
        "ready_without_charging": depot.no_need,
        "short": len(short),
        "short_by_reason": {r: sum(s["reason"] == r for s in short) for r in reasons},
        "short_departures": short,
    }


def main() -> int:
    """Run the tasks on every core and write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"{options.data} is no folder: say DATA=path/to/data", file=sys.stderr)
        return 2
    todo = tasks(quick=options.quick)
    began = time.perf_counter()
    found: dict[str, Any] = {}
    pool = ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn"))
    with pool:
        running = {pool.submit(run_task, t, options.data): t for t in todo}
        for done in as_completed(running):
            task = running[done]
            found[task.name] = done.result()
            _tell(task, found[task.name], len(found), len(todo), time.perf_counter() - began)
            _write(options.out, todo, found, time.perf_counter() - began)
    exceeded = sum(run["exceeded_node_seconds"] for run in found.values())
    print(
        f"{options.out}: {len(found)} runs, {exceeded} node-seconds above a limit", file=sys.stderr
    )
    return 0 if exceeded == 0 else 1


def _write(out: Path, todo: list[Task], found: dict[str, Any], wall_s: float) -> None:
    """The document so far: what has been run is not lost when the rest is."""
    runs = {task.name: dict(found[task.name]) for task in todo if task.name in found}
    for task in (t for t in todo if t.limit_kw):
        truth, one = runs.get(task.named("truth")), runs.get(task.named("stated"))
        for word in ("departure", "energy"):
            other = runs.get(task.named(f"stated_{word}"))
            if truth is not None and one is not None and other is not None:
                one[f"loss_{word}"] = loss_of(other, truth)
    document = {
        "made_at": datetime.now(UTC).isoformat(),
        "tariff": TARIFF,
        "wall_s": wall_s,
        "runs": runs,
        "left_to_run": [task.name for task in todo if task.name not in found],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")


def _tell(task: Task, figures: dict[str, Any], done: int, of: int, spent_s: float) -> None:
    left_s = spent_s / done * (of - done)
    against = ""
    if "feasible_kwh" in figures:
        share = figures["delivered_kwh"] / figures["feasible_kwh"]
        dearer = figures["cost"] / figures["perfect_foresight_cost_at_delivered"] - 1
        against = f"{share:.2%} of feasible, {dearer:+.2%} over foresight, "
    print(
        f"{done}/{of} {task.name}: {figures['sessions']} sessions, {against}"
        f"{figures['exceeded_node_seconds']} s above, "
        f"{figures['run_wall_s']:.0f} s; about {left_s:.0f} s left",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
