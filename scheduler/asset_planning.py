"""The microgrid of a planning problem: storage as it stands, PV and base load as foreseen."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np

from models.horizon import FloatArray, Horizon, instant_of
from models.site import Site
from scheduler.asset_state import asset_talks, stored_now_kwh
from scheduler.calls import terms_of
from scheduler.demand import peak_prices
from scheduler.draft import Draft
from scheduler.foreseen import available_kw, bands_of, load_ahead_kw
from scheduler.giving import Giver, giving_of
from scheduler.insured import insured
from scheduler.microgrid import Giving, Microgrid, Sources, Stores
from scheduler.owed import Owed, may_give
from scheduler.problem import Problem
from scheduler.state import AssetState, NodeState
from scheduler.taper import stored_kwh
from scheduler.view import export_now_kw
from tariffs.demand import DemandTerm

END_SHARE = 0.999
"""A kWh still stored at the end is worth a little less than the cheapest way to buy it again, so
that nothing is moved for no gain."""


def with_microgrid(
    draft: Draft,
    site: Site,
    problem: Problem,
    owed: list[Owed],
    limit_kw: FloatArray,
    net_base_kw: FloatArray,
    terms: tuple[DemandTerm, ...],
) -> Problem:
    """The same problem with storage, PV and giving vehicles around its fleet.

    Parameters
    ----------
    draft : Draft
    site : Site
    problem : Problem
        The fleet alone.
    owed : list of Owed
        Its sessions, in the fleet's order.
    limit_kw : ndarray, shape (m, T)
        Import limits less margin and silent piles, kW.
    net_base_kw : ndarray, shape (m, T)
        Base load of each node, kW; what PV takes off it now is in it unless it was forecast.
    terms : tuple of DemandTerm
        Demand charges of the window.
    """
    horizon = problem.horizon
    sun = available_kw(draft, site, horizon)
    base = _without_pv(draft, site, net_base_kw, horizon)
    bands = bands_of(draft, site, horizon, base[0], sun)
    grid = Microgrid(
        stores=_stores(draft, site, problem),
        sources=Sources(
            tuple(p.id for p in site.pv),
            np.array([site.network.index[p.node] for p in site.pv], dtype=np.int64),
            sun,
        ),
        base_kw=base,
        import_kw=np.maximum(limit_kw, 0.0),
        export_kw=_export_ahead(draft, site, horizon),
        giving=_giving(site, owed),
        calls=tuple(
            insured(term, bands, base[0] - sun.sum(axis=0))
            for term in terms_of(draft.get("calls"), horizon)
        ),
        energy=site.energy,
        bands=bands,
    )
    beside = base[0] - sun.sum(axis=0) - sum(s.max_kw for s in site.storages)
    more = bands.more_kw.copy()
    more[0] = 0.0
    peaks = peak_prices(
        draft, problem, np.maximum(beside, 0.0), terms, beside=False, insured_kw=more
    )
    return replace(problem, microgrid=grid, peaks=peaks, running_kwh=None)


def _export_ahead(draft: Draft, site: Site, horizon: Horizon) -> FloatArray:
    """What may flow back at each node in each slot, a magnitude, kW, shape (m, T)."""
    out = np.empty((len(site.network.nodes), horizon.n))
    for v, node in enumerate(site.network.nodes):
        if v == 0 and draft.get("island") is not None:
            out[v] = 0.0
        elif draft.get("limits").get(node.id):
            out[v] = [export_now_kw(draft, site, v, instant_of(s)) for s in horizon.edges_s[:-1]]
        else:
            out[v] = export_now_kw(draft, site, v, draft.get("now"))
    return out


def _without_pv(draft: Draft, site: Site, net_base_kw: FloatArray, horizon: Horizon) -> FloatArray:
    """Base load without what PV takes off it now; forecasts of it never held any PV."""
    base = np.where(np.isfinite(net_base_kw), net_base_kw, 0.0)
    told: set[int] = set()
    for v, name in enumerate(site.network.ids):
        node: NodeState | None = draft.get("nodes").get(name)
        if node is not None and node.load_kw is not None:
            # The kernel counts the highest of the last readings; a plan is made for the last.
            sent = draft.get("forecasts").get(f"base-{name}")
            if sent is None:
                base[v] = node.load_kw
            else:
                foreseen = load_ahead_kw(draft, sent, horizon, node.load_kw, node.heard_mono_s)
                base[v] = np.where(np.isnan(foreseen), base[v], foreseen)
            told.add(v)
    assets: dict[str, AssetState] = draft.get("assets")
    for plant in site.pv:
        state = assets.get(plant.id)
        if state is None or not asset_talks(draft, site, plant.id):
            continue
        giving = max(-state.power_kw, 0.0)
        for v in site.network.path[site.network.index[plant.node]]:
            if v in told:
                continue
            if f"base-{site.network.ids[v]}" in draft.get("forecasts"):
                base[v, 0] += giving
            else:
                base[v] += giving
    return base


def _stores(draft: Draft, site: Site, problem: Problem) -> Stores:
    """Storages as they stand; one that is silent or tells no charge rests."""
    assets: dict[str, AssetState] = draft.get("assets")
    talks, energy = [], []
    for s in site.storages:
        stored = stored_now_kwh(s, assets.get(s.id, AssetState()), draft.get("mono_s"))
        talks.append(stored is not None and asset_talks(draft, site, s.id))
        energy.append(s.capacity_kwh * s.min_soc if stored is None else stored)
    can = np.array(talks, dtype=np.float64)
    cheapest = float(problem.buy_per_kwh.min())

    def column(name: str) -> FloatArray:
        return np.array([getattr(s, name) for s in site.storages], dtype=np.float64)

    capacity = column("capacity_kwh")
    return Stores(
        ids=tuple(s.id for s in site.storages),
        node=np.array([site.network.index[s.node] for s in site.storages], dtype=np.int64),
        charge_kw=column("max_kw") * can,
        discharge_kw=column("max_kw") * can,
        charge_efficiency=column("charge_efficiency"),
        discharge_efficiency=column("discharge_efficiency"),
        energy_kwh=np.array(energy, dtype=np.float64),
        floor_kwh=capacity * column("floor_soc"),
        top_kwh=capacity * column("max_soc"),
        wear_per_kwh=column("wear_money_per_kwh"),
        end_value_per_kwh=END_SHARE * max(cheapest, 0.0) / column("charge_efficiency"),
        pv_only=np.array([not s.grid_charging for s in site.storages], dtype=bool),
        **_budgets(draft, site, problem.horizon),
    )


def _budgets(draft: Draft, site: Site, horizon: Horizon) -> dict[str, Any]:
    """What is left of daily cycles, and what is promised at hours of the local day."""
    cycled = any(s.cycles_per_day is not None for s in site.storages)
    promising = any(s.promises for s in site.storages)
    if not cycled and not promising:
        return {}
    local = [instant_of(int(s)).astimezone(site.zone) for s in horizon.edges_s]
    out: dict[str, Any] = {}
    if cycled:
        days = [at.date().toordinal() for at in local[:-1]]
        budget = np.full((len(site.storages), days[-1] - days[0] + 1), math.inf)
        for k, storage in enumerate(site.storages):
            if storage.cycles_per_day is None:
                continue
            budget[k] = storage.cycles_per_day * storage.capacity_kwh
            known: AssetState = draft.get("assets").get(storage.id, AssetState())
            if known.given_day == days[0]:
                budget[k, 0] = max(budget[k, 0] - known.given_kwh, 0.0)
        out |= {"budget_kwh": budget, "day": np.array(days, dtype=np.int64) - days[0]}
    if promising:
        stock = np.zeros((len(site.storages), horizon.n))
        dates = sorted({at.date() for at in local})
        for k, storage in enumerate(site.storages):
            for hour, kwh in storage.promises:
                for date in dates:
                    midnight = datetime.combine(date, time(0), site.zone)
                    at = (midnight + timedelta(hours=hour)).timestamp()
                    end = int(np.searchsorted(horizon.edges_s, at, side="left"))
                    if 0 < end <= horizon.n:
                        stock[k, end - 1] = max(stock[k, end - 1], kwh)
        out["promised_kwh"] = stock
    return out


def _giving(site: Site, owed: list[Owed]) -> Giving | None:
    rule = site.v2g
    if rule is None:
        return None
    found = giving_of([_giver(site, o) for o in owed], rule)
    return found if bool(found.discharge_kw.any()) else None


def _giver(site: Site, o: Owed) -> Giver | None:
    said, stored = may_give(site, o.record), stored_kwh(o.record)
    capacity = o.record.request.battery_kwh
    if said is None or stored is None or capacity is None:
        return None
    return Giver(
        min(said.max_discharge_kw, site.pile_by_id[o.record.request.pile].discharge_kw),
        stored,
        capacity,
        said.min_soc,
        o.energy_kwh,
        o.record.given_kwh,
    )
