"""Storage, PV and giving vehicles in the safety pass: both directions, every drain.

The kernel knows outlets that draw. What can also give is shown to it shifted: an outlet whose
zero is its largest discharge, and that much more budget at its nodes. Its rules then hold as they
stand: a rise (less discharge, more charge) waits until others have surely released the power, and
power given counts only once acknowledged and measured, since before that the outlet is held at
more. Storage is served last: a shortage takes its charging first, and lets it discharge down to
its floor before any vehicle gives way.

Toward export the least that may be drawn counts, and discharge gives way before PV is curtailed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.asset_sending import asset_told
from scheduler.asset_state import asset_talks, held_band_kw, pv_now_kw, reach_kw
from scheduler.beside_plan import most_sun_kw, planned_kw
from scheduler.draft import Draft
from scheduler.effects import AssetSetpointSent
from scheduler.fixed import fixed
from scheduler.island import IslandOrder
from scheduler.island_control import forming
from scheduler.safety import Budget, Outlet
from scheduler.state import AssetState, NodeState
from scheduler.timers import renewal_due_s
from scheduler.view import base_now_kw, export_now_kw, in_emergency, margin_of

BAND_SHARE = 0.002
"""Of an asset's power: a rise smaller than this is not worth a message."""


@dataclass
class AssetPass:
    """What one drain decides for assets and giving vehicles.

    Attributes
    ----------
    shift_kw : dict of int to float
        By outlet: its zero, kW discharged.
    stores : dict of str to int
        Outlet of each storage that talks.
    """

    shift_kw: dict[int, float] = field(default_factory=dict)
    stores: dict[str, int] = field(default_factory=dict)


def show_assets(
    draft: Draft, site: Site, names: list[str], outlets: list[Outlet], wanted: dict[str, float],
    budget: Budget, beside_kw: Mapping[str, float],
) -> AssetPass:  # fmt: skip
    """Shift the piles that give, and add an outlet for each storage; budget grows with them.

    Parameters
    ----------
    names, outlets
        Piles of this drain; storages are appended to ``outlets`` alone.
    wanted : dict of str to float
        Power wanted by pile, kW, negative where a vehicle gives back.
    budget : Budget
        Changed in place.
    beside_kw : mapping of str to float
        What storages are to do beside their plan, kW.
    """
    done = AssetPass()
    mono_s, lease_s = draft.get("mono_s"), site.lease_s
    piles = draft.piles
    for i, name in enumerate(names):
        pile = piles[name]
        if pile.power_kw >= 0 and wanted.get(name, 0.0) >= 0 and pile.wanted_kw >= 0:
            continue
        old = outlets[i]
        state = AssetState(
            power_kw=pile.power_kw,
            acked=None if pile.acked is None else pile.acked.stamp,
            in_force=(*((pile.acked,) if pile.acked else ()), *pile.unacked),
        )
        _, high = held_band_kw(state, mono_s, lease_s, site.pile_by_id[name].fallback_kw)
        stopped = old.want_kw == 0.0 and wanted.get(name, 0.0) > 0
        want = 0.0 if stopped else wanted.get(name, 0.0)
        zero = max(-want, 0.0)
        outlets[i] = _shifted(old, want, high, pile.wanted_kw if pile.sent else 0.0, zero)
        _grow(budget, old, zero)
        done.shift_kw[i] = zero
    formed_by = forming(draft, site)
    for storage in site.storages:
        state = draft.get("assets").get(storage.id, AssetState())
        path = site.network.path[site.network.index[storage.node]]
        _, high = held_band_kw(state, mono_s, lease_s, 0.0)
        if storage.id == formed_by:
            continue
        if not asset_talks(draft, site, storage.id):
            # It may be charging by what it was told: that much is not free.
            for v in path:
                budget.kw[v] -= max(high, 0.0)
            continue
        out_kw, in_kw = reach_kw(draft, site, storage)
        stopped = bool(draft.get("emergencies")) and in_emergency(draft, site, path)
        want = (planned_kw(draft, storage.id) or 0.0) + beside_kw.get(storage.id, 0.0)
        if stopped:
            out_kw = in_kw = want = 0.0
        want = min(max(want, -out_kw), in_kw)
        may_rise = mono_s >= draft.get("hold_until_mono_s") and not stopped
        plain = Outlet(path, 0.0, 0.0, 0.0, 0.0, in_kw, 0.0, 1.0, (), 0.0, may_rise)
        outlet = _shifted(plain, want, high, state.wanted_kw, out_kw)
        done.stores[storage.id] = len(outlets)
        done.shift_kw[len(outlets)] = out_kw
        outlets.append(outlet)
        _grow(budget, plain, out_kw)
    return done


