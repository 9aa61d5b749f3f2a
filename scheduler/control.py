"""The control pass of a drain: what the plan wants, held by the peak, after the safety kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.site import Site
from scheduler.asset_control import settle_assets, show_assets
from scheduler.base_load import measure_base
from scheduler.beside_plan import beside_plan_kw, room_kept_kw, under_peak_kw
from scheduler.budget import budget_now
from scheduler.demand_hold import hold, room_now_kw
from scheduler.draft import Draft
from scheduler.excess import note_excess
from scheduler.island_control import islanding
from scheduler.safety import Budget, Outlet, enforce
from scheduler.sending import send
from scheduler.served_first import served_first
from scheduler.sights import Sights
from scheduler.unused import learn_unused
from scheduler.view import Picture
from tariffs.demand import DemandTerm


def control(draft: Draft, site: Site, sights: Sights, terms: Sequence[DemandTerm] = ()) -> Picture:
    """Setpoints of this drain.

    Where there is plenty for everyone, only piles that are looked at anew can have another
    setpoint; else the kernel goes through all of them.
    """
    stale = sights.stale(draft)
    picture = sights.look(draft, stale)
    measure_base(draft, site, picture)
    learn_unused(draft, site, stale)
    sights.see(draft, stale, picture)
    budget = budget_now(draft, site, picture)
    assets = site.has_assets
    wanted = held = sights.wanted(draft) if terms or assets else {}
    beside = beside_plan_kw(draft, site) if assets else {}
    if beside:
        held = hold(draft, site, wanted, room_kept_kw(draft, site))
    if terms:
        room = room_now_kw(draft, site, picture, terms)
        if assets and not beside:
            beside, room = under_peak_kw(draft, site, wanted, room)
        held = hold(draft, site, held, room)
    plain = held is wanted and not assets
    plenty = plain and sights.plenty(budget)
    if plenty and sights.had_plenty:
        names, powers = sights.alone(stale)
    elif plenty:
        names, powers = sights.changing(stale, *sights.alone(sights.moving()[0]))
    elif plain and site.island is None:
        names, outlets = sights.moving()
        powers = enforce(outlets, served_first(draft, site, names), budget)
        names, powers = sights.changing(stale, names, powers)
    else:
        names, outlets = sights.outlets(draft)
        if held is not wanted:
            outlets = [
                replace(o, want_kw=min(o.want_kw, held.get(name, 0.0)))
                for name, o in zip(names, outlets, strict=True)
            ]
        order_kw = islanding(draft, site, names, outlets, budget)
        shown = show_assets(draft, site, names, outlets, held, budget, beside) if assets else None
        powers = _enforced(draft, site, names, outlets, budget)
        if shown is not None:
            powers = settle_assets(draft, site, names, powers, shown, order_kw)
    sights.had_plenty = plenty
    note_excess(draft, site, picture)
    send(draft, site, names, powers, picture.silent, sights.phases_of)
    return picture


def _enforced(
    draft: Draft, site: Site, names: list[str], outlets: list[Outlet], budget: Budget
) -> list[float]:
    """The kernel's setpoints. Piles that want, hold and draw nothing get nothing whoever is first;
    of a congested site they are most, so the kernel is asked for the others alone.
    """
    moving = [k for k, o in enumerate(outlets) if not _rests(o)]
    some = [k for k in moving if k < len(names)]
    order = served_first(draft, site, [names[k] for k in some])
    given = enforce([outlets[k] for k in moving], [*order, *range(len(some), len(moving))], budget)
    powers = [0.0] * len(outlets)
    for k, power in zip(moving, given, strict=True):
        powers[k] = power
    return powers


def _rests(outlet: Outlet) -> bool:
    return (
        outlet.want_kw == outlet.held_kw == outlet.floor_kw == outlet.drawn_kw == 0.0
        and outlet.sent_kw == 0.0
    )
