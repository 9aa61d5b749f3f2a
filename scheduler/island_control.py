"""Islanding in the control pass: when it begins and ends, and what is sent for it.

An island begins when the grid-forming inverter says that it has lost the grid, or when a limit of
0 kW holds at the point of connection. While it lasts vehicles share what :mod:`scheduler.island`
leaves them, by priority. Feeders come back one by one, each when its whole power is free.
"""

from __future__ import annotations

import math
from dataclasses import replace

from models.horizon import epoch_s
from models.island import Feeder, IslandRule
from models.site import Site
from scheduler.asset_sending import asset_told
from scheduler.asset_state import pv_now_kw
from scheduler.draft import Draft
from scheduler.island import FeederNow, IslandNow, IslandOrder, steer
from scheduler.report import clear_alert, raise_alert
from scheduler.safety import Budget, Outlet
from scheduler.state import AssetState, IslandState, NodeState
from scheduler.timers import renewal_due_s
from scheduler.view import base_now_kw, limit_now_kw

SEEN_S = 5.0
"""After a telemetry period and so much the meter has seen what a switched feeder draws."""


def islanding(
    draft: Draft, site: Site, names: list[str], outlets: list[Outlet], budget: Budget
) -> IslandOrder | None:
    """The island's orders of this drain, None while the grid is there; feeders are switched.

    Parameters
    ----------
    names, outlets
        Piles of this drain.
    budget : Budget
        Changed in place: what the island leaves for piles, or what a feeder needs that is coming
        back.
    """
    rule = site.island
    if rule is None:
        return None
    state: IslandState | None = draft.get("island")
    lost = _lost(draft, rule)
    zero = limit_now_kw(draft, site, 0, draft.get("now")) <= 0.0
    if not (lost or zero):
        if state is not None:
            _returned(draft, site)
        _bring_back(draft, site, outlets, budget)
        return None
    if state is None or state.lost != lost:
        _begin(draft, site, rule, lost=lost, since=state)
    order = steer(rule, _now(draft, site, rule, names, outlets))
    for feeder in site.feeders:
        _switch(draft, site, feeder, closed=order.closed[feeder.id])
    if lost:
        budget.kw[0] = order.piles_kw
    _ration(outlets, names, draft, order.piles_kw)
    return order


def forming(draft: Draft, site: Site) -> str | None:
    """The storage that forms the grid now; None: it is steered like any other."""
    state: IslandState | None = draft.get("island")
    return site.island.storage if site.island and state is not None and state.lost else None


def _lost(draft: Draft, rule: IslandRule) -> bool:
    state: AssetState | None = draft.get("assets").get(rule.storage)
    return state is not None and state.islanded


def _begin(
    draft: Draft, site: Site, rule: IslandRule, *, lost: bool, since: IslandState | None
) -> None:
    draft.put("island", IslandState(draft.get("mono_s") if since is None else since.since_s, lost))
    draft.news = True
    if lost:
        # What it was told while the grid was there must not wait for the grid's return.
        _send(draft, site, rule.storage, 0.0, fallback_kw=0.0)
    raise_alert(
        draft,
        "island",
        site.name,
        "the site runs on its own; lower loads and charging give way by priority",
        "站点进入孤岛运行,低优先级负荷与充电依次让出功率",
    )


def _returned(draft: Draft, site: Site) -> None:
    draft.put("island", None)
    hold: float = draft.get("hold_until_mono_s")
    wait = min(site.telemetry_period_s, 30.0) + SEEN_S
    draft.put("hold_until_mono_s", max(hold, draft.get("mono_s") + wait))
    draft.news = True
    clear_alert(draft, "island", site.name)


def _now(
    draft: Draft, site: Site, rule: IslandRule, names: list[str], outlets: list[Outlet]
) -> IslandNow:
    storage = next(s for s in site.storages if s.id == rule.storage)
    assets = draft.get("assets")
    soc = assets.get(storage.id, AssetState()).soc
    stored = (storage.min_soc if soc is None else soc) * storage.capacity_kwh
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    load = base_now_kw(draft, site, 0, draft.get("now"), draft.get("mono_s"))
    sun = sum(pv_now_kw(draft, site, p.id) or 0.0 for p in site.pv)
    if node is not None and node.load_kw is not None:
        load = max(node.load_kw, 0.0)
    mono_s: float = draft.get("mono_s")
    feeders = []
    for f in site.feeders:
        known: AssetState = assets.get(f.id, AssetState())
        closed = is_closed(known)
        expected = f.max_kw if known.available_kw is None else min(known.available_kw, f.max_kw)
        waits = known.sent and not closed and mono_s - known.changed_mono_s < rule.reclose_s
        feeders.append(
            FeederNow(
                f.id,
                max(known.power_kw, 0.0) if closed and known.power_kw > 0 else expected,
                f.max_kw,
                f.priority,
                closed,
                not waits,
            )
        )
    # Feeders as they were when the meter spoke: one that was switched since is not in it twice.
    switched = 0.0 if node is None else node.switched_kw
    must = max((load if math.isfinite(load) else 0.0) - switched, 0.0)
    ahead = _ahead_kwh(draft, site, rule.hold_h)
    root = site.network.root
    most = min(root.own_limit_kw, math.inf if root.contract_kw is None else root.contract_kw)
    return IslandNow(
        stored_kwh=stored,
        floor_kwh=storage.min_soc * storage.capacity_kwh,
        top_kwh=storage.max_soc * storage.capacity_kwh,
        efficiency=storage.discharge_efficiency,
        must_kw=must,
        must_ahead_kwh=must * rule.hold_h,
        pv_ahead_kwh=sun * rule.hold_h if ahead is None else ahead,
        pv_kw=sun,
        piles_kw=sum(draft.piles[n].power_kw for n in names),
        piles_held_kw=sum(o.held_kw * o.factor for o in outlets),
        most_kw=most,
        feeders=feeders,
    )


