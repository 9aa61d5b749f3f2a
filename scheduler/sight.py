"""One pile looked at, and what all piles of one drain are looked at with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from models.site import Site
from scheduler.dispatch import Wishes
from scheduler.draft import Draft
from scheduler.fixed import FixedPile
from scheduler.phase_choice import KEPT_S, Wiring, chosen, wiring
from scheduler.safety import Outlet
from scheduler.state import PileState, SessionRecord
from scheduler.switching import next_s
from scheduler.timers import RETRIES_S, RISE_GAP_S, own_due_s
from scheduler.unused import UNUSED_AFTER_S
from scheduler.view import (
    MESSAGE_EXPIRY_S,
    MISSED_PERIODS,
    SETTLED_S,
    held_kw,
    in_emergency,
    lease_runs,
)

EXCESS_SHARE = 0.005
"""Of a pile's power: a reading so much above its setpoint is within its meter's error."""

ROUNDING_KW = 1e-9
"""A plan that fills a node to the brim adds up to its budget but for rounding: a microwatt."""


class Planned(NamedTuple):
    """What a plan says of one session at an instant: its power, kW, None where it says nothing,
    and whether that is its last (told where a pile has steps).
    """

    power_kw: float | None
    last: bool


@dataclass(slots=True)
class Sight:
    """One pile, as it stays from ``since_s`` of the monotonic clock.

    ``silent_kw`` is None while it talks; ``own_due_s`` is when it next wants something by itself,
    and ``own_until_s`` until when time alone changes nothing, both but for that it may fall silent;
    ``phases`` on how many it is to draw, None for one that cannot be switched; ``planned`` is what
    the plan says of it now, until ``edge_s`` of the wall clock.
    """

    pile: PileState
    record: SessionRecord | None
    since_s: float
    silent_kw: float | None
    want_kw: float
    outlet: Outlet | None
    own_until_s: float
    own_due_s: float
    phases: int | None
    planned: Planned
    edge_s: float


class Now:
    """What all piles of one drain are looked at with, read once."""

    def __init__(self, draft: Draft, site: Site, *, may_rise: bool) -> None:
        self.mono_s: float = draft.get("mono_s")
        self.may_rise = may_rise
        self.stopping = bool(draft.get("emergencies"))
        self.piles, self.sessions = draft.piles, draft.sessions
        self.pile_session: dict[str, str] = draft.get("pile_session")
        self.wishes = Wishes(draft, site)
        self.silence_s = MISSED_PERIODS * site.telemetry_period_s + 1e-9
        self.now_s: float = draft.get("now").timestamp()
        plan = draft.plan
        self._planned = {} if plan is None else plan.sessions

    def planned(self, record: SessionRecord | None, one: FixedPile) -> Planned:
        """What the plan says of a session now."""
        part = None if record is None else self._planned.get(record.request.session)
        if part is None:
            return Planned(None, last=False)
        last = one.pile.step_kw > 0 and part.ends_after(self.now_s)
        return Planned(part.at(self.now_s), last)

    def edge_s(self, record: SessionRecord | None, one: FixedPile) -> float:
        """Where the plan of a session goes on to another power, or a new day brings new starts,
        epoch seconds.
        """
        part = None if record is None else self._planned.get(record.request.session)
        edge = math.inf if part is None else part.next_edge_s(self.now_s)
        budget = one.pile.switching.starts_per_day is not None
        return min(edge, self.wishes.clock.midnight_s) if budget else edge


def look_at(draft: Draft, site: Site, one: FixedPile, now: Now, silent_kw: float | None) -> Sight:
    """What a pile comes to now; ``silent_kw`` is what it counts while it is silent, kW."""
    name, mono_s, lease_s = one.pile.id, now.mono_s, site.lease_s
    pile = now.piles[name]
    record = now.sessions.get(now.pile_session.get(name, ""))
    want = 0.0
    outlet: Outlet | None = None
    phases = None if one.pile.one_phase is None else pile.phases
    if silent_kw is not None:
        if pile.sent:
            outlet = outlet_of(one, pile, 0.0, 0.0, 0.0, may_rise=False)
    else:
        stopped = now.stopping and in_emergency(draft, site, one.path)
        if record is not None and not stopped:
            want = now.wishes.of(name, pile, record)
        floor = 0.0
        if pile.power_kw > pile.wanted_kw or not pile.sent:
            floor = floor_kw(pile, one, mono_s, lease_s)
        fell = pile.before_kw > pile.wanted_kw and mono_s - pile.changed_mono_s < RISE_GAP_S
        held = held_kw(pile, one.pile, mono_s, lease_s, one.factor)
        if phases is not None:
            phases, want = chosen(want, held, pile, record, one, now.wishes.clock)
        outlet = outlet_of(
            one,
            pile,
            want,
            held,
            floor,
            may_rise=now.may_rise and not stopped and not fell,
        )
        if pile.power_kw > 0.0:
            outlet.drawn_kw = pile.power_kw / one.factor
    if outlet is not None and phases is not None:
        wire(outlet, wiring(one, phases))
    due_s = own_due_s(pile, one.index, site, mono_s)
    until_s = own_until_s(pile, now, lease_s, due_s)
    return Sight(
        pile=pile,
        record=record,
        since_s=mono_s,
        silent_kw=silent_kw,
        want_kw=want,
        outlet=outlet,
        own_until_s=min(until_s, next_s(pile, one.pile.switching, mono_s)),
        own_due_s=due_s,
        phases=phases,
        planned=now.planned(record, one),
        edge_s=now.edge_s(record, one),
    )


def own_until_s(pile: PileState, now: Now, lease_s: float, own_due_s: float) -> float:
    """When time alone may next change what a pile comes to, while it is heard."""
    mono_s, changed_s = now.mono_s, pile.changed_mono_s
    until = own_due_s if own_due_s > mono_s else math.inf
    lowered = pile.before_kw > pile.wanted_kw
    for at in (
        pile.lease_mono_s + lease_s,
        changed_s + RISE_GAP_S if lowered else math.inf,
        # What has been acknowledged is not said again.
        changed_s + RETRIES_S if pile.unacked else math.inf,
        pile.renewed_mono_s + MESSAGE_EXPIRY_S if pile.unacked else math.inf,
        pile.probe_mono_s,
        pile.below_since_mono_s + UNUSED_AFTER_S,
        pile.started_mono_s + KEPT_S,
        math.inf if pile.acked is None else pile.acked.holds_until_mono_s,
    ):
        if mono_s < at < until:
            until = at
    for sent in pile.unacked:
        if mono_s < sent.holds_until_mono_s < until:
            until = sent.holds_until_mono_s
    return until


def wire(outlet: Outlet, phases: Wiring) -> None:
    """An outlet on other phases than its nameplate's."""
    outlet.phases, outlet.amps_per_kw = phases.phases, phases.amps_per_kw
    outlet.min_kw, outlet.max_kw, outlet.step_kw = phases.min_kw, phases.max_kw, phases.step_kw