def _shifted(old: Outlet, want: float, held: float, sent: float, zero: float) -> Outlet:
    return replace(
        old,
        want_kw=want + zero,
        held_kw=max(held + zero, 0.0),
        sent_kw=max(sent + zero, 0.0),
        min_kw=0.0,
        step_kw=0.0,
        max_kw=old.max_kw + zero,
        floor_kw=0.0 if old.floor_kw == 0.0 else old.floor_kw + zero,
    )


def _grow(budget: Budget, outlet: Outlet, by_kw: float) -> None:
    for v in outlet.path:
        budget.kw[v] += by_kw * outlet.factor


def settle_assets(
    draft: Draft,
    site: Site,
    names: list[str],
    powers: list[float],
    done: AssetPass,
    island: IslandOrder | None = None,
) -> list[float]:
    """Shift back, hold the export limits, and send what storage and PV have to do.

    Returns
    -------
    list of float
        Setpoints of the piles, kW, negative where a vehicle gives back.
    """
    back = [p - done.shift_kw.get(i, 0.0) for i, p in enumerate(powers)]
    piles = back[: len(names)]
    for i, name in enumerate(names):
        plate = site.pile_by_id[name]
        if 0.0 < piles[i] < plate.min_kw - POWER_EPSILON_KW:
            piles[i] = 0.0
    stores = {asset: back[i] for asset, i in done.stores.items()}
    limits = _hold_export(draft, site, names, piles, stores)
    if island is not None and forming(draft, site) is not None:
        whole = sum(p.max_kw for p in site.pv)
        limits = {p.id: min(p.max_kw, island.pv_kw * p.max_kw / whole) for p in site.pv}
    _send(draft, site, stores, limits)
    return piles


def _hold_export(
    draft: Draft, site: Site, names: list[str], piles: list[float], stores: dict[str, float]
) -> dict[str, float]:
    """Cut what is given until no node feeds back too much; limits of PV plants, magnitudes, kW."""
    mono_s, now = draft.get("mono_s"), draft.get("now")
    index, path = site.network.index, site.network.path
    m = len(site.network.nodes)
    known = fixed(site).piles
    drawn = [0.0] * m
    giving: list[tuple[tuple[int, ...], float, str, int]] = []
    states = draft.piles
    for i, name in enumerate(names):
        measured = states[name].power_kw
        if measured == 0.0 and piles[i] >= 0.0:
            continue
        # A vehicle may stop at any moment; what it draws now is what there is.
        power = min(piles[i], measured) if measured < 0 or piles[i] < 0 else min(measured, 1e9)
        for v in known[name].path:
            drawn[v] += max(power, 0.0)
        if piles[i] < 0:
            giving.append((known[name].path, -piles[i], name, i))
    for storage in site.storages:
        told = stores.get(storage.id)
        state: AssetState = draft.get("assets").get(storage.id, AssetState())
        where = path[index[storage.node]]
        for v in where:
            drawn[v] += max(min(state.power_kw, 0.0 if told is None else told), 0.0)
        if told is not None and told < 0:
            giving.append((where, -told, storage.id, -1))
    room: list[float] = []
    for v in range(m):
        node: NodeState | None = draft.get("nodes").get(site.network.ids[v])
        if node is not None and node.load_kw is not None:
            load = node.load_kw
        else:
            load = base_now_kw(draft, site, v, now, mono_s)
        # Where no meter has spoken nothing is known to take what would be given.
        load = load if math.isfinite(load) else 0.0
        room.append(export_now_kw(draft, site, v, now) + load + drawn[v])
    limits: dict[str, float] = {}
    sunny = list(room)
    shines = most_sun_kw(draft, site)
    for plant in site.pv:
        now_kw = pv_now_kw(draft, site, plant.id)
        planned = planned_kw(draft, plant.id) if _is_curtailed(draft, plant.id) else None
        where = path[index[plant.node]]
        fits = max(min(sunny[v] for v in where), 0.0)
        most = plant.max_kw
        if planned is not None:
            most = min(most, -planned)
        most = min(most, shines)
        given = min(most, fits)
        limits[plant.id] = plant.max_kw if now_kw is not None and now_kw <= given else given
        taken = given if now_kw is None else min(given, now_kw)
        shines -= taken
        for v in where:
            sunny[v] -= taken
    # A pile follows a fall of the base load within its response time, as it does a rise: the same
    # margin is kept. Inverters follow at once.
    spare = [margin_of(draft, site, v) for v in range(m)]
    for where, power, name, i in giving:
        fits = max(min(sunny[v] - (spare[v] if i >= 0 else 0.0) for v in where), 0.0)
        kept = min(power, fits)
        for v in where:
            sunny[v] -= kept
        if i >= 0:
            piles[i] = -kept
        else:
            stores[name] = -kept
    return limits


