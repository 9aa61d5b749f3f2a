"""What flowed since midnight, or since the page began: sun, import, giving back, this interval."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import numpy as np

from adapters.store.flows import read_flows
from adapters.web.models import Today
from models.horizon import epoch_s, instant_of, midnight_of
from models.site import Site
from scheduler.state import SiteState

_GAP_S = 900.0
"""Over a longer silence nothing is counted."""

INTERVAL_S = 900


class TodayMaker:
    """Sums what states tell, one after the other; at midnight it begins anew.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last: tuple[datetime, float, float, float] | None = None
        self._since: datetime | None = None
        self._interval = (-1, 0.0, 0.0)
        self._clear()

    def fill_in(self, base: sqlite3.Connection, now: datetime) -> None:
        """What the store's quarter hours tell of the day before the page began."""
        midnight = midnight_of(now, self._site.zone)
        flows = read_flows(base, epoch_s(midnight), epoch_s(now))
        if not flows:
            return
        plants, root = {p.id for p in self._site.pv}, self._site.network.ids[0]
        for (kind, name), flowed in flows.items():
            today = flowed.kwh[flowed.at_s >= epoch_s(midnight)]
            if kind == "asset" and name in plants:
                self._pv_kwh -= float(today.sum())
            elif kind == "v2g":
                self._given_kwh -= float(today.sum())
            elif kind == "node" and name == root:
                self._import_kwh += float(np.maximum(today, 0.0).sum())
                self._export_kwh += float(np.maximum(-today, 0.0).sum())
        begun = min(int(f.at_s[0]) for f in flows.values())
        self._since = max(instant_of(begun).astimezone(self._site.zone), midnight)

    def _clear(self) -> None:
        self._pv_kwh = self._import_kwh = self._export_kwh = self._given_kwh = 0.0

    def hear(self, seen: SiteState, load_kw: float) -> None:
        """Take in a state and the power at the point of connection, kW."""
        at = seen.now.astimezone(self._site.zone)
        if self._since is None or self._since.date() != at.date():
            self._clear()
            self._since = at if self._since is None else midnight_of(at, self._site.zone)
        plants = {p.id for p in self._site.pv}
        pv = sum(max(-a.power_kw, 0.0) for n, a in seen.assets.items() if n in plants)
        given = -sum([p.power_kw for p in seen.piles.values() if p.power_kw < 0.0])
        if self._last is not None:
            before, was_pv, was_kw, was_given = self._last
            seconds = (at - before).total_seconds()
            if 0 < seconds <= _GAP_S:
                self._add(seconds / 3600, was_pv, was_kw, was_given)
                self._add_interval(before, seconds, was_kw)
        self._last = (at, pv, load_kw, given)

    def _add(self, hours: float, pv_kw: float, load_kw: float, given_kw: float) -> None:
        self._pv_kwh += pv_kw * hours
        self._import_kwh += max(load_kw, 0.0) * hours
        self._export_kwh += max(-load_kw, 0.0) * hours
        self._given_kwh += given_kw * hours

    def _add_interval(self, before: datetime, seconds: float, load_kw: float) -> None:
        """The mean of the quarter hour that runs, from what of it was seen."""
        start = before.timestamp()
        end = start + seconds
        block = int(end // INTERVAL_S)
        inside = end - max(start, block * INTERVAL_S)
        held = self._interval if self._interval[0] == block else (block, 0.0, 0.0)
        self._interval = (block, held[1] + inside, held[2] + load_kw * inside)

    def today(self) -> Today:
        """As summed so far."""
        used = max(self._pv_kwh - self._export_kwh, 0.0)
        drawn = used + self._import_kwh
        _, seconds, sums = self._interval
        return Today(
            since=self._since,
            pv_kwh=self._pv_kwh,
            import_kwh=self._import_kwh,
            export_kwh=self._export_kwh,
            given_back_kwh=self._given_kwh,
            green_share=used / drawn if self._site.pv and drawn > 0 else None,
            interval_kw=sums / seconds if seconds > 0 else None,
        )
