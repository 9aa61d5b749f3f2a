"""A message to an event, or to a refusal with code, field and reason. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

from adapters.wire import inbound as w
from adapters.wire.strict import RefusedError, read_body
from adapters.wire.topics import INBOUND, LOCKSTEP_IN, InTopic, is_id, match_in, root_of
from models import events as e
from models.errors import InvalidValueError
from models.session import Request
from scheduler.effects import Rejected

_DECODERS: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    t.body: msgspec.json.Decoder(t.body) for t in (*INBOUND, LOCKSTEP_IN)
}

FIRST_YEAR, LAST_YEAR = 2000, 2199
"""Instants outside these years are nonsense, and arithmetic on them overflows."""


def contradiction(field: str, reason: str) -> RefusedError:
    """A body whose fields are well formed and cannot all be meant."""
    return RefusedError("contradiction", field, reason)


def _instants(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Fields of a body that hold an instant, or a list of steps that do."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return tuple(f.name for f in info.fields if _holds_instant(f.type))


def _holds_instant(kind: msgspec.inspect.Type) -> bool:
    match kind:
        case msgspec.inspect.DateTimeType():
            return True
        case msgspec.inspect.UnionType():
            return any(_holds_instant(t) for t in kind.types)
        case msgspec.inspect.ListType():
            return isinstance(kind.item_type, msgspec.inspect.StructType)
    return False


_BODIES: list[type[msgspec.Struct]] = [*_DECODERS, w.LimitSlot]
_INSTANTS = {body: _instants(body) for body in _BODIES}


def _check_instants(body: msgspec.Struct, path: str = "") -> None:
    for name in _INSTANTS[type(body)]:
        value = getattr(body, name)
        if isinstance(value, datetime):
            if not FIRST_YEAR <= value.year <= LAST_YEAR:
                raise RefusedError(
                    "out_of_range", path + name, f"the year {value.year} is no year of this system"
                )
        elif value is not None:
            for k, part in enumerate(value):
                _check_instants(part, f"{path}{name}[{k}].")


def _limit(body: w.Limit, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.valid_until is not None and body.valid_until <= body.valid_from:
        raise contradiction("valid_until", "ends before it starts")
    if body.slots and body.import_kw is not None:
        raise contradiction("slots", "says one limit throughout and a series too")
    if not body.revoked and not body.slots and body.import_kw is None and body.export_kw is None:
        raise contradiction("import_kw", "limits neither import nor export, and revokes nothing")
    starts = [s.start for s in body.slots]
    if any(b <= a for a, b in pairwise(starts)):
        raise contradiction("slots", "the steps are not in rising order")
    return e.LimitPushed(
        **base,
        node=ids[0],
        limit=ids[1],
        valid_from=body.valid_from,
        valid_until=body.valid_until,
        import_kw=body.import_kw,
        export_kw=body.export_kw,
        source=body.source,
        slots=tuple((s.start, s.import_kw) for s in body.slots),
        revoked=body.revoked,
    )


def _heartbeat(body: w.Heartbeat, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.Heartbeat(**base)


def _tariff(body: w.Tariff, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    series = (body.start, body.slot_minutes, body.buy_per_kwh)
    if body.book is not None:
        if any(v is not None for v in (*series, body.sell_per_kwh)):
            raise contradiction("book", "names a book and carries a series too")
        if body.valid_from is None:
            raise RefusedError("missing_field", "valid_from", "a book holds from an instant on")
        return e.BookChosen(**base, tariff=ids[0], book=body.book, valid_from=body.valid_from)
    if body.valid_from is not None:
        raise contradiction("valid_from", "a series holds for its own instants")
    if body.start is None or body.slot_minutes is None or body.buy_per_kwh is None:
        missing = next(
            n for n in ("start", "slot_minutes", "buy_per_kwh") if getattr(body, n) is None
        )
        raise RefusedError("missing_field", missing, "neither a named book nor a whole series")
    if body.sell_per_kwh is not None and len(body.sell_per_kwh) != len(body.buy_per_kwh):
        raise contradiction("sell_per_kwh", "is not as long as buy_per_kwh")
    return e.PricesPushed(
        **base,
        tariff=ids[0],
        start=body.start,
        slot_minutes=body.slot_minutes,
        buy_per_kwh=tuple(body.buy_per_kwh),
        sell_per_kwh=None if body.sell_per_kwh is None else tuple(body.sell_per_kwh),
    )


def _asked_kwh(body: w.SessionRequest) -> float:
    by_charge = (body.soc, body.target_soc, body.battery_kwh)
    if body.target_soc is None:
        if body.energy_kwh is None:
            raise RefusedError(
                "missing_field", "energy_kwh", "say it, or soc, target_soc and battery_kwh"
            )
        return body.energy_kwh
    if body.energy_kwh is not None:
        raise contradiction("target_soc", "asks an energy and a state of charge too")
    if body.soc is None or body.battery_kwh is None:
        missing = "soc" if by_charge[0] is None else "battery_kwh"
        raise RefusedError("missing_field", missing, "target_soc needs soc and battery_kwh")
    if body.target_soc < body.soc:
        raise contradiction("target_soc", "is below soc")
    return (body.target_soc - body.soc) * body.battery_kwh


def _request(body: w.SessionRequest, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.departure <= body.arrival:
        raise contradiction("departure", "departs before it arrives")
    if body.min_kw is not None and body.max_kw is not None and body.min_kw > body.max_kw:
        raise contradiction("min_kw", "is above max_kw")
    try:
        request = Request(
            session=ids[0],
            pile=body.pile,
            arrival=body.arrival,
            departure=body.departure,
            energy_kwh=_asked_kwh(body),
            max_kw=body.max_kw,
            min_kw=body.min_kw,
            priority=body.priority,
            mode=body.mode,
            battery_kwh=body.battery_kwh,
            soc=body.soc,
            vehicle_class=body.vehicle_class,
        )
    except InvalidValueError as problem:
        _, _, field = problem.where.partition(".")
        raise contradiction(field, problem.what) from problem
    return e.SessionRequested(**base, request=request)


def _end(body: w.SessionEnd, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.SessionEnded(**base, session=ids[0], reason=body.reason)


def _birth(body: w.PileBirth, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.max_kw is not None and body.min_kw is not None and body.min_kw > body.max_kw:
        raise contradiction("min_kw", "is above max_kw")
    return e.PileBorn(**base, pile=ids[0])


def _pile_telemetry(body: w.PileTelemetry, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if body.status == "charging" and not body.vehicle:
        raise contradiction("status", "charging, with no vehicle there")
    return e.PileMeasured(
        **base,
        pile=ids[0],
        power_kw=body.power_kw,
        energy_kwh=body.energy_kwh,
        vehicle=body.vehicle,
        soc=body.soc,
        fault=body.fault or ("faulted" if body.status == "faulted" else None),
        currents_a=_phases(body.currents_a),
    )


def _ack(body: w.PileAck, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if (body.applied_kw is None) == (body.refused is None):
        raise contradiction("applied_kw", "says neither or both of applied_kw and refused")
    return e.PileAcked(
        **base,
        pile=ids[0],
        setpoint=(body.setpoint_epoch, body.setpoint_seq),
        applied_kw=body.applied_kw,
        refused=body.refused,
    )


def _node_telemetry(body: w.NodeTelemetry, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.NodeMeasured(
        **base,
        node=ids[0],
        power_kw=body.power_kw,
        import_kwh=body.import_kwh,
        export_kwh=body.export_kwh,
        currents_a=_phases(body.currents_a),
    )


def _phases(values: Sequence[float] | None) -> tuple[float, float, float] | None:
    return None if values is None else (values[0], values[1], values[2])


def _forecast(body: w.Forecast, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    names = ("values_kw", "values_c", "values_w_m2", "values_g_per_kwh", "values_share")
    given = [n for n in names if getattr(body, n) is not None]
    if len(given) != 1:
        raise contradiction(
            given[1] if given else "values_kw", f"needs one series, has {len(given)}"
        )
    values = getattr(body, given[0])
    for band in ("low", "high"):
        series = getattr(body, band)
        if series is not None and len(series) != len(values):
            raise contradiction(band, f"is not as long as {given[0]}")
    return e.ForecastPushed(
        **base,
        series=ids[0],
        start=body.start,
        slot_minutes=body.slot_minutes,
        values=tuple(values),
    )


def _override(body: w.Override, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    if (body.kind == "hold_kw") != (body.hold_kw is not None):
        raise contradiction("hold_kw", "belongs to the kind hold_kw, and only there")
    return e.Overridden(
        **base,
        target=ids[0],
        kind=body.kind,
        until=body.until,
        who=body.who,
        hold_kw=body.hold_kw,
    )


def _emergency(body: w.Emergency, ids: tuple[str, ...], base: dict[str, Any]) -> e.Event:
    return e.Emergency(**base, zone=ids[0], cleared=body.cleared, who=body.who)


_BUILD: dict[type[msgspec.Struct], Callable[[Any, tuple[str, ...], dict[str, Any]], e.Event]] = {
    w.Limit: _limit,
    w.Heartbeat: _heartbeat,
    w.Tariff: _tariff,
    w.SessionRequest: _request,
    w.SessionEnd: _end,
    w.PileBirth: _birth,
    w.PileTelemetry: _pile_telemetry,
    w.PileAck: _ack,
    w.NodeTelemetry: _node_telemetry,
    w.Forecast: _forecast,
    w.Override: _override,
    w.Emergency: _emergency,
}


@lru_cache(maxsize=16_384)
def _place_of(site: str, topic: str) -> tuple[InTopic, tuple[str, ...]] | tuple[str, str]:
    """The kind of a topic and the ids in it, or code and reason of its refusal."""
    root = root_of(site)
    found = match_in(topic[len(root) :]) if topic.startswith(root) else None
    if found is None:
        return "unknown_topic", "no such topic is read"
    for text in found[1]:
        if not is_id(text):
            return "bad_id", f"{text[:80]!r} is no id"
    return found


def _body_of(site: str, topic: str, payload: bytes) -> tuple[msgspec.Struct, tuple[str, ...]]:
    kind, ids = _place_of(site, topic)
    if isinstance(kind, str):
        raise RefusedError(kind, "", str(ids))
    body = read_body(payload, _DECODERS[kind.body])
    _check_instants(body)
    return body, tuple(ids)


def decode(
    site: str, topic: str, payload: bytes, *, now: datetime, mono_s: float
) -> e.Event | Rejected:
    """One message as an event, or as its refusal.

    Parameters
    ----------
    site : str
        Id of the site.
    topic : str
        The whole topic.
    payload : bytes
        The body.
    now, mono_s
        Both clocks of the moment it was taken in.

    Returns
    -------
    Event or Rejected
        Never raises for anything a sender can send.
    """
    try:
        body, ids = _body_of(site, topic, payload)
        if isinstance(body, w.SimTime):
            raise RefusedError("unknown_topic", "", "time is only told in lockstep runs")
        assert isinstance(body, w.Stamped)
        base = {
            "now": now,
            "mono_s": mono_s,
            "stamp": (body.epoch, body.seq),
            "issued_at": body.issued_at,
        }
        return _BUILD[type(body)](body, ids, base)
    except RefusedError as refusal:
        return Rejected(
            topic=topic[:300], code=refusal.code, field=refusal.field, reason=refusal.reason
        )


def decode_time(site: str, topic: str, payload: bytes) -> w.SimTime | Rejected:
    """``sim/time`` of a lockstep run, or its refusal."""
    try:
        body, _ = _body_of(site, topic, payload)
        if not isinstance(body, w.SimTime):
            raise RefusedError("unknown_topic", "", "is not sim/time")
        return body
    except RefusedError as refusal:
        return Rejected(
            topic=topic[:300], code=refusal.code, field=refusal.field, reason=refusal.reason
        )
