"""What each pile comes to now: looked at anew only when something it hangs on has changed.

A pile's power held, wanted and allowed depend on its own state, its session's record, its part of
the plan, and on instants that are known ahead. As long as all of these are the same objects and
the next of those instants has not come, it comes to the same. So a drain in which one pile of a
thousand spoke costs one look and not a thousand. Nothing is decided here that a fresh look would
decide otherwise: with an empty memory every pile is looked at, and the answer is the same.

What all piles are asked at once stands in columns beside the sights, in the order of the piles, and
sums are always added up in that order: they are the same to the last bit whatever was remembered.
"""

from __future__ import annotations

import math
from itertools import repeat
from operator import is_
from typing import Any

import numpy as np

from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.draft import Draft
from scheduler.echoes import heard_again
from scheduler.fixed import Fixed, fixed, node_sums
from scheduler.safety import Budget, Outlet, alone_kw
from scheduler.sight import ROUNDING_KW, Now, Sight, look_at
from scheduler.sight_columns import Columns
from scheduler.timers import pile_due_s, silence_due_s
from scheduler.view import Picture, picture_of, silent_of_kw

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
        self._columns = Columns([], self._fixed)
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
        names = list(draft.piles)
        if names != self._columns.names:
            self._known.clear()
            self._columns = Columns(names, self._fixed)
        offset_s = now_s - mono_s
        # Operators' orders and emergencies are rare, and reach everything.
        if not same or under[1] or under[2] or abs(offset_s - self._offset_s) > CLOCK_MOVED_S:
            self._known.clear()
            self._columns.forget()
        elif under[0] is not before[0]:
            self._replan(draft)
        self._under = under
        if not self._known:
            self._offset_s = offset_s
            self.had_plenty = False
            return names
        return self._changed(draft, now_s)

    def _changed(self, draft: Draft, now_s: float) -> list[str]:
        """Those of which something is another object, or whose time has come; who was only heard
        again is noted.
        """
        columns, known = self._columns, self._known
        mono_s: float = draft.get("mono_s")
        names, sessions = columns.names, draft.sessions
        n = len(names)
        piles = list(draft.piles.values())
        records = list(map(sessions.get, map(draft.get("pile_session").get, names)))
        same = np.fromiter(map(is_, piles, columns.piles), np.bool_, n)
        same &= np.fromiter(map(is_, records, columns.records), np.bool_, n)
        same &= (columns.since_s <= mono_s) & (mono_s < columns.until_s)
        on_edge = now_s >= columns.edge_s
        same &= ~on_edge
        now = Now(draft, self._site, may_rise=bool(self._under[4]))
        echoed = heard_again(columns, np.flatnonzero(~same & ~on_edge), piles, records, draft, now)
        for i in echoed.drawn_anew.tolist():
            outlet = known[names[i]].outlet
            if outlet is not None:
                outlet.drawn_kw = float(columns.drawn_kw[i])
        same[echoed.at] = True
        # Whoever is left is looked at anew, and put down with what is seen then.
        columns.piles, columns.records = [*piles], [*records]
        return [names[i] for i in np.flatnonzero(~same).tolist()]

    def _replan(self, draft: Draft) -> None:
        """Forget the piles of which a new plan says something else now."""
        columns, plan = self._columns, draft.plan
        now = Now(draft, self._site, may_rise=True)
        n = len(columns.names)
        power, edge = np.full(n, math.nan), np.full(n, math.inf)
        last = np.zeros(n, dtype=np.bool_)
        if plan is not None and n:
            said = plan.columns.at(now.now_s)
            ids = ["" if r is None else r.request.session for r in columns.records]
            row = np.fromiter(map(plan.columns.row.get, ids, repeat(-1)), np.int64, n)
            found = np.flatnonzero(row >= 0)
            power[found], edge[found] = said.power_kw[row[found]], said.edge_s[row[found]]
            last[found] = said.ends[row[found]]
            if len(plan.columns.row) < len(plan.sessions):
                # A session without a single slot is in a plan that gives it nothing.
                nothing = [i for i in np.flatnonzero(row < 0).tolist() if ids[i] in plan.sessions]
                power[nothing], last[nothing] = 0.0, True
        last &= columns.stepped
        before = columns.planned_kw
        alike = np.isnan(power) & np.isnan(before)
        alike |= np.abs(power - before) < ROUNDING_KW
        alike &= last == columns.planned_last
        midnight_s = now.wishes.clock.midnight_s
        columns.edge_s = np.where(columns.budget, np.minimum(edge, midnight_s), edge)
        for i in np.flatnonzero(~alike).tolist():
            self._known.pop(columns.names[i], None)
            columns.piles[i] = None

    def look(self, draft: Draft, stale: list[str]) -> Picture:
        """Who talks and who is silent, and their sums at every node."""
        columns, piles = self._columns, draft.piles
        again = [columns.at[name] for name in stale]
        some = [piles[name] for name in stale]
        columns.silent_kw[again] = silent_of_kw(draft, self._site, stale, some)
        power = np.array([pile.power_kw for pile in piles.values()], dtype=np.float64)
        return picture_of(draft, self._site, columns.names, columns.rows, columns.silent_kw, power)

    def see(self, draft: Draft, stale: list[str], picture: Picture) -> None:
        """Look again at the stale piles; then add up what all of them may draw."""
        now = Now(draft, self._site, may_rise=bool(self._under[4]))
        known, parts, columns = self._known, self._fixed.piles, self._columns
        for name in stale:
            sight = known[name] = look_at(
                draft, self._site, parts[name], now, picture.silent.get(name)
            )
            i = columns.at[name]
            columns.put(i, sight)
            silent_s = math.inf
            if sight.silent_kw is None:
                silent_s = sight.pile.heard_mono_s + now.silence_s
            until_s, mono_s = sight.own_until_s, now.mono_s
            columns.until_s[i] = min(until_s, silent_s) if silent_s > mono_s else until_s
            due_s = silence_due_s(sight.pile, self._site, mono_s)
            columns.due_s[i] = min(sight.own_due_s, due_s)
        if stale:
            self._add_up()
        for i in np.flatnonzero(columns.floor_kw).tolist():
            picture.floors[columns.names[i]] = float(columns.floor_kw[i])

    def _add_up(self) -> None:
        """What all outlets may draw, at every node and on every phase."""
        columns, site = self._columns, self._site
        self._load_kw = node_sums(site, columns.rows, columns.most_kw * columns.factor)
        if any(node.limit_a is not None for node in site.network.nodes):
            drawn_a = columns.most_kw[:, None] * columns.amps_per_kw
            phases = [node_sums(site, columns.rows, drawn_a[:, k]) for k in range(3)]
            self._load_a = [list(amps) for amps in zip(*phases, strict=True)]
        else:
            self._load_a = [[0.0, 0.0, 0.0]] * len(site.network.nodes)

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

    def moving(self) -> tuple[list[str], list[Outlet]]:
        """Those of :meth:`outlets` that want, hold or draw something, or were told to.

        The others get nothing, whoever is served first; of a congested site they are most.
        """
        c = self._columns
        busy = (c.most_kw != 0.0) | (c.want_kw != 0.0) | (c.held_kw != 0.0)
        busy |= (c.floor_kw != 0.0) | (c.drawn_kw != 0.0) | (c.sent_kw != 0.0)
        names = [c.names[i] for i in np.flatnonzero(busy & c.told).tolist()]
        outlets = [self._known[name].outlet for name in names]
        return names, [outlet for outlet in outlets if outlet is not None]

    def changing(
        self, stale: list[str], names: list[str], powers: list[float]
    ) -> tuple[list[str], list[float]]:
        """Whom something may have to be said: who was looked at anew, and who is to get another
        power than was sent. To everybody else it would be what was said, and nothing is due.

        Parameters
        ----------
        stale : list of str
            Looked at anew in this drain.
        names, powers : list
            Those of :meth:`moving` and what they get, kW.
        """
        c = self._columns
        get, some = np.zeros(len(c.names)), c.told.copy()
        get[[c.at[name] for name in names]] = powers
        again = np.zeros(len(c.names), dtype=np.bool_)
        again[[c.at[name] for name in stale]] = True
        some &= again | (np.abs(get - c.sent_kw) > POWER_EPSILON_KW)
        found = np.flatnonzero(some)
        return [c.names[i] for i in found.tolist()], get[found].tolist()

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

    def suspects(self, draft: Draft) -> list[str]:
        """Piles whose record alone may be worth an alert: those found odd, and those that are
        others by now than when they were looked at.
        """
        columns = self._columns
        same = np.fromiter(map(is_, draft.piles.values(), columns.piles), np.bool_)
        return [columns.names[i] for i in np.flatnonzero(columns.odd | ~same).tolist()]

    def due_s(self, draft: Draft) -> float:
        """When the first pile wants something by itself, monotonic, s."""
        mono_s: float = draft.get("mono_s")
        columns, parts = self._columns, self._fixed.piles
        piles = list(draft.piles.values())
        same = np.fromiter(map(is_, piles, columns.piles), np.bool_, len(piles))
        due = float(columns.due_s[same].min(initial=math.inf))
        for i in np.flatnonzero(~same).tolist():
            index = parts[columns.names[i]].index
            due = min(due, pile_due_s(piles[i], index, self._site, mono_s))
        return due
