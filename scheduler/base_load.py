"""Base load from meters: what flows through a node and is not explained by piles (I1).

A meter and the piles below it do not speak in the same instant. Two guards keep that from being
taken for base load that came or went:

* a rise within what piles are allowed and have not yet reported is theirs, until they report
  or the meter shows the limit reached;
* a fall counts only after it has lasted, since a vehicle that stops is seen by the meter first.

What is given back is held against the load as it is; there a third guard keeps a gift that ended
from being taken for load.
"""

from __future__ import annotations

from dataclasses import replace

from models.site import Site
from scheduler.asset_state import sun_kw, switched_kw
from scheduler.base_rise import READINGS_MAX, learn_rise, window_s
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.phase_choice import wired
from scheduler.state import NodeState
from scheduler.view import SETTLED_S, Picture, held_kw, limit_now_kw

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
    # What may be given back is held against the load as it is, not against its recent highest.
    gives = bool(site.pv or site.storages) or site.v2g is not None
    load = None
    if gives:
        load = rest + sun_kw(draft, site, v) - _less_given_kw(draft, site, v, picture)
    switched = switched_kw(draft, site, v)
    node = replace(
        node,
        fresh=False,
        implausible=implausible,
        above_mono_s=_above_since(node, room, rest, mono_s),
        rest_kw=rest,
        load_kw=load,
        switched_kw=switched,
    )
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


def _above_since(node: NodeState, room_kw: float, rest_kw: float, mono_s: float) -> float:
    """Since when the meter shows more than the limit, -1 while it does not.

    Between readings far apart piles come down and load rises anew. So what has come since the
    last reading and no pile explains is a new excess; the old one goes on with the rest alone.
    """
    if room_kw >= -SAME_KW:
        return -1.0
    risen = 0.0 if node.rest_kw is None else max(rest_kw - node.rest_kw, 0.0)
    goes_on = node.above_mono_s >= 0 and -room_kw - risen > SAME_KW
    return node.above_mono_s if goes_on else mono_s


def _settled(node: NodeState, base: float, site: Site, mono_s: float) -> NodeState:
    """Rises count at once and falls when they have lasted; how fast it rises is learned."""
    since = mono_s - window_s(site)
    recent = (*(r for r in node.recent[-READINGS_MAX:] if r[0] > since and r[1] > base),)
    recent = (*recent, (mono_s, base))
    top = recent[0][1]
    return replace(
        learn_rise(node, base, site, mono_s),
        base_kw=top,
        recent=recent,
        base_mono_s=mono_s,
        peak_kw=max(node.peak_kw, top),
    )


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


def _less_given_kw(draft: Draft, site: Site, v: int, picture: Picture) -> float:
    """What vehicles may give less by now than they last reported, kW.

    The meter sees a gift end before its pile says so. What is missing then looks like load, and
    given to that load it would flow back.
    """
    piles, parts = draft.piles, fixed(site)
    less = 0.0
    for name in parts.under[v]:
        pile, one = piles[name], parts.piles[name]
        if pile.power_kw >= 0.0 or not pile.sent or name in picture.silent:
            continue
        followed = pile.changed_mono_s + one.pile.response_s + SETTLED_S
        told = pile.wanted_kw
        if pile.measured_mono_s >= followed or told <= pile.power_kw + SAME_KW:
            continue
        less += (told * one.factor if told > 0.0 else told) - pile.power_kw
    return less


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
        wire = wired(one, pile)
        for phase in wire.phases:
            drawn = (
                pile.power_kw * wire.amps_per_kw
                if pile.currents_a is None
                else pile.currents_a[phase]
            )
            rest[phase] -= drawn
            if name in late:
                held = held_kw(pile, one.pile, mono_s, site.lease_s, one.factor)
                allowed[phase] += max(held * wire.amps_per_kw - drawn, 0.0)
    before = node.base_a or (0.0, 0.0, 0.0)
    now_a = [max(rest[k] - min(max(rest[k] - before[k], 0.0), allowed[k]), 0.0) for k in range(3)]
    reading = (now_a[0], now_a[1], now_a[2])
    since = mono_s - window_s(site)
    recent = (*[r for r in node.recent_a if r[0] > since][-READINGS_MAX:], (mono_s, reading))
    top = [max(amps[k] for _, amps in recent) for k in range(3)]
    return replace(node, base_a=(top[0], top[1], top[2]), recent_a=recent)
