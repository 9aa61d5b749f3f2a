"""Piles and their sessions as people are shown them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import NamedTuple

from adapters.web.models import Outlook, PileLook, PileRow
from adapters.web.planned import Planned
from models.horizon import instant_of
from models.site import Site
from models.units import POWER_EPSILON_KW
from scheduler.reasons import SHORT_KWH
from scheduler.state import PileState, SessionRecord, SiteState

TIGHT_S = 1_800
"""A vehicle ready with less than this to spare is in time only just."""

NEVER = PileState()
"""A pile that has not spoken yet."""


class Glance(NamedTuple):
    """What is counted, chosen and sorted by of every pile."""

    pile: str
    node: str
    session: str
    look: PileLook
    outlook: Outlook
    power_kw: float
    setpoint_kw: float
    short_kwh: float
    departure_s: float


class Glancer:
    """All piles at a glance, state after state; only those that changed are looked at anew.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._nodes = {p.id: p.node for p in site.piles}
        self._before = _Inputs({}, {}, {}, {}, {}, set())
        self._held: dict[str, Glance] = {}

    def look(
        self, seen: SiteState, planned: Planned | None, silent: Container[str]
    ) -> dict[str, Glance]:
        """Every pile of a state.

        Parameters
        ----------
        seen : SiteState
            Records that did not change since the last one are the same objects.
        planned : Planned or None
            The running plan.
        silent : container of str
            Piles that have fallen silent.
        """
        now = _Inputs(
            seen.piles,
            seen.sessions,
            seen.pile_session,
            {
                r.request.pile: name
                for name, r in seen.sessions.items()
                if r.state == "announced" and r.request.pile not in seen.pile_session
            },
            {} if planned is None else planned.ready_of,
            {name for name in self._nodes if name in silent},
        )
        anew = now.changed(self._before) if self._held else self._nodes.keys()
        out = self._held.copy()
        for name in anew:
            node = self._nodes.get(name)
            if node is not None:
                out[name] = self._one(name, node, now)
        self._before, self._held = now, out
        return out

    def _one(self, name: str, node: str, now: _Inputs) -> Glance:
        session = now.on.get(name) or now.announced.get(name, "")
        return _glance(
            name,
            node,
            now.piles.get(name, NEVER),
            session,
            now.sessions.get(session),
            now.ready_of.get(session),
            silent=name in now.silent,
        )


class _Inputs(NamedTuple):
    """What glances are made of."""

    piles: dict[str, PileState]
    sessions: dict[str, SessionRecord]
    on: dict[str, str]
    announced: dict[str, str]
    ready_of: dict[str, int]
    silent: set[str]

    def changed(self, before: _Inputs) -> set[str]:
        """The piles of which anything differs: records by identity, all else by value."""
        old, known = before.piles, before.sessions
        piles = {name for name, p in self.piles.items() if old.get(name) is not p}
        piles |= {r.request.pile for s, r in self.sessions.items() if known.get(s) is not r}
        piles |= {known[s].request.pile for s in known.keys() - self.sessions.keys()}
        piles |= {name for name, _ in self.on.items() ^ before.on.items()}
        piles |= {name for name, _ in self.announced.items() ^ before.announced.items()}
        if self.ready_of is not before.ready_of:
            told = {s for s, _ in self.ready_of.items() ^ before.ready_of.items()}
            piles |= {r.request.pile for r in map(self.sessions.get, told) if r is not None}
        return piles | (self.silent ^ before.silent)


def _glance(
    pile: str,
    node: str,
    known: PileState,
    session: str,
    record: SessionRecord | None,
    ready_s: int | None,
    *,
    silent: bool,
) -> Glance:
    setpoint = known.wanted_kw if known.sent else 0.0
    shown = _look(known, record, silent=silent)
    if record is None:
        return Glance(pile, node, session, shown, "none", known.power_kw, setpoint, 0.0, 0.0)
    return Glance(
        pile,
        node,
        session,
        shown,
        _outlook(record, ready_s, silent=silent),
        known.power_kw,
        setpoint,
        record.short_kwh if record.short_kwh > SHORT_KWH else 0.0,
        record.request.departure_s,
    )


def whole(
    g: Glance, site: Site, seen: SiteState, planned: Planned | None, why: tuple[str, str]
) -> PileRow:
    """A pile with all that is known of its session."""
    row = PileRow(
        pile=g.pile,
        node=g.node,
        look=g.look,
        outlook=g.outlook,
        power_kw=g.power_kw,
        setpoint_kw=g.setpoint_kw,
        max_kw=site.pile_by_id[g.pile].max_kw,
        why=why[0],
        why_zh=why[1],
    )
    record = seen.sessions.get(g.session)
    if record is None:
        return row
    request = record.request
    ready = None if planned is None else planned.ready_of.get(g.session)
    return replace(
        row,
        session=g.session,
        asked_kwh=request.energy_kwh,
        delivered_kwh=record.delivered_kwh,
        promised_kwh=record.promised_kwh,
        short_kwh=g.short_kwh,
        priority=request.priority,
        arrival=request.arrival,
        departure=request.departure,
        ready_at=None if ready is None else instant_of(ready),
        blocks=() if planned is None else tuple(planned.blocks(g.session)),
    )


def _look(pile: PileState, record: SessionRecord | None, *, silent: bool) -> PileLook:
    if pile.fault is not None:
        return "fault"
    if silent:
        return "silent"
    if record is None:
        return "vehicle" if pile.vehicle else "free"
    if record.state == "announced":
        return "announced"
    if record.short_kwh > SHORT_KWH:
        return "short"
    if record.state == "full" or record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH:
        return "full"
    if pile.power_kw < -POWER_EPSILON_KW:
        return "giving"
    return "charging" if pile.power_kw > POWER_EPSILON_KW else "waiting"


def _outlook(record: SessionRecord, ready_s: int | None, *, silent: bool) -> Outlook:
    if record.short_kwh > SHORT_KWH:
        return "short"
    if record.state == "full" or record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH:
        return "done"
    if silent and record.state != "announced":
        return "unheard"
    if ready_s is None:
        return "none"
    return "tight" if record.request.departure_s - ready_s < TIGHT_S else "ok"
