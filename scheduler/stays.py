"""How long vehicles really stay, learned from those who came before.

Drivers leave when it suits them, often hours after what they said: who plans for every word buys
dear energy just before a valley that the vehicle is still there for. Where the site says so
(``departures = "learned"``), a session's window is made longer: to the last slot in which its
energy would be cheapest to have, when every kWh of a slot is weighted by the share of similar
earlier vehicles that were still there, and a kWh missed costs :data:`MISSED_PRICES` times the
dearest price of the window. Where most of the similar vehicles left before their word, a window is
made shorter in the same way, so that nothing is put off to hours that hardly anybody stayed for.
Both hold for drivers' guesses only, and only while everybody's energy fits with room to spare:
under scarcity others are planned around them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

import numpy as np

from models.horizon import Horizon, instant_of
from models.site import Site
from models.units import SECONDS_PER_HOUR
from scheduler.draft import Draft
from scheduler.learned import Taken
from scheduler.owed import Owed
from scheduler.problem import FloatArray

SIMILAR_SESSIONS = 40
"""So many of the most similar ended sessions speak for one."""

LEAST_SESSIONS = 2 * SIMILAR_SESSIONS
"""With fewer ended sessions than this, the word stands."""

LEAST_STILL_THERE = 5
"""With fewer similar sessions that stayed as long as this one has, the word stands."""

MISSED_PRICES = 5.0
"""What a kWh not delivered counts, in dearest prices of the window (docs/decisions/0013)."""

MISSED_PRICES_SOONER = 3.0
"""The same where a window is made shorter: there waiting is what was asked for."""

_PER_FACTOR_OF_E = 2.0
"""A request e times another's is as far from it as two hours of stay or of clock."""

CROWDED_SHARE = 0.5
"""Words that claim more than this share of what a node lets through by some departure are kept."""


@dataclass(frozen=True)
class Stay:
    """One vehicle's stay, to be compared; ``over_s``: how long after its word it left."""

    said_h: float
    clock_h: float
    asked_kwh: float
    over_s: float = 0.0


def stay_of(
    arrival_s: float,
    departure_s: float,
    asked_kwh: float,
    zone: tzinfo,
    left_s: float | None = None,
) -> Stay:
    """A stay by its words, epoch seconds, and when the vehicle left, where it has."""
    at = instant_of(int(arrival_s)).astimezone(zone)
    return Stay(
        (departure_s - arrival_s) / SECONDS_PER_HOUR,
        at.hour + at.minute / 60.0,
        max(asked_kwh, 0.5),
        0.0 if left_s is None else left_s - departure_s,
    )


def waited_for(
    owed: list[Owed],
    draft: Draft,
    site: Site,
    horizon: Horizon,
    buy_per_kwh: FloatArray,
    cap_kw: FloatArray,
) -> list[Owed]:
    """The same sessions, with windows by when similar vehicles leave.

    Parameters
    ----------
    owed : list of Owed
        What the sessions still need.
    draft : Draft
        The state, which knows the sessions that have ended.
    site : Site
        Its zone says what time of day it is.
    horizon : Horizon
        Of the problem to be made.
    buy_per_kwh : ndarray, shape (T,)
        Prices of its slots.
    cap_kw : ndarray, shape (m, T)
        Power for sessions at each node, kW.
    """
    history: Sequence[Taken] = draft.get("history")
    ended = [
        stay_of(h.arrival_s, h.departure_s, h.asked_kwh, site.zone, h.left_s)
        for h in history
        if h.left_s is not None
    ]
    if len(ended) < LEAST_SESSIONS or _crowded(owed, site, cap_kw, horizon):
        return owed
    which = [k for k, o in enumerate(owed) if _is_guess(o)]
    if not which:
        return owed
    requests = [owed[k].record.request for k in which]
    asking = [stay_of(r.arrival_s, r.departure_s, r.energy_kwh, site.zone) for r in requests]
    over_s = _of_similar(asking, ended)
    said_s = np.array([r.departure_s for r in requests])
    ends_s = said_s[:, None] + over_s
    start_s = np.array([owed[k].start_s for k in which], dtype=np.float64)
    asked_h = np.array([_full_power_h(owed[k]) for k in which])
    later_s = _last_slot_end_s(ends_s, start_s, asked_h, horizon, buy_per_kwh, MISSED_PRICES)
    # Somebody leaves before the word now and then; this is about words that do not hold.
    broken = np.flatnonzero(np.median(over_s, axis=1) < 0)
    likely_h = np.array([owed[which[k]].energy_kwh / owed[which[k]].max_kw for k in broken])
    sooner_s = np.full(len(which), math.inf)
    if broken.size:
        sooner_s[broken] = _last_slot_end_s(
            ends_s[broken], start_s[broken], likely_h, horizon, buy_per_kwh, MISSED_PRICES_SOONER
        )
    longer, both = list(owed), list(owed)
    for k, later, sooner in zip(which, later_s.tolist(), sooner_s.tolist(), strict=True):
        if later > owed[k].end_s:
            longer[k] = both[k] = replace(owed[k], end_s=int(later))
        elif owed[k].start_s < sooner < owed[k].end_s:
            both[k] = replace(owed[k], end_s=int(sooner))
    return longer if _crowded(both, site, cap_kw, horizon) else both


