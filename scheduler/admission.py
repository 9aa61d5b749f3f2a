"""What a fact must pass before it may change anything: a known topic, known names, room."""

from __future__ import annotations

from models.events import (
    AssetAcked,
    AssetMeasured,
    BookChosen,
    DemandCalled,
    Emergency,
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
    Stamp,
)
from models.site import Site
from scheduler.demand_response import CALLS_MAX
from scheduler.draft import Draft
from scheduler.effects import Rejected
from scheduler.fixed import fixed
from scheduler.state import LimitRecord

NAMES_MAX = 256
"""Forecast series and tariffs that a site keeps; names beyond are refused, memory is bounded."""

SEEN_MAX = 20_000
"""Topics whose last stamp is remembered, beside those of piles and nodes."""


def seen_most(site: Site) -> int:
    """How many topics a site remembers the last stamp of."""
    return SEEN_MAX + 3 * len(site.piles)


def forget(draft: Draft, site: Site) -> None:
    """Drop the oldest stamps of sessions and limits that are over, when there are too many."""
    if len(draft.get("seen")) <= seen_most(site):
        return
    seen, sessions, limits = draft.own("seen"), draft.sessions, draft.get("limits")
    over = [
        topic
        for topic in seen
        if (topic.startswith("session/") and topic[8:] not in sessions)
        or (topic.startswith("grid/limit/") and not _known_limit(limits, topic))
        or (topic.startswith("grid/event/") and topic[11:] not in draft.get("calls"))
    ]
    for topic in over[: max(len(over) // 2, 1)]:
        del seen[topic]


def _known_limit(limits: dict[str, dict[str, LimitRecord]], topic: str) -> bool:
    _, _, node, limit = topic.split("/")
    return limit in limits.get(node, {})


def topic_of(event: Received) -> str:
    """Where a fact comes from: within it the higher (epoch, seq) wins."""
    match event:
        case PileMeasured():
            return f"pile/{event.pile}/telemetry"
        case PileAcked():
            return f"pile/{event.pile}/ack"
        case NodeMeasured():
            return f"node/{event.node}/telemetry"
        case LimitPushed():
            return f"grid/limit/{event.node}/{event.limit}"
        case Heartbeat():
            return "grid/heartbeat"
        case DemandCalled():
            return f"grid/event/{event.event}"
        case AssetMeasured():
            return f"asset/{event.asset}/telemetry"
        case AssetAcked():
            return f"asset/{event.asset}/ack"
        case PricesPushed() | BookChosen():
            return f"tariff/{event.tariff}"
        case SessionRequested():
            return f"session/{event.request.session}"
        case SessionEnded():
            return f"session/{event.session}"
        case PileBorn():
            return f"pile/{event.pile}/birth"
        case ForecastPushed():
            return f"forecast/{event.series}"
        case Overridden():
            return f"override/{event.target}"
        case Emergency():
            # By who: another role's word neither clears it nor uses up its counter.
            return f"emergency/{event.zone}/{event.who}"
    raise AssertionError(f"no topic for {type(event).__name__}")


def outdated(event: Received, last: Stamp) -> Rejected:
    """A message under an epoch below one that was heard on its topic.

    One that comes twice or late is passed over without a word. But a sender that was replaced, and
    begins again below its forerunner, would never be heard: somebody must be told.
    """
    return Rejected(
        topic=topic_of(event),
        code="outdated",
        field="epoch",
        reason=f"epoch {event.stamp[0]} is below {last[0]}, which was heard here: a sender that "
        "starts must raise its epoch",
    )


def unknown(draft: Draft, event: Received, site: Site) -> Rejected | None:
    """A message about something the site does not have."""
    pile = getattr(event, "pile", None)
    if pile is not None:
        if pile in site.pile_by_id:
            return None
        return Rejected(
            topic=topic_of(event),
            code="unknown_pile",
            field="pile",
            reason=f"{pile!r} is no pile of site {site.name}",
        )
    node = getattr(event, "node", None)
    if node is not None:
        if node in site.network.index:
            return None
        return Rejected(
            topic=topic_of(event),
            code="unknown_node",
            field="node",
            reason=f"{node!r} is no node of site {site.name}",
        )
    asset = getattr(event, "asset", None)
    if asset is not None:
        if asset in fixed(site).assets:
            return None
        return Rejected(
            topic=topic_of(event),
            code="unknown_asset",
            field="asset",
            reason=f"{asset!r} is no asset of site {site.name}",
        )
    if isinstance(event, DemandCalled):
        calls = draft.get("calls")
        if not event.revoked and event.event not in calls and len(calls) >= CALLS_MAX:
            return Rejected(
                topic=topic_of(event),
                code="out_of_range",
                field="event",
                reason=f"the site keeps {CALLS_MAX} events, and this would be one more",
            )
        return None
    if isinstance(event, Overridden) and (
        event.target not in site.pile_by_id and event.target not in site.network.index
    ):
        return Rejected(
            topic=topic_of(event),
            code="unknown_target",
            field="target",
            reason=f"{event.target!r} is neither pile nor node of site {site.name}",
        )
    if isinstance(event, Emergency) and (
        event.zone != site.name and event.zone not in site.network.index
    ):
        return Rejected(
            topic=topic_of(event),
            code="unknown_zone",
            field="zone",
            reason=f"{event.zone!r} is neither the site nor one of its nodes",
        )
    for kind, kept in ((ForecastPushed, "forecasts"), (PricesPushed, "prices")):
        if isinstance(event, kind):
            name = event.series if isinstance(event, ForecastPushed) else event.tariff
            known = draft.get(kept)
            if name not in known and len(known) >= NAMES_MAX:
                return Rejected(
                    topic=topic_of(event),
                    code="out_of_range",
                    field=kept,
                    reason=f"the site keeps {NAMES_MAX} {kept}, and {name!r} would be one more",
                )
    if isinstance(event, Emergency) and event.cleared:
        others = [e.who for e in draft.get("emergencies").values() if e.zone == event.zone]
        if others and event.who not in others:
            return Rejected(
                topic=topic_of(event),
                code="contradiction",
                field="who",
                reason=f"raised by {', '.join(sorted(others))}, and cleared by nobody else",
            )
    return None
