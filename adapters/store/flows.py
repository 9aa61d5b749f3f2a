"""What flowed, by quarter hour: base load, piles, vehicles giving back, storage, PV, and limits.

Registers tell what a bill needs; a plot of the past also needs what has no register here. Each is
the mean of a quarter hour as it was known then, a limit the lowest that held in it.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from adapters.store.readings import EVERY_S, NODES_KEPT
from models.horizon import FloatArray, IntArray, epoch_s
from models.site import Site
from scheduler.draft import Draft
from scheduler.state import SiteState
from scheduler.view import MISSED_PERIODS, base_now_kw, limit_now_kw, meter_talks

WITH_FLOWS = 5
"""The version of a store from which on it keeps flows."""

LOOK_S = 20.0
"""Between looks at the state; a limit that changes is looked at at once."""

SILENCE_S = 900.0
"""After a longer silence nothing is counted: it is not known what flowed."""

Kind = Literal["base", "piles", "v2g", "asset", "node", "limit"]
Key = tuple[Kind, str]


@dataclass(frozen=True)
class Flow:
    """One series' quarter hour.

    Parameters
    ----------
    kind : str
        ``base`` (at the root), ``piles`` (what charging piles draw), ``v2g`` (what vehicles give,
        negative), ``asset`` (one storage or PV plant), ``node`` (a node's meter) or ``limit`` (of
        a node; below the root only where it is lower than the node's own).
    name : str
        Id of the asset or node.
    at_s : int
        Start of the quarter hour, epoch seconds.
    kw : float
        Mean power, kW; the lowest of a limit.
    seen_s : float
        For how much of the quarter hour this is known, s.
    """

    kind: Kind
    name: str
    at_s: int
    kw: float
    seen_s: float


class FlowSampler:
    """Adds up what each drain's state says that flows.

    Parameters
    ----------
    silence_s : float
        After a longer time between two states nothing is counted, s.
    """

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        self._silence_s = silence_s
        self._gives: tuple[Site | None, bool] = (None, False)
        self._at: float | None = None
        self._held: dict[Key, float] = {}
        self._asked: tuple[object, ...] | None = None
        self._sums: dict[int, dict[Key, tuple[float, float]]] = {}

    def take(self, state: SiteState, site: Site) -> tuple[Flow, ...]:
        """Take in a state of a site; the quarter hours that ended with it."""
        at = state.now.timestamp()
        asked = (state.limits, state.stale, state.overrides, state.calls)
        # By identity: a field that no event has touched is the very same object.
        same = self._asked is not None and all(
            a is b for a, b in zip(asked, self._asked, strict=True)
        )
        if self._at is not None and same and 0 <= at - self._at < LOOK_S:
            return ()
        if self._at is not None and 0 < at - self._at <= self._silence_s:
            self._add(self._at, at)
        self._at, self._asked, self._held = at, asked, self._look(state, site)
        return self._ended(int(at) // EVERY_S * EVERY_S)

    def rest(self) -> tuple[Flow, ...]:
        """What is known of the quarter hour that runs; it is let go of here."""
        return self._ended(None)

    def _add(self, begin: float, end: float) -> None:
        """Count what was held from one look to the next, cut at quarter hours."""
        while begin < end:
            start = int(begin) // EVERY_S * EVERY_S
            until = min(end, float(start + EVERY_S))
            sums = self._sums.setdefault(start, {})
            for key, kw in self._held.items():
                seconds, known = sums.get(key, (0.0, math.inf if key[0] == "limit" else 0.0))
                known = min(known, kw) if key[0] == "limit" else known + kw * (until - begin)
                sums[key] = (seconds + until - begin, known)
            begin = until

    def _ended(self, before_s: int | None) -> tuple[Flow, ...]:
        ended = [s for s in self._sums if before_s is None or s < before_s]
        return tuple(
            Flow(kind, name, start, known if kind == "limit" else known / seconds, seconds)
            for start in sorted(ended)
            for (kind, name), (seconds, known) in self._sums.pop(start).items()
        )

    def _look(self, state: SiteState, site: Site) -> dict[Key, float]:
        root = site.network.ids[0]
        if self._gives[0] is not site:
            self._gives = site, any(p.discharge_kw > 0 for p in site.piles)
        net = sum(p.power_kw for p in state.piles.values())
        held: dict[Key, float] = {("piles", root): net}
        if self._gives[1]:
            given = sum(min(p.power_kw, 0.0) for p in state.piles.values())
            held |= {("piles", root): net - given, ("v2g", root): given}
        heard_after = state.mono_s - MISSED_PERIODS * site.telemetry_period_s
        for name in [*(s.id for s in site.storages), *(p.id for p in site.pv)]:
            known = state.assets.get(name)
            if known is not None and known.heard_mono_s >= max(heard_after, 0.0):
                held["asset", name] = known.power_kw
                net += known.power_kw
        for name, meter in state.nodes.items():
            if meter_talks(meter, site, state.mono_s):
                held["node", name] = meter.power_kw
        draft = Draft(state)
        base = base_now_kw(draft, site, 0, state.now, state.mono_s)
        if ("node", root) in held:
            base = held["node", root] - net
        if math.isfinite(base):
            held["base", root] = base
        for v, node in enumerate(site.network.nodes):
            own = (node.own_limit_kw, math.inf if node.contract_kw is None else node.contract_kw)
            limit = limit_now_kw(draft, site, v, state.now)
            if math.isfinite(limit) and (v == 0 or limit < min(own)):
                held["limit", node.id] = limit
        return held


def write_flows(base: sqlite3.Connection, flows: Iterable[Flow]) -> None:
    """Keep quarter hours; the parts of one that a restart has cut are put together."""
    base.executemany(
        "INSERT INTO flows VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "kw = CASE kind WHEN 'limit' THEN min(kw, excluded.kw) ELSE "
        "(kw * seen_s + excluded.kw * excluded.seen_s) / (seen_s + excluded.seen_s) END, "
        "seen_s = seen_s + excluded.seen_s",
        [(f.kind, f.name, f.at_s, f.kw, f.seen_s) for f in flows],
    )


def forget_flows(base: sqlite3.Connection, now: datetime) -> None:
    """Let go of what is older than the readings of nodes are: it names nobody either."""
    base.execute("DELETE FROM flows WHERE at_s < ?", (epoch_s(now - NODES_KEPT),))


@dataclass(frozen=True, eq=False)
class Flowed:
    """The kept quarter hours of one series: their starts (epoch s), kW, and seconds seen."""

    at_s: IntArray
    kw: FloatArray
    seen_s: FloatArray

    @property
    def kwh(self) -> FloatArray:
        """Energy of each quarter hour as far as it was seen, kWh."""
        return self.kw * self.seen_s / 3600.0

    def mean_kw(self, edges_s: IntArray) -> FloatArray:
        """Mean power in each slot, kW, shape (n,); nan where nothing is kept."""
        known = np.zeros(edges_s.size - 1)
        energy = np.zeros(edges_s.size - 1)
        for at, kw in zip(self.at_s.tolist(), self.kw.tolist(), strict=True):
            inside = np.clip(
                np.minimum(edges_s[1:], at + EVERY_S) - np.maximum(edges_s[:-1], at), 0, None
            )
            known += inside
            energy += inside * kw
        return np.where(known > 0, energy / np.maximum(known, 1.0), math.nan)

    def lowest_kw(self, edges_s: IntArray) -> FloatArray:
        """The lowest in each slot, kW, shape (n,); inf where nothing is kept."""
        out = np.full(edges_s.size - 1, math.inf)
        first = np.searchsorted(edges_s, self.at_s, side="right") - 1
        last = np.searchsorted(edges_s, self.at_s + EVERY_S, side="left")
        for lo, hi, kw in zip(first.tolist(), last.tolist(), self.kw.tolist(), strict=True):
            part = slice(max(lo, 0), hi)
            out[part] = np.minimum(out[part], kw)
        return out


def read_flows(base: sqlite3.Connection, start_s: int, end_s: int) -> dict[Key, Flowed]:
    """Every series that is kept of a stretch of time; none of a store of before they were kept."""
    (version,) = base.execute("PRAGMA user_version").fetchone()
    if version < WITH_FLOWS:
        return {}
    rows: dict[Key, list[tuple[int, float, float]]] = {}
    for kind, name, *told in base.execute(
        "SELECT kind, name, at_s, kw, seen_s FROM flows WHERE at_s > ? AND at_s < ? "
        "ORDER BY kind, name, at_s",
        (start_s - EVERY_S, end_s),
    ):
        rows.setdefault((kind, name), []).append((told[0], told[1], told[2]))
    return {
        key: Flowed(
            np.array([r[0] for r in own], dtype=np.int64),
            np.array([r[1] for r in own], dtype=np.float64),
            np.array([r[2] for r in own], dtype=np.float64),
        )
        for key, own in rows.items()
    }
