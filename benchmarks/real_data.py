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
from adapters.config import SiteFile
from adapters.data.blocks import SCHOOL_DAY, read_blocks
from adapters.data.chaining import WORTH_KWH, Depot
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.replay import prepare
from adapters.simulator.simulate import RUNGS, simulate
from adapters.site_writers import site_from_blocks, site_from_sessions
from scheduler.engine import Engine

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
    requests: str
    start: date
    end: date

    @property
    def name(self) -> str:
        """Key in the document."""
        return f"{self.site}-{self.limit_kw:g}kW-{self.requests}" if self.limit_kw else self.site


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
        *(
            Task(site, limit, words, *months)
            for limit in (60, 150)
            for site in ("jpl", "caltech")
            for words in ("stated", "truth")
        ),
        Task("bus-depot-CH", 0, "stated", FIRST_SCHOOL_DAY, FIRST_SCHOOL_DAY + timedelta(days=2)),
    ]


def run_task(task: Task, data: Path, *, losses: bool) -> dict[str, Any]:
    """The figures of one run; ``losses``: also what each word of the drivers costs."""
    tariff = load_book(TARIFF, holidays="none")
    if not task.limit_kw:
        return _bus_depot(task, data)
    file, sessions = site_from_sessions(
        data / ACN.format(site=task.site),
        transformer_kw=task.limit_kw,
        zone=LOS_ANGELES,
        tariff=TARIFF,
        currency=tariff.currency,
    )
    start, end = (_midnight(d, LOS_ANGELES) for d in (task.start, task.end))
    words: Any = task.requests
    wanted = losses and task.requests == "stated"
    return simulate(file.site, tariff, sessions, start, end, requests=words, losses=wanted)


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
    figures = simulate(made.file.site, tariff, sessions, start, end, requests="stated")
    return {
        "buses": len(made.depot.buses),
        "blocks": made.depot.blocks,
        "blocks_left_out": made.depot.left_out,
        "blocks_beyond_one_battery": made.depot.beyond_battery,
        "transformer_kw": made.file.site.network.root.own_limit_kw,
        **figures,
        **_readiness(made.file, made.depot, data, start, end),
    }


def _readiness(
    file: SiteFile, depot: Depot, data: Path, start: datetime, end: datetime
) -> dict[str, Any]:
    """Every departure: ready for its block, or named as short with the reason."""
    needs_kwh = {b.id: b.energy_kwh for b in read_blocks(data / BLOCKS, depot="CH", day=SCHOOL_DAY)}
    replay = prepare(file.site, depot.sessions, start, end, words="stated")
    last = max(v.departure_s for v in replay.vehicles) + 1.0
    tariff = load_book(TARIFF, holidays="none")
    trace = run(
        Engine(file.site, tariff),
        VirtualDepot(file.site, replay.vehicles, start_s=start.timestamp()),
        until_s=last,
        solve=cascade_of(*RUNGS),
    )
    delivered = {s.session: s.delivered_kwh for s in trace.sessions}
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
        losses = not options.quick
        running = {pool.submit(run_task, t, options.data, losses=losses): t for t in todo}
        for done in as_completed(running):
            task = running[done]
            found[task.name] = done.result()
            _tell(task, found[task.name], len(found), len(todo), time.perf_counter() - began)
    document = {
        "made_at": datetime.now(UTC).isoformat(),
        "tariff": TARIFF,
        "wall_s": time.perf_counter() - began,
        "runs": {task.name: found[task.name] for task in todo},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
    exceeded = sum(run["exceeded_node_seconds"] for run in found.values())
    print(
        f"{options.out}: {len(found)} runs, {exceeded} node-seconds above a limit", file=sys.stderr
    )
    return 0 if exceeded == 0 else 1


def _tell(task: Task, figures: dict[str, Any], done: int, of: int, spent_s: float) -> None:
    left_s = spent_s / done * (of - done)
    share = figures["delivered_kwh"] / figures["feasible_kwh"]
    dearer = figures["cost"] / figures["perfect_foresight_cost_at_delivered"] - 1
    print(
        f"{done}/{of} {task.name}: {figures['sessions']} sessions, {share:.2%} of feasible, "
        f"{dearer:+.2%} over foresight, {figures['exceeded_node_seconds']} s above, "
        f"{figures['wall_s']:.0f} s; about {left_s:.0f} s left",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
