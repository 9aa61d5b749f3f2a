"""The demo: a broker on loopback, the daemon as a process, and a bus depot's night over MQTT.

New York's Charleston depot (MTA timetables) from the evening to the morning, in lockstep: every
bus has a pile with a connection of its own, and the daemon is the one that runs a site.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.books import load_book
from adapters.broker import wheel_broker
from adapters.config import SiteFile
from adapters.config_mqtt import MqttSettings
from adapters.config_writer import site_to_toml
from adapters.data.recorded import ReplaySession
from adapters.data.samples import sample_path
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.over_mqtt import LockstepDepot
from adapters.simulator.replay import prepare
from adapters.simulator.simulate import (
    Progress,
    baselines_of,
    figures_of,
    last_s,
    outcome_of,
    prices_of,
)
from adapters.site_writers import BUS_SHARE, site_from_blocks
from models.errors import ValleyfillError
from models.network import Network
from models.site import Site

ZONE = ZoneInfo("America/New_York")
FIRST_DAY = date(2026, 9, 15)
EVENING, MORNING = timedelta(hours=17), timedelta(hours=29)
BATTERY_KWH = 400.0
TARIFF = "zhejiang-2026"
LEASE_S = 900.0
STEP_S = 60.0
ONLINE_S = 30.0


class DemoError(ValleyfillError):
    """The demo could not be run to its end."""

    code = "demo"


@dataclass(frozen=True)
class Night:
    """What the demo replays: a site, and the stays from evening to morning."""

    file: SiteFile
    sessions: Sequence[ReplaySession]
    start: datetime
    end: datetime


def bus_night(buses: int) -> Night:
    """The first so many buses that stay over night, one pile each, a third of them at once.

    Parameters
    ----------
    buses : int
        At least 1; all of them where there are fewer.
    """
    made = site_from_blocks(
        sample_path("nyc_ch_blocks.csv"),
        depot="CH",
        first=FIRST_DAY,
        days=2,
        battery_kwh=BATTERY_KWH,
        zone=ZONE,
        tariff=TARIFF,
        currency=load_book(TARIFF).currency,
    )
    midnight = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=ZONE)
    start, end = midnight + EVENING, midnight + MORNING
    stays = [s for s in made.depot.sessions if start <= s.arrival < end]
    kept = set(sorted({s.pile for s in stays})[:buses])
    return Night(
        file=replace(made.file, site=_part(made.file.site, kept)),
        sessions=[s for s in stays if s.pile in kept],
        start=start,
        end=end,
    )


def _part(site: Site, kept: set[str]) -> Site:
    """The site with these piles alone, behind a transformer of their size."""
    piles = tuple(p for p in site.piles if p.id in kept)
    limit_kw = sum(p.max_kw for p in piles) * BUS_SHARE
    root = replace(site.network.root, rating_kva=limit_kw)
    return replace(
        site,
        piles=piles,
        network=Network((root,)),
        lease_s=LEASE_S,
        telemetry_period_s=STEP_S,
    )


def run_demo(*, buses: int, progress: Progress) -> dict[str, Any]:
    """The night over MQTT, and its figures.

    Parameters
    ----------
    buses : int
        How many at most.
    progress : callable
        Told what is being done and which share of it is done.

    Raises
    ------
    DemoError, BrokerError, LockstepError
        With what could not be done.
    """
    began = time.perf_counter()
    night = bus_night(buses)
    site = night.file.site
    tariff = load_book(TARIFF, holidays="none", settings=night.file.tariff_settings)
    replay = prepare(site, night.sessions, night.start, night.end, words="stated")
    start_s, until_s = night.start.timestamp(), last_s(replay)
    depot = VirtualDepot(site, replay.vehicles, start_s=start_s)
    in_use = 0

    def told(at_s: float) -> None:
        nonlocal in_use
        in_use = max(in_use, depot.present)
        clock = datetime.fromtimestamp(at_s, ZONE)
        progress(
            f"{clock:%a %H:%M}  {depot.present} buses  {depot.drawn_kw:,.0f} kW",
            (at_s - start_s) / (until_s - start_s),
        )

    progress("broker and daemon", 0.0)
    with wheel_broker() as port, tempfile.TemporaryDirectory(prefix="valleyfill-demo-") as folder:
        settings = MqttSettings(host="127.0.0.1", port=port, tls=False)
        with _daemon(night.file, settings, Path(folder)) as alive:
            lockstep = LockstepDepot(depot, settings)
            try:
                lockstep.connect()
                lockstep.await_daemon(ONLINE_S, alive=alive)
                trace = lockstep.run(until_s, step_s=STEP_S, told=told)
            finally:
                lockstep.close()
    prices = prices_of(site, tariff, replay)
    outcome = outcome_of(replay, trace, prices)
    figures = {
        "site": site.name,
        "from": night.start,
        "to": datetime.fromtimestamp(until_s, ZONE),
        "tariff": tariff.name,
        "currency": tariff.currency,
        "piles": len(site.piles),
        "piles_in_use": in_use,
        "limit_kw": site.network.root.own_limit_kw,
        **figures_of(outcome),
        **baselines_of(site, tariff, outcome, progress),
    }
    figures["wall_s"] = time.perf_counter() - began
    return figures


@contextlib.contextmanager
def _daemon(file: SiteFile, settings: MqttSettings, folder: Path) -> Iterator[Callable[[], bool]]:
    """The daemon as a process while the block runs; yields whether it still lives."""
    path = folder / "site.toml"
    told = replace(file, mqtt=settings, clock="lockstep", store_path=folder / "site.db")
    path.write_text(site_to_toml(told), encoding="utf-8")
    log = folder / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "adapters.cli", "run", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield lambda: process.poll() is None
    except ValleyfillError as error:
        said = log.read_text(errors="replace").strip().splitlines()[-5:]
        raise DemoError(f"{error}; the daemon said: {' / '.join(said)}") from error
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)
