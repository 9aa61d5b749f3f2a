"""An effect to what is published: topic, body, QoS, retained, expiry. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import msgspec

from adapters.wire import outbound as o
from adapters.wire.topics import LOCKSTEP_OUT, OUTBOUND, OutTopic, root_of
from scheduler import effects as f

_OUT: dict[type[msgspec.Struct], OutTopic] = {t.body: t for t in (*OUTBOUND, LOCKSTEP_OUT)}
_encoder = msgspec.json.Encoder()

_RETAINED_WHILE = frozenset({"announced", "waiting", "charging", "full"})


@dataclass(frozen=True)
class Publish:
    """One message to publish. ``expiry_s`` None: it does not expire."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None


def publish_of(site: str, body: msgspec.Struct, *ids: str) -> Publish:
    """A body on its topic; ``ids`` fill the topic's places in order."""
    kind = _OUT[type(body)]
    find = _found_again if kind.pattern in _OF_EQUIPMENT else _topic
    topic = find(site, kind.pattern, ids)
    return Publish(topic, _encoder.encode(body), kind.qos, kind.retained, kind.expiry_s)


def _topic(site: str, pattern: str, ids: tuple[str, ...]) -> str:
    """The whole topic."""
    rest = iter(ids)
    parts = (next(rest) if part.startswith("{") else part for part in pattern.split("/"))
    return root_of(site) + "/".join(parts)


_OF_EQUIPMENT = frozenset(
    t.pattern for t in OUTBOUND if t.pattern.startswith(("pile/", "asset/", "node/"))
)
_found_again = lru_cache(maxsize=65_536)(_topic)
"""Every setpoint of a pile goes to the same topic. Sessions, limits and calls come and go: what is
remembered of them would only add up.
"""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


_NO_OFFER = o.CounterOffer()


def _session(site: str, effect: f.SessionStatus) -> tuple[Publish, ...]:
    price = effect.counter_price
    dearer = None
    if price is not None:
        dearer = o.HigherPrice(
            energy_kwh=price.energy_kwh,
            ready_at=price.ready_at,
            cost=price.cost,
            mode=cast(Any, price.mode),
            priority=price.priority,
        )
    # A counter-offer says that the request cannot be met: the same energy sooner is none.
    sooner = dearer if dearer is not None and dearer.mode is not None else None
    offer = o.CounterOffer(
        departure=effect.counter_departure,
        energy_kwh=effect.counter_energy_kwh,
        higher_price=dearer if sooner is None else None,
    )
    body = o.SessionStatus(
        state=cast(o.SessionStateName, effect.state),
        promised_kwh=effect.promised_kwh,
        ready_at=effect.ready_at,
        cost=effect.cost,
        short_kwh=effect.short_kwh,
        why=effect.why,
        why_zh=effect.why_zh,
        counter_offer=None if offer == _NO_OFFER else offer,
        sooner=sooner,
    )
    said = publish_of(site, body, effect.session)
    if effect.state in _RETAINED_WHILE:
        return (said,)
    gone = Publish(said.topic, b"", said.qos, retain=True)
    return (Publish(said.topic, said.payload, said.qos, retain=False), gone)


def rejected_body(site: str, effect: f.Rejected, suppressed: int = 0) -> o.Rejected:
    """A refusal with its whole topic, and how many before it were not told."""
    root = root_of(site)
    outside = effect.topic.startswith("valleyfill/")
    return o.Rejected(
        topic=effect.topic if outside else root + effect.topic,
        code=cast(o.RejectedCode, effect.code),
        field=effect.field,
        reason=effect.reason,
        suppressed=suppressed,
    )


def encode(site: str, effect: f.Outbound) -> tuple[Publish, ...]:
    """What to publish for an effect, in order.

    Parameters
    ----------
    site : str
        Id of the site.
    effect : Outbound
        A setpoint, a status, an answer, a plan, an alert or a refusal.

    Returns
    -------
    tuple of Publish
        A session that is over says so once, and then its retained status is taken away.
    """
    match effect:
        case f.SetpointSent():
            epoch, seq = effect.stamp
            setpoint = o.Setpoint(
                epoch=epoch,
                seq=seq,
                power_kw=effect.power_kw,
                lease_s=effect.lease_s,
                fallback_kw=effect.fallback_kw,
                reason=cast(o.Reason, effect.reason),
                phases=msgspec.UNSET if effect.phases is None else cast(o.Phases, effect.phases),
            )
            return (publish_of(site, setpoint, effect.pile),)
        case f.AssetSetpointSent():
            epoch, seq = effect.stamp
            asset = o.AssetSetpoint(
                epoch=epoch,
                seq=seq,
                power_kw=effect.power_kw,
                lease_s=effect.lease_s,
                fallback_kw=effect.fallback_kw,
                reason=cast(o.Reason, effect.reason),
            )
            return (publish_of(site, asset, effect.asset),)
        case f.SessionStatus():
            return _session(site, effect)
        case f.EventAnswer():
            said = o.EventAnswer(
                received_at=effect.received_at,
                decision=cast(Any, effect.decision),
                why=effect.why,
                promised_kw=effect.promised_kw,
                delivered_kwh=effect.delivered_kwh,
                baseline_kw=effect.baseline_kw,
                paid=effect.paid,
            )
            return (publish_of(site, said, effect.event),)
        case f.FlexibilityOffered():
            slots = [
                o.FlexibleSlot(**{n: getattr(s, n) for n in o.FlexibleSlot.__struct_fields__})
                for s in effect.slots
            ]
            offer = o.Flexibility(
                computed_at=effect.computed_at, slot_minutes=effect.slot_minutes, slots=slots
            )
            return (publish_of(site, offer),)
        case f.TransformerTold():
            heat = o.Thermal(**{n: getattr(effect, n) for n in o.Thermal.__struct_fields__})
            return (publish_of(site, heat, effect.node),)
        case f.LimitAnswer():
            answer = o.LimitAnswer(
                received_at=effect.received_at,
                applied_at=effect.applied_at,
                reached_at=effect.reached_at,
                shed_kw=effect.shed_kw,
                unreachable_for_s=effect.unreachable_for_s,
                binding_piles=list(effect.binding_piles),
            )
            return (publish_of(site, answer, effect.node, effect.limit),)
        case f.PlanSummary():
            plan = o.Plan(
                digest=effect.digest,
                status=effect.status,
                rung=effect.rung,
                gap=_finite(effect.gap),
                solve_ms=effect.solve_ms,
                planned_kwh=effect.planned_kwh,
                short_kwh=effect.short_kwh,
                cost=effect.cost,
                binding_nodes=list(effect.binding_nodes),
            )
            return (publish_of(site, plan),)
        case f.Alert():
            alert = o.Alert(
                where=effect.where,
                since=effect.since,
                text=effect.text,
                text_zh=effect.text_zh,
                cleared=effect.cleared,
            )
            return (publish_of(site, alert, effect.kind),)
        case f.Rejected():
            return (publish_of(site, rejected_body(site, effect)),)
