"""What a scrape sees of the running daemon: read from frozen states, so no lock is needed."""

from __future__ import annotations

import math
from collections import Counter

from adapters.figures import View
from adapters.health import Health
from models.site import Site
from scheduler.draft import Draft
from scheduler.state import SiteState
from scheduler.view import limit_now_kw, look, meter_talks


def view_of(state: SiteState, site: Site, health: Health, mono_s: float) -> View:
    """One look at a frozen state; costs a pass over the piles."""
    draft = Draft(state)
    picture = look(draft, site)
    piles: Counter[str] = Counter(talking=0, silent=0, faulted=0)
    drawn = 0.0
    for name, pile in state.piles.items():
        if name in picture.silent:
            piles["silent"] += 1
        else:
            piles["faulted" if pile.fault else "talking"] += 1
            drawn += pile.power_kw
    nodes: dict[str, tuple[float, float | None]] = {}
    for v, node in enumerate(site.network.ids):
        heard = state.nodes.get(node)
        metered = heard.power_kw if heard and meter_talks(heard, site, mono_s) else None
        nodes[node] = (limit_now_kw(draft, site, v, state.now), metered)
    beat = state.heartbeat_mono_s
    return View(
        epoch=state.epoch,
        piles=dict(piles),
        sessions=dict(Counter(r.state for r in state.sessions.values())),
        drawn_kw=drawn,
        nodes=nodes,
        heartbeat_age_s=mono_s - beat if math.isfinite(beat) else None,
        degraded=health.degraded,
        alerts=dict(Counter(key.partition("/")[0] for key in state.alerts)),
        transformers={
            node.id: (k.heat.hot_spot_c(node.thermal.ambient_c), k.heat.aged_h, k.heavy, k.over)
            for node in site.network.nodes
            if node.thermal is not None and (k := state.transformers.get(node.id)) is not None
        },
    )
