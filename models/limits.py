"""The effective limit of a node: one definition for kernel, planner, baselines and meter.

effective = min(what the node bears, the lowest pushed limit in force or else the contract,
the failsafe while the grid company is silent). A missing word never makes a limit higher.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from models.events import DemandCalled, LimitPushed
from models.network import Node


def begun(limit: LimitPushed, at: datetime) -> bool:
    """Whether a limit has begun. One that was in force when its sender issued it is meant at
    once, whatever our own clock says: clocks step.
    """
    return at >= limit.valid_from or limit.valid_from <= limit.issued_at


def import_of(limit: LimitPushed, at: datetime) -> float | None:
    """The import limit that one pushed limit sets at an instant, kW; None: no word then."""
    if limit.revoked or not begun(limit, at):
        return None
    if limit.valid_until is not None and at >= limit.valid_until:
        return None
    if not limit.slots:
        return limit.import_kw
    value: float | None = None
    for start, import_kw in limit.slots:
        if at < start:
            break
        value = import_kw
    return value


def export_of(limit: LimitPushed, at: datetime) -> float | None:
    """The export limit that one pushed limit sets at an instant, a magnitude, kW."""
    if limit.revoked or not begun(limit, at):
        return None
    if limit.valid_until is not None and at >= limit.valid_until:
        return None
    return limit.export_kw


def effective_import_kw(
    node: Node,
    pushed: Iterable[LimitPushed],
    at: datetime,
    *,
    stale: bool,
    rated_share: float = 0.0,
) -> float:
    """The limit that holds at a node at an instant, kW >= 0.

    Parameters
    ----------
    node : Node
        The node.
    pushed : iterable of LimitPushed
        Every limit known for this node.
    at : datetime
        The instant.
    stale : bool
        True while a required heartbeat is lost: then the failsafe holds as well.
    rated_share : float
        Short overload that the grid company allows, of the rating; limits of its own go before.

    Returns
    -------
    float
        kW; inf where nothing limits the node.
    """
    own = node.bears_kw(rated_share)
    in_force = [v for v in (import_of(p, at) for p in pushed) if v is not None]
    if in_force:
        own = min(own, max(min(in_force), 0.0))
    elif node.contract_kw is not None:
        own = min(own, node.contract_kw)
    if stale and node.failsafe_kw is not None:
        own = min(own, node.failsafe_kw)
    return own


def effective_export_kw(
    node: Node, pushed: Iterable[LimitPushed], at: datetime, *, stale: bool
) -> float:
    """What may flow back at a node at an instant, a magnitude, kW >= 0; 0 while stale."""
    if stale:
        return 0.0
    in_force = [v for v in (export_of(p, at) for p in pushed) if v is not None]
    return min([node.export_kw, *(max(v, 0.0) for v in in_force)])


def called_kw(events: Iterable[DemandCalled], at: datetime) -> float:
    """The limit that mandatory events set at the point of connection, kW >= 0; inf: none.

    It is one more limit and never takes another one's place: one above the contract does not
    lift the contract.
    """
    lowest = math.inf
    for event in events:
        if not is_limit(event) or not event.start <= at < event.end:
            continue
        value = event.power_kw
        for start, kw in event.slots:
            if at < start:
                break
            value = kw
        if value is not None:
            lowest = min(lowest, max(value, 0.0))
    return lowest


def is_limit(event: DemandCalled) -> bool:
    """Whether an event is obeyed as a limit, whatever the plan says."""
    return event.mandatory and event.kind == "limit_to" and not event.revoked


def call_edges(
    events: Iterable[DemandCalled], start: datetime, end: datetime
) -> tuple[datetime, ...]:
    """Instants inside (start, end) at which an event begins, changes or ends."""
    edges = {t for e in events for t in (e.start, e.end, *(s for s, _ in e.slots))}
    return tuple(sorted(t for t in edges if start < t < end))


def limit_edges(
    pushed: Iterable[LimitPushed], start: datetime, end: datetime
) -> tuple[datetime, ...]:
    """Instants inside (start, end) at which some pushed limit begins, changes or ends."""
    edges: set[datetime] = set()
    for limit in pushed:
        if limit.revoked:
            continue
        candidates = [limit.valid_from, *(s for s, _ in limit.slots)]
        if limit.valid_until is not None:
            candidates.append(limit.valid_until)
        edges.update(c for c in candidates if start < c < end)
    return tuple(sorted(edges))
