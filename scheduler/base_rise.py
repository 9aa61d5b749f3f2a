"""How fast base load rises: what the learned margin keeps free at a node.

A meter and the piles below it do not speak in the same instant: when a vehicle stops, the meter
shows less before the pile does, and what looks like base load dips and comes back. So a reading
is judged only once every pile has had time to speak about it, and what piles were heard to jump
around it is taken off: ``base - jumps`` is the least, ``base + jumps`` the most that base load can
have been. A rise is learned where the least after it lies above the most before it.
"""

from __future__ import annotations

import math
from dataclasses import replace

from models.site import Site
from scheduler.draft import Draft
from scheduler.fixed import fixed
from scheduler.state import NodeState, changed

RISE_WINDOW_S = 30.0
"""Two meter readings further apart than this teach nothing about how fast base load rises."""

RAMP_S = 5.0
"""A rise is learned over so long: the time piles are usually given to respond."""

READINGS_MAX = 64

RISE_HALF_LIFE_S = 7 * 86_400.0
"""A learned rise loses half of itself in so long."""

LATE_S = 5.0
"""A word may be so much older than its arrival."""


def window_s(site: Site) -> float:
    """How long a reading waits until every pile has spoken about it, s."""
    return site.telemetry_period_s + LATE_S


def note_jump(draft: Draft, site: Site, pile: str, before_kw: float, after_kw: float) -> None:
    """A pile's power has changed from one telemetry to the next, at all of its nodes."""
    one = fixed(site).piles[pile]
    jump = abs(after_kw - before_kw)
    if jump <= one.jump_kw:
        return
    known = draft.get("nodes")
    for v in one.path:
        name = site.network.ids[v]
        if name in known:
            node: NodeState = draft.get("nodes")[name]
            draft.own("nodes")[name] = changed(node, jumped_kw=node.jumped_kw + jump)


def learn_rise(node: NodeState, base_kw: float, site: Site, mono_s: float) -> NodeState:
    """Take in a reading: what the meter shows beside what piles were heard to draw, kW.

    Returns
    -------
    NodeState
        With ``rise_kw`` at least the largest rise that lasted, of the readings that all piles
        have spoken about by now.
    """
    wait_s = window_s(site)
    fade = math.exp(-math.log(2.0) * max(mono_s - node.base_mono_s, 0.0) / RISE_HALF_LIFE_S)
    kept_after = mono_s - 2.0 * wait_s - LATE_S - RISE_WINDOW_S - RAMP_S
    readings = node.readings
    if len(readings) >= 2 and mono_s - readings[-2][0] < wait_s / (READINGS_MAX // 4):
        # A meter that speaks many times a second: the lower of two neighbours is enough.
        base_kw, readings = min(base_kw, readings[-1][1]), readings[:-1]
    readings = (*(r for r in readings[-READINGS_MAX:] if r[0] >= kept_after),)
    readings = (*readings, (mono_s, base_kw, node.jumped_kw))
    rise = node.rise_kw * fade if node.base_mono_s >= 0 else node.rise_kw
    newest = max((k for k, r in enumerate(readings) if r[0] + wait_s <= mono_s), default=-1)
    if newest >= 0 and readings[newest][0] != node.judged_mono_s:
        rise = max(rise, _rise_kw(readings, newest, wait_s))
        return replace(node, readings=readings, rise_kw=rise, judged_mono_s=readings[newest][0])
    return replace(node, readings=readings, rise_kw=rise)


def _rise_kw(readings: tuple[tuple[float, float, float], ...], newest: int, wait_s: float) -> float:
    """Of the newest reading that can be judged, against one a ramp earlier, kW."""
    at_s = readings[newest][0]
    earlier = max((k for k in range(newest) if readings[k][0] <= at_s - RAMP_S), default=-1)
    if earlier < 0 or at_s - readings[earlier][0] > RISE_WINDOW_S:
        return 0.0
    least = min(base - jumps for base, jumps in _judged(readings, newest, wait_s))
    most = min(base + jumps for base, jumps in _judged(readings, earlier, wait_s))
    return least - most


def _judged(
    readings: tuple[tuple[float, float, float], ...], last: int, wait_s: float
) -> list[tuple[float, float]]:
    """Readings up to one of them that are not older than the wait, and the jumps around each."""
    out = []
    for k in range(last, -1, -1):
        at_s, base_kw, _ = readings[k]
        if at_s < readings[last][0] - wait_s:
            break
        before = next((r[2] for r in reversed(readings[:k]) if r[0] <= at_s - LATE_S), None)
        after = next((r[2] for r in readings[k + 1 :] if r[0] >= at_s + wait_s), readings[-1][2])
        out.append((base_kw, after - (readings[0][2] if before is None else before)))
    return out
