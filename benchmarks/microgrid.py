"""A summer of a microgrid in the closed loop: measured load, sun and sessions, four controllers.

Base load and PV of UC San Diego, May to July 2018, moved by 364 days onto the recorded sessions of
Caltech, May to July 2019; a quarter of the drivers let their vehicles give back; one storage, one
transformer. The same days go to a site that controls nothing, one that follows the usual rule of
storage, ours with its own forecasts and the drivers' words, and ours told every truth.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from adapters.books import load_book
from adapters.data.measured_series import read_ucsd
from adapters.forecast.base_load import LikeDays
from adapters.forecast.pv import ClearSky, Place
from adapters.forecast.series import Measured, Method
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.replay import prepare
from adapters.simulator.rule_based import controlled_by_rule, uncontrolled_assets
from adapters.simulator.series import StepSeries
from adapters.simulator.simulate import RUNGS
from adapters.simulator.trace import Trace
from adapters.simulator.vehicle import Vehicle
from adapters.simulator.virtual_assets import VirtualPv, VirtualStorage
from adapters.site_writers import site_from_sessions
from models.battery import Battery
from models.events import ForecastPushed, Received
from models.horizon import UTC, FloatArray
from models.network import Network, Node
from models.session import GiveBack
from models.site import GiveBackRule, Site
from models.storage import PvPlant, Storage
from scheduler.engine import Engine
from tariffs.bill import month_bill
from tariffs.metered import Metered
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff

ZONE = ZoneInfo("America/Los_Angeles")
PLACE = Place(32.88, -117.23, 100.0)
ACN = "acn_caltech_jpl_sessions/caltech_2019-05-01_2019-08-31.csv.gz"
UCSD = "ucsd_microgrid_15min"
MOVED_DAYS = 364
LIMIT_KW, EXPORT_KW = 400.0, 200.0
GIVING_SHARE = 4
"""One of so many drivers consents to give back, picked by a hash of the session's id."""

BATTERY_KWH = 60.0
FORECAST_H = 30
FIRST_KNOWN = datetime(2019, 3, 25, tzinfo=ZONE)


@dataclass(frozen=True)
class Money:
    """What a tariff does not say, in its currency per kWh: figures of the case, named in JSON."""

    book: str
    sell: float
    storage_wear: float
    v2g_price: float
    v2g_wear: float


CASES = (
    Money("zhejiang-2026", 0.25, 0.08, 0.20, 0.15),
    Money("sce-tou-ev-4-2019", 0.03, 0.012, 0.03, 0.02),
)


@dataclass(frozen=True)
class Case:
    """Everything that the controllers share."""

    money: Money
    tariff: Tariff
    site: Site
    base: Measured
    sun: Measured
    vehicles: tuple[Vehicle, ...]
    told: tuple[Vehicle, ...]
    start: datetime
    end: datetime
    filled: dict[str, int]


def read_case(data: Path, money: Money, start: datetime, end: datetime) -> Case:
    """The site, its series and its sessions.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    money : Money
        The tariff and what goes with it.
    start, end : datetime
        Aware local midnights; sessions that arrive in between.
    """
    tariff = load_book(
        money.book,
        settings=TariffSettings(sell_per_kwh=money.sell, installed_kva=500.0, voltage_kv=10.0),
    )
    file, sessions = site_from_sessions(
        data / ACN,
        transformer_kw=LIMIT_KW,
        zone=ZONE,
        tariff=money.book,
        currency=tariff.currency,
    )
    until = end + timedelta(days=3)
    read = {}
    filled = {}
    for name in ("MusicBuilding", "StudentServices", "HopkinsParkingPV"):
        read[name], filled[name] = read_ucsd(
            data / UCSD / f"{name}.csv.gz",
            zone=ZONE,
            first=FIRST_KNOWN,
            last=until,
            moved_days=MOVED_DAYS,
        )
    music, students = read["MusicBuilding"], read["StudentServices"]
    base = replace(music, values_kw=music.values_kw + students.values_kw)
    sun = read["HopkinsParkingPV"]
    sun = replace(sun, values_kw=np.maximum(sun.values_kw, 0.0))
    site = replace(
        file.site,
        network=Network(
            (Node("transformer", limit_kw=LIMIT_KW, export_kw=EXPORT_KW, heartbeat="none"),)
        ),
        base_load="meter",
        piles=tuple(replace(p, discharge_kw=p.max_kw) for p in file.site.piles),
        storages=(
            Storage(
                "bess",
                "transformer",
                capacity_kwh=500.0,
                max_kw=250.0,
                charge_efficiency=0.95,
                discharge_efficiency=0.95,
                min_soc=0.1,
                max_soc=0.95,
                wear_per_kwh=money.storage_wear,
            ),
        ),
        pv=(PvPlant("pv", "transformer", float(math.ceil(sun.values_kw.max()))),),
        v2g=GiveBackRule(money.v2g_price, money.v2g_wear, 0.88, 0.25, 1.0),
        lease_s=86_400.0,
        telemetry_period_s=900.0,
    )
    truth = prepare(site, sessions, start, end, words="truth").vehicles
    told = prepare(site, sessions, start, end, words="stated").vehicles
    return Case(
        money,
        tariff,
        site,
        base,
        sun,
        tuple(_giving(v) for v in truth),
        tuple(_giving(v) for v in told),
        start,
        end,
        filled,
    )


