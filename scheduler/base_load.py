"""Base load from meters: what flows through a node and is not explained by piles (I1).

A meter and the piles below it do not speak in the same instant. Two guards keep that from being
taken for base load that came or went:

* a rise within what piles are allowed and have not yet reported is theirs, until they report
  or the meter shows the limit reached;
* a fall counts only after it has lasted, since a vehicle that stops is seen by the meter first.
"""

from __future__ import annotations

import math
from dataclasses import replace

from models.site import Site
from scheduler.asset_state import sun_kw
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.state import NodeState
from scheduler.view import SETTLED_S, Picture, held_kw, limit_now_kw

RISE_WINDOW_S = 30.0
"""Two meter readings further apart than this teach nothing about how fast base load rises."""

RAMP_S = 5.0
"""A rise is learned over so long: the time piles are usually given to respond."""

READINGS_MAX = 64

RISE_HALF_LIFE_S = 7 * 86_400.0
"""A learned rise loses half of itself in so long."""

FALL_SLACK_S = 5.0
"""A fall has lasted after one telemetry period of the piles and so much for the way here."""

SAME_KW = 0.05
"""Readings closer than this are the same."""

Phases = tuple[float, float, float]


def measure_base(draft: Draft, site: Site, picture: Picture) -> None:
    """Learn the base load of each node whose meter has just spoken."""
    fresh = [k for k, n in draft.get("nodes").items() if n.fresh]
    for name in fresh:
        draft.own("nodes")[name] = _measured(draft, site, picture, name)


def _measured(draft: Draft, site: Site, picture: Picture, name: str) -> NodeState:
    node: NodeState = draft.get("nodes")[name]
    mono_s: float = draft.get("mono_s")
    v = site.network.index[name]
    most_fed_in = fixed(site).generation_kw[v]
    # More flows back than can be generated below: the sign is wrong, the size may be right.
    implausible = node.power_kw < -most_fed_in - max(SAME_KW, 0.02 * most_fed_in)
    power = abs(node.power_kw) if implausible else node.power_kw
    rest = power - picture.talking_kw[v]
    silent_kw = picture.silent_kw[v]
    room = limit_now_kw(draft, site, v, draft.get("now")) - power
    above = -1.0 if room >= -SAME_KW else node.above_mono_s if node.above_mono_s >= 0 else mono_s
    load = rest + sun_kw(draft, site, v) if site.pv or site.storages else None
    node = replace(node, fresh=False, implausible=implausible, above_mono_s=above, load_kw=load)
    if node.base_mono_s < 0:
        base = max(rest - min(silent_kw, max(rest, 0.0)), -most_fed_in)
        return _with_phases(draft, site, v, _settled(node, base, site, mono_s), picture)
    over = rest - node.base_kw
    if over <= 0.0:
        base = max(rest, -most_fed_in)
        node = replace(node, over_mono_s=-1.0)
        return _with_phases(draft, site, v, _settled(node, base, site, mono_s), picture)
    over -= min(silent_kw, over)
    since = -1.0
    waiting: tuple[str, ...] = ()
    if over > SAME_KW:
        since = node.over_mono_s if node.over_mono_s >= 0 else mono_s
        if room >= 0:
            waiting = _not_yet_reported(draft, site, v, picture, since)
            over -= min(over, _allowed_kw(draft, site, waiting))
    base = node.base_kw + over
    node = replace(node, over_mono_s=since)
    return _with_phases(draft, site, v, _settled(node, base, site, mono_s), picture, waiting)


