"""The first month's peak, foreseen from the site's own store where no forecaster says it.

A planner that looks a day ahead would begin the first month of a demand charge at nothing. What the
storage could have kept the last weeks under tells it; later months go by the month before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from adapters.config import SiteFile
from adapters.forecast.month_peak import least_peak_kw
from adapters.store.flows import Flowed, Key, read_flows
from adapters.store.readings import EVERY_S
from adapters.store.steps import reading_store
from models.errors import StoreError
from models.events import ForecastPushed
from models.horizon import UTC, FloatArray, epoch_s, midnight_of
from models.site import Site
from models.storage import Storage
from scheduler.demand import PEAK_SERIES
from scheduler.state import SiteState

PAST_DAYS, LEAST_DAYS = 30, 7
"""So many days are looked at, and so many must be known."""

OWN_EPOCH = 0
"""Below every forecaster's: whoever says it from outside goes before."""

log = logging.getLogger(__name__)


def peak_wanted(state: SiteState) -> bool:
    """Whether the tariff prices the peak and the month before was not watched to its end."""
    return state.drawn is not None and not state.drawn.before_kw


def own_peak(file: SiteFile, now: datetime) -> ForecastPushed | None:
    """What the running month's peak will come to anyway; None where the store knows too little.

    Parameters
    ----------
    file : SiteFile
        Of a site with storage; without one there is nothing to foresee.
    now : datetime
        The days before it are looked at.
    """
    site = file.site
    if not site.storages or file.clock == "lockstep":
        return None
    midnight = midnight_of(now, site.zone)
    end_s = epoch_s(midnight)
    start_s = end_s - PAST_DAYS * 86_400
    try:
        with closing(reading_store(file.store_path)) as base:
            net = _net_kw(read_flows(base, start_s, end_s), site, start_s, end_s)
    except StoreError as missing:
        log.info("no peak is foreseen: %s", missing)
        return None
    known = int(np.isfinite(net).sum())
    if known * EVERY_S < LEAST_DAYS * 86_400:
        log.info("no peak is foreseen: %.1f of %d days are known", known / 96.0, LEAST_DAYS)
        return None
    level = least_peak_kw(net, EVERY_S / 3600.0, _together(site.storages))
    month = midnight.replace(day=1)
    after = (month + timedelta(days=32)).replace(day=1)
    hours = round((epoch_s(after) - epoch_s(month)) / 3600)
    log.info("the month's peak will come to %.1f kW, by %.0f days", level, known / 96.0)
    return ForecastPushed(
        now=now,
        mono_s=0.0,
        stamp=(OWN_EPOCH, midnight.date().toordinal()),
        issued_at=now,
        series=f"{PEAK_SERIES}-{site.network.ids[0]}",
        start=month.astimezone(UTC),
        slot_minutes=60,
        values=(level,) * hours,
    )


def telling(
    file: SiteFile, now: Callable[[], datetime], tell: Callable[[ForecastPushed], None]
) -> Callable[[], None]:
    """What each day begins with: says the peak if it can be foreseen."""

    def say() -> None:
        found = own_peak(file, now())
        if found is not None:
            tell(found)

    return say


def _net_kw(flows: dict[Key, Flowed], site: Site, start_s: int, end_s: int) -> FloatArray:
    """Load less PV by quarter hour, kW, nan where the load is not known, shape (q,)."""
    edges = np.arange(start_s, end_s + 1, EVERY_S, dtype=np.int64)
    load = flows.get(("base", site.network.ids[0]))
    if load is None:
        return np.full(edges.size - 1, np.nan)
    net = load.mean_kw(edges)
    for plant in site.pv:
        sun = flows.get(("asset", plant.id))
        if sun is not None:
            net = net + np.nan_to_num(sun.mean_kw(edges))
    return np.asarray(net, dtype=np.float64)


def _together(storages: tuple[Storage, ...]) -> Storage:
    """All storages of a site as one; efficiencies and band are those of the first."""
    return replace(
        storages[0],
        capacity_kwh=sum(s.capacity_kwh for s in storages),
        max_kw=sum(s.max_kw for s in storages),
        promises=(),
    )
