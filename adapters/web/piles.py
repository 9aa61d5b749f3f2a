"""Piles and their sessions as people are shown them."""

from __future__ import annotations

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

_NEVER = PileState()


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


def glances(
    site: Site, seen: SiteState, planned: Planned | None, silent: set[str]
) -> dict[str, Glance]:
    """All piles at a glance.

    Parameters
    ----------
    site : Site
    seen : SiteState
    planned : Planned or None
        The running plan.
    silent : set of str
        Piles that have fallen silent.
    """
    on = seen.pile_session
    announced = {
        r.request.pile: name
        for name, r in seen.sessions.items()
        if r.state == "announced" and r.request.pile not in on
    }
    out = {}
    for p in site.piles:
        name = p.id
        known = seen.piles.get(name, _NEVER)
        session = on.get(name) or announced.get(name, "")
        record = seen.sessions.get(session) if session else None
        setpoint = known.wanted_kw if known.sent else 0.0
        shown = _look(known, record, silent=name in silent)
        if record is None:
            out[name] = Glance(name, p.node, "", shown, "none", known.power_kw, setpoint, 0.0, 0.0)
            continue
        ready = None if planned is None else planned.ready_s(session)
        out[name] = Glance(
            name,
            p.node,
            session,
            shown,
            _outlook(record, ready),
            known.power_kw,
            setpoint,
            record.short_kwh if record.short_kwh > SHORT_KWH else 0.0,
            record.request.departure_s,
        )
    return out


def whole(
    g: Glance, site: Site, seen: SiteState, planned: Planned | None, why: tuple[str, str]
) -> PileRow:
    """A pile with all that is known of its session."""
    most = site.pile_by_id[g.pile].max_kw
    record = seen.sessions.get(g.session)
    if record is None:
        return PileRow(g.pile, g.node, g.look, g.outlook, g.power_kw, g.setpoint_kw, most)
    request = record.request
    ready = None if planned is None else planned.ready_s(g.session)
    return PileRow(
        pile=g.pile,
        node=g.node,
        look=g.look,
        outlook=g.outlook,
        power_kw=g.power_kw,
        setpoint_kw=g.setpoint_kw,
        max_kw=most,
        session=g.session,
        asked_kwh=request.energy_kwh,
        delivered_kwh=record.delivered_kwh,
        promised_kwh=record.promised_kwh,
        short_kwh=g.short_kwh,
        priority=request.priority,
        arrival=request.arrival,
        departure=request.departure,
        ready_at=None if ready is None else instant_of(ready),
        why=why[0],
        why_zh=why[1],
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
