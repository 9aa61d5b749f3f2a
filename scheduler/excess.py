"""Piles that draw more than they were told: seen before the kernel takes it into account.

The kernel may tell such a pile what it draws anyway, where that fits. Then it draws no more than
it was told, and would be well again; so what was seen is remembered for a while.
"""

from __future__ import annotations

from dataclasses import replace

from models.site import Site
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.view import SETTLED_S, Picture

KEPT_S = 30.0
"""So long after it was last seen to draw too much, a pile counts as one that does."""

NEAR_SHARE = 1.25
"""Up to so many times its setpoint a pile follows it badly; beyond that it ignores it."""

_FRESH_S = 1.0


def note_excess(draft: Draft, site: Site, picture: Picture) -> None:
    """Remember who draws above its setpoint though it has had the time to follow."""
    mono_s: float = draft.get("mono_s")
    known = fixed(site).piles
    for name, drawn_kw in picture.floors.items():
        pile = draft.piles[name]
        if pile.measured_mono_s < pile.changed_mono_s + known[name].pile.response_s + SETTLED_S:
            continue
        near = pile.wanted_kw > 0 and drawn_kw <= NEAR_SHARE * pile.wanted_kw
        kind = "pile_exceeds" if near else "pile_ignores"
        before = pile.exceeded
        if before is None or before[1] != kind or mono_s - before[0] >= _FRESH_S:
            draft.own("piles")[name] = replace(pile, exceeded=(mono_s, kind))
