"""A message to an event, or to a refusal with code, field and reason. Pure."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from adapters.wire import inbound as w
from adapters.wire.facts import BUILD
from adapters.wire.strict import RefusedError, read_body
from adapters.wire.topics import INBOUND, LOCKSTEP_IN, InTopic, is_id, match_in, root_of
from models import events as e
from scheduler.effects import Rejected

_DECODERS: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    t.body: msgspec.json.Decoder(t.body) for t in (*INBOUND, LOCKSTEP_IN)
}

FIRST_YEAR, LAST_YEAR = 2000, 2199
"""Instants outside these years are nonsense, and arithmetic on them overflows."""


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


_BODIES: list[type[msgspec.Struct]] = [
    *_DECODERS,
    w.LimitSlot,
    w.PowerSlot,
    w.TariffPeriod,
    w.DemandCharge,
]
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


def _place_of(site: str, topic: str) -> tuple[InTopic, tuple[str, ...]]:
    """The kind of a topic and the ids in it.

    Raises
    ------
    RefusedError
        If no such topic is read.
    """
    root = root_of(site)
    found = match_in(topic[len(root) :]) if topic.startswith(root) else None
    if found is None:
        raise RefusedError("unknown_topic", "", "no such topic is read")
    for text in found[1]:
        if not is_id(text):
            raise RefusedError("bad_id", "", f"{text[:80]!r} is no id")
    return found


_found_again = lru_cache(maxsize=16_384)(_place_of)
"""Of topics that speak again and again. Sessions come and go, and what is refused may be as long
and as often another as its sender likes: what is remembered of those would only add up.
"""


def _body_of(site: str, topic: str, payload: bytes) -> tuple[msgspec.Struct, tuple[str, ...]]:
    find = _found_again if topic.endswith(("/telemetry", "/ack")) else _place_of
    kind, ids = find(site, topic)
    body = read_body(payload, _DECODERS[kind.body])
    _check_instants(body)
    return body, ids


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
        return BUILD[type(body)](body, ids, base)
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
