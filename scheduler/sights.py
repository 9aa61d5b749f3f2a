"""What each pile comes to now: looked at anew only when something it hangs on has changed.

A pile's power held, wanted and allowed depend on its own state, its session's record, its part of
the plan, and on instants that are known ahead. As long as all of these are the same objects and
the next of those instants has not come, it comes to the same. So a drain in which one pile of a
thousand spoke costs one look and not a thousand. Nothing is decided here that a fresh look would
decide otherwise: with an empty memory every pile is looked at, and the answer is the same.
"""

from __future__ import annotations

import math
from typing import Any

from models.site import Site
from scheduler.draft import Draft
from scheduler.echoes import heard_again
from scheduler.fixed import Fixed, FixedPile, fixed
from scheduler.phase_choice import chosen, wiring
from scheduler.safety import Budget, Outlet, alone_kw
from scheduler.sight import (
    ROUNDING_KW,
    Now,
    Sight,
    alike,
    floor_kw,
    outlet_of,
    own_until_s,
    wire,
)
from scheduler.state import PileState
from scheduler.switching import next_s
from scheduler.timers import RISE_GAP_S, own_due_s, pile_due_s, silence_due_s
from scheduler.view import Picture, held_kw, in_emergency, look, silent_kw_now

CLOCK_MOVED_S = 0.05
"""Wall and monotonic clock moved apart by more than this: every instant is another one."""


