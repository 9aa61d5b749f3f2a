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
        self._site = site
        self._held: dict[str, tuple[PileState, SessionRecord | None, int | None, bool, Glance]] = {}

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
        on, sessions = seen.pile_session, seen.sessions
        announced = {
            r.request.pile: name
            for name, r in sessions.items()
            if r.state == "announced" and r.request.pile not in on
        }
        ready_of = {} if planned is None else planned.ready_of
        held, out = self._held, {}
        for p in self._site.piles:
            name = p.id
            known = seen.piles.get(name, NEVER)
            session = on.get(name) or announced.get(name, "")
            record = sessions.get(session)
            ready, mute = ready_of.get(session), name in silent
            was = held.get(name)
            if (
                was is None
                or was[0] is not known
                or was[1] is not record
                or was[2] != ready
                or was[3] is not mute
                or was[4].session != session
            ):
                glance = _glance(name, p.node, known, session, record, ready, silent=mute)
                held[name] = was = (known, record, ready, mute, glance)
            out[name] = was[4]
        return out


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
        _outlook(record, ready_s),
        known.power_kw,
        setpoint,
        record.short_kwh if record.short_kwh > SHORT_KWH else 0.0,
        record.request.departure_s,
    )


def whole(
    g: Glance, site: Site, seen: SiteState, planned: Planned | None, why: tuple[str, str]
) -> PileRow:
    """A pile with all that is known of its session."""
    most = site.pile_by_id[g.pile].max_kw
    record = seen.sessions.get(g.session)
    row = PileRow(
        pile=g.pile,
        node=g.node,
        look=g.look,
        outlook=g.outlook,
        power_kw=g.power_kw,
        setpoint_kw=g.setpoint_kw,
        max_kw=most,
        why=why[0],
        why_zh=why[1],
    )
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
        return "free"
    if record.state == "announced":
        return "announced"
    if record.short_kwh > SHORT_KWH:
        return "short"
    if record.state == "full" or record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH:
        return "full"
    if pile.power_kw < -POWER_EPSILON_KW:
        return "giving"
    return "charging" if pile.power_kw > POWER_EPSILON_KW else "waiting"


def _outlook(record: SessionRecord, ready_s: int | None) -> Outlook:
    if record.short_kwh > SHORT_KWH:
        return "short"
    if record.state == "full" or record.request.energy_kwh - record.delivered_kwh <= SHORT_KWH:
        return "done"
    if ready_s is None:
        return "none"
    return "tight" if record.request.departure_s - ready_s < TIGHT_S else "ok"
