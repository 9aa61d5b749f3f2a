"""Dispatch holds the demand that the plan aimed at: every running average, second by second.

A plan keeps the mean of every interval under a level. What happens in between (minimum powers,
base load, vehicles that draw more than they were told) may drive an interval above it; then what
can wait gives way, and takes its energy later. Money comes after deadlines: a session that cannot
wait, or that is to charge at once, is never held back for it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from models.pile import Pile
from models.plan import Plan
from models.site import Site
from models.units import SECONDS_PER_HOUR
from scheduler.demand import steady_kw
from scheduler.draft import Draft
from scheduler.drawn import Drawn, key_of, month_key
from scheduler.state import SessionRecord
from scheduler.turns import turn_h
from scheduler.view import Picture
from tariffs.demand import DemandTerm
from tariffs.demand_room import Ahead, room_kw

SLACK_SHARE = 0.005
"""Of the room: an excess so small is within a meter's error and costs no message."""

CANNOT_WAIT_H = 0.25
"""A session whose laxity is less is served whatever the peak costs."""

BAND_SHARE = 0.01
"""Of a pile's power: a held power that moves by less stays as it was said."""


def room_now_kw(draft: Draft, site: Site, picture: Picture, terms: Sequence[DemandTerm]) -> float:
    """What piles may draw now so that no interval rises above the plan's aim, kW; inf: all.

    An excess of :data:`SLACK_SHARE` is let pass. It is no allowance that adds up: saved in one
    minute, it is not there to be spent in the next.

    Nothing is held while no plan runs or none can be had: then urgency alone decides.
    """
    plan = draft.plan
    drawn: Drawn | None = draft.get("drawn")
    if plan is None or not plan.aims or drawn is None or draft.get("solver_lost"):
        return math.inf
    now_s = draft.get("now").timestamp()
    if now_s >= plan.end_s:
        return math.inf
    aims = dict(plan.aims)
    ahead = _ahead(plan, now_s)
    past = drawn.stretches(now_s)
    room = lowest = math.inf
    for number, term in enumerate(terms):
        aim = aims.get(month_key(number, term))
        if aim is None:
            continue
        if drawn.month_s == term.month_start_s:
            aim = max(aim, drawn.peaks_kw.get(key_of(number, term), 0.0))
        lowest = min(lowest, aim)
        room = min(room, room_kw(term, site.zone, now_s, *past, aim, ahead))
    draft.near_peak = drawn.power_kw > lowest * (1.0 + SLACK_SHARE)
    return room - steady_kw(draft, site, picture) if room < math.inf else room


def _ahead(plan: Plan, now_s: float) -> Ahead:
    k = bisect_right(plan.edges_s, now_s)
    edges = np.array(plan.edges_s[k:], dtype=np.int64)
    return Ahead(float(plan.edges_s[k]), edges, np.array(plan.site_kw[k:]))


def hold(draft: Draft, site: Site, wanted: dict[str, float], room: float) -> dict[str, float]:
    """The powers that fit: who can wait longest gives way first.

    Parameters
    ----------
    draft : Draft
        Its ``near_peak`` is set when somebody gives way: the engine is woken each minute.
    site : Site
    wanted : dict of str to float
        Power wanted by pile, kW.
    room : float
        What they may draw together less what they give, kW; see :func:`room_now_kw`.
    """
    if sum(wanted.values()) <= room * (1.0 + SLACK_SHARE):
        return wanted
    draft.near_peak = True
    now: datetime = draft.get("now")
    pile_session: dict[str, str] = draft.get("pile_session")
    sessions, nameplates = draft.sessions, site.pile_by_id
    overrides = draft.get("overrides")
    out = dict(wanted)
    waiting: list[tuple[int, float, int, str]] = []
    # What vehicles give is there to be drawn.
    left = room - sum(want for want in wanted.values() if want < 0.0)
    for name, want in wanted.items():
        if want <= 0.0:
            continue
        record = sessions[pile_session[name]]
        # An operator's order stands whatever the peak costs, and so does a word for "now".
        laxity_h = _laxity_h(record, nameplates[name], now.timestamp())
        if record.request.mode == "now" or name in overrides or laxity_h < CANNOT_WAIT_H:
            left -= want
        else:
            given = max(draft.piles[name].wanted_kw, 0.0) / _most_kw(record, nameplates[name])
            turn = turn_h(laxity_h, given_share=given)
            waiting.append((-record.request.priority, turn, record.order, name))
    for *_, name in sorted(waiting):
        pile, nameplate = draft.piles[name], nameplates[name]
        power = min(wanted[name], max(left, 0.0))
        if power < nameplate.min_kw:
            power = 0.0
        if pile.sent and abs(power - pile.wanted_kw) < BAND_SHARE * nameplate.max_kw:
            power = min(pile.wanted_kw, wanted[name])
        out[name] = power
        left -= power
    return out


def _laxity_h(record: SessionRecord, nameplate: Pile, at_s: float) -> float:
    """Time to departure minus time still needed at full power, h."""
    request = record.request
    owed = max(request.energy_kwh - record.delivered_kwh, 0.0)
    left_h = (request.departure_s - at_s) / SECONDS_PER_HOUR
    return left_h - owed / _most_kw(record, nameplate)


def _most_kw(record: SessionRecord, nameplate: Pile) -> float:
    asked = record.request.max_kw
    return max(nameplate.max_kw if asked is None else min(nameplate.max_kw, asked), 1e-9)
