"""When the engine next wants to be asked, and what time alone changes."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from models.horizon import epoch_s, instant_of, local_grid_s
from models.limits import call_edges, limit_edges
from models.site import Site
from scheduler.asked import Requests
from scheduler.demand_response import over
from scheduler.draft import Draft
from scheduler.drawn import CELL_S
from scheduler.fold_sessions import close
from scheduler.owed import OVERSTAY
from scheduler.pricing import book_edges
from scheduler.state import PileState
from scheduler.switching import next_s
from scheduler.unused import UNUSED_AFTER_S
from scheduler.view import HEARTBEAT_LOST_S, MESSAGE_EXPIRY_S, MISSED_PERIODS

_LOOK_AHEAD_S = 7200

RISE_GAP_S = 2.0
"""A pile that was just lowered is not raised again sooner: a limit that flaps costs few pauses."""

RETRIES_S = 25.0
"""A setpoint that nobody acknowledges is said again after each message expiry, so long."""

SOLVER_RETRY_S = 15.0
"""After a plan that did not come, the next one is asked for so much later."""

LIMIT_KEPT = timedelta(days=1)
"""How long a limit that has ended is still known by name."""

STEADY_S = 3600.0
"""So long after the wall clock was set, what seems over is over."""

SOONEST_S = 0.02
"""The engine never asks to be woken sooner."""


def renewal_due_s(index: int, renewed_mono_s: float, lease_s: float) -> float:
    """Monotonic time at which a pile's lease is renewed: a third of it, spread by pile."""
    spread = 1.0 - 0.1 * ((index * 0.618_033_988_75) % 1.0)
    return renewed_mono_s + lease_s / 3.0 * spread


def solver_deadline_s(site: Site) -> float:
    """Time after which a call for a plan counts as lost, s: the host's own deadline, twice."""
    return 2.0 * site.deadline_s + 5.0


def planning_ails(draft: Draft, site: Site) -> bool:
    """Whether the solving process was lost over the last problem, even if a plan came in its
    place: the next one is asked for, but not without end."""
    return bool(draft.get("solver_lost")) or f"solver_lost/{site.name}" in draft.get("alerts")


def age(draft: Draft, site: Site) -> None:
    """What time alone changes: slot edges, limit and session edges, orders that have run out,
    the grid company's silence.
    """
    now: datetime = draft.get("now")
    mono_s: float = draft.get("mono_s")
    now_s = epoch_s(now)
    if now_s >= draft.get("next_slot_s"):
        edges = local_grid_s(now_s, now_s + _LOOK_AHEAD_S, site.horizon.slot_minutes, site.zone)
        draft.put("next_slot_s", int(edges[edges > now_s][0]))
        draft.slot_turned = True
    if now.timestamp() >= draft.get("next_limit_edge_s"):
        _limit_edge(draft, site, now, now_s)
    if draft.news or now.timestamp() >= draft.get("next_session_edge_s"):
        _session_edge(draft, site, now)
    _orders(draft, now)
    if any(n.heartbeat == "required" for n in site.network.nodes):
        _heartbeat(draft, mono_s)


def _steady(draft: Draft) -> bool:
    """False for a while after the wall clock was set: what seems over may not be."""
    set_at: float = draft.get("clock_set_mono_s")
    return bool(draft.get("mono_s") - set_at > STEADY_S)


def _orders(draft: Draft, now: datetime) -> None:
    """Operators' orders that have run out."""
    for target, order in list(draft.get("overrides").items()):
        if order.until is None or order.until > now:
            continue
        if _steady(draft):
            del draft.own("overrides")[target]
            draft.news = True
        elif order.until > draft.before:
            draft.news = True


def _limit_edge(draft: Draft, site: Site, now: datetime, now_s: int) -> None:
    """A limit begins, changes or ends, a book takes effect; limits that ended a day
    ago, by both clocks, are forgotten.
    """
    mono_s: float = draft.get("mono_s")
    for node, of_node in list(draft.get("limits").items()):
        kept = {
            name: r
            for name, r in of_node.items()
            if r.pushed.valid_until is None
            or now < r.pushed.valid_until + LIMIT_KEPT
            or mono_s - r.received_mono_s < LIMIT_KEPT.total_seconds()
        }
        if len(kept) != len(of_node):
            draft.own("limits")[node] = kept
    pushed = [r.pushed for of_node in draft.get("limits").values() for r in of_node.values()]
    tomorrow = instant_of(now_s + 86_400)
    edges = limit_edges(pushed, now, tomorrow)
    calls = call_edges([c.called for c in draft.get("calls").values()], now, tomorrow)
    ahead = [*edges[:1], *calls[:1], *(at for at in book_edges(draft) if at > now)]
    if _steady(draft):
        over(draft, site)
    else:
        # An event that seems over by a clock just set may be in force again in a moment.
        ahead.append(instant_of(now_s + int(STEADY_S)))
    draft.put("next_limit_edge_s", min(ahead).timestamp() if ahead else now_s + 86_400.0)
    draft.news = True


