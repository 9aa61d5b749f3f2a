"""The grid company and the operator, by script: limits, heartbeats, orders.

It also tells the reference meter which limit holds, from its own knowledge and not from the
daemon's: a limit holds from the later of its receipt and its ``valid_from``; after 120 s without
a heartbeat the failsafe holds until a heartbeat and a limit (or a revocation) follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from models.events import Event, Heartbeat, LimitPushed, Received, Stamp
from models.horizon import UTC
from models.limits import effective_import_kw
from models.network import Node
from models.site import Site

HEARTBEAT_LOST_S = 120.0


class Said(TypedDict):
    """When a fact was taken in, and its sender's stamp."""

    now: datetime
    mono_s: float
    stamp: Stamp
    issued_at: datetime


class GridScript:
    """Facts at their instants, and a heartbeat that may fall silent.

    Parameters
    ----------
    said : sequence of (float, Received)
        When (epoch seconds), and what; clocks and stamps are set when it is said.
    heartbeat_s : float
        Period of the heartbeat, s > 0; inf: there is none.
    silences : sequence of (float, float)
        Stretches [from, until) without a heartbeat, epoch seconds.
    """

    def __init__(
        self,
        said: Sequence[tuple[float, Received]] = (),
        *,
        heartbeat_s: float = math.inf,
        silences: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._said = sorted(said, key=lambda s: s[0])
        self._at = 0
        self._heartbeat_s = heartbeat_s
        self._silences = tuple(silences)
        self._next_beat_s = -math.inf if heartbeat_s < math.inf else math.inf
        self._last_beat_s = -math.inf
        self._stale = False
        self._limit_since_stale = False
        self._limits: dict[str, dict[str, LimitPushed]] = {}
        self._edges: list[float] = []

    def next_s(self) -> float:
        """When it next says something, or a limit begins or ends by itself; inf: never."""
        said = self._said[self._at][0] if self._at < len(self._said) else math.inf
        edge = self._edges[0] if self._edges else math.inf
        lost = math.inf
        if self._last_beat_s > -math.inf and not self._stale:
            lost = self._last_beat_s + HEARTBEAT_LOST_S
        return min(said, self._next_beat_s, edge, lost)

    def take(self, at_s: float, said: Callable[[], Said]) -> list[Event]:
        """What is said now."""
        facts: list[Event] = []
        if self._next_beat_s <= at_s:
            self._next_beat_s = at_s + self._heartbeat_s
            if not any(a <= at_s < b for a, b in self._silences):
                facts.append(Heartbeat(**said()))
                self._last_beat_s = at_s
        while self._at < len(self._said) and self._said[self._at][0] <= at_s:
            fact = replace(self._said[self._at][1], **said())
            self._at += 1
            facts.append(fact)
            if isinstance(fact, LimitPushed):
                self._learn(fact)
        while self._edges and self._edges[0] <= at_s:
            self._edges.pop(0)
        self._judge_heartbeat(at_s)
        return facts

    def _learn(self, limit: LimitPushed) -> None:
        self._limits.setdefault(limit.node, {})[limit.limit] = limit
        self._limit_since_stale = True
        candidates = [limit.valid_from, *(start for start, _ in limit.slots)]
        if limit.valid_until is not None:
            candidates.append(limit.valid_until)
        later = [c.timestamp() for c in candidates if c > limit.now]
        self._edges = sorted({*self._edges, *later})

    def _judge_heartbeat(self, at_s: float) -> None:
        if self._last_beat_s == -math.inf:
            return
        lost = at_s - self._last_beat_s >= HEARTBEAT_LOST_S
        if lost and not self._stale:
            self._stale, self._limit_since_stale = True, False
        elif self._stale and not lost and self._limit_since_stale:
            self._stale = False

    def limit_kw(self, site: Site, node: Node, at_s: float) -> float:
        """The effective limit of a node now, kW; inf where nothing limits it."""
        now = datetime.fromtimestamp(at_s, UTC)
        pushed = self._limits.get(node.id, {}).values()
        required = site.network.heartbeat_of(site.network.index[node.id]) == "required"
        return effective_import_kw(node, pushed, now, stale=required and self._stale)
