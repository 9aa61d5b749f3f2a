"""What storages do beside their plan: an event keeps the connection, a demand charge its peak."""

from __future__ import annotations

import math
from bisect import bisect_right

from models.site import Site
from scheduler.asset_state import asset_talks, pv_now_kw, reach_kw, sun_kw
from scheduler.calls import kept_kw, runs
from scheduler.demand_hold import SLACK_SHARE
from scheduler.draft import Draft
from scheduler.island_control import forming
from scheduler.quarters import QUARTER_S
from scheduler.state import NodeState


def planned_kw(draft: Draft, asset: str) -> float | None:
    """Power of an asset in the running plan now, kW; None: it says nothing."""
    plan = draft.plan
    if plan is None or draft.get("solver_lost"):
        return None
    part = plan.assets.get(asset)
    at = draft.get("now").timestamp()
    if part is None or at >= plan.end_s:
        return None
    return part.at(at)


def beside_plan_kw(draft: Draft, site: Site) -> dict[str, float]:
    """While an event runs, what storages take on so that the connection keeps to its plan, kW.

    What load, PV and vehicles do beside the plan would else be missing from what was promised.
    """
    plan, now = draft.plan, draft.get("now")
    if plan is None or not plan.connection_kw or not runs(draft.get("calls").values(), now):
        return {}
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    k = bisect_right(plan.edges_s, now.timestamp()) - 1
    if node is None or node.load_kw is None or not 0 <= k < len(plan.connection_kw):
        return {}
    told = [s for s in site.storages if asset_talks(draft, site, s.id)]
    if not told:
        return {}
    others = node.load_kw + sum(p.power_kw for p in draft.piles.values())
    others -= sun_kw(draft, site, 0)
    planned = sum(planned_kw(draft, s.id) or 0.0 for s in told)
    # A plan that fell short by stale readings is no reason to fall short now.
    low, high = kept_kw(list(draft.get("calls").values()), now)
    missing = max(min(plan.connection_kw[k], high), low) - others - planned
    whole = sum(s.max_kw for s in told)
    return {s.id: missing * s.max_kw / whole for s in told}


def most_sun_kw(draft: Draft, site: Site) -> float:
    """The most that PV may give so that the connection draws what an event was promised, kW.

    Storages take what they can first; inf while nothing is missing.
    """
    low, _ = kept_kw(list(draft.get("calls").values()), draft.get("now"))
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    if not math.isfinite(low) or node is None or node.load_kw is None:
        return math.inf
    drawn = node.load_kw + sum(p.power_kw for p in draft.piles.values())
    drawn += sum(into for _, into in _to_the_end_kw(draft, site))
    fits = max(drawn - low, 0.0)
    could = sum(pv_now_kw(draft, site, p.id) or 0.0 for p in site.pv)
    return fits if fits < could else math.inf


def _to_the_end_kw(draft: Draft, site: Site) -> list[tuple[float, float]]:
    """What each storage can give, and take, to the end of the quarter hour that is promised, kW.

    One that took all at first would leave nothing to its end.
    """
    at_s: float = draft.get("now").timestamp()
    lasts_h = (QUARTER_S - at_s % QUARTER_S) / 3600.0
    talking = [s for s in site.storages if asset_talks(draft, site, s.id)]
    return [reach_kw(draft, site, s, lasts_h) for s in talking]


def room_kept_kw(draft: Draft, site: Site) -> float:
    """What piles may draw so that the connection stays under what an event was promised, kW, less
    than 0 where vehicles must give; inf: all.

    Storages give what they can first.
    """
    _, high = kept_kw(list(draft.get("calls").values()), draft.get("now"))
    node: NodeState | None = draft.get("nodes").get(site.network.ids[0])
    if not math.isfinite(high) or node is None or node.load_kw is None:
        return math.inf
    given = sum(out for out, _ in _to_the_end_kw(draft, site))
    return high - node.load_kw + sun_kw(draft, site, 0) + given


def under_peak_kw(
    draft: Draft, site: Site, wanted: dict[str, float], room_kw: float
) -> tuple[dict[str, float], float]:
    """Storages make room under a demand interval before any vehicle waits.

    Parameters
    ----------
    wanted : dict of str to float
        Power wanted by pile, kW, negative where a vehicle gives back.
    room_kw : float
        What piles and storages may draw together, kW; inf: all.

    Returns
    -------
    beside_kw : dict of str to float
        What each storage takes less than planned, or gives more, kW <= 0.
    left_kw : float
        What piles may draw then, kW.
    """
    if not math.isfinite(room_kw):
        return {}, room_kw
    formed_by = forming(draft, site)
    planned: dict[str, float] = {}
    spare: dict[str, float] = {}
    for storage in site.storages:
        if storage.id == formed_by or not asset_talks(draft, site, storage.id):
            continue
        out_kw, in_kw = reach_kw(draft, site, storage)
        power = min(max(planned_kw(draft, storage.id) or 0.0, -out_kw), in_kw)
        planned[storage.id], spare[storage.id] = power, power + out_kw
    stores_kw, whole = sum(planned.values()), sum(spare.values())
    over = sum(wanted.values()) + stores_kw - room_kw
    if over <= SLACK_SHARE * max(room_kw, 0.0) or whole <= 0.0:
        return {}, room_kw - stores_kw
    draft.near_peak = True
    share = min(over / whole, 1.0)
    return {name: -share * kw for name, kw in spare.items()}, room_kw - stores_kw + share * whole
