"""What the state means right now: silent piles, base load, limits in force, power held."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from models.calendar_rules import envelope_kw
from models.limits import effective_import_kw
from models.pile import Pile
from models.site import Site
from scheduler.draft import Draft
from scheduler.safety import Budget
from scheduler.state import NodeState, PileState

MISSED_PERIODS = 3
"""A pile or meter is silent after so many missed telemetry periods."""

MESSAGE_EXPIRY_S = 5.0
"""Expiry of a setpoint message: the broker drops it after that (contract)."""

HEARTBEAT_LOST_S = 120.0
"""Silence of the grid company after which the failsafe holds (contract)."""

BASE_RISE_WINDOW_S = 30.0
"""Two meter readings further apart than this teach nothing about how fast base load rises."""


def is_silent(pile: PileState, site: Site, mono_s: float) -> bool:
    """True when a pile has missed its telemetry, or has never spoken."""
    if pile.heard_mono_s < 0:
        return True
    return mono_s - pile.heard_mono_s > MISSED_PERIODS * site.telemetry_period_s


def held_kw(pile: PileState, nameplate: Pile, mono_s: float, lease_s: float) -> float:
    """The most a pile may be drawing now (I1), kW."""
    held = max(pile.power_kw, 0.0)
    if pile.acked is not None:
        held = max(held, pile.acked.power_kw)
    for sent in pile.unacked:
        if mono_s < sent.holds_until_mono_s:
            held = max(held, sent.power_kw)
    lapsed = pile.renewed_mono_s < 0 or mono_s - pile.renewed_mono_s >= lease_s
    if lapsed:
        held = max(held, nameplate.fallback_kw if pile.vehicle else 0.0)
    return held


def counted_silent_kw(pile: PileState, nameplate: Pile, mono_s: float, lease_s: float) -> float:
    """What a silent pile counts, kW: its commissioned power, or what a lease still allows."""
    if pile.heard_mono_s < 0:
        return nameplate.offline_kw
    held = 0.0
    if pile.acked is not None and mono_s < pile.acked.holds_until_mono_s:
        held = pile.acked.power_kw
    for sent in pile.unacked:
        if mono_s < sent.holds_until_mono_s:
            held = max(held, sent.power_kw)
    return max(held, nameplate.offline_kw)


def measure_base(draft: Draft, site: Site, silent: dict[str, float], mono_s: float) -> None:
    """Learn the base load of each node whose meter has just spoken.

    Base load = node meter - measured power of talking piles - what silent piles explain of the
    unexplained rest (I1).
    """
    if site.base_load != "meter":
        return
    fresh = [k for k, n in draft.get("nodes").items() if n.fresh]
    if not fresh:
        return
    talking, counted = _sums(draft, site, silent)
    nodes = draft.own("nodes")
    for name in fresh:
        v = site.network.index[name]
        node: NodeState = nodes[name]
        rest = node.power_kw - talking[v]
        base = rest - min(counted[v], max(rest, 0.0))
        rise = node.rise_kw
        if node.base_mono_s >= 0 and mono_s - node.base_mono_s <= BASE_RISE_WINDOW_S:
            rise = max(rise, base - node.base_kw)
        nodes[name] = replace(
            node,
            base_kw=base,
            rise_kw=rise,
            base_mono_s=mono_s,
            peak_kw=max(node.peak_kw, base),
            fresh=False,
        )


def _sums(draft: Draft, site: Site, silent: dict[str, float]) -> tuple[list[float], list[float]]:
    m = len(site.network.nodes)
    talking, counted = [0.0] * m, [0.0] * m
    for name, pile in draft.piles.items():
        for v in site.network.path[site.pile_node[name]]:
            if name in silent:
                counted[v] += silent[name]
            else:
                talking[v] += pile.power_kw
    return talking, counted


def base_now_kw(draft: Draft, site: Site, v: int, now: datetime, mono_s: float) -> float:
    """Base load at a node now, kW: by meter, else by the stated envelope.

    A meter that has never spoken leaves nothing for the piles below it; one that has fallen
    silent counts as the highest base load it has seen.
    """
    if site.base_load == "none":
        return 0.0
    if site.base_load == "envelope":
        return envelope_kw(site.envelope, now, site.zone) if v == 0 else 0.0
    node: NodeState | None = draft.get("nodes").get(site.network.ids[v])
    if node is None:
        return math.inf if v == 0 else 0.0
    if mono_s - node.heard_mono_s > MISSED_PERIODS * site.telemetry_period_s:
        return node.peak_kw
    return node.base_kw


def margin_of(draft: Draft, site: Site, v: int) -> float:
    """Power kept free at a node for the rise of its base load, kW."""
    if site.margin_kw is not None:
        return site.margin_kw
    node: NodeState | None = draft.get("nodes").get(site.network.ids[v])
    return 0.0 if node is None else node.rise_kw


def limit_now_kw(draft: Draft, site: Site, v: int, at: datetime) -> float:
    """The effective import limit of a node at an instant, kW; 0 in an emergency."""
    node = site.network.nodes[v]
    records = draft.get("limits").get(node.id, {})
    stale = draft.get("stale") and site.network.heartbeat_of(v) == "required"
    limit = effective_import_kw(node, [r.pushed for r in records.values()], at, stale=stale)
    override = draft.get("overrides").get(node.id)
    if override is not None and (override.until is None or at < override.until):
        if override.kind == "hold_kw":
            limit = min(limit, override.hold_kw or 0.0)
        elif override.kind == "out_of_service":
            limit = 0.0
    return limit


def in_emergency(draft: Draft, site: Site, path: tuple[int, ...]) -> bool:
    """True when a fire or a ground fault is reported for the site or a node on the path."""
    zones = draft.get("emergencies")
    if not zones:
        return False
    return site.name in zones or any(site.network.ids[v] in zones for v in path)


def budget_now(draft: Draft, site: Site, silent: dict[str, float]) -> Budget:
    """What limits leave for the steerable piles now."""
    now, mono_s = draft.get("now"), draft.get("mono_s")
    _, counted = _sums(draft, site, silent)
    kw: list[float] = []
    amps: list[list[float] | None] = []
    for v, node in enumerate(site.network.nodes):
        limit = limit_now_kw(draft, site, v, now)
        base = base_now_kw(draft, site, v, now, mono_s)
        kw.append(limit - base - margin_of(draft, site, v) - counted[v])
        amps.append(None if node.limit_a is None else list(node.limit_a))
    for name, silent_kw in silent.items():
        pile = site.pile_by_id[name]
        for v in site.network.path[site.pile_node[name]]:
            at_node = amps[v]
            if at_node is not None:
                for phase in pile.phases:
                    at_node[phase - 1] -= silent_kw * pile.amps_per_kw
    return Budget(kw, amps)