def _ahead_kwh(draft: Draft, site: Site, hours: float) -> float | None:
    """PV that forecasts promise for the coming hours, kWh; None without any."""
    now_s = epoch_s(draft.get("now"))
    total, known = 0.0, False
    for plant in site.pv:
        sent = draft.get("forecasts").get(f"pv-{plant.id}")
        if sent is None:
            continue
        step = 60 * sent.slot_minutes
        begin = epoch_s(sent.start)
        for k, kw in enumerate(sent.values):
            lo, hi = max(begin + k * step, now_s), min(begin + (k + 1) * step, now_s + hours * 3600)
            if hi > lo:
                known = True
                total += min(max(kw, 0.0), plant.max_kw) * (hi - lo) / 3600.0
    return total if known else None


def _ration(outlets: list[Outlet], names: list[str], draft: Draft, left_kw: float) -> None:
    """Cut what piles want to what the island leaves, larger priority first, then who charges."""
    sessions, of = draft.sessions, draft.get("pile_session")

    def rank(i: int) -> tuple[int, bool, int]:
        session = of.get(names[i])
        priority = sessions[session].request.priority if session else -1
        return -priority, draft.piles[names[i]].wanted_kw <= 0.0, i

    for i in sorted(range(len(names)), key=rank):
        outlet = outlets[i]
        if outlet.want_kw <= 0.0:
            continue
        kept = min(outlet.want_kw, max(left_kw, 0.0) / outlet.factor)
        if kept < outlet.min_kw:
            kept = 0.0
        left_kw -= kept * outlet.factor
        if kept < outlet.want_kw:
            outlets[i] = replace(outlet, want_kw=kept)


def is_closed(state: AssetState) -> bool:
    """Whether a feeder is on: it is unless it was switched off."""
    return not state.sent or state.wanted_kw > 0.0


def _bring_back(draft: Draft, site: Site, outlets: list[Outlet], budget: Budget) -> None:
    """With the grid there: one feeder at a time, when its whole power is free at every node."""
    mono_s: float = draft.get("mono_s")
    assets = draft.get("assets")
    seen_s = site.telemetry_period_s + SEEN_S
    held = [0.0] * len(budget.kw)
    for o in outlets:
        for v in o.path:
            held[v] += o.held_kw * o.factor
    for storage in site.storages:
        state: AssetState = assets.get(storage.id, AssetState())
        for v in site.network.path[site.network.index[storage.node]]:
            held[v] += max(state.power_kw, state.wanted_kw, 0.0)
    coming = False
    for feeder in site.feeders:
        known: AssetState = assets.get(feeder.id, AssetState())
        if known.sent and is_closed(known) and mono_s - known.changed_mono_s < seen_s:
            coming = True
            _take(site, feeder, budget)
    waits = mono_s < draft.get("hold_until_mono_s") or coming
    for feeder in sorted(site.feeders, key=lambda f: (-f.priority, f.id)):
        known = assets.get(feeder.id, AssetState())
        if is_closed(known):
            _switch(draft, site, feeder, closed=True)
            continue
        path = site.network.path[site.network.index[feeder.node]]
        free = min(budget.kw[v] - held[v] for v in path)
        if not waits and free >= feeder.max_kw:
            _switch(draft, site, feeder, closed=True)
            _take(site, feeder, budget)
            waits = True
        else:
            _switch(draft, site, feeder, closed=False)


def _take(site: Site, feeder: Feeder, budget: Budget) -> None:
    for v in site.network.path[site.network.index[feeder.node]]:
        budget.kw[v] -= feeder.max_kw


def _switch(draft: Draft, site: Site, feeder: Feeder, *, closed: bool) -> None:
    """Say on or off where it changes, and renew the lease of what was said."""
    state: AssetState = draft.get("assets").get(feeder.id, AssetState())
    power = feeder.max_kw if closed else 0.0
    if not state.sent and closed:
        return
    place = len(site.storages) + len(site.pv) + site.feeders.index(feeder)
    due = draft.get("mono_s") >= renewal_due_s(place, state.renewed_mono_s, site.lease_s)
    if state.sent and state.wanted_kw == power and not due:
        return
    # It stays as it is when nobody speaks to it: a feeder that came back by itself would be a step.
    _send(draft, site, feeder.id, power, fallback_kw=power)


def _send(draft: Draft, site: Site, asset: str, power_kw: float, *, fallback_kw: float) -> None:
    state: AssetState = draft.get("assets").get(asset, AssetState())
    effect = asset_told(
        draft,
        site,
        asset,
        power_kw,
        fallback_kw=fallback_kw,
        reason="limit",
        rises=state.sent and power_kw > state.wanted_kw,
        changed=not state.sent or state.wanted_kw != power_kw,
    )
    draft.emit(effect)
