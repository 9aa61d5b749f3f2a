"""The microgrid of the closed-loop measurements: measured load and sun, recorded sessions.

Base load and PV of UC San Diego, May to July 2018, moved by 364 days onto the recorded sessions of
Caltech, May to July 2019; a quarter of the drivers let their vehicles give back; one storage, one
transformer.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from adapters.books import load_book
from adapters.data.measured_series import read_ucsd
from adapters.forecast.pv import Place
from adapters.forecast.series import Measured
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.replay import prepare
from adapters.simulator.series import StepSeries
from adapters.simulator.vehicle import Vehicle
from adapters.simulator.virtual_assets import VirtualPv, VirtualStorage
from adapters.site_writers import site_from_sessions
from models.battery import Battery
from models.network import Network, Node
from models.session import GiveBack
from models.site import GiveBackRule, Site
from models.storage import PvPlant, Storage
from tariffs.calendar import DayType, HolidayCalendar, PublicHolidays
from tariffs.settings import TariffSettings
from tariffs.tariff import Tariff, TariffNote

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
class _Moved:
    """A calendar of days that were moved as the series were: by whole weeks."""

    real: HolidayCalendar

    def day(self, day: date) -> DayType:
        return self.real.day(day - timedelta(days=MOVED_DAYS))

    def notes(self, first: date, last: date) -> tuple[TariffNote, ...]:
        return ()


HOLIDAYS = _Moved(PublicHolidays("US"))
"""Of those who use the two buildings."""


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
