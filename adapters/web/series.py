"""Power at the point of connection: measured until now, planned from now on, slot by slot."""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from adapters.store.flows import read_flows
from adapters.web.models import Series
from adapters.web.picture import PriceAhead, now_s
from adapters.web.planned import Planned
from adapters.web.registered import registered_kw
from models.errors import TariffError
from models.horizon import FloatArray, Horizon, epoch_s, instant_of
from models.limits import limit_edges
from models.site import Site
from scheduler.draft import Draft
from scheduler.planning import base_ahead
from scheduler.pricing import Pricing
from scheduler.state import SessionRecord, SiteState
from scheduler.view import limit_now_kw, margin_of

PAST_S = 6 * 3600
AHEAD_S = 18 * 3600
SAMPLE_S = 60
GROUPS_AT_MOST = 6
"""More feeders than this are shown as one."""

ALL = "charging"

BAND_KW = 0.5
"""A band narrower than this everywhere is not worth a line."""


@dataclass(frozen=True)
class Sample:
    """Measured power at one instant, by group, kW."""

    at_s: int
    base_kw: float
    parts: tuple[float, ...]
    limit_kw: float


class SeriesMaker:
    """Remembers what was measured, and puts what is planned beside it.

    Parameters
    ----------
    site : Site
    pricing : Pricing
        The site's, with its books.
    """

    def __init__(self, site: Site, pricing: Pricing) -> None:
        self._site = site
        self._pricing = pricing
        piles, self._group_of = _groups(site)
        gives = any(p.discharge_kw > 0 for p in site.piles)
        kinds = (("v2g", gives), ("storage", bool(site.storages)), ("pv", bool(site.pv)))
        self.groups = (*piles, *(name for name, there in kinds if there))
        self._v2g = self.groups.index("v2g") if gives else None
        named = (("storage", site.storages), ("pv", site.pv))
        self._asset_of = {a.id: self.groups.index(kind) for kind, own in named for a in own}
        self._past: deque[Sample] = deque(maxlen=PAST_S // SAMPLE_S + 2)
        self._summed: tuple[Planned | None, FloatArray] = (None, np.zeros((0, 0)))
        self._pile_of: dict[str, int] = {}
        self._sessions: dict[str, SessionRecord] = {}

    def fill_in(self, base: sqlite3.Connection, seen: SiteState) -> None:
        """What the store tells of the hours before the page began, by quarter hour."""
        end = now_s(seen)
        edges = np.arange(end - PAST_S, end + 1, 900) // 900 * 900
        flows = read_flows(base, int(edges[0]), int(edges[-1]))
        power, total = registered_kw(
            base, edges, self._group_of, len(self.groups), self._site.network.ids[0]
        )
        for (kind, name), flowed in flows.items():
            group = self._v2g if kind == "v2g" else self._asset_of.get(name)
            if kind in ("v2g", "asset") and group is not None:
                power[group] += np.nan_to_num(flowed.mean_kw(edges))
        root = self._site.network.ids[0]
        nothing = np.full(edges.size - 1, math.nan)
        known = flows["base", root].mean_kw(edges) if ("base", root) in flows else nothing
        held = flows["limit", root].lowest_kw(edges) if ("limit", root) in flows else -nothing
        stack = np.where(np.isnan(known), total - power.sum(axis=0), known)
        for k in range(edges.size - 1):
            parts = tuple(float(x) for x in power[:, k])
            base_kw = max(float(stack[k]), 0.0)
            if base_kw or any(parts):
                limit = float(held[k])
                if not math.isfinite(limit):
                    limit = self._limit_then(seen, instant_of(int(edges[k])))
                self._past.append(Sample(int(edges[k]), base_kw, parts, limit))

    def _limit_then(self, seen: SiteState, at: datetime) -> float:
        """The root's limit at an instant gone by, of the limits that had come and are still known.

        nan in the grid company's silence: since when the failsafe holds is not in the state.
        """
        if seen.stale:
            return math.nan
        root = self._site.network.ids[0]
        had = {n: r for n, r in seen.limits.get(root, {}).items() if r.received_at <= at}
        draft = Draft(seen)
        draft.put("limits", {root: had})
        return limit_now_kw(draft, self._site, 0, at)

    def hear(self, seen: SiteState, load_kw: float) -> None:
        """Take in a state; one sample a minute is kept."""
        at = now_s(seen)
        last = self._past[-1].at_s if self._past else None
        if last is not None and last // SAMPLE_S == at // SAMPLE_S:
            self._past.pop()
        parts = [0.0] * len(self.groups)
        for name, kw in [(name, p.power_kw) for name, p in seen.piles.items() if p.power_kw]:
            group = self._group_of.get(name)
            if kw < 0 and self._v2g is not None:
                group = self._v2g
            if group is not None:
                parts[group] += kw
        for name, asset in seen.assets.items():
            if name in self._asset_of:
                parts[self._asset_of[name]] += asset.power_kw
        limit = limit_now_kw(Draft(seen), self._site, 0, seen.now)
        base = max(load_kw - sum(parts), 0.0)
        self._past.append(Sample(at, base, tuple(parts), limit))

    def series(self, seen: SiteState, planned: Planned | None) -> Series:
        """Measured slots, then planned ones."""
        here = now_s(seen)
        past = [s for s in self._past if s.at_s >= here - PAST_S]
        horizon, prices, periods = self._window(seen)
        ahead = self._planned_kw(planned, horizon)
        draft = Draft(seen)
        starts = [instant_of(int(s)) for s in horizon.edges_s[:-1]]
        limits = [limit_now_kw(draft, self._site, 0, at) for at in starts]
        base = base_ahead(draft, self._site, 0, horizon, starts, seen.now, seen.mono_s)
        base = np.where(np.isfinite(base), np.maximum(base, 0.0), 0.0)
        edges = [s.at_s for s in past if s.at_s < here] + horizon.edges_s.tolist()
        measured = past[: len(edges) - horizon.n - 1]
        low, high = self._band(draft, horizon, base, base + ahead.sum(axis=0))
        unknown = [None] * len(measured)
        before = self._prices_before(seen, [s.at_s for s in measured])
        return Series(
            now_s=here,
            edges_s=tuple(edges),
            base_kw=(*(s.base_kw for s in measured), *(float(b) for b in base)),
            parts={
                name: (*(s.parts[g] for s in measured), *(float(x) for x in ahead[g]))
                for g, name in enumerate(self.groups)
            },
            limit_kw=(*(_finite(s.limit_kw) for s in measured), *(_finite(x) for x in limits)),
            low_kw=(*unknown, *low),
            high_kw=(*unknown, *high),
            buy_per_kwh=(*before[0], *prices),
            period=(*before[1], *periods),
        )

    def _band(
        self, draft: Draft, horizon: Horizon, base: FloatArray, total: FloatArray
    ) -> tuple[list[float | None], list[float | None]]:
        """Where the whole may lie: by the forecast's own band, else by the margin kept free, kW."""
        sent = draft.get("forecasts").get(f"base-{self._site.network.ids[0]}")
        margin = margin_of(draft, self._site, 0)
        found = []
        for told, other in (
            (() if sent is None else sent.low, base),
            (() if sent is None else sent.high, base + margin),
        ):
            values = other
            if sent is not None and told:
                step, begin = sent.slot_minutes * 60, epoch_s(sent.start)
                edges = begin + step * np.arange(len(told) + 1)
                known = horizon.step_values(edges, np.append(np.asarray(told), np.nan), math.nan)
                values = np.where(np.isnan(known), base, known)
            found.append([float(x) for x in total - base + values])
        known_band = any(h - lo > BAND_KW for lo, h in zip(*found, strict=True))
        nothing: list[float | None] = [None] * horizon.n
        return (list(found[0]), list(found[1])) if known_band else (nothing, list(nothing))

    def _window(self, seen: SiteState) -> tuple[Horizon, list[float | None], list[str]]:
        end = seen.now + timedelta(seconds=AHEAD_S)
        pushed = [r.pushed for of_node in seen.limits.values() for r in of_node.values()]
        horizon, prices = self._pricing.window(Draft(seen), limit_edges(pushed, seen.now, end), end)
        inside = int(np.searchsorted(horizon.edges_s, epoch_s(end), side="left"))
        cut = Horizon(horizon.edges_s[: max(inside + 1, 2)], horizon.zone)
        return cut, [float(p) for p in prices.buy_per_kwh[: cut.n]], list(prices.period[: cut.n])

    def _prices_before(
        self, seen: SiteState, starts: list[int]
    ) -> tuple[list[float | None], list[str]]:
        if not starts:
            return [], []
        tariff, _ = self._pricing.held(Draft(seen))
        try:
            steps = tariff.steps(starts[0], now_s(seen) + 1, self._site.zone)
        except TariffError:
            return [None] * len(starts), [""] * len(starts)
        k = np.searchsorted(steps.starts_s, np.array(starts), side="right") - 1
        return [float(steps.buy_per_kwh[i]) for i in k], [str(steps.period[i]) for i in k]

    def _planned_kw(self, planned: Planned | None, horizon: Horizon) -> FloatArray:
        """Planned power of each group in each slot, kW, shape (groups, n)."""
        step = np.zeros((len(self.groups), horizon.n))
        if planned is None:
            return step
        if self._summed[0] is not planned:
            self._summed = (planned, self._of_plan(planned))
        edges, power = planned.edges_s, self._summed[1]
        k = np.searchsorted(edges, horizon.edges_s[:-1], side="right") - 1
        inside = (k >= 0) & (k < power.shape[1])
        step[:, inside] = power[:, k[inside]]
        return step

    def _of_plan(self, planned: Planned) -> FloatArray:
        """The plan by group on its own slots, kW."""
        power = planned.by_group(self._pile_of, len(self.groups), gives=self._v2g)
        for name, kw in planned.assets_kw.items():
            if name in self._asset_of:
                power[self._asset_of[name]] += kw
        return power

    def know(self, seen: SiteState) -> None:
        """Which group each session's pile belongs to; records that stayed the same stay known."""
        before, self._sessions = self._sessions, seen.sessions
        for name in before.keys() - seen.sessions.keys():
            self._pile_of.pop(name, None)
        new = [(n, r.request.pile) for n, r in seen.sessions.items() if before.get(n) is not r]
        for name, pile in new:
            if pile in self._group_of:
                self._pile_of[name] = self._group_of[pile]

    def price_ahead(self, series: Series) -> PriceAhead:
        """The price now and the next that differs, from a series."""
        k = next((i for i, s in enumerate(series.edges_s[:-1]) if s >= series.now_s), 0)
        k = max(k, len([s for s in series.edges_s[:-1] if s <= series.now_s]) - 1)
        here, period = series.buy_per_kwh[k], series.period[k]
        for i in range(k + 1, len(series.period)):
            if series.buy_per_kwh[i] != here:
                at = instant_of(series.edges_s[i]).astimezone(self._site.zone)
                return PriceAhead(here, period, at, series.buy_per_kwh[i], series.period[i])
        return PriceAhead(here, period, None, None, "")


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _groups(site: Site) -> tuple[tuple[str, ...], dict[str, int]]:
    """Names of groups of piles, by the nodes below the root, and the group of each pile."""
    below: dict[str, list[str]] = {}
    for p in site.piles:
        path = site.network.path[site.pile_node[p.id]]
        line = [site.network.ids[v] for v in sorted(path)]
        below.setdefault(line[1] if len(line) > 1 else ALL, []).append(p.id)
    if len(below) == 1:
        return (ALL,), {p.id: 0 for p in site.piles}
    if len(below) > GROUPS_AT_MOST:
        # Feeders by the dozen tell nothing apart; together they do.
        return (ALL,), {p.id: 0 for p in site.piles}
    names = tuple(sorted(below))
    return names, {p: k for k, n in enumerate(names) for p in below[n]}
