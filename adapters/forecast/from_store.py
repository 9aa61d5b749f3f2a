"""What a site's own store foresees of its load and its PV, as the messages that tell it.

Quarter hours of the last weeks go in, a forecast with its band comes out for the load at the
connection and for each PV plant. This is a forecaster like any other, beside the daemon: what it
tells goes through the contract, and whoever knows better may tell the same series in its place.
"""

from __future__ import annotations

import math
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from adapters.config import SiteFile
from adapters.forecast.base_load import DayBefore
from adapters.forecast.pv import ClearSky, Place
from adapters.forecast.series import Banded, Measured, Method
from adapters.store.flows import Flowed, read_flows
from adapters.store.readings import EVERY_S
from adapters.store.steps import reading_store
from models.errors import DataError
from models.horizon import FloatArray, epoch_s, instant_of

PAST_DAYS, LEAST_DAYS = 98, 7
"""So many days are read: four weeks of like days, the weeks before them that a regression is
fitted on, and three before those for the band. A series of which fewer than the second are known
is not foreseen."""

BEYOND_H = 6.0
"""A forecast reaches so much further than a plan: it is still whole when a few were missed."""

DECIMALS = 3


def series_told(
    file: SiteFile,
    now: datetime,
    *,
    load: Method,
    place: Place | None = None,
    irradiance: Measured | None = None,
) -> dict[str, dict[str, Any]]:
    """The bodies of ``forecast/{series}``, without their sender's counters.

    Parameters
    ----------
    file : SiteFile
        Whose store is read.
    now : datetime
        Aware; what was kept before it counts, and the forecast begins with its quarter hour.
    load : Method
        Foresees the load.
    place : Place, optional
        Where the PV plants stand; None: they give what they gave the day before.
    irradiance : Measured, optional
        What a weather service foresees, W/m2; see :class:`adapters.forecast.pv.ClearSky`.

    Raises
    ------
    DataError
        If the store knows too little of every series.
    StoreError
        If there is no store.
    """
    site = file.site
    end_s = epoch_s(now) // EVERY_S * EVERY_S
    start_s = end_s - PAST_DAYS * 86_400
    with closing(reading_store(file.store_path)) as base:
        flows = read_flows(base, start_s, end_s)
    root = site.network.ids[0]
    sun = DayBefore() if place is None else ClearSky(place, irradiance=irradiance)
    wanted: list[tuple[str, Flowed | None, float, Method]] = []
    if site.base_load != "none":
        wanted.append((f"base-{root}", flows.get(("base", root)), 1.0, load))
    # A plant's power is negative while it gives; a forecast of it is a magnitude.
    wanted += [(f"pv-{p.id}", flows.get(("asset", p.id)), -1.0, sun) for p in site.pv]
    n = math.ceil((site.horizon.hours + BEYOND_H) * 3600.0 / EVERY_S)
    told = {}
    for name, flow, sign, method in wanted:
        past = _measured(flow, sign, start_s, end_s, file)
        if past is not None:
            found = Banded(method).foresee(past, n)
            least = 0.0 if sign < 0 else -math.inf
            told[name] = {
                "start": instant_of(end_s),
                "slot_minutes": EVERY_S // 60,
                "values_kw": _plain(found.values_kw, least),
                "low": _plain(found.low_kw, least),
                "high": _plain(found.high_kw, least),
            }
    if not told:
        raise DataError(
            f"less than {LEAST_DAYS} days are known of load and PV",
            where=str(file.store_path),
            fix="let the daemon run for a week with a meter at the connection",
        )
    return told


def _measured(
    flow: Flowed | None, sign: float, start_s: int, end_s: int, file: SiteFile
) -> Measured | None:
    """The known past of a series from its first day on; None where it is too short."""
    if flow is None:
        return None
    edges = np.arange(start_s, end_s + 1, EVERY_S, dtype=np.int64)
    values = sign * flow.mean_kw(edges)
    known = np.flatnonzero(np.isfinite(values))
    if known.size * EVERY_S < timedelta(days=LEAST_DAYS).total_seconds():
        return None
    first = int(known[0])
    return Measured(int(edges[first]), EVERY_S, values[first:], file.site.zone)


def _plain(values: FloatArray, least: float) -> list[float]:
    return [round(float(v), DECIMALS) for v in np.maximum(values, least)]