def _giving(vehicle: Vehicle) -> Vehicle:
    """A quarter of the vehicles have a battery that is known and may be used."""
    digest = hashlib.blake2b(vehicle.session.encode(), digest_size=2).digest()
    if int.from_bytes(digest, "big") % GIVING_SHARE or not vehicle.words:
        return vehicle
    wants = vehicle.wants_kwh
    stored = min(max(0.85 * BATTERY_KWH - wants, 0.15 * BATTERY_KWH), 0.5 * BATTERY_KWH)
    capacity = max(BATTERY_KWH, stored + wants)
    soc = stored / capacity
    said_s, request = vehicle.words[0]
    asked = min(request.energy_kwh, capacity * (1.0 - soc))
    return replace(
        vehicle,
        battery=Battery(capacity, vehicle.battery.max_kw, taper_soc=1.0),
        stored_kwh=stored,
        takes_kwh=wants,
        floor_kwh=0.2 * capacity,
        give_efficiency=0.88,
        says_soc=True,
        words=(
            (
                said_s,
                replace(
                    request,
                    battery_kwh=capacity,
                    soc=soc,
                    energy_kwh=asked,
                    v2g=GiveBack(
                        consent=True, min_soc=0.3, max_discharge_kw=vehicle.battery.max_kw
                    ),
                ),
            ),
        ),
    )


def steps(series: Measured) -> StepSeries:
    """A measured series as what holds from slot to slot."""
    starts = series.starts_s(0, series.values_kw.size)
    return StepSeries(tuple(starts.astype(float).tolist()), tuple(series.values_kw.tolist()))


def depot_of(case: Case, vehicles: tuple[Vehicle, ...], said: list[Any]) -> VirtualDepot:
    """A fresh depot of these days, storage half full."""
    at = case.start.timestamp()
    return VirtualDepot(
        case.site,
        vehicles,
        start_s=at,
        base_kw={"transformer": steps(case.base)},
        grid=GridScript(said),
        assets=(
            VirtualStorage(case.site.storages[0], soc=0.5, at_s=at),
            VirtualPv(case.site.pv[0], steps(case.sun), at_s=at),
        ),
    )


BAND_DAYS = 21
"""The band is as wide as errors were on so many days before."""

_PAST: dict[tuple[str, int], FloatArray] = {}


def _band(method: Method, measured: Measured, k: int, n: int) -> tuple[FloatArray, FloatArray]:
    """Errors at about the same hour of the days before, kW: 5 % lie below and above; each from
    its own past.
    """
    errors = []
    for back in range(1, BAND_DAYS + 1):
        then = k - back * measured.per_day
        key = (method.name, then)
        if key not in _PAST:
            _PAST[key] = method.expect(measured.until(then), n)
        known = measured.values_kw[then : min(then + n, k)]
        full = np.full(n, np.nan)
        full[: known.size] = known - _PAST[key][: known.size]
        errors.append(full)
    table = np.array(errors)
    wide = np.pad(table, ((0, 0), (2, 2)), constant_values=np.nan)
    near = np.concatenate([wide[:, d : d + n] for d in range(5)])
    low, high = np.nanquantile(near, [0.05, 0.95], axis=0)
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def forecasts(
    case: Case, *, truth: bool, every_h: int = 1, banded: bool = False
) -> list[tuple[float, Received]]:
    """What a forecaster says, hour by hour, from what was measured before; or the truth."""
    methods: tuple[tuple[str, Measured, Method], ...] = (
        ("base-transformer", case.base, LikeDays()),
        ("pv-pv", case.sun, ClearSky(PLACE)),
    )
    said: list[tuple[float, Received]] = []
    at = case.start
    while at < case.end + timedelta(days=1):
        for series, measured, method in methods:
            k = measured.at(at.timestamp())
            n = FORECAST_H * 3600 // measured.step_s
            values: FloatArray = (
                measured.values_kw[k : k + n] if truth else method.expect(measured.until(k), n)
            )
            low, high = _band(method, measured, k, n) if banded else ((), ())
            said.append(
                (
                    at.timestamp(),
                    ForecastPushed(
                        now=at,
                        mono_s=0.0,
                        stamp=(1, 0),
                        issued_at=at,
                        series=series,
                        start=at.astimezone(UTC),
                        slot_minutes=measured.step_s // 60,
                        values=tuple(values.tolist()),
                        low=tuple(values + low) if banded else (),
                        high=tuple(values + high) if banded else (),
                    ),
                )
            )
        at += timedelta(hours=every_h)
    return said


