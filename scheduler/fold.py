"""Fold: what each fact changes in the state. Order and repetition of messages do not matter:
per topic the higher (epoch, seq) wins, everything else is dropped without a trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from models.events import (
    BookChosen,
    Emergency,
    Event,
    ForecastPushed,
    Heartbeat,
    LimitPushed,
    NodeMeasured,
    Overridden,
    PileAcked,
    PileBorn,
    PileMeasured,
    PricesPushed,
    Received,
    SessionEnded,
    SessionRequested,
)
from models.site import Site
from scheduler import fold_sessions as on_session
from scheduler.draft import Draft
from scheduler.effects import Persist, Rejected
from scheduler.state import LimitRecord, NodeState, PileState, SentSetpoint

HEARTBEAT_VOID_S = 30.0
"""A heartbeat older than this when it arrives counts as none (contract)."""

Handler = Callable[[Draft, Any, Site], None]


def fold(draft: Draft, event: Event, site: Site) -> None:
    """Let one fact change the draft. Unknown names are rejected and change nothing."""
    handler = _HANDLERS.get(type(event))
    if handler is None:
        return
    if isinstance(event, Received):
        key = _topic(event)
        if draft.get("seen").get(key, (-1, -1)) >= event.stamp:
            return
        problem = _unknown(event, site)
        if problem is not None:
            draft.emit(problem)
            return
        if isinstance(event, SessionRequested) and on_session.refused(draft, event, site):
            return
        draft.own("seen")[key] = event.stamp
        if not isinstance(event, _SAMPLED):
            draft.emit(Persist(event=event))
    handler(draft, event, site)


_SAMPLED = (PileMeasured, NodeMeasured, Heartbeat, PileAcked)
"""Not journalled one by one: the next one says it again."""


def _topic(event: Received) -> str:
    match event:
        case LimitPushed():
            return f"grid/limit/{event.node}/{event.limit}"
        case Heartbeat():
            return "grid/heartbeat"
        case PricesPushed() | BookChosen():
            return f"tariff/{event.tariff}"
        case SessionRequested():
            return f"session/{event.request.session}"
        case SessionEnded():
            return f"session/{event.session}"
        case PileBorn():
            return f"pile/{event.pile}/birth"
        case PileMeasured():
            return f"pile/{event.pile}/telemetry"
        case PileAcked():
            return f"pile/{event.pile}/ack"
        case NodeMeasured():
            return f"node/{event.node}/telemetry"
        case ForecastPushed():
            return f"forecast/{event.series}"
        case Overridden():
            return f"override/{event.target}"
        case Emergency():
            return f"emergency/{event.zone}"
    raise AssertionError(f"no topic for {type(event).__name__}")


def _unknown(event: Received, site: Site) -> Rejected | None:
    """A message about something the site does not have."""
    pile = getattr(event, "pile", None)
    if pile is not None and pile not in site.pile_by_id:
        return Rejected(
            topic=_topic(event),
            code="unknown_pile",
            field="pile",
            reason=f"{pile!r} is no pile of site {site.name}",
        )
    node = getattr(event, "node", None)
    if node is not None and node not in site.network.index:
        return Rejected(
            topic=_topic(event),
            code="unknown_node",
            field="node",
            reason=f"{node!r} is no node of site {site.name}",
        )
    if isinstance(event, Overridden) and (
        event.target not in site.pile_by_id and event.target not in site.network.index
    ):
        return Rejected(
            topic=_topic(event),
            code="unknown_target",
            field="target",
            reason=f"{event.target!r} is neither pile nor node of site {site.name}",
        )
    if isinstance(event, Emergency) and (
        event.zone != site.name and event.zone not in site.network.index
    ):
        return Rejected(
            topic=_topic(event),
            code="unknown_zone",
            field="zone",
            reason=f"{event.zone!r} is neither the site nor one of its nodes",
        )
    return None


def _limit(draft: Draft, event: LimitPushed, site: Site) -> None:
    limits = draft.own("limits")
    of_node = dict(limits.get(event.node, {}))
    if event.revoked:
        of_node.pop(event.limit, None)
    else:
        of_node[event.limit] = LimitRecord(
            pushed=event, received_at=event.now, received_mono_s=event.mono_s
        )
    limits[event.node] = of_node
    latest = draft.get("limit_issued_at")
    if latest is None or event.issued_at > latest:
        draft.put("limit_issued_at", event.issued_at)
    draft.put("next_limit_edge_s", 0)
    draft.news = True


def _heartbeat(draft: Draft, event: Heartbeat, site: Site) -> None:
    if (event.now - event.issued_at).total_seconds() > HEARTBEAT_VOID_S:
        return
    draft.put("heartbeat_mono_s", event.mono_s)
    draft.put("heartbeat_issued_at", event.issued_at)


def _prices(draft: Draft, event: PricesPushed, site: Site) -> None:
    draft.own("prices")[event.tariff] = event
    draft.news = True


def _book(draft: Draft, event: BookChosen, site: Site) -> None:
    draft.own("books")[event.tariff] = event
    draft.news = True


def _forecast(draft: Draft, event: ForecastPushed, site: Site) -> None:
    draft.own("forecasts")[event.series] = event
    draft.news = True


def _override(draft: Draft, event: Overridden, site: Site) -> None:
    overrides = draft.own("overrides")
    if event.kind == "clear":
        overrides.pop(event.target, None)
    else:
        overrides[event.target] = event
    draft.news = True


def _emergency(draft: Draft, event: Emergency, site: Site) -> None:
    emergencies = draft.own("emergencies")
    if not event.cleared:
        emergencies[event.zone] = event
    elif event.zone in emergencies and emergencies[event.zone].who == event.who:
        del emergencies[event.zone]
    draft.news = True


def _born(draft: Draft, event: PileBorn, site: Site) -> None:
    pile = site.pile_by_id[event.pile]
    before: PileState = draft.piles.get(event.pile, PileState())
    fallback = SentSetpoint(
        stamp=(0, 0),
        power_kw=pile.fallback_kw,
        sent_mono_s=event.mono_s,
        holds_until_mono_s=float("inf"),
    )
    draft.own("piles")[event.pile] = replace(
        before,
        born=True,
        heard_mono_s=event.mono_s,
        acked=fallback,
        renewed_mono_s=-1.0,
        sent=False,
    )
    draft.born.add(event.pile)


def _measured(draft: Draft, event: PileMeasured, site: Site) -> None:
    before: PileState = draft.piles.get(event.pile, PileState())
    draft.own("piles")[event.pile] = replace(
        before,
        heard_mono_s=event.mono_s,
        power_kw=event.power_kw,
        register_kwh=event.energy_kwh,
        vehicle=event.vehicle,
        fault=event.fault,
    )
    if event.fault != before.fault:
        draft.news = True
    on_session.measured(draft, event, site, before)


def _acked(draft: Draft, event: PileAcked, site: Site) -> None:
    before: PileState = draft.piles.get(event.pile, PileState())
    sent = next((s for s in before.unacked if s.stamp == event.setpoint), None)
    if sent is None:
        renewed = before.acked is not None and before.acked.stamp == event.setpoint
        if not renewed:
            return
        draft.own("piles")[event.pile] = replace(before, heard_mono_s=event.mono_s)
        return
    later = tuple(s for s in before.unacked if s.stamp > event.setpoint)
    if event.applied_kw is None:
        draft.own("piles")[event.pile] = replace(
            before, heard_mono_s=event.mono_s, ignored=before.ignored + 1
        )
        return
    applied = replace(sent, power_kw=max(event.applied_kw, 0.0))
    draft.own("piles")[event.pile] = replace(
        before, heard_mono_s=event.mono_s, acked=applied, unacked=later, ignored=0
    )


def _node(draft: Draft, event: NodeMeasured, site: Site) -> None:
    before: NodeState | None = draft.get("nodes").get(event.node)
    heard = NodeState(heard_mono_s=event.mono_s, power_kw=event.power_kw, fresh=True)
    if before is not None:
        heard = replace(before, heard_mono_s=event.mono_s, power_kw=event.power_kw, fresh=True)
    draft.own("nodes")[event.node] = heard


_HANDLERS: dict[type[Event], Handler] = {
    LimitPushed: _limit,
    Heartbeat: _heartbeat,
    PricesPushed: _prices,
    BookChosen: _book,
    ForecastPushed: _forecast,
    Overridden: _override,
    Emergency: _emergency,
    SessionRequested: on_session.requested,
    SessionEnded: on_session.ended,
    PileBorn: _born,
    PileMeasured: _measured,
    PileAcked: _acked,
    NodeMeasured: _node,
}