class Sights:
    """The memory of the control pass; it belongs to one engine and is no part of the state.

    Parameters
    ----------
    site : Site
        The engine's site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._fixed: Fixed = fixed(site)
        self._known: dict[str, Sight] = {}
        self._under: tuple[Any, ...] = ()
        self._offset_s = math.nan
        self._load_kw: list[float] = []
        self._load_a: list[list[float]] = []
        self.had_plenty = False

    def stale(self, draft: Draft) -> list[str]:
        """Piles that must be looked at again, in their order."""
        mono_s: float = draft.get("mono_s")
        now_s = draft.get("now").timestamp()
        plan = draft.plan
        under = (
            plan,
            draft.get("overrides"),
            draft.get("emergencies"),
            draft.get("solver_lost"),
            mono_s >= draft.get("hold_until_mono_s"),
            plan is not None and now_s >= plan.end_s,
        )
        before = self._under
        same = len(before) == len(under) and all(
            a is b for a, b in zip(before[1:], under[1:], strict=True)
        )
        offset_s = now_s - mono_s
        # Operators' orders and emergencies are rare, and reach everything.
        if not same or under[1] or under[2] or abs(offset_s - self._offset_s) > CLOCK_MOVED_S:
            self._known.clear()
        elif under[0] is not before[0]:
            self._replan(draft)
        self._under = under
        if not self._known:
            self._offset_s = offset_s
            self.had_plenty = False
            return list(draft.piles)
        known, sessions, parts = self._known, draft.sessions, self._fixed.piles
        pile_session = draft.get("pile_session")
        now = Now(draft, self._site, may_rise=bool(under[4]))
        out = []
        for name, pile in draft.piles.items():
            sight = known.get(name)
            record = sessions.get(pile_session.get(name))
            if (
                sight is not None
                and sight.pile is pile
                and sight.record is record
                and sight.since_s <= mono_s < sight.until_s
                and now_s < sight.edge_s
            ):
                continue
            if (
                sight is None
                or now_s >= sight.edge_s
                or not heard_again(sight, pile, record, draft, parts[name], now)
            ):
                out.append(name)
        return out

    def _replan(self, draft: Draft) -> None:
        """Forget the piles of which a new plan says something else now."""
        now = Now(draft, self._site, may_rise=True)
        other = []
        for name, sight in self._known.items():
            one = self._fixed.piles[name]
            said = now.planned(sight.record, one)
            if said.last == sight.planned.last and alike(said.power_kw, sight.planned.power_kw):
                sight.edge_s = now.edge_s(sight.record, one)
            else:
                other.append(name)
        for name in other:
            del self._known[name]

    def look(self, draft: Draft, stale: list[str]) -> Picture:
        """Who talks and who is silent, and their sums at every node."""
        known, again, judge = self._known, set(stale), silent_kw_now(draft, self._site)

        def silent_kw(name: str, pile: PileState) -> float | None:
            return judge(name, pile) if name in again else known[name].silent_kw

        return look(draft, self._site, silent_kw)

    def see(self, draft: Draft, stale: list[str], picture: Picture) -> None:
        """Look again at the stale piles; then add up what all of them may draw."""
        now = Now(draft, self._site, may_rise=bool(self._under[4]))
        known, parts = self._known, self._fixed.piles
        for name in stale:
            known[name] = self._see(draft, parts[name], now, picture.silent.get(name))
        if stale:
            self._add_up()
        for name, sight in known.items():
            if sight.outlet is not None and sight.outlet.floor_kw:
                picture.floors[name] = sight.outlet.floor_kw

    def _see(self, draft: Draft, one: FixedPile, now: Now, silent_kw: float | None) -> Sight:
        name, mono_s, lease_s = one.pile.id, now.mono_s, self._site.lease_s
        pile = now.piles[name]
        record = now.sessions.get(now.pile_session.get(name, ""))
        want = 0.0
        outlet: Outlet | None = None
        phases = None if one.pile.one_phase is None else pile.phases
        if silent_kw is not None:
            if pile.sent:
                outlet = outlet_of(one, pile, 0.0, 0.0, 0.0, may_rise=False)
        else:
            stopped = now.stopping and in_emergency(draft, self._site, one.path)
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
        due_s = own_due_s(pile, one.index, self._site, mono_s)
        until_s = own_until_s(pile, now, lease_s, due_s)
        until_s = min(until_s, next_s(pile, one.pile.switching, mono_s))
        silent_s = pile.heard_mono_s + now.silence_s if silent_kw is None else math.inf
        return Sight(
            pile=pile,
            record=record,
            since_s=mono_s,
            until_s=min(until_s, silent_s) if silent_s > mono_s else until_s,
            edge_s=now.edge_s(record, one),
            silent_kw=silent_kw,
            want_kw=want,
            outlet=outlet,
            due_s=min(due_s, silence_due_s(pile, self._site, mono_s)),
            own_until_s=until_s,
            own_due_s=due_s,
            phases=phases,
            planned=now.planned(record, one),
        )

    def _add_up(self) -> None:
        """What all outlets may draw, at every node and on every phase."""
        m = len(self._site.network.nodes)
        kw, amps = [0.0] * m, [[0.0, 0.0, 0.0] for _ in range(m)]
        limited = [node.limit_a is not None for node in self._site.network.nodes]
        for sight in self._known.values():
            outlet = sight.outlet
            if outlet is None:
                continue
            most = max(outlet.want_kw, outlet.held_kw, outlet.floor_kw)
            if most == 0.0:
                continue
            counted = most * outlet.factor
            for v in outlet.path:
                kw[v] += counted
                if limited[v]:
                    for phase in outlet.phases:
                        amps[v][phase] += most * outlet.amps_per_kw
        self._load_kw, self._load_a = kw, amps

    def plenty(self, budget: Budget) -> bool:
        """True when everyone can have what he wants or holds at once: then nobody is first.

        A limit of imbalance is not looked into: there each pile hangs on the others.
        """
        return (
            not budget.uneven
            and all(
                left - load >= -ROUNDING_KW
                for left, load in zip(budget.kw, self._load_kw, strict=True)
            )
            and all(
                left is None or all(a - b >= -ROUNDING_KW for a, b in zip(left, load, strict=True))
                for left, load in zip(budget.amps, self._load_a, strict=True)
            )
        )

    def wanted(self, draft: Draft) -> dict[str, float]:
        """Power wanted at each pile with a vehicle, kW."""
        return {name: self._known[name].want_kw for name in draft.get("pile_session")}

    def outlets(self, draft: Draft) -> tuple[list[str], list[Outlet]]:
        """Every pile that can be told something, in its order."""
        names, outlets = [], []
        for name in draft.piles:
            outlet = self._known[name].outlet
            if outlet is not None:
                names.append(name)
                outlets.append(outlet)
        return names, outlets

    def alone(self, names: list[str]) -> tuple[list[str], list[float]]:
        """Those of the piles that can be told something, and their setpoints in plenty, kW."""
        told, powers = [], []
        for name in names:
            outlet = self._known[name].outlet
            if outlet is not None:
                told.append(name)
                powers.append(alone_kw(outlet))
        return told, powers

    def phases_of(self, name: str) -> int | None:
        """On how many phases a pile is to draw, where it can be switched."""
        return self._known[name].phases

    def due_s(self, draft: Draft) -> float:
        """When the first pile wants something by itself, monotonic, s."""
        mono_s: float = draft.get("mono_s")
        due = math.inf
        for name, pile in draft.piles.items():
            sight = self._known[name]
            if sight.pile is pile:
                at = sight.due_s
            else:
                at = pile_due_s(pile, self._fixed.piles[name].index, self._site, mono_s)
            if at < due:
                due = at
        return due
