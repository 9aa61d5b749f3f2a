"""What the state means right now: silent piles, limits in force, power held, what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from models.calendar_rules import envelope_kw
from models.limits import called_kw, effective_export_kw, effective_import_kw
from models.pile import Pile
from models.site import Site
from scheduler.calls import ceiling_kw
from scheduler.draft import Draft
from scheduler.fixed import fixed, node_sums
from scheduler.state import AssetState, NodeState, PileState
from scheduler.transformer import rated_share

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MISSED_PERIODS = 3
"""A pile or meter is silent after so many missed telemetry periods."""

MESSAGE_EXPIRY_S = 5.0
"""Expiry of a setpoint message: the broker drops it after that (contract)."""

CLOCKS_APART_S = 30.0
"""Our clock and the grid company's agree within this."""

HEARTBEAT_LOST_S = 120.0
"""Silence of the grid company after which the failsafe holds (contract)."""


SETTLED_S = 2.0
"""On top of its declared response, for the messages' way, before a pile's reading is held
against it."""


@dataclass(slots=True)
class Picture:
    """One look at all piles.

    Parameters
    ----------
    silent : dict
        Silent piles, and what each counts at its nodes, kW.
    talking_kw, silent_kw : list of float
        By node: measured power of talking piles and storages, counted power of silent piles, kW.
    floors : dict
        Piles that draw more than they were told, and what they draw, as a setpoint, kW.
    """

    silent: dict[str, float]
    talking_kw: list[float]
    silent_kw: list[float]
    floors: dict[str, float] = field(default_factory=dict)


def look(draft: Draft, site: Site) -> Picture:
    """Who talks and who is silent, and their sums at every node."""
    piles = list(draft.piles.values())
    silent = silent_of_kw(draft, site, list(draft.piles), piles)
    power = np.array([pile.power_kw for pile in piles], dtype=np.float64)
    return picture_of(draft, site, list(draft.piles), fixed(site).rows(draft.piles), silent, power)


def silent_sums_kw(draft: Draft, site: Site) -> list[float]:
    """What silent piles count at every node, kW."""
    names, piles = list(draft.piles), list(draft.piles.values())
    counted = np.nan_to_num(silent_of_kw(draft, site, names, piles), nan=0.0)
    if not counted.any():
        return [0.0] * len(site.network.nodes)
    return node_sums(site, fixed(site).rows(names), counted)


def silent_of_kw(
    draft: Draft, site: Site, names: Sequence[str], piles: Sequence[PileState]
) -> FloatArray:
    """What each of these piles counts now that is silent, kW; nan for one that talks."""
    mono_s: float = draft.get("mono_s")
    known = fixed(site).piles
    heard = np.array([pile.heard_mono_s for pile in piles], dtype=np.float64)
    silent = (heard < 0) | (heard < mono_s - MISSED_PERIODS * site.telemetry_period_s)
    out = np.full(len(piles), np.nan)
    gone = ordered(draft, site, "out_of_service")
    for i in np.flatnonzero(silent).tolist():
        one, there = known[names[i]], names[i] in gone
        out[i] = counted_silent_kw(piles[i], one.pile, mono_s, declared_out=there) * one.factor
    return out


def picture_of(
    draft: Draft,
    site: Site,
    names: Sequence[str],
    rows: IntArray,
    silent_kw: FloatArray,
    power_kw: FloatArray,
) -> Picture:
    """A picture of piles of which is known what the silent ones count.

    Parameters
    ----------
    draft, site
        For storages.
    names : sequence of str
        The n piles.
    rows : ndarray, shape (n,)
        Their places among those of the site.
    silent_kw : ndarray, shape (n,)
        What each silent one counts, kW; nan for one that talks.
    power_kw : ndarray, shape (n,)
        What each measured last, kW.
    """
    talks = np.isnan(silent_kw)
    talking = node_sums(site, rows, np.where(talks, power_kw, 0.0))
    counted = node_sums(site, rows, np.where(talks, 0.0, silent_kw))
    _add_storages(draft, site, talking)
    silent = {names[i]: float(silent_kw[i]) for i in np.flatnonzero(~talks).tolist()}
    return Picture(silent, talking, counted)


