"""On how many phases a plan counts a pile that can be switched, where phases have limits.

Without limits of phases the plan takes such a pile as one that holds anything from its least on one
phase to its most on three, and dispatch chooses. Under a limit that would be a plan which no wiring
can hold: what is planned there is what one of the two can.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np

from models.site import Site
from models.units import POWER_EPSILON_KW, SECONDS_PER_HOUR
from scheduler.draft import Draft
from scheduler.fixed import FixedPile, fixed
from scheduler.owed import Owed
from scheduler.phase_choice import Wiring, wiring
from scheduler.problem import Fleet
from scheduler.state import UNKNOWN_PILE


@lru_cache(maxsize=16)
def switchable(site: Site) -> frozenset[str]:
    """Ids of the piles that can be switched between phases below a node that limits them."""
    nodes = site.network.nodes
    limited = [n.limit_a is not None or n.imbalance_a is not None for n in nodes]
    return frozenset(
        name
        for name, one in fixed(site).piles.items()
        if one.pile.one_phase is not None and any(limited[v] for v in one.path)
    )


def as_wired(draft: Draft, site: Site, owed: list[Owed], fleet: Fleet) -> Fleet:
    """The fleet with its switchable piles on the phases that they will likely charge on.

    Parameters
    ----------
    draft, site
        How the piles are wired now.
    owed : list of Owed
        The sessions.
    fleet : Fleet
        Their columns, in the same order.
    """
    names = switchable(site)
    some = [i for i, o in enumerate(owed) if o.record.request.pile in names]
    if not some:
        return fleet
    phases, amps = fleet.phases.copy(), fleet.amps_per_kw.copy()
    least, most, step = fleet.min_kw.copy(), fleet.max_kw.copy(), fleet.step_kw.copy()
    for i in some:
        one = fixed(site).piles[owed[i].record.request.pile]
        wire = _likely(draft, owed[i], one)
        phases[i], amps[i] = sum(1 << p for p in wire.phases), wire.amps_per_kw
        most[i], step[i] = min(most[i], wire.max_kw), wire.step_kw
        asked = owed[i].record.request.min_kw or 0.0
        least[i] = min(max(wire.min_kw, asked), most[i])
    return dataclasses.replace(
        fleet,
        phases=phases,
        amps_per_kw=np.asarray(amps, dtype=np.float64),
        min_kw=least,
        max_kw=most,
        step_kw=step,
    )


def _likely(draft: Draft, owed: Owed, one: FixedPile) -> Wiring:
    """As the pile is wired now, as long as that can give what is owed; else the other way."""
    single, three = wiring(one, 1), wiring(one, 3)
    if owed.max_kw < three.min_kw - POWER_EPSILON_KW:
        return single
    hours = (owed.end_s - owed.start_s) / SECONDS_PER_HOUR
    enough = owed.energy_kwh <= single.max_kw * hours
    now = draft.piles.get(one.pile.id, UNKNOWN_PILE).phases
    return single if now == 1 and enough else three
