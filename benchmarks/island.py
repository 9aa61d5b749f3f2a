"""An islanding drill: four hours without the grid on a measured day.

Load and PV of UC San Diego (two buildings, one of them split by what it feeds), the drivers of
Caltech, a storage whose inverter forms the grid. The connection is lost in the afternoon, when
vehicles charge and the sun goes down, and comes back four hours later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.forecast.series import Measured
from adapters.simulator.depot import VirtualDepot
from adapters.simulator.grid import GridScript
from adapters.simulator.inprocess import cascade_of, run
from adapters.simulator.series import StepSeries
from adapters.simulator.simulate import RUNGS
from adapters.simulator.virtual_assets import VirtualFeeder, VirtualPv, VirtualStorage
from benchmarks.microgrid_case import CASES, ZONE, read_case, steps
from benchmarks.microgrid_forecasts import forecasts
from models.island import Feeder, IslandRule
from scheduler.effects import Alert, AssetSetpointSent, Effect
from scheduler.engine import Engine

DAY = datetime(2019, 5, 15, tzinfo=ZONE)
LOST_H, HOURS = 16.0, 4.0
RATED_KW, STEP_KW = 250.0, 30.0
MUST_SHARE = 0.25
"""Of the load that no switch reaches."""

FEEDERS = (("critical", 9, 0.25), ("house", 5, 0.25), ("comfort", 2, 0.25))
"""Name, priority and share of the load of each switchable feeder."""


def scaled(series: Measured, share: float) -> StepSeries:
    """A share of a measured load."""
    return steps(replace(series, values_kw=series.values_kw * share))


def drill(data: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The day with four hours of island in it, and what meters and switches say.

    Parameters
    ----------
    data : Path
        Folder of the real data.
    tell : callable
        Told what is being done.
    """
    case = read_case(data, CASES[0], DAY, DAY + timedelta(days=1))
    most = float(np.nanmax(case.base.values_kw))
    feeders = tuple(
        Feeder(name, "transformer", float(np.ceil(share * most)), priority)
        for name, priority, share in FEEDERS
    )
    site = replace(
        case.site,
        storages=(replace(case.site.storages[0], reserve_soc=0.5),),
        feeders=feeders,
        island=IslandRule("bess", RATED_KW, STEP_KW, hold_h=HOURS),
        telemetry_period_s=30.0,
    )
    at = DAY.timestamp()
    lost, back = at + LOST_H * 3600.0, at + (LOST_H + HOURS) * 3600.0
    switched = tuple(
        VirtualFeeder(f, scaled(case.base, share), at_s=at)
        for f, (_, _, share) in zip(feeders, FEEDERS, strict=True)
    )
    storage = VirtualStorage(site.storages[0], soc=0.5, at_s=at)
    sun = VirtualPv(site.pv[0], steps(case.sun), at_s=at)
    depot = VirtualDepot(
        site,
        case.told,
        start_s=at,
        base_kw={"transformer": scaled(case.base, MUST_SHARE)},
        grid=GridScript(forecasts(case, truth=False)),
        assets=(storage, sun, *switched),
        islands=((lost, back),),
    )
    seen: dict[str, Any] = {"soc": {}, "switched": [], "alerts": []}
    names = {f.id for f in feeders}

    def watch(when: float, effect: Effect) -> None:
        hour = round((when - at) / 3600.0, 3)
        if isinstance(effect, AssetSetpointSent) and effect.asset in names and not effect.renewal:
            seen["switched"].append([hour, effect.asset, effect.power_kw > 0.0])
        if isinstance(effect, Alert) and effect.kind == "island":
            seen["alerts"].append([hour, "over" if effect.cleared else effect.text])

    def progress(when: float) -> None:
        seen["soc"].setdefault(round((when - at) / 3600.0), round(storage.soc, 3))

    tell("the day, with the connection lost from 16:00 to 20:00")
    trace = run(
        Engine(site, case.tariff),
        depot,
        until_s=at + 86_400.0,
        solve=cascade_of(*RUNGS),
        watch=watch,
        progress=progress,
    )
    away = [
        p.energy_kwh * max(min(p.end_s, back) - max(p.start_s, lost), 0.0) / (p.end_s - p.start_s)
        for s in trace.sessions
        for p in s.pieces
        if p.end_s > lost and p.start_s < back
    ]
    inverter, verdict = depot.inverter, trace.verdicts[0]
    after = [kw for t, kw in trace.root if back <= t < back + 900.0]
    return {
        "lost_h": LOST_H,
        "hours": HOURS,
        "inverter_kw": RATED_KW,
        "inverter_peak_kw": round(inverter.peak_kw, 2),
        "inverter_exceeded_s": inverter.judged_s + inverter.export_s,
        "blackout_s": None if storage.dark_s is None else storage.dark_s,
        "feeders": [
            {
                "feeder": f.asset.id,
                "priority": f.asset.priority,
                "served_kwh": round(f.served_kwh, 1),
                "missed_kwh": round(f.missed_kwh, 1),
            }
            for f in switched
        ],
        "charged_on_the_island_kwh": round(sum(away), 1),
        "soc_by_hour": {
            h: soc for h, soc in seen["soc"].items() if LOST_H <= h <= LOST_H + HOURS + 1
        },
        "highest_after_return_kw": round(max(after, default=0.0), 1),
        "limit_kw": case.site.network.root.limit_kw,
        "exceeded_s": verdict.judged_s,
        "switched": seen["switched"],
        "alerts": seen["alerts"],
        "unmet_kwh": round(sum(s.short_kwh for s in trace.sessions), 1),
    }