def _settled(node: NodeState, base: float, site: Site, mono_s: float) -> NodeState:
    """Rises count at once and falls when they have lasted; the largest rise that lasted is
    remembered.
    """
    gap_s = mono_s - node.base_mono_s
    since = mono_s - _window_s(site)
    recent = (*(r for r in node.recent[-READINGS_MAX:] if r[0] > since and r[1] > base),)
    lows = (*(r for r in node.lows[-READINGS_MAX:] if r[0] > since and r[1] < base),)
    recent, lows = (*recent, (mono_s, base)), (*lows, (mono_s, base))
    top, floor = recent[0][1], lows[0][1]
    rise = node.rise_kw * math.exp(-math.log(2.0) * max(gap_s, 0.0) / RISE_HALF_LIFE_S)
    low, low_mono = node.low_kw, node.low_mono_s
    if gap_s > RISE_WINDOW_S or low_mono < 0:
        low, low_mono = floor, mono_s
    elif mono_s - low_mono > RAMP_S:
        low, low_mono = node.floor_kw, mono_s
    low = min(low, floor)
    return replace(
        node,
        base_kw=top,
        recent=recent,
        lows=lows,
        floor_kw=floor,
        low_kw=low,
        low_mono_s=low_mono,
        rise_kw=max(rise, floor - low),
        base_mono_s=mono_s,
        peak_kw=max(node.peak_kw, top),
    )


def _window_s(site: Site) -> float:
    return site.telemetry_period_s + FALL_SLACK_S


def _not_yet_reported(
    draft: Draft, site: Site, v: int, picture: Picture, since_mono_s: float
) -> tuple[str, ...]:
    """Talking piles under a node that may draw more by now than they last reported.

    Their reading is older than the rise that the meter shows, or was taken before they had time
    to follow their last setpoint.
    """
    piles, parts = draft.piles, fixed(site)
    out = []
    for name in parts.under[v]:
        pile = piles[name]
        followed = pile.changed_mono_s + parts.piles[name].pile.response_s + SETTLED_S
        if name not in picture.silent and pile.measured_mono_s < max(since_mono_s, followed):
            out.append(name)
    return tuple(out)


def _allowed_kw(draft: Draft, site: Site, names: tuple[str, ...]) -> float:
    """What these piles may draw beyond what they reported, kW."""
    mono_s: float = draft.get("mono_s")
    known = fixed(site).piles
    total = 0.0
    for name in names:
        pile, one = draft.piles[name], known[name]
        held = held_kw(pile, one.pile, mono_s, site.lease_s, one.factor)
        total += max(held * one.factor - pile.power_kw, 0.0)
    return total


def _with_phases(
    draft: Draft,
    site: Site,
    v: int,
    node: NodeState,
    picture: Picture,
    waiting: tuple[str, ...] = (),
) -> NodeState:
    """Base load by phase, where the meter tells currents, A."""
    if node.currents_a is None:
        return node if node.base_a is None else replace(node, base_a=None, recent_a=())
    known, mono_s = fixed(site).piles, draft.get("mono_s")
    rest = list(node.currents_a)
    allowed = [0.0, 0.0, 0.0]
    late = set(waiting)
    for name in fixed(site).under[v]:
        pile, one = draft.piles[name], known[name]
        if name in picture.silent:
            continue
        for phase in one.phases:
            drawn = (
                pile.power_kw * one.amps_per_kw
                if pile.currents_a is None
                else pile.currents_a[phase]
            )
            rest[phase] -= drawn
            if name in late:
                held = held_kw(pile, one.pile, mono_s, site.lease_s, one.factor)
                allowed[phase] += max(held * one.amps_per_kw - drawn, 0.0)
    before = node.base_a or (0.0, 0.0, 0.0)
    now_a = [max(rest[k] - min(max(rest[k] - before[k], 0.0), allowed[k]), 0.0) for k in range(3)]
    reading = (now_a[0], now_a[1], now_a[2])
    since = mono_s - _window_s(site)
    recent = (*[r for r in node.recent_a if r[0] > since][-READINGS_MAX:], (mono_s, reading))
    top = [max(amps[k] for _, amps in recent) for k in range(3)]
    return replace(node, base_a=(top[0], top[1], top[2]), recent_a=recent)
