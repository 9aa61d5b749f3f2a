"""Who is served first under a shortage: the order in which the kernel hands out what there is."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter

import numpy as np

from models.site import Site
from models.switching import FREE
from models.units import ENERGY_EPSILON_KWH, SECONDS_PER_HOUR
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.switching import on_for_h
from scheduler.turns import turn_h

TYPICAL_KW = 7.0
"""Power by which laxity is judged: that of the usual AC pile."""

NOBODY, BEYOND = 10, 1
"""After all priorities: a pile without a session, and a vehicle that has what it asked for."""

_WANTED_KW, _DELIVERED_KWH = attrgetter("wanted_kw"), attrgetter("delivered_kwh")
_ENERGY_KWH, _DEPARTURE_S = attrgetter("energy_kwh"), attrgetter("departure_s")
_REQUEST, _PRIORITY = attrgetter("request"), attrgetter("priority")


def served_first(draft: Draft, site: Site, names: list[str]) -> list[int]:
    """Priority, then least laxity, and who charges stays, the more so while its pile was only just
    switched on.

    Parameters
    ----------
    draft : Draft
    site : Site
    names : list of str
        Piles.

    Returns
    -------
    list of int
        Places among ``names``, who is served first in front.
    """
    now: datetime = draft.get("now")
    piles, taken = draft.piles, map(draft.pile_session.get, names)
    # Nobody's session is called None.
    records = list(map(draft.sessions.get, taken))  # type: ignore[arg-type]
    at = np.flatnonzero([record is not None for record in records])
    here, there = [names[k] for k in at.tolist()], [records[k] for k in at.tolist()]
    n, requests = at.size, list(map(_REQUEST, there))
    given_kw = np.fromiter(map(_WANTED_KW, map(piles.__getitem__, here)), np.float64, n)
    given_kw = np.maximum(given_kw, 0.0)
    owed_kwh = np.fromiter(map(_ENERGY_KWH, requests), np.float64, n)
    owed_kwh -= np.fromiter(map(_DELIVERED_KWH, there), np.float64, n)
    left_h = np.fromiter(map(_DEPARTURE_S, requests), np.float64, n) - now.timestamp()
    laxity_h = left_h / SECONDS_PER_HOUR - owed_kwh / TYPICAL_KW
    if fixed(site).ruled:
        plates, mono_s = site.pile_by_id, draft.get("mono_s")
        for k, name in enumerate(here):
            rule = plates[name].switching
            if rule is not FREE:
                laxity_h[k] -= on_for_h(piles[name], rule, mono_s)
    beyond = owed_kwh <= ENERGY_EPSILON_KWH
    first, then = np.full(len(names), NOBODY), np.zeros(len(names))
    first[at] = np.where(beyond, BEYOND, -np.fromiter(map(_PRIORITY, requests), np.int64, n))
    turn = turn_h(laxity_h, given_share=given_kw / TYPICAL_KW)
    then[at] = np.where(beyond, given_kw <= 0.0, turn)
    order: list[int] = np.lexsort((then, first)).tolist()
    return order
