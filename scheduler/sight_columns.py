"""The sights of all piles, column by column, in the order of the piles."""

from __future__ import annotations

import math

import numpy as np

from models.switching import FREE
from scheduler.fixed import Fixed
from scheduler.sight import Sight
from scheduler.state import PileState, SessionRecord


class Columns:
    """The sights of n piles, column by column; a pile without one has no ``piles`` entry.

    ``silent_kw`` is nan while a pile talks, ``planned_kw`` where the plan says nothing; the powers
    are those of the outlets, 0 where there is none, ``sent_kw`` among them. ``power_kw`` is what it
    measured last and ``wanted_kw`` what it was told, where it was ``sent`` anything; ``obeys``:
    it was, and is not probed; ``quiet``: where nothing but its reading changes, no look is needed;
    ``odd``: its record alone may be worth an alert.
    """

    def __init__(self, names: list[str], parts: Fixed) -> None:
        n = len(names)
        self.names = names
        self.at = {name: i for i, name in enumerate(names)}
        self.rows = parts.rows(names)
        known = [parts.piles[name] for name in names]
        self.factor = np.array([one.factor for one in known], dtype=np.float64)
        self.stepped = np.array([one.pile.step_kw > 0 for one in known], dtype=np.bool_)
        budget = [one.pile.switching.starts_per_day is not None for one in known]
        self.budget = np.array(budget, dtype=np.bool_)
        free = [one.pile.switching is FREE for one in known]
        self.free = np.array(free, dtype=np.bool_)
        self.piles: list[PileState | None] = [None] * n
        self.records: list[SessionRecord | None] = [None] * n
        self.since_s, self.until_s = np.zeros(n), np.zeros(n)
        self.edge_s, self.due_s = np.zeros(n), np.zeros(n)
        self.silent_kw, self.planned_kw = np.zeros(n), np.zeros(n)
        self.planned_last = np.zeros(n, dtype=np.bool_)
        self.told = np.zeros(n, dtype=np.bool_)
        self.most_kw, self.floor_kw = np.zeros(n), np.zeros(n)
        self.want_kw, self.held_kw = np.zeros(n), np.zeros(n)
        self.drawn_kw, self.sent_kw = np.zeros(n), np.zeros(n)
        self.amps_per_kw = np.zeros((n, 3))
        self.own_until_s, self.own_due_s = np.zeros(n), np.zeros(n)
        self.power_kw, self.wanted_kw = np.zeros(n), np.zeros(n)
        self.quiet, self.obeys = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        self.sent, self.odd = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)

    def forget(self) -> None:
        """No pile has been looked at."""
        self.piles = [None] * len(self.names)

    def put(self, i: int, sight: Sight) -> None:
        """Take in a look at pile i."""
        pile, outlet = sight.pile, sight.outlet
        self.piles[i], self.records[i] = pile, sight.record
        self.since_s[i], self.edge_s[i] = sight.since_s, sight.edge_s
        self.silent_kw[i] = math.nan if sight.silent_kw is None else sight.silent_kw
        said = sight.planned
        self.planned_kw[i] = math.nan if said.power_kw is None else said.power_kw
        self.planned_last[i] = said.last
        self.own_until_s[i], self.own_due_s[i] = sight.own_until_s, sight.own_due_s
        self.power_kw[i], self.wanted_kw[i] = pile.power_kw, pile.wanted_kw
        self.sent[i], self.obeys[i] = pile.sent, pile.sent and not pile.probing
        self.odd[i] = pile.exceeded is not None or pile.fault is not None or pile.ignored > 0
        # A reading from before its setpoint is judged by what it was told then.
        heeded = pile.measured_mono_s >= pile.changed_mono_s
        self.quiet[i] = (
            outlet is not None
            and sight.silent_kw is None
            and sight.phases is None
            and heeded
            and bool(self.free[i])
        )
        self.told[i] = outlet is not None
        if outlet is None:
            self.want_kw[i] = self.held_kw[i] = self.floor_kw[i] = self.most_kw[i] = 0.0
            self.drawn_kw[i] = self.sent_kw[i] = 0.0
            return
        self.want_kw[i], self.held_kw[i] = outlet.want_kw, outlet.held_kw
        self.floor_kw[i], self.drawn_kw[i] = outlet.floor_kw, outlet.drawn_kw
        self.sent_kw[i] = outlet.sent_kw
        self.most_kw[i] = max(outlet.want_kw, outlet.held_kw, outlet.floor_kw)
        self.amps_per_kw[i] = 0.0
        for phase in outlet.phases:
            self.amps_per_kw[i, phase] = outlet.amps_per_kw
