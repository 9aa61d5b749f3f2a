"""What limits leave for the steerable piles now, by node and by phase."""

from __future__ import annotations

import math

from models.site import Site
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.imbalance import Imbalance
from scheduler.phase_choice import silent_amps
from scheduler.safety import Budget
from scheduler.state import NodeState
from scheduler.view import Picture, base_now_kw, limit_now_kw, margin_of, meter_talks


def phase_room_a(draft: Draft, site: Site, v: int) -> list[float] | None:
    """Current left on each phase of a node beside its base load, A; None: no limit there.

    Where the meter tells no currents the base load counts as evenly spread.
    """
    node = site.network.nodes[v]
    if node.limit_a is None:
        return None
    now, mono_s = draft.get("now"), draft.get("mono_s")
    amps_per_kw = 1000.0 / (3.0 * fixed(site).volts[v])
    spare = margin_of(draft, site, v) * amps_per_kw
    heard: NodeState | None = draft.get("nodes").get(node.id)
    if heard is not None and heard.base_a is not None and meter_talks(heard, site, mono_s):
        return [a - b - spare for a, b in zip(node.limit_a, heard.base_a, strict=True)]
    base = max(base_now_kw(draft, site, v, now, mono_s), 0.0)
    if math.isinf(base):
        return [0.0, 0.0, 0.0]
    return [a - base * amps_per_kw - spare for a in node.limit_a]


def budget_now(draft: Draft, site: Site, picture: Picture) -> Budget:
    """What limits leave for the steerable piles now."""
    now, mono_s = draft.get("now"), draft.get("mono_s")
    parts = fixed(site)
    kw: list[float] = []
    amps: list[list[float] | None] = []
    for v in range(len(site.network.nodes)):
        limit = limit_now_kw(draft, site, v, now)
        base = base_now_kw(draft, site, v, now, mono_s)
        margin = margin_of(draft, site, v)
        # A meter that never spoke leaves nothing, also where nothing limits the node.
        left = -math.inf if base == math.inf else limit - base - margin - picture.silent_kw[v]
        kw.append(left)
        amps.append(phase_room_a(draft, site, v))
    for name, silent_kw in picture.silent.items():
        pile = parts.piles[name]
        drawn_a = silent_amps(pile, silent_kw / pile.factor)
        for v in pile.path:
            at_node = amps[v]
            if at_node is not None:
                for phase in range(3):
                    at_node[phase] -= drawn_a[phase]
    return Budget(kw, amps, uneven_now(draft, site, picture))


def base_phases_a(draft: Draft, site: Site, v: int) -> tuple[float, float, float]:
    """Base load of a node by phase, A; nothing where its meter tells no currents, since what is
    spread evenly makes nothing uneven.
    """
    heard: NodeState | None = draft.get("nodes").get(site.network.ids[v])
    if heard is None or heard.base_a is None or not meter_talks(heard, site, draft.get("mono_s")):
        return (0.0, 0.0, 0.0)
    return heard.base_a


def uneven_now(draft: Draft, site: Site, picture: Picture) -> list[Imbalance | None]:
    """Limits of imbalance with base load and silent piles in them; empty where no node has one.

    A silent pile may draw what it counts, or nothing.
    """
    if all(node.imbalance_a is None for node in site.network.nodes):
        return []
    out: list[Imbalance | None] = []
    for v, node in enumerate(site.network.nodes):
        if node.imbalance_a is None:
            out.append(None)
            continue
        base = base_phases_a(draft, site, v)
        out.append(Imbalance(node.imbalance_a, list(base), list(base)))
    parts = fixed(site)
    for name, silent_kw in picture.silent.items():
        pile = parts.piles[name]
        for v in pile.path:
            uneven = out[v]
            if uneven is not None and silent_kw:
                drawn_a = silent_amps(pile, silent_kw / pile.factor)
                for phase in range(3) if min(drawn_a) < max(drawn_a) else ():
                    uneven.add((phase,), drawn_a[phase], 0.0)
    return out