def _session_edge(draft: Draft, site: Site, now: datetime) -> None:
    """Somebody was to come or to go: plan anew; who never came is not waited for any longer."""
    at = now.timestamp()
    ids, records = list(draft.sessions), list(draft.sessions.values())
    requests = draft.requests or Requests(site)
    asked = requests.asked([record.request for record in records])
    there = asked.departure_s > at
    edges = np.where(asked.arrival_s > at, asked.arrival_s, asked.departure_s)[there]
    ahead = float(edges.min(initial=math.inf))
    for k in np.flatnonzero(~there).tolist():
        record = records[k]
        if record.state == "announced" and _steady(draft):
            close(draft, ids[k], "the vehicle did not come", "车辆未到")
        elif record.state == "announced":
            ahead = min(ahead, at + STEADY_S)
        elif record.state != "full" and record.delivered_kwh < record.request.energy_kwh:
            # One who overstays is planned for a little while at a time.
            ahead = min(ahead, at + OVERSTAY.total_seconds() / 2)
    if draft.get("next_session_edge_s") <= at:
        draft.news = True
    draft.put("next_session_edge_s", ahead)


def _heartbeat(draft: Draft, mono_s: float) -> None:
    """Failsafe after silence; left with a heartbeat and a limit issued after it began.

    Before the first heartbeat ever heard nothing went silent, so it alone is enough.
    """
    heard: float = draft.get("heartbeat_mono_s")
    alive = mono_s - heard <= HEARTBEAT_LOST_S
    stale: bool = draft.get("stale")
    if not alive and not stale:
        draft.put("stale", True)
        draft.put("silent_after", draft.get("heartbeat_issued_at"))
        draft.put("limit_since_silence", False)
        draft.news = True
    elif alive and stale and _may_leave(draft):
        draft.put("stale", False)
        draft.put("limit_since_silence", False)
        draft.news = True


def _may_leave(draft: Draft) -> bool:
    return draft.get("silent_after") is None or bool(draft.get("limit_since_silence"))


def next_due_s(draft: Draft, site: Site, piles_due_s: float) -> float:
    """Monotonic time at which the engine wants to be asked next, also without news; the piles
    want to be looked at by ``piles_due_s``.
    """
    now: datetime = draft.get("now")
    mono_s: float = draft.get("mono_s")
    now_s = now.timestamp()
    ahead: float = min(
        draft.get("next_slot_s"), draft.get("next_limit_edge_s"), draft.get("next_session_edge_s")
    )
    for order in draft.get("overrides").values():
        if order.until is not None and order.until > now:
            ahead = min(ahead, order.until.timestamp())
    due = mono_s + max(ahead - now_s, 0.0)
    heard: float = draft.get("heartbeat_mono_s")
    if math.isfinite(heard) and not draft.get("stale"):
        due = min(due, heard + HEARTBEAT_LOST_S + 0.001)
    hold: float = draft.get("hold_until_mono_s")
    if hold > mono_s:
        due = min(due, hold)
    asked: float = draft.get("solving_mono_s")
    if draft.get("solving") is not None:
        due = min(due, asked + solver_deadline_s(site))
    elif draft.get("plan_wanted") and planning_ails(draft, site):
        due = min(due, max(asked + SOLVER_RETRY_S, mono_s + 1.0))
    elif draft.get("plan_wanted"):
        due = mono_s
    if draft.near_peak:
        # Room under the peak comes back as older minutes leave the running averages.
        due = min(due, mono_s + CELL_S - now_s % CELL_S + 0.001)
    return max(min(due, piles_due_s), mono_s + SOONEST_S)


def pile_due_s(pile: PileState, index: int, site: Site, mono_s: float) -> float:
    """When a pile wants something: silence, renewal, saying again, learning, switching;
    monotonic, s.
    """
    return min(silence_due_s(pile, site, mono_s), own_due_s(pile, index, site, mono_s))


def silence_due_s(pile: PileState, site: Site, mono_s: float) -> float:
    """When a pile that talks would count as silent, monotonic, s; inf for one that is."""
    heard, silence = pile.heard_mono_s, MISSED_PERIODS * site.telemetry_period_s
    return heard + silence + 0.001 if heard >= 0 and mono_s - heard <= silence else math.inf


def own_due_s(pile: PileState, index: int, site: Site, mono_s: float) -> float:
    """When a pile wants something else than to be heard again, monotonic, s."""
    if not pile.sent:
        return math.inf
    due = min(
        next_s(pile, site.piles[index].switching, mono_s),
        renewal_due_s(index, pile.renewed_mono_s, site.lease_s),
    )
    if 0 <= pile.below_since_mono_s < due - UNUSED_AFTER_S:
        due = pile.below_since_mono_s + UNUSED_AFTER_S
    if 0 <= pile.probe_mono_s < due:
        due = pile.probe_mono_s
    since = mono_s - pile.changed_mono_s
    if since < RETRIES_S:
        due = min(due, _after_a_change_s(pile, mono_s, since))
    for sent in pile.unacked:
        if mono_s < sent.holds_until_mono_s < due:
            due = sent.holds_until_mono_s
    return due


def _after_a_change_s(pile: PileState, mono_s: float, since: float) -> float:
    """When a setpoint just sent is said again, or may be raised again."""
    due = math.inf
    if since < RISE_GAP_S and pile.before_kw > pile.wanted_kw:
        due = pile.changed_mono_s + RISE_GAP_S
    again_s = pile.renewed_mono_s + MESSAGE_EXPIRY_S
    # Once that has passed the pile is silent, and is not told again: nothing is due for it.
    if pile.unacked and again_s > mono_s:
        due = min(due, again_s)
    return due