def _crowded(owed: list[Owed], site: Site, cap_kw: FloatArray, horizon: Horizon) -> bool:
    """Whether the words of those present can hardly all be kept at some node of the tree.

    At each departure, what is due by then must fit below a share of what the node lets through.
    """
    edges = np.asarray(horizon.edges_s, dtype=np.float64)
    through = np.zeros((cap_kw.shape[0], horizon.n + 1))
    np.cumsum(cap_kw * np.diff(edges) / SECONDS_PER_HOUR, axis=1, out=through[:, 1:])
    parents = site.network.parents
    due: dict[int, list[tuple[int, float]]] = {}
    for o in owed:
        if o.beyond:
            continue
        alone = o.max_kw * (o.end_s - o.start_s) / SECONDS_PER_HOUR
        v = site.pile_node[o.record.request.pile]
        while v >= 0:
            due.setdefault(v, []).append((o.end_s, min(o.energy_kwh, alone)))
            v = parents[v]
    for v, of_node in due.items():
        ends, energies = (np.array(c) for c in zip(*sorted(of_node), strict=True))
        if np.any(np.cumsum(energies) > CROWDED_SHARE * np.interp(ends, edges, through[v])):
            return True
    return False


def _is_guess(owed: Owed) -> bool:
    request = owed.record.request
    present = owed.record.state != "announced"
    return present and not (request.walk_in or request.is_measured or owed.beyond)


def _of_similar(asking: list[Stay], ended: list[Stay]) -> FloatArray:
    """By how much the most similar vehicles left after their word, s, shape (n, similar)."""

    def columns(stays: list[Stay]) -> tuple[FloatArray, FloatArray, FloatArray]:
        said, clock, asked = zip(*((s.said_h, s.clock_h, s.asked_kwh) for s in stays), strict=True)
        return np.array(said), np.array(clock), np.log(np.array(asked))

    distance = np.zeros((len(asking), len(ended)))
    for weight, mine, theirs in zip(
        (1.0, 1.0, _PER_FACTOR_OF_E), columns(asking), columns(ended), strict=True
    ):
        distance += weight * np.abs(mine[:, None] - theirs[None, :])
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :SIMILAR_SESSIONS]
    over: FloatArray = np.array([s.over_s for s in ended])[nearest]
    return over


def _full_power_h(owed: Owed) -> float:
    """How long what was asked for, not only what is likely, takes at full power, h."""
    return (owed.record.request.energy_kwh - owed.record.delivered_kwh) / owed.max_kw


def _last_slot_end_s(
    ends_s: FloatArray,
    start_s: FloatArray,
    full_power_h: FloatArray,
    horizon: Horizon,
    buy_per_kwh: FloatArray,
    missed_prices: float,
) -> FloatArray:
    """The end of the last slot that each session would use were it alone, epoch seconds.

    Parameters
    ----------
    ends_s : ndarray, shape (n, similar)
        When it would leave if it did as each of the similar ones.
    start_s : ndarray, shape (n,)
        From when it can charge.
    full_power_h : ndarray, shape (n,)
        How long its energy takes at full power.
    missed_prices : float
        What a kWh missed counts, in dearest prices of the window.

    Returns
    -------
    ndarray, shape (n,)
        -inf where too few similar ones stayed as long as it has.
    """
    edges = np.asarray(horizon.edges_s, dtype=np.float64)
    begin, end = edges[None, :-1], edges[None, 1:]
    alive = ends_s > start_s[:, None]
    known = alive.sum(axis=1)
    left = (alive[:, :, None] & (ends_s[:, :, None] < edges[None, None, 1:])).sum(axis=1)
    stays = 1.0 - left / (known[:, None] + 1.0)
    missed = missed_prices * float(np.max(buy_per_kwh))
    at_risk = buy_per_kwh[None, :] * stays + missed * (1.0 - stays)
    hours = np.clip(end - np.maximum(begin, start_s[:, None]), 0.0, None) / SECONDS_PER_HOUR
    hours[begin >= np.where(alive, ends_s, -math.inf).max(axis=1)[:, None]] = 0.0
    order = np.argsort(np.where(hours > 0, at_risk, math.inf), axis=1, kind="stable")
    in_order = np.take_along_axis(hours, order, axis=1)
    used = np.zeros(hours.shape, dtype=bool)
    before = np.cumsum(in_order, axis=1) - in_order
    np.put_along_axis(used, order, before < full_power_h[:, None] - 1e-9, axis=1)
    until: FloatArray = np.where(used & (hours > 0), end, -math.inf).max(axis=1)
    return np.where(known >= LEAST_STILL_THERE, until, -math.inf)
