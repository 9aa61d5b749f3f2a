"""The fleet of a problem made of all sessions at once, where nothing makes them differ but their
requests: columns in place of one look after another.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import repeat
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.horizon import epoch_s
from models.site import Site
from models.units import ENERGY_EPSILON_KWH
from scheduler.asked import Requests
from scheduler.draft import Draft
from scheduler.fleet import Fleet
from scheduler.learned import likely_energy
from scheduler.owed import OVERSTAY, plates_of, taper_of
from scheduler.since_reading import since_reading_kwh, with_drawn
from scheduler.state import UNKNOWN_PILE

REQUEST, STATE, PILE = attrgetter("request"), attrgetter("state"), attrgetter("pile")
DELIVERED_KWH, PROMISED_KWH = attrgetter("delivered_kwh"), attrgetter("promised_kwh")
LEARNED_KW, FAULT = attrgetter("learned_kw"), attrgetter("fault")


def _are(values: list[Any], value: object) -> NDArray[np.bool_]:
    """Which of many values is one of few: mostly all of them, or none."""
    alike = values.count(value)
    if alike in (0, len(values)):
        return np.full(len(values), alike > 0)
    return np.array([one == value for one in values], dtype=np.bool_)


def plain_fleet_of(draft: Draft, site: Site, now: datetime, until_s: int) -> Fleet | None:
    """What :func:`scheduler.owed.fleet_of` makes of its ``owed_sessions``, all sessions at once.

    Returns
    -------
    Fleet or None
        None where rules of the site or operators' orders make sessions differ by more than their
        requests: then each is looked at by itself.
    """
    if draft.get("overrides") or site.v2g is not None or site.beyond_request == "spare":
        return None
    requests = draft.requests or Requests(site)
    ids, records = list(draft.sessions), list(draft.sessions.values())
    wanted = list(map(REQUEST, records))
    asked = requests.asked(wanted)
    states = list(map(STATE, records))
    announced = _are(states, "announced")
    out = _are(states, "ended") | _are(states, "full")
    piles = list(map(draft.piles.get, map(PILE, wanted), repeat(UNKNOWN_PILE)))
    drawn = since_reading_kwh(piles, records, site, draft.get("mono_s"))
    delivered = np.fromiter(map(DELIVERED_KWH, records), np.float64, len(records)) + drawn
    # A vehicle of which nothing was learned yet is not a number.
    learned_kw = np.array(list(map(LEARNED_KW, piles)), dtype=np.float64)
    faults = list(map(FAULT, piles))
    out |= ~_are(faults, None)
    total = asked.energy_kwh
    likely = likely_energy(draft.get("history"))
    if likely.knows_some:
        said = zip(asked.energy_kwh.tolist(), delivered.tolist(), strict=True)
        guesses = np.array([likely.total_kwh(kwh, had) for kwh, had in said], dtype=np.float64)
        total = np.where(asked.measured, total, guesses)
    energy = total - delivered
    now_s = epoch_s(now)
    start = np.where(announced, np.maximum(now_s, np.floor(asked.arrival_s)), now_s)
    end = np.floor(asked.departure_s)
    late = end <= now_s
    end = np.minimum(np.where(late, epoch_s(now + OVERSTAY), end), until_s)
    most = np.fmin(asked.most_kw, learned_kw)
    out |= (energy <= ENERGY_EPSILON_KWH) | (late & announced)
    at = np.flatnonzero(~out & (start < end) & (most > 0))
    energy, most = energy[at], most[at]
    chosen = [records[i] for i in at.tolist()]
    promised = np.array(list(map(PROMISED_KWH, chosen)), dtype=np.float64)
    promised[np.isnan(promised)] = 0.0
    taper, room = np.full(at.size, math.inf), np.full(at.size, math.inf)
    for k in np.flatnonzero(asked.battery[at]).tolist():
        rated_kw = float(asked.most_kw[at[k]])
        now_has = with_drawn(chosen[k], float(drawn[at[k]]))
        taper[k], room[k] = taper_of(now_has, float(energy[k]), rated_kw)
    plates, own = plates_of(site), asked.pile[at]
    return Fleet(
        ids=tuple([ids[i] for i in at.tolist()]),
        node=plates.node[own],
        start_s=start[at].astype(np.int64),
        end_s=end[at].astype(np.int64),
        max_kw=most,
        min_kw=np.minimum(np.maximum(plates.min_kw[own], asked.least_kw[at]), most),
        step_kw=plates.step_kw[own],
        energy_kwh=energy,
        asked_kwh=asked.energy_kwh[at],
        promised_kwh=np.minimum(np.maximum(promised - delivered[at], 0.0), energy),
        priority=asked.priority[at],
        count_factor=plates.count_factor[own],
        taper_per_h=taper,
        taper_room_kwh=room,
        phases=plates.phases[own],
        amps_per_kw=plates.amps_per_kw[own],
        earliest=asked.at_once[at],
    )
