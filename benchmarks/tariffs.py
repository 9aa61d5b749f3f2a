"""Speed of prices and bills: a year at 15 minutes, a month's bill of 1,000 sessions.

Goals: under 20 ms and under 200 ms. Books and settings are read before the clock starts; nothing
is kept from one round to the next but what a tariff itself keeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from adapters.books import load_book
from models.horizon import FloatArray, Horizon, epoch_s
from tariffs.bill import merged, month_bill, session_bills
from tariffs.demand import month_bounds
from tariffs.metered import Metered
from tariffs.tariff import Tariff

YEAR_MS, BILL_MS = 20.0, 200.0
BOOKS = (
    ("zhejiang-2026", "Asia/Shanghai", 2026, 7),
    ("zhejiang-2024", "Asia/Shanghai", 2024, 7),
    ("sce-tou-ev-4-2019", "America/Los_Angeles", 2019, 7),
    ("pge-a10-tou-2019", "America/Los_Angeles", 2019, 7),
)


def run(quick: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """Rows by book: ms of each figure, wall and CPU time, medians of the rounds."""
    rounds = 5 if quick else 25
    rows = []
    for book, zone_name, year, month in BOOKS:
        tell(book)
        zone = ZoneInfo(zone_name)
        tariff = load_book(book)
        horizon = _year(year, zone)
        site, sessions = month_of_sessions(1_000, year, month, zone)
        priced = _times_ms(partial(tariff.prices, horizon), rounds)
        billed = _times_ms(partial(_bill, tariff, site, sessions, year, month, zone), rounds)
        rows.append(
            {
                "book": book,
                "slots": horizon.n,
                "year_ms_p50": float(np.median(priced[:, 0])),
                "year_cpu_ms_p50": float(np.median(priced[:, 1])),
                "bill_ms_p50": float(np.median(billed[:, 0])),
                "bill_cpu_ms_p50": float(np.median(billed[:, 1])),
            }
        )
    return {"rows": rows, "goal_year_ms": YEAR_MS, "goal_bill_ms": BILL_MS}


def _year(year: int, zone: ZoneInfo) -> Horizon:
    lo = epoch_s(datetime(year, 1, 1, tzinfo=zone))
    hi = epoch_s(datetime(year + 1, 1, 1, tzinfo=zone))
    return Horizon(np.arange(lo, hi + 1, 900, dtype=np.int64), zone)


def month_of_sessions(
    count: int, year: int, month: int, zone: ZoneInfo
) -> tuple[Metered, list[Metered]]:
    """A site's meter over a month and its sessions, each read every quarter hour; seed 5."""
    rng = np.random.default_rng(5)
    lo, hi = month_bounds(year, month, zone)
    at = np.arange(lo, hi + 1, 900, dtype=np.int64)
    total = np.zeros(at.size - 1)
    sessions = []
    for _ in range(count):
        length = int(rng.integers(4, 40))
        begin = int(rng.integers(0, at.size - 1 - length))
        energy = rng.uniform(0.0, 1.75, length)
        total[begin : begin + length] += energy
        own = at[begin : begin + length + 1]
        sessions.append(Metered(own[:-1], own[1:], energy, np.zeros(length)))
    return Metered(at[:-1], at[1:], total, np.zeros(total.size)), sessions


def _bill(
    tariff: Tariff, site: Metered, sessions: list[Metered], year: int, month: int, zone: ZoneInfo
) -> None:
    month_bill(tariff, site, year=year, month=month, zone=zone)
    merged(session_bills(tariff, sessions, zone=zone))


def _times_ms(work: Callable[[], object], rounds: int) -> FloatArray:
    """Wall and CPU time of each round, ms, shape (rounds, 2)."""
    found = []
    for _ in range(rounds):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - began, time.process_time() - began_cpu))
    return np.array(found) * 1000.0
