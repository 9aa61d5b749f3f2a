"""When the engine next wants to be asked, and what time alone changes."""

from __future__ import annotations

import math
from datetime import datetime

from models.horizon import epoch_s, instant_of, local_grid_s
from models.limits import limit_edges
from models.site import Site
from scheduler.dispatch import UNUSED_AFTER_S
from scheduler.draft import Draft
from scheduler.view import HEARTBEAT_LOST_S, MISSED_PERIODS

_LOOK_AHEAD_S = 7200


def renewal_due_s(index: int, renewed_mono_s: float, lease_s: float) -> float:
    """Monotonic time at which a pile's lease is renewed: a third of it, spread by pile."""
    spread = 1.0 - 0.1 * ((index * 0.618_033_988_75) % 1.0)
    return renewed_mono_s + lease_s / 3.0 * spread


def age(draft: Draft, site: Site) -> None:
    """What time alone changes: slot edges, limit edges, the grid company's silence."""
    now: datetime = draft.get("now")
    mono_s: float = draft.get("mono_s")
    now_s = epoch_s(now)
    if now_s >= draft.get("next_slot_s"):
        edges = local_grid_s(now_s, now_s + _LOOK_AHEAD_S, site.horizon.slot_minutes, site.zone)
        draft.put("next_slot_s", int(edges[edges > now_s][0]))
        draft.news = True
    if now_s >= draft.get("next_limit_edge_s"):
        pushed = [r.pushed for of_node in draft.get("limits").values() for r in of_node.values()]
        ahead = limit_edges(pushed, now, instant_of(now_s + 86_400))
        draft.put("next_limit_edge_s", epoch_s(ahead[0]) if ahead else now_s + 86_400)
        draft.news = True
    if any(n.heartbeat == "required" for n in site.network.nodes):
        _heartbeat(draft, now, mono_s)


def _heartbeat(draft: Draft, now: datetime, mono_s: float) -> None:
    heard: float = draft.get("heartbeat_mono_s")
    alive = heard >= 0 and mono_s - heard <= HEARTBEAT_LOST_S
    stale: bool = draft.get("stale")
    if not alive and not stale:
        draft.put("stale", True)
        if heard >= 0:
            draft.put("silent_since", now)
        draft.news = True
    elif alive and stale:
        silent_since: datetime | None = draft.get("silent_since")
        issued: datetime | None = draft.get("limit_issued_at")
        if silent_since is None or (issued is not None and issued > silent_since):
            draft.put("stale", False)
            draft.put("silent_since", None)
            draft.news = True


def next_due_s(draft: Draft, site: Site) -> float:
    """Monotonic time at which the engine wants to be asked next, also without news."""
    now: datetime = draft.get("now")
    mono_s: float = draft.get("mono_s")
    now_s = now.timestamp()
    due = mono_s + max(draft.get("next_slot_s") - now_s, 0.0)
    due = min(due, mono_s + max(draft.get("next_limit_edge_s") - now_s, 0.0))
    heard: float = draft.get("heartbeat_mono_s")
    if heard >= 0 and not draft.get("stale"):
        due = min(due, heard + HEARTBEAT_LOST_S + 0.001)
    hold: float = draft.get("hold_until_mono_s")
    if hold > mono_s:
        due = min(due, hold)
    silence = MISSED_PERIODS * site.telemetry_period_s
    for k, pile in enumerate(draft.piles.values()):
        if pile.heard_mono_s >= 0 and mono_s - pile.heard_mono_s <= silence:
            due = min(due, pile.heard_mono_s + silence + 0.001)
        if pile.sent:
            due = min(due, renewal_due_s(k, pile.renewed_mono_s, site.lease_s))
        if pile.below_since_mono_s >= 0:
            due = min(due, pile.below_since_mono_s + UNUSED_AFTER_S)
        if pile.probe_mono_s >= 0:
            due = min(due, pile.probe_mono_s)
        for sent in pile.unacked:
            if sent.holds_until_mono_s > mono_s:
                due = min(due, sent.holds_until_mono_s)
    for record in draft.sessions.values():
        for instant in (record.request.arrival, record.request.departure):
            ahead = instant.timestamp() - now_s
            if ahead > 0:
                due = min(due, mono_s + ahead)
    return due if math.isfinite(due) else mono_s + 60.0
