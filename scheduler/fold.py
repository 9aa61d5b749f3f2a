"""Fold: what each fact changes in the state. Order and repetition of messages do not matter:
per topic the higher (epoch, seq) wins, everything else is dropped without a trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from models.events import (
    AssetAcked,
    AssetMeasured,
    BookChosen,
    DemandCalled,
    Emergency,
    Event,
    ForecastPushed,
    Heartbeat,
    LimitPushed,
    NodeMeasured,
    NotListened,
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
from scheduler.admission import forget, outdated, topic_of, unknown
from scheduler.base_rise import note_jump
from scheduler.demand_response import called as _called
from scheduler.draft import Draft
from scheduler.echoes import note_echo
from scheduler.effects import Persist
from scheduler.pricing import Pricing, lay_in, repeats
from scheduler.pushed_limits import BEYOND, laid_in
from scheduler.state import UNKNOWN_PILE, AssetState, LimitRecord, NodeState, PileState, changed
from scheduler.transformer import note_load
from scheduler.view import HEARTBEAT_LOST_S, MISSED_PERIODS
from scheduler.voltage import voltage_caps

HEARTBEAT_VOID_S = 30.0
"""A heartbeat older than this when it arrives counts as none (contract)."""

Handler = Callable[[Draft, Any, Site], None]


def fold(draft: Draft, event: Event, site: Site, pricing: Pricing | None = None) -> None:
    """Let one fact change the draft. Unknown names are rejected and change nothing.

    Without ``pricing`` (a journal read again) tariffs were judged before and are taken.
    """
    handler = _HANDLERS.get(type(event))
    if handler is None:
        return
    if isinstance(event, Received):
        key = topic_of(event)
        last = draft.get("seen").get(key, (-1, -1))
        if isinstance(event, _TARIFFS):
            # Series of one tariff add up, so a late one may still tell something.
            if repeats(draft, event):
                return
        elif last >= event.stamp:
            if event.stamp[0] < last[0]:
                draft.emit(outdated(event, last))
            return
        problem = unknown(draft, event, site)
        if problem is None and pricing is not None and isinstance(event, _TARIFFS):
            problem = pricing.refusal(draft, event)
        if problem is not None:
            draft.emit(problem)
            return
        if isinstance(event, SessionRequested) and on_session.refused(draft, event, site):
            return
        seen = draft.own("seen")
        seen[key] = max(last, event.stamp)
        forget(draft, site)
        if not isinstance(event, _SAMPLED):
            draft.emit(Persist(event=event))
    handler(draft, event, site)


_TARIFFS = (PricesPushed, BookChosen)
_SAMPLED = (PileMeasured, NodeMeasured, AssetMeasured, Heartbeat, PileAcked, AssetAcked)
"""Not journalled one by one: the next one says it again."""


def _limit(draft: Draft, event: LimitPushed, site: Site) -> None:
    limits = draft.own("limits")
    of_node = dict(limits.get(event.node, {}))
    if event.revoked:
        known = of_node.pop(event.limit, None)
        if known is not None or BEYOND not in of_node:
            draft.withdrawn.append(event)
    else:
        record = LimitRecord(pushed=event, received_at=event.now, received_mono_s=event.mono_s)
        laid_in(of_node, record)
    if of_node:
        limits[event.node] = of_node
    else:
        limits.pop(event.node, None)
    last: datetime | None = draft.get("silent_after")
    silence_s = math.inf if last is None else (event.issued_at - last).total_seconds()
    if draft.get("stale") and silence_s > HEARTBEAT_LOST_S:
        draft.put("limit_since_silence", True)
    draft.put("next_limit_edge_s", 0.0)
    draft.news = True


def _heartbeat(draft: Draft, event: Heartbeat, site: Site) -> None:
    """A heartbeat counts when it is fresh by the wall clock or, since that one steps, by the
    monotonic clock against an earlier one that was surely fresh.
    """
    issued_s = event.issued_at.timestamp()
    sure = abs(event.now.timestamp() - issued_s) <= HEARTBEAT_VOID_S
    offset: float | None = draft.get("heartbeat_offset_s")
    if not sure and (offset is None or abs(event.mono_s + offset - issued_s) > HEARTBEAT_VOID_S):
        return
    if sure:
        draft.put("heartbeat_offset_s", issued_s - event.mono_s)
    draft.put("heartbeat_mono_s", event.mono_s)
    draft.put("heartbeat_issued_at", event.issued_at)


def _tariff(draft: Draft, event: PricesPushed | BookChosen, site: Site) -> None:
    lay_in(draft, event)


def _forecast(draft: Draft, event: ForecastPushed, site: Site) -> None:
    draft.own("forecasts")[event.series] = event
    draft.news = True


def _override(draft: Draft, event: Overridden, site: Site) -> None:
    overrides = draft.own("overrides")
    # One that seems over is left to time: the wall clock may just have been set.
    if event.kind == "clear":
        overrides.pop(event.target, None)
    else:
        overrides[event.target] = event
    draft.news = True


def _emergency(draft: Draft, event: Emergency, site: Site) -> None:
    emergencies = draft.own("emergencies")
    key = f"{event.zone}|{event.who}"
    if event.cleared:
        emergencies.pop(key, None)
    else:
        emergencies[key] = event
    draft.news = True


def _born(draft: Draft, event: PileBorn, site: Site) -> None:
    """A pile has started: it holds nothing of ours, and takes its fallback by itself.

    What is still on its way to it may yet be obeyed, so that stays counted.
    """
    before: PileState = draft.piles.get(event.pile, UNKNOWN_PILE)
    draft.own("piles")[event.pile] = replace(
        before,
        heard_mono_s=event.mono_s,
        acked=None,
        lease_mono_s=-1.0,
        renewed_mono_s=-1.0,
        sent=False,
        ignored=0,
    )
    draft.born.add(event.pile)


def _measured(draft: Draft, event: PileMeasured, site: Site) -> None:
    before: PileState = draft.piles.get(event.pile, UNKNOWN_PILE)
    after = draft.own("piles")[event.pile] = changed(
        before,
        heard_mono_s=event.mono_s,
        measured_mono_s=event.mono_s,
        power_kw=event.power_kw,
        currents_a=event.currents_a,
        register_kwh=event.energy_kwh,
        vehicle=event.vehicle,
        fault=event.fault,
    )
    note_echo(draft, event.pile, before, after)
    note_jump(draft, site, event.pile, before.power_kw, event.power_kw)
    if event.fault != before.fault:
        draft.news = True
    on_session.measured(draft, event, site, before)


def _acked(draft: Draft, event: PileAcked, site: Site) -> None:
    """A pile took a setpoint, or will not.

    An acknowledged setpoint counts in full even where the pile says it applied less: it may
    take the rest at any time.
    """
    before: PileState = draft.piles.get(event.pile, UNKNOWN_PILE)
    sent = next((s for s in before.unacked if s.stamp == event.setpoint), None)
    if sent is None and before.acked is not None and before.acked.stamp == event.setpoint:
        sent = before.acked
    if sent is None:
        return
    if event.applied_kw is None:
        draft.own("piles")[event.pile] = changed(before, ignored=before.ignored + 1)
        return
    later = tuple(s for s in before.unacked if s.stamp > event.setpoint)
    draft.own("piles")[event.pile] = changed(
        before,
        acked=changed(sent, power_kw=max(event.applied_kw, sent.power_kw)),
        lease_mono_s=sent.sent_mono_s,
        unacked=later,
        ignored=0,
    )


def _node(draft: Draft, event: NodeMeasured, site: Site) -> None:
    before: NodeState | None = draft.get("nodes").get(event.node)
    if before is None:
        before = NodeState(heard_mono_s=event.mono_s, power_kw=event.power_kw)
    note_load(draft, event, site)
    import_cap_kw, export_cap_kw = voltage_caps(before, event, site)
    draft.own("nodes")[event.node] = replace(
        before,
        heard_mono_s=event.mono_s,
        power_kw=event.power_kw,
        currents_a=event.currents_a,
        fresh=True,
        import_cap_kw=import_cap_kw,
        export_cap_kw=export_cap_kw,
    )


def _not_listened(draft: Draft, event: NotListened, site: Site) -> None:
    """Who talked before we went deaf is not silent for it: the clock of silence stood still.

    What a pile may be drawing goes on to count in full, and nothing rises until each has had a
    telemetry period to speak again.
    """
    mono_s, before_s = event.mono_s, draft.before_mono_s
    patience = MISSED_PERIODS * site.telemetry_period_s

    def heard(at_s: float) -> float:
        talked = at_s >= 0 and at_s >= before_s - patience
        return min(at_s + event.for_s, mono_s) if talked else at_s

    piles, nodes = draft.own("piles"), draft.own("nodes")
    for name, pile in piles.items():
        piles[name] = changed(pile, heard_mono_s=heard(pile.heard_mono_s))
    for name, node in nodes.items():
        # So do the readings that guard against a fall of base load that does not last.
        nodes[name] = changed(
            node,
            heard_mono_s=heard(node.heard_mono_s),
            base_mono_s=heard(node.base_mono_s),
            recent=tuple((heard(at), kw) for at, kw in node.recent),
            recent_a=tuple((heard(at), amps) for at, amps in node.recent_a),
            readings=(),
        )
    hold: float = draft.get("hold_until_mono_s")
    draft.put("hold_until_mono_s", max(hold, mono_s + site.telemetry_period_s))


def _asset(draft: Draft, event: AssetMeasured, site: Site) -> None:
    before: AssetState = draft.get("assets").get(event.asset, AssetState())
    day = event.now.astimezone(site.zone).date().toordinal()
    given = before.given_kwh if before.given_day == day else 0.0
    if before.heard_mono_s >= 0 and before.power_kw < 0:
        given -= before.power_kw * max(event.mono_s - before.heard_mono_s, 0.0) / 3600.0
    draft.own("assets")[event.asset] = replace(
        before,
        given_day=day,
        given_kwh=given,
        heard_mono_s=event.mono_s,
        power_kw=event.power_kw,
        soc=event.soc,
        available_kw=event.available_kw,
        islanded=event.islanded,
    )


def _asset_acked(draft: Draft, event: AssetAcked, site: Site) -> None:
    before: AssetState = draft.get("assets").get(event.asset, AssetState())
    if event.applied_kw is None:
        after = replace(before, ignored=before.ignored + 1)
    else:
        kept = tuple(s for s in before.in_force if s.stamp >= event.setpoint)
        after = replace(
            before, acked=event.setpoint, acked_kw=event.applied_kw, ignored=0, in_force=kept
        )
    draft.own("assets")[event.asset] = after


_HANDLERS: dict[type[Event], Handler] = {
    LimitPushed: _limit,
    DemandCalled: _called,
    AssetMeasured: _asset,
    AssetAcked: _asset_acked,
    Heartbeat: _heartbeat,
    PricesPushed: _tariff,
    BookChosen: _tariff,
    ForecastPushed: _forecast,
    Overridden: _override,
    Emergency: _emergency,
    SessionRequested: on_session.requested,
    SessionEnded: on_session.ended,
    PileBorn: _born,
    PileMeasured: _measured,
    PileAcked: _acked,
    NodeMeasured: _node,
    NotListened: _not_listened,
}