Controller = Literal["uncontrolled", "rule-based", "ours", "ours, foresight"]
CONTROLLERS: tuple[Controller, ...] = ("uncontrolled", "rule-based", "ours", "ours, foresight")


def run_one(
    case: Case,
    controller: Controller,
    tell: Callable[[float], None] | None = None,
    step_s: float | None = None,
) -> tuple[Trace, VirtualDepot]:
    """One controller through all the days."""
    vehicles = case.told if controller == "ours" else case.vehicles
    said: list[Any] = []
    if controller.startswith("ours"):
        said = forecasts(case, truth=controller != "ours")
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


def figures_of(case: Case, trace: Trace, depot: VirtualDepot) -> dict[str, Any]:
    """Bill, peak, self-consumption, cycles, unmet energy, seconds above a limit."""
    start_s, end_s = case.start.timestamp(), case.end.timestamp()
    metered = registers_of(trace, start_s, end_s)
    storage, sun = depot.assets["bess"], depot.assets["pv"]
    assert isinstance(storage, VirtualStorage)
    assert isinstance(sun, VirtualPv)
    month, bill, demand = case.start, 0.0, 0.0
    while month < case.end:
        found = month_bill(case.tariff, metered, year=month.year, month=month.month, zone=ZONE)
        bill += float(found.total)
        demand += float(sum(line.amount for line in found.lines if line.unit == "kW"))
        month = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
    given = sum(s.given_kwh for s in trace.sessions)
    wear = (
        storage.discharged_kwh * case.money.storage_wear
        + given * (case.money.v2g_price + case.money.v2g_wear)
    )  # fmt: skip
    fed = float(metered.export_kwh.sum())
    root = trace.verdicts[0]
    left = (storage.stored_kwh - 0.5 * storage.asset.capacity_kwh) * 0.95
    return {
        "bill": round(bill, 2),
        "demand_charge": round(demand, 2),
        "wear_and_v2g_pay": round(wear, 2),
        "total": round(bill + wear, 2),
        "peak_kw": round(float(metered.import_kw.max()), 1),
        "import_kwh": round(float(metered.import_kwh.sum()), 1),
        "export_kwh": round(fed, 1),
        "self_consumption": round(1.0 - fed / max(sun.given_kwh, 1e-9), 4),
        "curtailed_kwh": round(sun.possible_kwh - sun.given_kwh, 1),
        "cycles": round(storage.discharged_kwh / storage.asset.capacity_kwh, 2),
        "v2g_kwh": round(given, 1),
        "delivered_kwh": round(sum(s.delivered_kwh for s in trace.sessions), 1),
        "unmet_kwh": round(sum(s.short_kwh for s in trace.sessions), 2),
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
    """
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
        for controller in CONTROLLERS:
            done = None if rows_in is None else _row_file(rows_in, money.book, controller, days)
            if done is not None and done.exists():
                rows.append(json.loads(done.read_text(encoding="utf-8")))
                continue
            tell(f"{money.book}: {controller}")
            cpu_s = time.process_time()
            trace, depot = run_one(case, controller, step_s=step_s)
            cpu_s = time.process_time() - cpu_s
            if keep is not None:
                keep[f"{money.book}/{controller}"] = trace
            row = {"tariff": money.book, "controller": controller, "cpu_s": round(cpu_s, 1)}
            rows.append(row | figures_of(case, trace, depot))
            if done is not None:
                done.parent.mkdir(parents=True, exist_ok=True)
                done.write_text(json.dumps(rows[-1]), encoding="utf-8")
    out["rows"] = rows
    out["wall_s"] = time.perf_counter() - began
    return out