def _is_curtailed(draft: Draft, asset: str) -> bool:
    """Whether the plan wants less of a PV plant in this slot than the sun gives."""
    plan = draft.plan
    if plan is None or asset not in plan.curtailed:
        return False
    k = bisect_right(plan.edges_s, draft.get("now").timestamp()) - 1
    marks = plan.curtailed[asset]
    return 0 <= k < len(marks) and marks[k]


def _band(max_kw: float) -> float:
    return BAND_SHARE * max_kw


def _send(draft: Draft, site: Site, stores: dict[str, float], limits: dict[str, float]) -> None:
    """Emit the setpoints of assets that changed, decreases first, and renew what is due."""
    falling: list[AssetSetpointSent] = []
    rising: list[AssetSetpointSent] = []
    wants = {**stores, **{name: -limit for name, limit in limits.items()}}
    most = {s.id: s.max_kw for s in site.storages} | {p.id: p.max_kw for p in site.pv}
    export = {p.id: -_safe_fallback(site, p.node, p.max_kw) for p in site.pv}
    mono_s: float = draft.get("mono_s")
    for place, (name, power) in enumerate(wants.items()):
        state: AssetState = draft.get("assets").get(name, AssetState())
        moved = abs(power - state.wanted_kw)
        # What keeps within a limit is never too small: less drawn, and less given back.
        safer = power < state.wanted_kw if name in stores else power > state.wanted_kw
        safer = safer or (state.wanted_kw < 0.0 and power > state.wanted_kw)
        least = POWER_EPSILON_KW if safer else _band(most[name])
        changed = not state.sent or moved > least or (power == 0 and moved > 0)
        due = mono_s >= renewal_due_s(place, state.renewed_mono_s, site.lease_s)
        if not changed and not due:
            continue
        value = power if changed else state.wanted_kw
        rises = value > (state.wanted_kw if state.sent else 0.0) + POWER_EPSILON_KW
        effect = asset_told(
            draft,
            site,
            name,
            value,
            fallback_kw=export.get(name, 0.0),
            reason="plan" if planned_kw(draft, name) is not None else "no_plan",
            rises=rises,
            changed=changed,
        )
        (rising if rises else falling).append(effect)
    for effect in (*falling, *rising):
        draft.emit(effect)


def _safe_fallback(site: Site, node: str, max_kw: float) -> float:
    """What a PV plant may give by itself while nobody speaks to it: the least export limit."""
    path = site.network.path[site.network.index[node]]
    return min(max_kw, *(site.network.nodes[v].export_kw for v in path))
