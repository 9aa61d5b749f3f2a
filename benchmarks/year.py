"""A year of a microgrid in a loop closed every 15 minutes: how long it takes.

Load and sun are those of a year; the sessions of May to August come again twice, moved by whole
weeks, since none are recorded for a whole year.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.simulator.vehicle import Vehicle
from benchmarks.microgrid import figures_of, run_one
from benchmarks.microgrid_case import CASES, ZONE, Case, read_case

FIRST_DAY = datetime(2019, 5, 1, tzinfo=ZONE)
DAYS, WEEKS = 365, 17
"""A year, and the stretch of sessions that comes again."""

EVERY_S = 900.0

COLUMNS = ("days", "piles", "sessions", "wall_s", "cpu_s", "solves", "total", "peak_kw",
           "unmet_kwh", "exceeded_s")  # fmt: skip


def run(
    data: Path, days: int = DAYS, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Let ours steer so many days, and tell how long that took.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    days : int
        From 1 May 2019 on, at most 365.
    tell : callable
        Told what is being done.
    """
    case = year_case(data, days)
    tell(f"{days} days, {len(case.site.piles)} piles, {len(case.vehicles)} sessions")
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    trace, depot = run_one(case, "ours", step_s=EVERY_S)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    found = figures_of(case, trace, depot)
    kept = ("total", "peak_kw", "cycles", "v2g_kwh", "delivered_kwh", "unmet_kwh", "exceeded_s")
    return {
        "days": days,
        "piles": len(case.site.piles),
        "sessions": len(case.vehicles),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "solves": found["solves"],
        **{name: found[name] for name in kept},
    }


def year_case(data: Path, days: int) -> Case:
    """The case of so many days, with a stretch of sessions that comes again.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    days : int
        From 1 May 2019 on, at most 365.
    """
    end = FIRST_DAY + timedelta(days=days)
    case = read_case(data, CASES[1], FIRST_DAY, end)
    again = FIRST_DAY.timestamp() + WEEKS * 7 * 86_400
    parts: list[tuple[Vehicle, ...]] = []
    for vehicles in (case.vehicles, case.told):
        first = [v for v in vehicles if v.arrival_s < again]
        moved = [_moved(v, k) for k in range(1, 4) for v in first]
        fits = [v for v in (*first, *moved) if v.arrival_s < end.timestamp()]
        parts.append(tuple(fits))
    return replace(case, vehicles=parts[0], told=parts[1])


def _moved(vehicle: Vehicle, times: int) -> Vehicle:
    """The same stay so many stretches later."""
    by = timedelta(weeks=WEEKS * times)
    by_s = by.total_seconds()
    name = f"{vehicle.session}-{times}"
    words = tuple(
        (
            at_s + by_s,
            replace(said, session=name, arrival=said.arrival + by, departure=said.departure + by),
        )
        for at_s, said in vehicle.words
    )
    return replace(
        vehicle,
        session=name,
        arrival_s=vehicle.arrival_s + by_s,
        departure_s=vehicle.departure_s + by_s,
        words=words,
    )
