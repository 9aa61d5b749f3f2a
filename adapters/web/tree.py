"""The tree of limits with load and headroom."""

from __future__ import annotations

import math
from collections.abc import Iterable

from adapters.web.models import NodeRow
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.draft import Draft
from scheduler.state import SiteState
from scheduler.view import (
    Picture,
    base_now_kw,
    limit_now_kw,
    look,
    meter_talks,
)


def sums_of(seen: SiteState, site: Site) -> Picture:
    """Who talks and who is silent, and their sums at every node."""
    return look(Draft(seen), site)


def root_load_kw(site: Site, seen: SiteState, sums: Picture) -> float:
    """Power at the point of connection: by its meter, else what is known to be drawn, kW."""
    return _load_kw(site, seen, Draft(seen), sums, 0)


def node_rows(site: Site, seen: SiteState, sums: Picture) -> Iterable[NodeRow]:
    """The tree in preorder, with load and headroom.

    Parameters
    ----------
    site : Site
    seen : SiteState
    sums : Picture
        Who talks, and what they draw together at each node.
    """
    draft = Draft(seen)
    m = len(site.network.nodes)
    counts, charging = [0] * m, [0] * m
    for v in site.pile_node.values():
        counts[v] += 1
    for name in [n for n, p in seen.piles.items() if p.power_kw > POWER_EPSILON_KW]:
        charging[site.pile_node[name]] += 1
    for v in range(m - 1, 0, -1):
        parent = site.network.index[site.network.nodes[v].parent or ""]
        counts[parent] += counts[v]
        charging[parent] += charging[v]
    for v, node in enumerate(site.network.nodes):
        load = _load_kw(site, seen, draft, sums, v)
        limit = limit_now_kw(draft, site, v, seen.now)
        known_limit = math.isfinite(limit)
        yield NodeRow(
            node=node.id,
            parent=node.parent,
            depth=len(site.network.path[v]) - 1,
            load_kw=load,
            limit_kw=limit if known_limit else None,
            headroom_kw=limit - load if known_limit else None,
            piles=counts[v],
            charging=charging[v],
        )


def _load_kw(site: Site, seen: SiteState, draft: Draft, sums: Picture, v: int) -> float:
    meter = seen.nodes.get(site.network.ids[v])
    if meter is not None and meter_talks(meter, site, seen.mono_s):
        return meter.power_kw
    base = base_now_kw(draft, site, v, seen.now, seen.mono_s)
    load = sums.talking_kw[v] + sums.silent_kw[v]
    return load + (base if math.isfinite(base) else 0.0)