def silent_kw_now(draft: Draft, site: Site) -> Callable[[str, PileState], float | None]:
    """What judges a pile now: kW that a silent one counts, None for one that talks."""
    mono_s: float = draft.get("mono_s")
    known, gone = fixed(site).piles, ordered(draft, site, "out_of_service")

    def judge(name: str, pile: PileState) -> float | None:
        if not is_silent(pile, site, mono_s):
            return None
        one = known[name]
        return counted_silent_kw(pile, one.pile, mono_s, declared_out=name in gone) * one.factor

    return judge


def _add_storages(draft: Draft, site: Site, talking_kw: list[float]) -> None:
    """Add what talking storages draw to the sums at their nodes, in place, kW."""
    heard_after = draft.get("mono_s") - MISSED_PERIODS * site.telemetry_period_s
    for storage in site.storages:
        state: AssetState | None = draft.get("assets").get(storage.id)
        if state is not None and state.heard_mono_s >= max(heard_after, 0.0):
            for v in site.network.path[site.network.index[storage.node]]:
                talking_kw[v] += state.power_kw


def is_silent(pile: PileState, site: Site, mono_s: float) -> bool:
    """True for a pile that never spoke, or has missed three telemetry periods."""
    heard = pile.heard_mono_s
    return heard < 0 or heard < mono_s - MISSED_PERIODS * site.telemetry_period_s


def held_kw(
    pile: PileState, nameplate: Pile, mono_s: float, lease_s: float, factor: float
) -> float:
    """The most a pile may be drawing now (I1), as a setpoint, kW.

    The larger of the last acknowledged setpoint, every setpoint that may still be obeyed, the
    last measured power and, unless an acknowledged lease surely runs, its fallback. Times
    ``factor`` it is at least what was measured.
    """
    held = pile.power_kw / factor if pile.power_kw > 0 else 0.0
    acked = pile.acked
    if acked is not None and mono_s < acked.holds_until_mono_s and acked.power_kw > held:
        held = acked.power_kw
    for sent in pile.unacked:
        if mono_s < sent.holds_until_mono_s and sent.power_kw > held:
            held = sent.power_kw
    if nameplate.fallback_kw > held and not lease_runs(pile, mono_s, lease_s):
        held = nameplate.fallback_kw
    return held


def lease_runs(pile: PileState, mono_s: float, lease_s: float) -> bool:
    """True while an acknowledged setpoint's lease has surely not run out at the pile."""
    return pile.lease_mono_s >= 0 and mono_s - pile.lease_mono_s < lease_s


def counted_silent_kw(
    pile: PileState, nameplate: Pile, mono_s: float, *, declared_out: bool
) -> float:
    """What a silent pile may be set to, kW: its commissioned power, its fallback, or what a
    lease still allows; only that where it was declared out of service.
    """
    held = 0.0 if declared_out else max(nameplate.offline_kw, nameplate.fallback_kw)
    if pile.acked is not None and mono_s < pile.acked.holds_until_mono_s:
        held = max(held, pile.acked.power_kw)
    for sent in pile.unacked:
        if mono_s < sent.holds_until_mono_s:
            held = max(held, sent.power_kw)
    return held


def meter_talks(node: NodeState | None, site: Site, mono_s: float) -> bool:
    """True while a node's meter has missed no more telemetry than it may."""
    if node is None:
        return False
    return mono_s - node.heard_mono_s <= MISSED_PERIODS * site.telemetry_period_s


def meter_awaited(draft: Draft, site: Site) -> bool:
    """True where base load is metered and the connection's meter has never spoken."""
    return site.base_load == "meter" and site.network.ids[0] not in draft.get("nodes")


def unmetered(draft: Draft, site: Site) -> bool:
    """True where besides nothing is stated that could stand for it: piles get nothing then."""
    return meter_awaited(draft, site) and not site.envelope


def stated_base_kw(site: Site, v: int, now: datetime) -> float:
    """Base load that the site states for a node, kW; 0 where it states none."""
    return envelope_kw(site.envelope, now, site.zone) if v == 0 and site.envelope else 0.0


def base_now_kw(draft: Draft, site: Site, v: int, now: datetime, mono_s: float) -> float:
    """Base load at a node now, kW: by meter, else by the stated envelope.

    A meter counts also where the site states its base load, when it shows more. One that has
    fallen silent counts as the highest base load it has seen; one that should be there and has
    never spoken leaves nothing for the piles below it, unless an envelope is stated.
    """
    node: NodeState | None = draft.get("nodes").get(site.network.ids[v])
    talks = meter_talks(node, site, mono_s)
    if site.base_load != "meter":
        stated = stated_base_kw(site, v, now) if site.base_load == "envelope" else 0.0
        return max(stated, node.base_kw) if node is not None and talks else stated
    if node is None:
        return math.inf if v == 0 and not site.envelope else stated_base_kw(site, v, now)
    if talks:
        return node.base_kw
    return max(node.peak_kw, stated_base_kw(site, v, now))


