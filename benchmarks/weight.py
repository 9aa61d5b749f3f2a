"""What a control process weighs: imported only in a process of its own."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

HEAVY = ("cvxpy", "ortools", "pandas", "highspy", "numba")


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def control_process_mb(piles: int) -> float:
    """Build a site's engine with a session at every pile, as the daemon does, and weigh it.

    Raises
    ------
    RuntimeError
        If a library has been imported that belongs to the solving process.
    """
    import adapters.daemon
    from adapters.books import load_book
    from benchmarks.bench_site import bench_site, full_house
    from scheduler.engine import Engine

    assert adapters.daemon
    site = bench_site(piles)
    engine = Engine(site, load_book("zhejiang-2026"))
    now = datetime(2026, 9, 1, 8, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
    state = engine.start(now=now, mono_s=0.0, epoch=1)
    for minute in range(10):
        at = now + timedelta(minutes=minute)
        events = full_house(site, at, 60.0 * minute, first=minute == 0)
        state, _, _ = engine.receive(state, events)
    loaded = [name for name in HEAVY if name in sys.modules]
    if loaded:
        raise RuntimeError(f"the control process has imported {', '.join(loaded)}")
    return resident_mb()