def outlet_of(
    one: FixedPile,
    pile: PileState,
    want_kw: float,
    held_kw: float,
    floor_kw: float,
    *,
    may_rise: bool,
) -> Outlet:
    plate = one.pile
    return Outlet(
        one.path,
        want_kw,
        held_kw,
        pile.wanted_kw if pile.sent else 0.0,
        plate.min_kw,
        plate.max_kw,
        plate.step_kw,
        one.factor,
        one.phases,
        one.amps_per_kw,
        may_rise,
        floor_kw,
    )


def floor_kw(pile: PileState, one: FixedPile, mono_s: float, lease_s: float) -> float:
    """What a pile draws whatever it was told, as a setpoint, kW; 0 while it obeys.

    A reading taken before the pile had its declared time to respond is held against what it
    was told before.
    """
    if pile.power_kw <= 0.0:
        return 0.0
    allowed = pile.wanted_kw if pile.sent else 0.0
    if pile.measured_mono_s < pile.changed_mono_s + one.pile.response_s + SETTLED_S:
        allowed = max(allowed, pile.before_kw)
    if allowed < one.pile.fallback_kw and not lease_runs(pile, mono_s, lease_s):
        allowed = one.pile.fallback_kw
    if pile.power_kw <= allowed * one.factor + EXCESS_SHARE * one.pile.max_kw:
        return 0.0
    return pile.power_kw / one.factor