def margin_of(draft: Draft, site: Site, v: int) -> float:
    """Power kept free at a node for the rise of its base load, kW."""
    if site.margin_kw is not None:
        return site.margin_kw
    node: NodeState | None = draft.get("nodes").get(site.network.ids[v])
    return 0.0 if node is None else node.rise_kw


def limit_now_kw(draft: Draft, site: Site, v: int, at: datetime) -> float:
    """The effective import limit of a node at an instant, kW."""
    node = site.network.nodes[v]
    records = draft.get("limits").get(node.id)
    stale = draft.get("stale") and site.network.heartbeat_of(v) == "required"
    pushed = [r.pushed for r in records.values()] if records else []
    calls = draft.get("calls") if v == 0 else {}
    limit = math.inf
    share = 0.0 if node.thermal is None else rated_share(draft, node, at)
    for instant in _instants(draft, at) if pushed or calls else (at,):
        borne = effective_import_kw(node, pushed, instant, stale=stale, rated_share=share)
        limit = min(limit, borne)
        if calls:
            limit = min(limit, called_kw((c.called for c in calls.values()), instant))
            limit = min(limit, ceiling_kw(calls.values(), instant))
    known: NodeState | None = draft.get("nodes").get(node.id)
    if known is not None and node.volts_low is not None:
        limit = min(limit, known.import_cap_kw)
    override = draft.get("overrides").get(node.id)
    if override is not None and (override.until is None or at < override.until):
        if override.kind == "hold_kw":
            limit = min(limit, override.hold_kw or 0.0)
        elif override.kind == "out_of_service":
            limit = 0.0
    return limit


def _instants(draft: Draft, at: datetime) -> tuple[datetime, ...]:
    """Now by our clock and, where the two disagree, by the grid company's: the lower limit holds.

    Its clock is known by its heartbeats against our monotonic one, so a step of our wall clock
    neither ends a limit nor keeps one from beginning.
    """
    offset: float | None = draft.get("heartbeat_offset_s")
    if offset is None or at != draft.get("now"):
        return (at,)
    theirs_s = draft.get("mono_s") + offset
    if abs(theirs_s - at.timestamp()) <= CLOCKS_APART_S:
        return (at,)
    return (at, datetime.fromtimestamp(theirs_s, tz=at.tzinfo))


def export_now_kw(draft: Draft, site: Site, v: int, at: datetime) -> float:
    """What may flow back at a node at an instant, a magnitude, kW."""
    node = site.network.nodes[v]
    records = draft.get("limits").get(node.id)
    stale = draft.get("stale") and site.network.heartbeat_of(v) == "required"
    pushed = [r.pushed for r in records.values()] if records else []
    instants = _instants(draft, at) if pushed else (at,)
    allowed = min(effective_export_kw(node, pushed, i, stale=stale) for i in instants)
    known: NodeState | None = draft.get("nodes").get(node.id)
    if known is not None and node.volts_high is not None:
        allowed = min(allowed, known.export_cap_kw)
    return allowed


def ordered(draft: Draft, site: Site, kind: str) -> frozenset[str]:
    """Piles for which an operator's order of a kind stands, at the pile or at a node above it."""
    now: datetime = draft.get("now")
    targets = {
        target
        for target, order in draft.get("overrides").items()
        if order.kind == kind and (order.until is None or now < order.until)
    }
    if not targets:
        return frozenset()
    below = {
        name
        for v, node in enumerate(site.network.ids)
        if node in targets
        for name in fixed(site).under[v]
    }
    return frozenset(below | (targets & site.pile_by_id.keys()))


def in_emergency(draft: Draft, site: Site, path: tuple[int, ...]) -> bool:
    """True when a fire or a ground fault is reported for the site or a node on the path."""
    emergencies = draft.get("emergencies")
    if not emergencies:
        return False
    zones = {e.zone for e in emergencies.values()}
    return site.name in zones or any(site.network.ids[v] in zones for v in path)
