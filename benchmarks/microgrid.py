"""A summer of a microgrid in the closed loop: measured load, sun and sessions, four controllers.

The same days (:mod:`benchmarks.microgrid_case`) go to a site that controls nothing, one that
follows the usual rule of storage, ours with its own forecasts and the drivers' words, and ours
told every truth; beside them stands the least that the days could have cost.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.simulator.depot import VirtualDepot
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.rule_based import controlled_by_rule, uncontrolled_assets
from adapters.simulator.simulate import RUNGS
from adapters.simulator.trace import Trace
from adapters.simulator.virtual_assets import VirtualPv, VirtualStorage
from benchmarks.bound import Least, least
from benchmarks.microgrid_case import (
    CASES,
    EXPORT_KW,
    LIMIT_KW,
    ZONE,
    Case,
    depot_of,
    read_case,
)
from benchmarks.microgrid_forecasts import forecasts, peaks_foreseen, peaks_told
from models.errors import InvalidValueError
from scheduler.engine import Engine
from tariffs.bill import month_bill
from tariffs.metered import Metered

CONTROLLERS = ("uncontrolled", "rule-based", "ours", "ours, told the truth")
LATE_S = 60.0
"""Nearer to his word than this nobody has left before it."""

BOUND = "perfect foresight"
"""The least that the days could have cost, see :mod:`benchmarks.bound`."""


def run_one(
    case: Case,
    controller: str,
    tell: Callable[[float], None] | None = None,
    step_s: float | None = None,
) -> tuple[Trace, VirtualDepot]:
    """One controller through all the days."""
    vehicles = case.told if controller == "ours" else case.vehicles
    said: list[Any] = []
    if controller.startswith("ours"):
        truth = controller != "ours"
        said = forecasts(case, truth=truth, banded=not truth)
        said += peaks_told(case, bound_of(case).peaks_kw) if truth else peaks_foreseen(case)
    depot = depot_of(case, vehicles, said)
    until = max(v.departure_s for v in vehicles) + 1.0
    if controller == "uncontrolled":
        return uncontrolled_assets(case.site, depot, until_s=until), depot
    if controller == "rule-based":
        return controlled_by_rule(case.site, depot, case.tariff, until_s=until), depot
    trace = run(
        Engine(case.site, case.tariff),
        depot,
        until_s=until,
        solve=cascade_of(*RUNGS),
        progress=tell,
        every_s=step_s,
    )
    return trace, depot


def registers_of(trace: Trace, start_s: float, end_s: float, every_s: int = 900) -> Metered:
    """What the meter at the root counted both ways, on whole intervals."""
    lo, hi = math.floor(start_s / every_s), math.floor(end_s / every_s)
    at = every_s * np.arange(lo, hi + 1, dtype=np.int64)
    knots = np.array([t for t, _ in trace.root] + [float(at[-1]) + 1.0])
    power = np.array([kw for _, kw in trace.root])
    span = np.diff(knots)
    registers = []
    for sign in (1.0, -1.0):
        gained = np.concatenate([[0.0], np.cumsum(np.maximum(sign * power, 0.0) * span / 3600.0)])
        registers.append(np.interp(at, knots, gained))
    return Metered.from_registers(at, registers[0], registers[1])


def money_of(
    case: Case, metered: Metered, discharged_kwh: float, given_kwh: float
) -> dict[str, float]:
    """Bill month by month, the demand charges in it, and what storage and vehicles cost."""
    month, bill, demand = case.start, 0.0, 0.0
    while month < case.end:
        found = month_bill(case.tariff, metered, year=month.year, month=month.month, zone=ZONE)
        bill += float(found.total)
        demand += float(sum(line.amount for line in found.lines if line.unit == "kW"))
        month = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    wear = (
        discharged_kwh * case.money.storage_wear
        + given_kwh * (case.money.v2g_price + case.money.v2g_wear)
    )  # fmt: skip
    return {
        "bill": round(bill, 2),
        "demand_charge": round(demand, 2),
        "wear_and_v2g_pay": round(wear, 2),
        "total": round(bill + wear, 2),
    }


def figures_of(case: Case, trace: Trace, depot: VirtualDepot) -> dict[str, Any]:
    """Bill, peak, self-consumption, cycles, unmet energy, seconds above a limit."""
    start_s, end_s = case.start.timestamp(), case.end.timestamp()
    metered = registers_of(trace, start_s, end_s)
    storage, sun = depot.assets["bess"], depot.assets["pv"]
    assert isinstance(storage, VirtualStorage)
    assert isinstance(sun, VirtualPv)
    given = sum(s.given_kwh for s in trace.sessions)
    fed = float(metered.export_kwh.sum())
    root = trace.verdicts[0]
    left = (storage.stored_kwh - 0.5 * storage.asset.capacity_kwh) * 0.95
    return money_of(case, metered, storage.discharged_kwh, given) | {
        "peak_kw": round(float(metered.import_kw.max()), 1),
        "import_kwh": round(float(metered.import_kwh.sum()), 1),
        "export_kwh": round(fed, 1),
        "self_consumption": round(1.0 - fed / max(sun.given_kwh, 1e-9), 4),
        "curtailed_kwh": round(sun.possible_kwh - sun.given_kwh, 1),
        "cycles": round(storage.discharged_kwh / storage.asset.capacity_kwh, 2),
        "v2g_kwh": round(given, 1),
        "delivered_kwh": round(sum(s.delivered_kwh for s in trace.sessions), 1),
        "unmet_kwh": round(sum(s.short_kwh for s in trace.sessions), 2),
        "unmet_by": unmet_by(case, trace),
        "exceeded_s": root.judged_s,
        "exceeded_base_alone_s": root.base_alone_s,
        "export_exceeded_s": root.export_s,
        "left_in_storage_kwh": round(left, 1),
        "solves": len(trace.solve_ms),
        "solve_ms_p50": round(float(np.median(trace.solve_ms)), 2) if trace.solve_ms else None,
        "wall_s": round(trace.wall_s, 1),
        "alerts": trace.alerts,
        "rungs": trace.rungs,
    }


def unmet_by(case: Case, trace: Trace) -> dict[str, float]:
    """What became of the drivers' words where energy is unmet, kWh.

    ``beyond_request``: more than was asked for; ``left_early``: the rest of who left before his
    word; ``within_words``: all other.
    """
    told = {v.session: v.words[0][1] for v in case.told if v.words}
    out = {"beyond_request": 0.0, "left_early": 0.0, "within_words": 0.0}
    for session in trace.sessions:
        word = told[session.session]
        beyond = min(max(session.wants_kwh - word.energy_kwh, 0.0), session.short_kwh)
        early = session.departure_s < word.departure_s - LATE_S
        out["beyond_request"] += beyond
        out["left_early" if early else "within_words"] += session.short_kwh - beyond
    return {name: round(kwh, 1) for name, kwh in out.items()}


def bound_row(case: Case) -> dict[str, Any]:
    """The same figures of the least that the days could have cost."""
    found = bound_of(case)
    fed = float(found.metered.export_kwh.sum())
    capacity = case.site.storages[0].capacity_kwh
    return money_of(case, found.metered, found.discharged_kwh, found.given_kwh) | {
        "peak_kw": round(float(found.metered.import_kw.max()), 1),
        "import_kwh": round(float(found.metered.import_kwh.sum()), 1),
        "export_kwh": round(fed, 1),
        "self_consumption": round(1.0 - fed / max(found.sun_kwh, 1e-9), 4),
        "curtailed_kwh": round(found.curtailed_kwh, 1),
        "cycles": round(found.discharged_kwh / capacity, 2),
        "v2g_kwh": round(found.given_kwh, 1),
        "delivered_kwh": round(found.delivered_kwh, 1),
        "unmet_kwh": round(found.unmet_kwh, 2),
        "exceeded_s": 0,
        "left_in_storage_kwh": round((found.left_kwh - 0.5 * capacity) * 0.95, 1),
        "peaks_kw": [round(p, 1) for p in found.peaks_kw],
    }


_BOUNDS: dict[tuple[str, datetime, datetime], Least] = {}


def bound_of(case: Case) -> Least:
    """The least of these days, solved once."""
    key = (case.money.book, case.start, case.end)
    if key not in _BOUNDS:
        _BOUNDS[key] = least(case)
    return _BOUNDS[key]


def _row_file(folder: Path, book: str, controller: str, days: int) -> Path:
    return folder / f"{book}-{controller.replace(', ', '-')}-{days}.json"


def summer(
    data: Path, *, days: int = 92, books: tuple[str, ...] | None = None,
    tell: Callable[[str], None] = lambda _: None,
    keep: dict[str, Trace] | None = None,
    rows_in: Path | None = None,
    step_s: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """All controllers on all tariffs.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    days : int
        From 1 May 2019 on.
    books : tuple of str, optional
        Which tariffs; all unless given.
    tell : callable
        Told what is being done.
    keep : dict, optional
        Takes the traces, for plots.
    rows_in : Path, optional
        Folder that takes each row as it is done; a row that is there already is not made again.
    step_s : float, optional
        The loop of ours is closed at whole multiples of it alone; else at every event.

    Raises
    ------
    InvalidValueError
        For a tariff that is no case of this bench.
    """
    known = tuple(money.book for money in CASES)
    for book in books or ():
        if book not in known:
            raise InvalidValueError(f"no tariff of this bench: {book}", where="book",
                                    fix=f"one of {', '.join(known)}")  # fmt: skip
    began = time.perf_counter()
    start = datetime(2019, 5, 1, tzinfo=ZONE)
    rows: list[dict[str, Any]] = []
    out: dict[str, Any] = {"days": days, "limit_kw": LIMIT_KW, "export_kw": EXPORT_KW}
    for money in CASES:
        if books is not None and money.book not in books:
            continue
        case = read_case(data, money, start, start + timedelta(days=days))
        out["slots_filled"] = case.filled
        out["sessions"] = len(case.vehicles)
        out["sessions_with_v2g"] = sum(v.says_soc for v in case.vehicles)
        for controller in (*CONTROLLERS, BOUND):
            done = None if rows_in is None else _row_file(rows_in, money.book, controller, days)
            if done is not None and done.exists():
                rows.append(json.loads(done.read_text(encoding="utf-8")))
                continue
            tell(f"{money.book}: {controller}")
            cpu_s = time.process_time()
            row: dict[str, Any] = {"tariff": money.book, "controller": controller}
            if controller == BOUND:
                row |= bound_row(case)
            else:
                trace, depot = run_one(case, controller, step_s=step_s)
                row |= figures_of(case, trace, depot)
                if keep is not None:
                    keep[f"{money.book}/{controller}"] = trace
            row["cpu_s"] = round(time.process_time() - cpu_s, 1)
            rows.append(row)
            if done is not None:
                done.parent.mkdir(parents=True, exist_ok=True)
                done.write_text(json.dumps(rows[-1]), encoding="utf-8")
    out["rows"] = rows
    out["wall_s"] = time.perf_counter() - began
    return out
