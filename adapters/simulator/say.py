"""What the virtual depot says, as bodies on topics: the contract from the senders' side."""

from __future__ import annotations

from adapters.wire import Publish
from adapters.wire import inbound as w
from adapters.wire.outside import encode_in
from models.errors import InvalidValueError
from models.events import (
    Emergency,
    Event,
    Heartbeat,
    LimitPushed,
    NodeMeasured,
    Overridden,
    PileAcked,
    PileBorn,
    PileMeasured,
    Received,
    SessionEnded,
    SessionRequested,
)
from models.units import POWER_EPSILON_KW

GRID, OPERATOR, METER = "grid", "operator", "meter"
"""Senders beside the piles, each with a connection of its own."""


def sender_of(fact: Event) -> str:
    """Whose connection carries a fact: a pile's by its id, or one of the others."""
    if isinstance(fact, PileBorn | PileMeasured | PileAcked):
        return f"pile {fact.pile}"
    if isinstance(fact, NodeMeasured):
        return METER
    if isinstance(fact, LimitPushed | Heartbeat):
        return GRID
    return OPERATOR


def said(site: str, fact: Event) -> Publish:
    """A fact as its sender publishes it.

    Raises
    ------
    InvalidValueError
        If nobody outside says such a thing.
    """
    if not isinstance(fact, Received):
        raise InvalidValueError(f"nobody says {type(fact).__name__}")
    body, ids = _body(fact)
    return encode_in(site, body, *ids)


def _body(fact: Received) -> tuple[w.Stamped, tuple[str, ...]]:
    epoch, seq = fact.stamp
    at = fact.issued_at
    match fact:
        case PileBorn():
            return w.PileBirth(epoch=epoch, seq=seq, issued_at=at), (fact.pile,)
        case PileMeasured():
            return _telemetry(fact), (fact.pile,)
        case PileAcked():
            ack = w.PileAck(
                epoch=epoch,
                seq=seq,
                issued_at=at,
                setpoint_epoch=fact.setpoint[0],
                setpoint_seq=fact.setpoint[1],
                applied_kw=fact.applied_kw,
                refused=fact.refused,
            )
            return ack, (fact.pile,)
        case NodeMeasured():
            meter = w.NodeTelemetry(epoch=epoch, seq=seq, issued_at=at, power_kw=fact.power_kw)
            return meter, (fact.node,)
        case SessionRequested():
            return _request(fact), (fact.request.session,)
        case SessionEnded():
            end = w.SessionEnd(epoch=epoch, seq=seq, issued_at=at, reason=fact.reason)
            return end, (fact.session,)
        case Heartbeat():
            return w.Heartbeat(epoch=epoch, seq=seq, issued_at=at), ()
        case LimitPushed():
            return _limit(fact), (fact.node, fact.limit)
        case Overridden():
            order = w.Override(
                epoch=epoch,
                seq=seq,
                issued_at=at,
                kind=fact.kind,
                until=fact.until,
                who=fact.who,
                hold_kw=fact.hold_kw,
            )
            return order, (fact.target,)
        case Emergency():
            alarm = w.Emergency(
                epoch=epoch, seq=seq, issued_at=at, cleared=fact.cleared, who=fact.who
            )
            return alarm, (fact.zone,)
    raise InvalidValueError(f"the virtual depot does not say {type(fact).__name__}")


def _telemetry(fact: PileMeasured) -> w.PileTelemetry:
    status: w.PileStatus = "available"
    if fact.vehicle:
        status = "charging" if fact.power_kw > POWER_EPSILON_KW else "waiting"
    return w.PileTelemetry(
        epoch=fact.stamp[0],
        seq=fact.stamp[1],
        issued_at=fact.issued_at,
        power_kw=fact.power_kw,
        energy_kwh=fact.energy_kwh,
        status=status,
        vehicle=fact.vehicle,
        soc=fact.soc,
    )


def _request(fact: SessionRequested) -> w.SessionRequest:
    request = fact.request
    return w.SessionRequest(
        epoch=fact.stamp[0],
        seq=fact.stamp[1],
        issued_at=fact.issued_at,
        pile=request.pile,
        arrival=request.arrival,
        departure=request.departure,
        energy_kwh=request.energy_kwh,
        soc=request.soc,
        battery_kwh=request.battery_kwh,
        max_kw=request.max_kw,
        min_kw=request.min_kw,
        priority=request.priority,
        vehicle_class=request.vehicle_class,
        mode=request.mode,
    )


def _limit(fact: LimitPushed) -> w.Limit:
    return w.Limit(
        epoch=fact.stamp[0],
        seq=fact.stamp[1],
        issued_at=fact.issued_at,
        valid_from=fact.valid_from,
        valid_until=fact.valid_until,
        import_kw=fact.import_kw,
        export_kw=fact.export_kw,
        source=fact.source,
        slots=[w.LimitSlot(start=start, import_kw=kw) for start, kw in fact.slots],
        revoked=fact.revoked,
    )
